"""Soft pairwise accuracy: whether a judge is as sure as people are which of two models is the better.

SPA = 1 - mean over pairs of models |p_h - p_j|, where p is the one-sided p-value of "m beats n" from permutations of
the two models' scores on each prompt. Pairwise accuracy counts a pair that people cannot tell apart as much as any
other; here it hardly counts. Thompson et al. (2024), Improving Statistical Significance in Human Evaluation of
Automatic Metrics via Soft Pairwise Accuracy.

As in the reference implementation a permutation that gives exactly the observed difference counts as reaching it, in
both p-values, and m is the model in the earlier column. With few prompts and few points that makes the figure depend
a little on the order of models; with hundreds of prompts by about .002.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import special

from stats.agreement.intervals import Interval
from stats.arrays import Floats
from stats.estimate import Result
from stats.judges.figures import FigureSet, measure
from stats.judges.grid import Grid
from stats.judges.levels import why_none
from stats.judges.moments import ratio
from stats.resampling import CLUSTER_BOOTSTRAP

PERMUTATIONS = 10_000
"""Drawn at random; with so few prompts that there are not more than that, all are taken."""

_SLACK = 1e-9
"""Sums of the same differences in another order, as a share of their size, are the same."""

_BLOCK = 4_000_000


def soft_pairwise_accuracy(
    grid: Grid,
    *,
    permutations: int = PERMUTATIONS,
    interval: Interval = CLUSTER_BOOTSTRAP,
    rng: np.random.Generator,
) -> Result:
    """SPA over the pairs of models that share a prompt. See `soft_figures` about its interval."""
    grid = grid.shared()
    figures = soft_figures(grid, permutations=permutations, rng=rng)
    return measure([figures], grid.prompt, interval=interval, rng=rng)["spa"]


def soft_figures(grid: Grid, *, permutations: int = PERMUTATIONS, rng: np.random.Generator) -> FigureSet:
    """SPA as a function of weights, named `spa`; `grid` from `Grid.shared`.

    The figure itself is from permutations. A resample's p-values are those of the normal distribution that the
    permutations of a resample have, N(0, sum w d^2), d the differences; the resamples are shifted by what this
    approximation is off at the data.
    """
    first, second = np.triu_indices(grid.human.shape[1], 1)
    shared = grid.both[:, first] & grid.both[:, second]
    _, cluster = np.unique(grid.prompt, return_inverse=True)
    row_of = np.unique(cluster, return_index=True)[
        1
    ]  # turns are drawn together: one row stands for its prompt

    def of_prompts(table: Floats) -> Floats:
        """(prompts, pairs) what each prompt adds to the difference of two models."""
        apart = np.where(shared, table[:, first] - table[:, second], 0)
        found = np.zeros((row_of.size, first.size))
        np.add.at(found, cluster, apart)
        return found

    human, judge = (
        of_prompts(np.where(grid.both, grid.human, 0)),
        of_prompts(np.where(grid.both, grid.judge, 0)),
    )

    table = np.concatenate([human, judge, human**2, judge**2], axis=1)

    def approximate(weights: Floats) -> Floats:
        total_h, total_j, squares_h, squares_j = np.split(weights[:, row_of] @ table, 4, axis=1)
        comparable = (weights @ shared) > 0
        apart = np.abs(_normal_p(total_h, squares_h) - _normal_p(total_j, squares_j))
        total: Floats = np.where(comparable, apart, 0).sum(axis=1)
        return np.asarray(1 - ratio(total, comparable.sum(axis=1).astype(np.float64)))

    usable = shared.any(axis=0)
    p_h, p_j = permutation_p((human[:, usable], judge[:, usable]), permutations=permutations, rng=rng)
    exact = 1 - np.abs(p_h - p_j).mean() if usable.any() else np.nan
    shift = exact - approximate(np.ones((1, len(grid.human))))[0]

    def of(weights: Floats) -> Floats:
        return np.asarray(approximate(weights) + shift)[:, None]

    return FigureSet(("spa",), of, (grid.n_items,), (why_none(grid, "system"),), bounds=(0, 1))


def permutation_p(
    differences: Sequence[Floats], *, permutations: int = PERMUTATIONS, rng: np.random.Generator
) -> list[Floats]:
    """One-sided p-values of each column's sum, for tables (units, pairs) of differences: share of sign flips that
    reach it.

    All tables and columns are flipped alike. Where there are not more than `permutations` ways to flip, each is taken
    once; otherwise so many are drawn, independently.
    """
    units, pairs = differences[0].shape
    table = np.concatenate(differences, axis=1)
    least = table.sum(axis=0) - _SLACK * np.abs(table).sum(axis=0)
    reached = np.zeros(table.shape[1])
    every_way = units < 60 and 2**units <= permutations
    number = 2**units if every_way else permutations
    block = max(1, _BLOCK // max(units, pairs, 1))
    for start in range(0, number, block):
        stop = min(start + block, number)
        flips = (
            (np.arange(start, stop)[:, None] >> np.arange(units)) & 1
            if every_way
            else rng.integers(2, size=(stop - start, units), dtype=np.int8)
        )
        reached += np.count_nonzero((1.0 - 2.0 * flips) @ table >= least, axis=0)
    return np.split(reached / number, len(differences))


def _normal_p(total: Floats, squares: Floats) -> Floats:
    """P(S >= total), S ~ N(0, squares); 1 where all differences are 0, as every permutation reaches 0 then."""
    none = squares <= 0
    p: Floats = special.ndtr(-total / np.sqrt(np.where(none, 1, squares)))
    return np.where(none, 1.0, p)
