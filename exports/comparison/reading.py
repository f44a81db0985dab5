"""From the database to grids: what people and the judges said of the same responses.

As for agreement, PostgreSQL glues rows of numbers together and sends them as a few long ones; NumPy takes them apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from django.db import connection
from psycopg import sql

from annotation.agreement.project import axes_of
from annotation.agreement.reading import Scale
from annotation.models import Assignment, Batch
from exports.models import Failure, JudgeRun, JudgeScore
from projects.models import Axis, Item, LanguageModel, Member, Project, Response
from stats.arrays import Array, Floats, Ints
from stats.judges.grid import Grid, Ratings
from stats.judges.style import Style, style
from stats.raters.adjusted import item_means
from stats.raters.ratings import Scored
from stats.raters.severity import severity

FAILURES = tuple(Failure.values)
_ITEM = np.dtype([("item", ">i8"), ("prompt", ">i8"), ("model", ">i8"), ("place", ">i8"), ("length", ">i8")])
_RATING = np.dtype([("item", ">i8"), ("rater", ">i8"), ("rank", ">i8")])
_SCORE = np.dtype([("item", ">i8"), ("run", ">i8"), ("repeat", ">i8"), ("failure", ">i8"), ("value", ">f8")])
_TEXTS = 500
_SAMPLES = 1 << 20
"""More than samples of a prompt: turn and sample in one number."""


@dataclass(frozen=True, slots=True)
class Judge:
    """A judge as it was named: its runs, one for each prompt that it was given."""

    name: str
    runs: tuple[JudgeRun, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """How often a judge was asked on an axis, and how often in vain; repeats count."""

    n: int
    failures: dict[str, int]
    asked: Floats
    """(P,) by row of the grid."""
    failed: Floats
    """(P,) by row of the grid."""


@dataclass(frozen=True, slots=True)
class JudgedAxis:
    """One axis, over all rubric versions in which it has the same key, kind and points."""

    axis: Axis
    """As the newest of these versions has it."""
    versions: tuple[int, ...]
    grids: tuple[Grid, ...]
    """Of each judge, on the same rows and columns."""
    asked: tuple[Asked, ...]
    """Of each judge."""
    models: tuple[str, ...]
    """Names of the columns."""
    raters: tuple[str, ...]
    """Pseudonyms of the raters, by their index in the grids' ratings."""
    prompts: tuple[str, ...]
    """Keys of the prompts, by their index in the grids."""
    style: dict[str, Floats]
    """Marks of style in each response (P, M), by name; NaN where there is no response."""
    n_ratings: int
    """People's scores of these responses."""
    n_na: int
    """How often people could not judge."""
    adjusted: bool | None
    """Whether severity is taken out of people's means; None where nobody asked for it."""


@dataclass(slots=True)
class Items:
    """The items that a judge was asked about, as places in a grid."""

    item: Ints
    row: Ints
    column: Ints
    prompt: Ints
    """(P,) index of each row's prompt."""
    length: Floats
    """(P, M) characters of the response at its turn."""
    models: tuple[str, ...]
    prompts: tuple[str, ...]
    style: dict[str, Floats]
    shape: tuple[int, int] = field(init=False)

    def __post_init__(self) -> None:
        self.shape = (len(self.prompt), len(self.models))

    def of(self, items: Array) -> tuple[Ints, Ints]:
        """Which of `items` are among these, as places in what was given; and where those are here."""
        if not self.item.size:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        at = np.searchsorted(self.item, items).clip(max=self.item.size - 1)
        known = np.flatnonzero(self.item[at] == items)
        return known, at[known]


def read(
    *,
    project: Project,
    judges: Sequence[Judge],
    batch: Batch | None,
    purpose: str,
    axes: Sequence[str] = (),
    adjust: bool = False,
) -> list[JudgedAxis]:
    """Each axis that people or judges scored, in the order of the rubric; `axes` are keys, all where there are none.

    With `adjust` people's means have the severity of their raters taken out, where severities compare. Single ratings stay.
    """
    runs = [run.pk for judge in judges for run in judge.runs]
    items = _items(project, runs)
    batches: dict[int, list[int]] = {}
    chosen = project.batches.filter(pk=batch.pk) if batch else project.batches.all()
    for pk, rubric in chosen.order_by("pk").values_list("pk", "rubric_id"):
        batches.setdefault(rubric, []).append(pk)
    found = []
    for axis, versions, scale in axes_of(project, project.rubrics.values_list("pk", flat=True)):
        if axes and axis.key not in axes:
            continue
        pks = Axis.objects.filter(rubric__project=project, rubric__number__in=versions, key=axis.key)
        judged = _judged(list(pks.values_list("pk", flat=True)), runs)
        rated = _rated(scale, batches, purpose)
        if not judged.size and not rated.size:
            continue
        found.append(_axis(axis, versions, scale, items, judges, judged, rated, adjust=adjust))
    return found


