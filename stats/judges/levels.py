"""How a judge's scores go up and down with people's, at four levels that must never be taken for one another.

none    all items together: every model's response to every prompt, pooled
item    across the models within one prompt, then the mean over prompts
sys     across the prompts of one model, then the mean over models
system  the models' means: as many points as there are models

The names are those of Google's mt-metrics-eval. A group in which one side is constant has no correlation: it is left
out of the mean, and `Correlations.dropped` says how many are. Only cells that both sides scored count, on every level.

With ten models a correlation of their means of .95 has a 95 % interval of about [.80, .99], and comes near 1 when one
model is far worse than the rest; show soft pairwise accuracy beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from stats.agreement.intervals import Interval
from stats.arrays import Bools, Floats
from stats.estimate import Reason, Result
from stats.judges.figures import FigureSet, measure
from stats.judges.grid import Grid
from stats.judges.joint import Joint, PairCount, PairCounts
from stats.judges.moments import Moments, Sums, ratio
from stats.judges.tables import row_order, row_pearson, row_sums
from stats.resampling import CLUSTER_BOOTSTRAP, Figures

Level = Literal["none", "item", "sys", "system"]

LEVELS: tuple[Level, ...] = ("none", "item", "sys", "system")

COEFFICIENTS = ("pearson", "spearman", "kendall")


@dataclass(frozen=True, slots=True)
class Correlations:
    """Of one level; `kendall` is tau-b."""

    level: Level
    pearson: Result
    spearman: Result
    kendall: Result
    groups: int
    """Groups with a correlation: prompts, models, or 1."""
    dropped: int
    """Groups without one: a side is constant, or there is a single item."""


def correlations(
    grid: Grid, level: Level, *, interval: Interval = CLUSTER_BOOTSTRAP, rng: np.random.Generator
) -> Correlations:
    """Pearson, Spearman and Kendall's tau-b at one level."""
    grid = grid.shared()
    at = at_level(grid, level)
    return at.correlations(measure([at.figures], grid.prompt, interval=interval, rng=rng))


@dataclass(frozen=True)
class AtLevel:
    """Everything about order at one level: three coefficients, acc23 and tau23 as functions of weights.

    They are named `<level>.pearson`, `.spearman`, `.kendall`, `.acc23` and `.tau23`.
    """

    level: Level
    figures: FigureSet
    groups: int
    dropped: int
    counts: PairCount

    def correlations(self, found: dict[str, Result]) -> Correlations:
        return Correlations(
            self.level,
            found[f"{self.level}.pearson"],
            found[f"{self.level}.spearman"],
            found[f"{self.level}.kendall"],
            self.groups,
            self.dropped,
        )


def at_level(grid: Grid, level: Level) -> AtLevel:
    """`grid` as it comes from `Grid.shared`."""
    counts: PairCounts
    of: Figures
    match level:
        case "none" | "sys":
            find = _of_items(grid, by_model=level == "sys")
            first, counts = find(np.ones((1, len(grid.human))))
            groups, has = (grid.n_models if level == "sys" else min(grid.n_items, 1)), first[0]

            def of(weights: Floats) -> Floats:
                return np.column_stack([mean_of_known(found) for found in find(weights)[0]])

        case "item":
            per_row, counts = _of_rows(grid.human, grid.judge, grid.both)
            groups, has = len(grid.human), per_row[:, 0]
            of = mean_over_rows(per_row)
        case "system":
            first_row, counts = _of_rows(*system_means(grid, np.ones((1, len(grid.human)))))
            groups, has = min(grid.n_items, 1), first_row[:, 0]

            def of(weights: Floats) -> Floats:
                return _of_rows(*system_means(grid, weights))[0]

    def with_tau23(weights: Floats) -> Floats:
        found = of(weights)
        return np.column_stack([found, 2 * found[:, 3] - 1])

    resampled: Figures | None = None
    if level == "system":
        noise = noise_of_means(grid)

        def resampled(weights: Floats) -> Floats:
            found = with_tau23(weights)
            found[:, 0] = _less_noise(row_sums(*system_means(grid, weights)), noise)
            return found

    with_correlation = int(np.isfinite(has).sum())
    n, why = grid.n_items, why_none(grid, level)
    return AtLevel(
        level=level,
        figures=FigureSet(
            names=tuple(f"{level}.{name}" for name in (*COEFFICIENTS, "acc23", "tau23")),
            of=with_tau23,
            n=(n,) * 5,
            why=(why,) * 5,
            bounds=(-1, 1),
            resampled=resampled,
        ),
        groups=with_correlation,
        dropped=groups - with_correlation,
        counts=counts.total(),
    )


