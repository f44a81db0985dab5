"""Whether a judge puts two responses in the order that people put them in.

Pairs of items, in the words of the methods: C concordant and D discordant, T_h tied only for people, T_j only for the
judge, T_hj for both. A tie is an answer, too: acc23 counts a pair as right when both sides order it alike or both
leave it tied. Levels are those of `levels`: pairs of any two items (none), of two models on one prompt (item), of two
prompts of one model (sys), of two models' means (system).

Deutsch, Foster and Freitag (2023), Ties matter: meta-evaluating modern metrics with pairwise accuracy and tie
calibration; reference implementation: google-research/mt-metrics-eval.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stats.agreement.intervals import Interval
from stats.arrays import Floats
from stats.estimate import Result
from stats.judges.figures import FigureSet, measure
from stats.judges.grid import Grid
from stats.judges.joint import PairCount
from stats.judges.levels import AtLevel, Level, at_level, why_none
from stats.judges.moments import ratio
from stats.resampling import CLUSTER_BOOTSTRAP


@dataclass(frozen=True, slots=True)
class PairAccuracy:
    """Of one level. On `system`, acc23 is what is called pairwise accuracy: the share of model pairs in the same
    order."""

    level: Level
    acc23: Result
    """(C + T_hj) / all pairs, in each group, then the mean over groups."""
    tau23: Result
    """2 acc23 - 1."""
    counts: PairCount


def pair_accuracy(
    grid: Grid, level: Level, *, interval: Interval = CLUSTER_BOOTSTRAP, rng: np.random.Generator
) -> PairAccuracy:
    """acc23 and tau23 at one level, as the judge's scores are: only equal ones are ties."""
    grid = grid.shared()
    at = at_level(grid, level)
    return gathered(measure([at.figures], grid.prompt, interval=interval, rng=rng), at)


def gathered(found: dict[str, Result], at: AtLevel) -> PairAccuracy:
    return PairAccuracy(at.level, found[f"{at.level}.acc23"], found[f"{at.level}.tau23"], at.counts)


# Differences of models on one prompt


def difference_figures(grid: Grid) -> FigureSet:
    """Pairwise-difference Pearson, named `pairwise_difference`: over all differences of two models on one prompt.

    Which model of two comes first says nothing, so each pair stands in both orders, and the correlation is that
    around 0: sum d_h d_j / sqrt(sum d_h^2 sum d_j^2). `grid` from `Grid.shared`.
    """
    count = grid.both.sum(axis=1, keepdims=True)
    human, judge = (
        np.where(grid.both, t - np.where(grid.both, t, 0).sum(axis=1, keepdims=True) / count, 0)
        for t in (grid.human, grid.judge)
    )
    # over all pairs of a row: sum d_h d_j = M sum h j, for scores less the row's mean
    sums = (
        np.column_stack([(a * b).sum(axis=1) for a, b in ((human, judge), (human, human), (judge, judge))])
        * count
    )

    def of(weights: Floats) -> Floats:
        product, squares_h, squares_j = (weights @ sums).T
        return ratio(product, np.sqrt(squares_h * squares_j)).clip(-1, 1)[:, None]

    return FigureSet(("pairwise_difference",), of, (grid.n_items,), (why_none(grid, "item"),), bounds=(-1, 1))


def pairwise_difference(
    grid: Grid, *, interval: Interval = CLUSTER_BOOTSTRAP, rng: np.random.Generator
) -> Result:
    """Pearson's correlation of the differences of two models on one prompt, over all pairs and prompts."""
    grid = grid.shared()
    return measure([difference_figures(grid)], grid.prompt, interval=interval, rng=rng)["pairwise_difference"]