def _items(project: Project, runs: Sequence[int]) -> Items:
    query = sql.SQL(
        "SELECT string_agg(int8send(i.id) || int8send(i.prompt_id) || int8send(r.model_id)"
        " || int8send(i.turn::bigint * {samples} + r.sample) || int8send(char_length(r.turns[i.turn])), ''::bytea)"
        " FROM {items} i JOIN {responses} r ON r.id = i.response_id WHERE i.id IN"
        " (SELECT item_id FROM {scores} WHERE run_id = ANY({runs})) GROUP BY i.id >> 15"
    ).format(
        samples=_SAMPLES,
        items=sql.Identifier(Item._meta.db_table),
        responses=sql.Identifier(Response._meta.db_table),
        scores=sql.Identifier(JudgeScore._meta.db_table),
        runs=list(runs),
    )
    table = _copied(query, _ITEM)
    table = table[np.argsort(table["item"], kind="stable")]
    rows, row = np.unique(np.column_stack([table["prompt"], table["place"]]), axis=0, return_inverse=True)
    prompts, prompt = np.unique(rows[:, 0], return_inverse=True)
    columns, column = np.unique(table["model"], return_inverse=True)
    names = dict(LanguageModel.objects.filter(pk__in=columns.tolist()).values_list("pk", "name"))
    keys = dict(project.prompts.values_list("pk", "key"))
    length = np.full((len(rows), columns.size), np.nan)
    row = row.ravel()
    length[row, column] = table["length"]
    return Items(
        item=table["item"].astype(np.int64),
        row=row,
        column=column,
        prompt=prompt.astype(np.int64),
        length=length,
        models=tuple(names[pk] for pk in columns.tolist()),
        prompts=tuple(keys[pk] for pk in prompts.tolist()),
        style=_style(table["item"].astype(np.int64), row, column, length.shape),
    )


def _style(item: Ints, row: Ints, column: Ints, shape: tuple[int, ...]) -> dict[str, Floats]:
    """Headers, list items and bold passages of each response, which are read as they come."""
    marks = {name: np.full(shape, np.nan) for name in Style._fields}
    for start in range(0, item.size, _TEXTS):
        texts = Item.objects.filter(pk__in=item[start : start + _TEXTS].tolist())
        for pk, turns, turn in texts.values_list("pk", "response__turns", "turn").iterator():
            at = np.searchsorted(item, pk)
            for name, count in style(turns[turn - 1])._asdict().items():
                marks[name][row[at], column[at]] = count
    return marks


def _rated(scale: Scale, batches: dict[int, list[int]], purpose: str) -> Array:
    """Scores of people on an axis: the rank of the point, or -1 where they could not judge."""
    parts = [
        sql.SQL(
            "SELECT item_id, rater_id, codes[{place}] AS rank FROM {assignments} WHERE batch_id = ANY({batches})"
            " AND state = 'submitted' AND purpose = {purpose} AND codes[{place}] <> 0"
        ).format(
            place=place,
            assignments=sql.Identifier(Assignment._meta.db_table),
            batches=batches[rubric],
            purpose=purpose,
        )
        for rubric, place in scale.places.items()
        if rubric in batches
    ]
    if not parts:
        return np.empty(0, _RATING)
    return _copied(
        sql.SQL(
            "SELECT string_agg(int8send(item_id) || int8send(rater_id) || int8send(rank), ''::bytea)"
            " FROM ({rated}) AS rated GROUP BY item_id >> 15"
        ).format(rated=sql.SQL(" UNION ALL ").join(parts)),
        _RATING,
    )


def _judged(axes: Sequence[int], runs: Sequence[int]) -> Array:
    """Scores of judges on an axis; `failure` is its place in FAILURES from 1, or 0."""
    return _copied(
        sql.SQL(
            "SELECT string_agg(int8send(item_id) || int8send(run_id) || int8send(repeat)"
            " || int8send(COALESCE(array_position({failures}::text[], failure::text), 0))"
            " || float8send(COALESCE(value, 'NaN')), ''::bytea)"
            " FROM {scores} WHERE run_id = ANY({runs}) AND axis_id = ANY({axes}) GROUP BY item_id >> 15"
        ).format(
            failures=list(FAILURES),
            scores=sql.Identifier(JudgeScore._meta.db_table),
            runs=list(runs),
            axes=list(axes),
        ),
        _SCORE,
    )


def _copied(query: sql.Composable, kind: np.dtype[np.void]) -> Array:
    """The rows of a query for glued-together rows."""
    parts = []
    with (
        connection.cursor() as cursor,
        cursor.copy(sql.SQL("COPY ({query}) TO STDOUT (FORMAT binary)").format(query=query)) as copy,
    ):
        copy.set_types(["bytea"])
        parts = [np.frombuffer(row[0], kind) for row in copy.rows() if row[0]]
    return np.concatenate(parts) if parts else np.empty(0, kind)


