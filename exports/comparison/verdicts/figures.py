"""A judge's verdicts on pairs: who won how often, what order did, and what people would have said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from annotation.agreement.glued import rated
from annotation.agreement.project import axes_of, by_rubric
from annotation.models import Batch
from exports.comparison.axis import failure_rate
from exports.comparison.people import People, items_of, people_of
from exports.comparison.reading import Judge
from exports.comparison.verdicts.reading import JudgedPairs, items_judged, read_pairs
from projects.models import Axis, Project
from stats.agreement.intervals import Interval
from stats.arrays import Floats, Ints
from stats.estimate import Result
from stats.judges.preferences import Preferences, preferences
from stats.ranking import Ranking, WinRates, against, bradley_terry, win_rates
from stats.ranking.order import OrderEffects, order_effects, rates_of_verdicts


@dataclass(frozen=True, slots=True)
class ModelRates:
    model: str
    one_order: int
    """Its pairs that were shown in one order only: they count in `of_verdicts` alone."""
    rates: WinRates
    of_verdicts: Result | None
    """Share of single verdicts for it; None beside one opponent."""


@dataclass(frozen=True, slots=True)
class WithPeople:
    """Beside people's scores on one axis of the project."""

    axis: Axis
    versions: tuple[int, ...]
    found: Preferences
    adjusted: bool | None


@dataclass(frozen=True, slots=True)
class PairComparison:
    pairs: JudgedPairs
    baseline: str
    """The model that others are set against in `against`; else the only one that is in every pair; or ""."""
    missed: str
    """The baseline that was named and is in none of the pairs; or ""."""
    failure_rate: Result
    order: OrderEffects
    models: tuple[ModelRates, ...]
    """Each against all that it met."""
    against: tuple[ModelRates, ...]
    """Each against the baseline, where one was named."""
    strengths: Ranking
    people: tuple[WithPeople, ...]


@dataclass(frozen=True, slots=True)
class _PeoplesAxis:
    axis: Axis
    versions: tuple[int, ...]
    people: People


def compare_pairs(
    *,
    project: Project,
    judge: Judge,
    batch: Batch | None,
    purpose: str,
    axes: Sequence[str] = (),
    baseline: str = "",
    margin: float = 0.0,
    adjust: bool = False,
    interval: Interval,
    rng: np.random.Generator,
) -> tuple[PairComparison, ...]:
    """For each axis that the judge compared on. `axes`: of the project, beside which people's preferences are set. `margin`:
    people's means of two responses that are no further apart are a tie."""
    runs = [run.pk for run in judge.runs]
    found = read_pairs(project, runs)
    if not found:
        return ()
    items = items_of(project, items_judged(runs), with_style=False)
    batches = by_rubric(project, batch)
    people = [
        _PeoplesAxis(axis, versions, people_of(rated(scale, batches, purpose), items, scale, adjust=adjust))
        for axis, versions, scale in axes_of(project, project.rubrics.values_list("pk", flat=True))
        if axis.kind != Axis.Kind.NOMINAL and (not axes or axis.key in axes)
    ]
    compared = []
    for pairs in found:
        known = [items.of(side) for side in pairs.item.T]
        cells = [np.full(len(pairs.item), -1, dtype=np.int64) for _side in known]
        for cell, (which, at) in zip(cells, known, strict=True):
            cell[which] = items.row[at] * items.shape[1] + items.column[at]
        compared.append(
            _compared(pairs, people, (cells[0], cells[1]), items.shape, baseline, margin, interval, rng)
        )
    return tuple(compared)


def _compared(
    pairs: JudgedPairs,
    people: Sequence[_PeoplesAxis],
    cells: tuple[Ints, Ints],
    shape: tuple[int, int],
    baseline: str,
    margin: float,
    interval: Interval,
    rng: np.random.Generator,
) -> PairComparison:
    verdicts, models = pairs.verdicts, pairs.models
    named = models.index(baseline) if baseline in models else None
    centre = baseline if named is not None else pairs.baseline
    leave_out = models.index(pairs.baseline) if pairs.baseline else None
    of_verdicts = rates_of_verdicts(verdicts, interval=interval, rng=rng)
    rates = dict(enumerate(win_rates(verdicts, interval=interval, rng=rng)))
    only = {} if named is None else against(verdicts, named, interval=interval, rng=rng)

    def told(of: dict[int, WinRates], opponent: int | None = None) -> tuple[ModelRates, ...]:
        return tuple(
            ModelRates(
                models[m],
                _one_order(pairs, m, opponent),
                rate,
                of_verdicts[m] if opponent is None else None,
            )
            for m, rate in of.items()
        )

    beside = [
        WithPeople(
            one.axis,
            one.versions,
            preferences(
                verdicts,
                _human(one.people.human, cells),
                cells=cells,
                ratings=one.people.ratings,
                shape=shape,
                margin=margin,
                leave_out=leave_out,
                interval=interval,
                rng=rng,
            ),
            one.people.adjusted,
        )
        for one in people
    ]
    return PairComparison(
        pairs=pairs,
        baseline=centre,
        missed=baseline if named is None else "",
        failure_rate=failure_rate(pairs.asked, np.arange(len(pairs.prompts)), interval, rng),
        order=order_effects(verdicts, interval=interval, rng=rng),
        models=told(rates),
        against=told(only, named),
        strengths=bradley_terry(verdicts.battles(), interval=interval, rng=rng),
        people=tuple(one for one in beside if one.found.n_pairs),
    )


def _one_order(pairs: JudgedPairs, model: int, opponent: int | None) -> int:
    first, second = pairs.verdicts.first, pairs.verdicts.second
    inside = (first == model) | (second == model)
    if opponent is not None:
        inside &= (first == opponent) | (second == opponent)
    return int((inside & pairs.one_order).sum())


def _human(human: Floats, cells: tuple[Ints, Ints]) -> Floats:
    """(n, 2) people's mean of each pair's responses; NaN where a response is not in the grid."""
    flat = np.append(human.ravel(), np.nan)  # -1 is the last
    return np.column_stack([flat[side] for side in cells])