def _of_items(grid: Grid, *, by_model: bool) -> Callable[[Floats], tuple[list[Floats], PairCounts]]:
    """Weights to the three coefficients and acc23 of each group, each (g, b), and its pairs."""
    row, model = np.nonzero(grid.both)
    x, y, (rows, models) = grid.human[row, model], grid.judge[row, model], grid.human.shape
    group, groups = (model, models) if by_model else (np.zeros_like(model), 1)
    moments = Moments.of(x, y, row=row, rows=rows, group=group, groups=groups)
    joint = Joint.of(x, y, row=row, rows=rows, group=group, groups=groups)

    def find(weights: Floats) -> tuple[list[Floats], PairCounts]:
        with np.errstate(invalid="ignore", divide="ignore"):
            spearman, pairs = joint.order(weights)
            return [moments.sums(weights).pearson, spearman, pairs.tau_b, pairs.accuracy], pairs

    return find


def _of_rows(x: Floats, y: Floats, present: Bools) -> tuple[Floats, PairCounts]:
    """(n, 4) the coefficients and acc23 across the models of each row, and its pairs."""
    with np.errstate(invalid="ignore", divide="ignore"):
        spearman, pairs = row_order(x, y, present)
        pearson = row_pearson(x, y, present)
        return np.column_stack([pearson, spearman, pairs.tau_b, pairs.accuracy]), pairs


def system_means(grid: Grid, weights: Floats) -> tuple[Floats, Floats, Bools]:
    """People's and the judge's mean of each model (b, M), and whether the resample has any of its items (b, M).

    Over the cells that both scored, so that both means are of the same responses.
    """
    count = weights @ grid.both
    human, judge = (weights @ np.where(grid.both, table, 0) for table in (grid.human, grid.judge))
    safe = np.maximum(count, 1)
    return human / safe, judge / safe, count > 0


def noise_of_means(grid: Grid) -> tuple[float, ...]:
    """What prompts that happen to be these add to sums of squares across models' means: people's, the judge's, products.

    Each prompt moves each mean by its scores less the mean, over the number of scores. What it does to all models alike is no
    difference between them. Covariances of the means from these, G / (G - 1), G prompts; 0 for a single one.
    """
    count = grid.both.sum(axis=0)
    _, cluster = np.unique(grid.prompt, return_inverse=True)
    units = int(cluster.max(initial=-1)) + 1
    if units < 2:
        return 0.0, 0.0, 0.0
    moved = []
    for table in (grid.human, grid.judge):
        known = np.where(grid.both, table, 0)
        mean = known.sum(axis=0) / count.clip(min=1)
        of_prompts = np.zeros((units, count.size))
        np.add.at(of_prompts, cluster, np.where(grid.both, known - mean, 0) / count.clip(min=1))
        of_prompts = of_prompts[:, count > 0]
        moved.append(of_prompts - of_prompts.mean(axis=1, keepdims=True))
    human, judge = moved
    of_few = units / (units - 1)
    return tuple(of_few * float((a * b).sum()) for a, b in ((human, human), (judge, judge), (human, judge)))


def _less_noise(sums: Sums, noise: tuple[float, ...]) -> Floats:
    """Pearson across models (b,) of resamples that are as noisy as the data, and not more so.

    The noise of means takes their correlation towards 0. Resampling puts it in a second time: percentiles of plain resamples
    lie so low that, with ten models and a hundred prompts, half of nominal 95 % intervals miss the truth. So it is taken off
    once. Where less than nothing would be left, the resample counts as it is.
    """
    human, judge, both = noise
    left_h, left_j = sums.xx - human, sums.yy - judge
    there = (left_h > 0) & (left_j > 0)
    less: Floats = (sums.xy - both) / np.sqrt(np.where(there, left_h * left_j, np.nan))
    return np.where(there, less.clip(-1, 1), sums.pearson)


def mean_over_rows(of_rows: Floats) -> Figures:
    """The mean of what each row (P, k) has, over the rows drawn that have it."""
    known = np.isfinite(of_rows)
    filled = np.where(known, of_rows, 0)

    def of(weights: Floats) -> Floats:
        return ratio(weights @ filled, weights @ known)

    return of


def mean_of_known(values: Floats) -> Floats:
    """(b,) mean over the groups (g, b) that have a value."""
    known = np.isfinite(values)
    total: Floats = np.where(known, values, 0).sum(axis=0)
    return ratio(total, known.sum(axis=0).astype(np.float64))


def why_none(grid: Grid, level: Level) -> Reason:
    """Why there is nothing to correlate or no pair to order at a level, as far as the shape of the grid says it."""
    if grid.n_items == 0:
        return Reason.NOTHING_SHARED
    per_row, per_model = grid.both.sum(axis=1), grid.both.sum(axis=0)
    if level == "none":
        return Reason.ONE_ITEM if grid.n_items == 1 else Reason.CONSTANT
    if level == "sys":
        return Reason.ONE_PROMPT if per_model.max() < 2 else Reason.CONSTANT
    return (
        Reason.ONE_MODEL if grid.n_models < 2 or (level == "item" and per_row.max() < 2) else Reason.CONSTANT
    )