def _axis(
    axis: Axis,
    versions: tuple[int, ...],
    scale: Scale,
    items: Items,
    judges: Sequence[Judge],
    judged: Array,
    rated: Array,
    *,
    adjust: bool,
) -> JudgedAxis:
    known, at = items.of(rated["item"])
    rank, rater = rated["rank"][known].astype(np.int64), rated["rater"][known].astype(np.int64)
    could = rank > 0
    row, column = items.row[at][could], items.column[at][could]
    value = scale.values[rank[could] - 1]
    people = np.unique(rater[could])
    members = Member.objects.in_bulk(people.tolist())
    who = np.searchsorted(people, rater[could])
    positions = [pk for pk, member in members.items() if member.kind == Member.Kind.POSITION]
    who[np.isin(rater[could], positions)] = -1
    order = np.lexsort((rater[could], column, row))
    ratings = Ratings(row=row[order], model=column[order], rater=who[order], value=value[order])
    plain = _means(row, column, value, items.shape)
    adjusted = _without_severity(ratings, items, scale.values) if adjust else None
    human = plain if adjusted is None else adjusted
    grids, asked = [], []
    for judge in judges:
        scores = judged[np.isin(judged["run"], [run.pk for run in judge.runs])]
        known, place = items.of(scores["item"])  # others were loaded while we read
        grid, tried = _grid(
            scores[known],
            items.row[place],
            items.column[place],
            human,
            ratings,
            items,
            scale.values,
        )
        grids.append(grid)
        asked.append(tried)
    return JudgedAxis(
        axis=axis,
        versions=versions,
        grids=tuple(grids),
        asked=tuple(asked),
        models=items.models,
        raters=tuple(members[pk].pseudonym for pk in people.tolist()),
        prompts=items.prompts,
        style=items.style,
        n_ratings=int(could.sum()),
        n_na=int((~could).sum()),
        adjusted=adjusted is not None if adjust else None,
    )


def _without_severity(ratings: Ratings, items: Items, points: Floats) -> Floats | None:
    """(P, M) means of people's scores less their raters' severity; None where severities do not compare."""
    if ratings.value.size == 0 or ratings.anonymous:
        return None
    cells, item = np.unique(ratings.row * items.shape[1] + ratings.model, return_inverse=True)
    scored = Scored.of(
        item=item,
        rater=ratings.rater,
        value=ratings.value,
        prompt=items.prompt[ratings.row],
        points=points,
    )
    found = severity(scored)
    if found.n_components != 1:
        return None
    human = np.full(items.shape, np.nan)
    human.flat[cells] = item_means(scored, found).value
    return human


def _grid(
    scores: Array, row: Ints, column: Ints, human: Floats, ratings: Ratings, items: Items, values: Floats
) -> tuple[Grid, Asked]:
    """A judge's scores beside people's. Repeats are taken in their order: their numbers may have gaps."""
    failed = scores["failure"] > 0
    n_rows = items.shape[0]
    tried = Asked(
        n=len(scores),
        failures={name: int((scores["failure"] == n).sum()) for n, name in enumerate(FAILURES, 1)},
        asked=np.bincount(row, minlength=n_rows).astype(np.float64),
        failed=np.bincount(row[failed], minlength=n_rows).astype(np.float64),
    )
    order = np.lexsort((scores["repeat"], scores["run"], column, row))
    cell = (row * items.shape[1] + column)[order]
    starts = np.flatnonzero(np.r_[True, cell[1:] != cell[:-1]]) if cell.size else np.empty(0, np.int64)
    nth = np.arange(cell.size) - np.repeat(starts, np.diff(np.r_[starts, cell.size]))
    repeats = np.full((*items.shape, int(nth.max(initial=0)) + 1), np.nan)
    repeats[row[order], column[order], nth] = scores["value"][order]
    given = ~failed
    return (
        Grid(
            human=human,
            judge=_means(row[given], column[given], scores["value"][given].astype(np.float64), items.shape),
            prompt=items.prompt,
            values=values,
            ratings=ratings,
            repeats=repeats,
            length=items.length,
        ),
        tried,
    )


def _means(row: Ints, column: Ints, value: Floats, shape: tuple[int, int]) -> Floats:
    """(P, M) mean value of each cell, NaN where there is none."""
    cell = row * shape[1] + column
    n = np.bincount(cell, minlength=shape[0] * shape[1])
    total = np.bincount(cell, weights=value, minlength=shape[0] * shape[1])
    with np.errstate(invalid="ignore"):
        mean: Floats = (total / n).reshape(shape)
    return mean
