"""Does a judge prefer models of its own family?

Models of the judge's family may be better or worse than the others, so the judge's difference stands beside people's.
Intervals are over prompts: they speak of these models, of which a family often has one or two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stats.agreement.intervals import Interval
from stats.arrays import Floats
from stats.estimate import Reason, Result, Undefined
from stats.judges.grid import Grid
from stats.judges.regression import least_squares
from stats.resampling import CLUSTER_BOOTSTRAP, draws, summarise


@dataclass(frozen=True, slots=True)
class OwnFamily:
    """Points by which models of the judge's family stand above the others."""

    judge: Result
    people: Result
    excess: Result
    """The judge's difference less people's. A judge that uses less of the scale than people has less of any difference."""
    at_equal_scores: Result
    """Points that an own model gets beyond others of the same human score, on the same prompt (regression on both)."""
    own: int
    """Models of the family."""
    others: int


def own_family(
    grid: Grid,
    families: Sequence[str],
    family: str,
    *,
    interval: Interval = CLUSTER_BOOTSTRAP,
    rng: np.random.Generator,
) -> OwnFamily:
    """`families` (M,): the family of each model; `family`: the judge's. Means are over the items both sides scored."""
    if len(families) != grid.human.shape[1]:
        raise ValueError(f"{len(families)} families for {grid.human.shape[1]} models")
    grid = grid.shared()
    own = np.array([name == family for name in families], dtype=bool)
    present = grid.both.any(axis=0)
    n_own, n_others = int((present & own).sum()), int((present & ~own).sum())
    if not n_own or not n_others:
        why = Reason.NO_DATA if present.any() else Reason.NOTHING_SHARED
        none = Undefined(why, grid.n_items)
        return OwnFamily(none, none, none, none, n_own, n_others)
    sides = [np.where(grid.both, side, 0) for side in (grid.judge, grid.human)]
    sums = np.stack(
        [table[:, who].sum(axis=1) for table in (*sides, grid.both) for who in (own, ~own)], axis=1
    )

    def figures(weights: Floats) -> Floats:
        judge_own, judge, people_own, people, n_own, n = (weights @ sums).T
        with np.errstate(invalid="ignore", divide="ignore"):
            by_judge, by_people = judge_own / n_own - judge / n, people_own / n_own - people / n
        return np.column_stack([by_judge, by_people, by_judge - by_people])

    point, drawn = draws(figures, grid.prompt, replicates=interval.replicates, rng=rng)
    judge, people, excess = summarise(
        point, drawn, n=grid.n_items, why=Reason.NO_DATA, units=grid.n_prompts, interval=interval
    )
    row, model = np.nonzero(grid.both)
    fit = least_squares(
        grid.judge[row, model],
        {"human": grid.human[row, model], "own": own[model].astype(np.float64)},
        effects=row,
        cluster=grid.prompt[row],
        level=interval.level,
    )
    return OwnFamily(judge, people, excess, fit.coefficients["own"], n_own, n_others)
