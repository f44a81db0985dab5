"""From assignments to a `Sheet` of ratings.

PostgreSQL glues the ratings of a range of items together and sends them as a handful of long binary rows, as for agreement;
they are larger here, since who rated when and for how long is asked, too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np
import numpy.typing as npt
from django.db import connection
from psycopg import sql

from annotation.agreement.glued import copied
from annotation.agreement.reading import Scale
from annotation.models import Assignment
from annotation.models.batch import Purpose
from projects.models import Item, Response
from stats.arrays import Array, Floats, Ints
from stats.raters import Sheet, Twice

_RANGE = 17
"""Items whose ids differ in the last 17 bits only are sent together: some megabytes."""

APART = "1 day"
"""A repeat sooner than this after the first rating is remembered, and counts for nothing."""


def read(
    *,
    project: int,
    batches: dict[int, list[int]],
    purpose: str,
    scales: Sequence[Scale],
    ordered: Sequence[bool],
    raters: Sequence[int],
    positions: Collection[int],
    models: Sequence[int],
) -> Sheet:
    """Submitted ratings of that purpose, of single responses.

    `batches` are the ids of the batches to count, by rubric; raters and models are numbered as they stand in `raters` and
    `models` (primary keys, ascending). A rater in `positions` is nobody: -1.
    """
    numbers = np.array([-1 if pk in positions else at for at, pk in enumerate(raters)], dtype=np.int64)
    items = _items(project)
    parts = [_known(part, items) for part in _ranges(batches, purpose, scales)] if batches and scales else []
    rows = np.concatenate(parts) if parts else np.empty(0, _record(len(scales)))
    rows = rows[
        np.isin(rows["rater"], np.array(raters, dtype=np.int64))
    ]  # who joined since `raters` was read
    at = np.searchsorted(items["item"], rows["item"])
    codes = rows["codes"].reshape(rows.size, len(scales))
    who = np.searchsorted(np.array(raters, dtype=np.int64), rows["rater"])
    return Sheet.of(
        item=at,
        rater=numbers[who] if len(numbers) else who,
        score=np.column_stack([_values(scale, codes[:, k]) for k, scale in enumerate(scales)])
        if scales
        else np.empty((rows.size, 0)),
        na=codes == -1,
        prompt=np.unique(items["prompt"], return_inverse=True)[1][at],
        model=np.searchsorted(np.array(models, dtype=np.int64), items["model"][at]),
        points=[scale.values for scale in scales],
        ordered=ordered,
        order=rows["at"],
        seconds=rows["seconds"],
        characters=items["characters"][at].astype(np.float64),
        n_raters=len(raters),
    )


def _values(scale: Scale, code: Array) -> Floats:
    """Codes of an axis (rank of the point from 1, 0 missing, -1 "cannot judge") as values; NaN without one."""
    values = np.concatenate([[np.nan, np.nan], scale.values])
    return values[code.astype(np.int64) + 1]


def _record(n_scales: int) -> np.dtype[np.void]:
    fields = [
        ("item", ">i8"),
        ("rater", ">i8"),
        ("at", ">f8"),
        ("seconds", ">f8"),
        ("codes", ">i2", (n_scales,)),
    ]
    return np.dtype(fields)


def _codes(scales: Sequence[Scale], rubric: int, column: str) -> sql.Composable:
    """SQL of the codes on each scale, as bytes, of an assignment made under that rubric."""
    return sql.SQL(" || ").join(
        sql.SQL("int2send(coalesce({codes}[{place}], 0::smallint))").format(
            codes=sql.Identifier(*column.split(".")), place=scale.places[rubric]
        )
        if rubric in scale.places
        else sql.SQL("int2send(0::smallint)")
        for scale in scales
    )


def _ranges(
    batches: dict[int, list[int]], purpose: str, scales: Sequence[Scale]
) -> Iterator[npt.NDArray[np.void]]:
    rated = sql.SQL(" UNION ALL ").join(
        sql.SQL(
            "SELECT item_id >> {bits} AS range, int8send(item_id) || int8send(rater_id)"
            " || float8send(coalesce(extract(epoch FROM submitted_at)::float8, 'NaN'))"
            " || float8send(coalesce(seconds, 'NaN')) || {codes} AS record"
            " FROM {assignments}"
            " WHERE batch_id = ANY({batches}) AND state = 'submitted' AND purpose = {purpose}"
        ).format(
            bits=_RANGE,
            codes=_codes(scales, rubric, "codes"),
            assignments=sql.Identifier(Assignment._meta.db_table),
            batches=ids,
            purpose=purpose,
        )
        for rubric, ids in batches.items()
    )
    query = sql.SQL(
        "COPY (SELECT string_agg(record, ''::bytea) FROM ({rated}) AS rated GROUP BY range) TO STDOUT (FORMAT binary)"
    ).format(rated=rated)
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        copy.set_types(["bytea"])
        for (records,) in copy.rows():
            yield np.frombuffer(records, _record(len(scales)))


_ITEM = np.dtype([("item", ">i8"), ("prompt", ">i8"), ("model", ">i8"), ("characters", ">i4")])


def _items(project: int) -> npt.NDArray[np.void]:
    """Items that are single responses, by id: prompt, model, characters of what is rated."""
    query = sql.SQL(
        "SELECT string_agg(int8send(i.id) || int8send(i.prompt_id) || int8send(r.model_id)"
        " || int4send(coalesce(char_length(r.turns[i.turn]), 0)), ''::bytea ORDER BY i.id)"
        " FROM {items} i JOIN {responses} r ON r.id = i.response_id"
        " WHERE i.project_id = {project} AND i.second_response_id IS NULL"
        " GROUP BY i.id >> {bits} ORDER BY i.id >> {bits}"
    ).format(
        items=sql.Identifier(Item._meta.db_table),
        responses=sql.Identifier(Response._meta.db_table),
        project=project,
        bits=_RANGE,
    )
    return copied(query, _ITEM)


def _known(rows: npt.NDArray[np.void], items: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    """Ratings of items that we know: no pairs of responses, and nothing that was loaded a moment ago."""
    return rows[np.isin(rows["item"], items["item"])]


def read_repeats(
    *,
    batches: dict[int, list[int]],
    again_in: dict[int, list[int]],
    scales: Sequence[Scale],
    raters: Sequence[int],
    positions: Collection[int],
) -> list[Twice]:
    """For each scale: a rater's score of an item, and that of the same item a day or more later (purpose `repeat`).

    The first is the rater's first submitted rating, in a batch that is counted (`batches`, by rubric), the second one is in
    any of `again_in`. Times that are not known are taken for far
    enough apart.
    """
    if not batches or not scales:
        return [Twice.of([], [], []) for _ in scales]
    selects = []
    for rubric, ids in batches.items():
        for other, others in again_in.items():
            selects.append(
                sql.SQL(
                    "SELECT again.rater_id, i.prompt_id, {first} || {again} FROM {assignments} again"
                    " JOIN LATERAL (SELECT * FROM {assignments} a WHERE a.item_id = again.item_id"
                    " AND a.rater_id = again.rater_id AND a.state = 'submitted' AND a.occasion < again.occasion"
                    " ORDER BY a.occasion LIMIT 1) first ON first.batch_id = ANY({ids})"
                    " JOIN {items} i ON i.id = again.item_id AND i.second_response_id IS NULL"
                    " WHERE again.batch_id = ANY({others}) AND again.state = 'submitted'"
                    " AND again.purpose = {repeat}"
                    " AND coalesce(again.submitted_at - first.submitted_at >= {apart}::interval, true)"
                ).format(
                    first=_codes(scales, rubric, "first.codes"),
                    again=_codes(scales, other, "again.codes"),
                    assignments=sql.Identifier(Assignment._meta.db_table),
                    items=sql.Identifier(Item._meta.db_table),
                    ids=ids,
                    others=others,
                    repeat=str(Purpose.REPEAT),
                    apart=APART,
                )
            )
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(" UNION ALL ").join(selects))
        rows = [row for row in cursor.fetchall() if row[0] not in positions]
    number = {pk: at for at, pk in enumerate(raters)}
    who: Ints = np.array([number[row[0]] for row in rows], dtype=np.int64)
    prompt: Ints = np.array([row[1] for row in rows], dtype=np.int64)
    codes = np.frombuffer(b"".join(bytes(row[2]) for row in rows), ">i2").reshape(len(rows), 2, len(scales))
    return [
        Twice.of(who, _values(scale, codes[:, 0, k]), _values(scale, codes[:, 1, k]), prompt)
        for k, scale in enumerate(scales)
    ]
