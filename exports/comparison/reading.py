"""From the database to grids: what people and the judges said of the same responses.

As for agreement, PostgreSQL glues rows of numbers together and sends them as a few long ones; NumPy takes them apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from psycopg import sql

from annotation.agreement.glued import copied, rated
from annotation.agreement.project import axes_of, by_rubric
from annotation.agreement.reading import Scale
from annotation.models import Batch
from exports.comparison.people import Items, items_of, means, people_of
from exports.models import Failure, JudgeRun, JudgeScore
from projects.models import Axis, Project
from stats.arrays import Array, Floats, Ints
from stats.judges.grid import Grid, Ratings

FAILURES = tuple(Failure.values)
_SCORE = np.dtype([("item", ">i8"), ("run", ">i8"), ("repeat", ">i8"), ("failure", ">i8"), ("value", ">f8")])


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
    items = items_of(project, scored_by(runs))
    batches = by_rubric(project, batch)
    found = []
    for axis, versions, scale in axes_of(project, project.rubrics.values_list("pk", flat=True)):
        if axes and axis.key not in axes:
            continue
        pks = Axis.objects.filter(rubric__project=project, rubric__number__in=versions, key=axis.key)
        judged = scores_of(list(pks.values_list("pk", flat=True)), runs)
        given = rated(scale, batches, purpose)
        if not judged.size and not given.size:
            continue
        found.append(_axis(axis, versions, scale, items, judges, judged, given, adjust=adjust))
    return found


def scored_by(runs: Sequence[int]) -> sql.Composable:
    """A query for the items that these runs scored."""
    return sql.SQL("SELECT item_id FROM {scores} WHERE run_id = ANY({runs})").format(
        scores=sql.Identifier(JudgeScore._meta.db_table), runs=list(runs)
    )


def scores_of(axes: Sequence[int], runs: Sequence[int]) -> Array:
    """Scores of judges on an axis; `failure` is its place in FAILURES from 1, or 0."""
    return copied(
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


def _axis(
    axis: Axis,
    versions: tuple[int, ...],
    scale: Scale,
    items: Items,
    judges: Sequence[Judge],
    judged: Array,
    given: Array,
    *,
    adjust: bool,
) -> JudgedAxis:
    people = people_of(given, items, scale, adjust=adjust)
    grids, asked = [], []
    for judge in judges:
        scores = judged[np.isin(judged["run"], [run.pk for run in judge.runs])]
        known, place = items.of(scores["item"])  # others were loaded while we read
        grid, tried = _grid(
            scores[known],
            items.row[place],
            items.column[place],
            people.human,
            people.ratings,
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
        raters=people.raters,
        prompts=items.prompts,
        style=items.style,
        n_ratings=people.ratings.value.size,
        n_na=people.n_na,
        adjusted=people.adjusted,
    )


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
            judge=means(row[given], column[given], scores["value"][given].astype(np.float64), items.shape),
            prompt=items.prompt,
            values=values,
            ratings=ratings,
            repeats=repeats,
            length=items.length,
        ),
        tried,
    )
