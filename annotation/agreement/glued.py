"""Rows of numbers that PostgreSQL glues together and sends as a few long ones: a million rows of their own would take longer to
send than to compute with. NumPy takes them apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from django.db import connection
from psycopg import sql

from annotation.models import Assignment
from stats.arrays import Array

if TYPE_CHECKING:
    from annotation.agreement.reading import Scale

_RATING = np.dtype([("item", ">i8"), ("rater", ">i8"), ("rank", ">i8")])


def copied(query: sql.Composable, kind: np.dtype[np.void]) -> Array:
    """The rows of a query for `string_agg`s of bytes, as records of this kind."""
    with (
        connection.cursor() as cursor,
        cursor.copy(sql.SQL("COPY ({query}) TO STDOUT (FORMAT binary)").format(query=query)) as copy,
    ):
        copy.set_types(["bytea"])
        parts = [np.frombuffer(row[0], kind) for row in copy.rows() if row[0]]
    return np.concatenate(parts) if parts else np.empty(0, kind)


def rated(scale: Scale, batches: dict[int, list[int]], purpose: str) -> Array:
    """Submitted scores on an axis: item, rater, and the rank of the point from 1, or -1 where they could not judge.

    `batches` are the ids of the batches to count, by rubric.
    """
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
    return copied(
        sql.SQL(
            "SELECT string_agg(int8send(item_id) || int8send(rater_id) || int8send(rank), ''::bytea)"
            " FROM ({rated}) AS rated GROUP BY item_id >> 15"
        ).format(rated=sql.SQL(" UNION ALL ").join(parts)),
        _RATING,
    )
