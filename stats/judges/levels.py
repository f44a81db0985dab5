"""How a judge's scores go up and down with people's, at four levels that must never be taken for one another.

none    all items together: every model's response to every prompt, pooled
item    across the models within one prompt, then the mean over prompts
sys     across the prompts of one model, then the mean over models
system  the models' means: as many points as there are models

The names are those of Google's mt-metrics-eval. A group in which one side is constant has no correlation: it is left out
of the mean, and `Correlations.dropped` says how many are. Only cells that both sides scored count, on every level.

With ten models a correlation of their means of .95 has a 95 % interval of about [.80, .99], and comes near 1 when one model
is far worse than the rest; show soft pairwise accuracy beside it.
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
from stats.judges.joint import Joint
from stats.judges.moments import Moments, ratio
from stats.judges.tables import row_order, row_pearson
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
    figures, groups = level_figures(grid, level)
    found = measure([figures], grid.prompt, interval=interval, rng=rng)
    return gathered(found, level, groups)


def gathered(found: dict[str, Result], level: Level, groups: tuple[int, int]) -> Correlations:
    """From figures named as `level_figures` names them."""
    pearson, spearman, kendall = (found[f"{level}.{name}"] for name in COEFFICIENTS)
    return Correlations(level, pearson, spearman, kendall, *groups)


def level_figures(grid: Grid, level: Level) -> tuple[FigureSet, tuple[int, int]]:
    """The three coefficients as functions of weights, named `<level>.<coefficient>`; groups used and dropped.

    `grid` as it comes from `Grid.shared`.
    """
    row, model = np.nonzero(grid.both)
    x, y, rows = grid.human[row, model], grid.judge[row, model], len(grid.human)

    def of_items(weights: Floats) -> list[Floats]:
        return [moments.sums(weights).pearson, joint.spearman(weights), joint.pair_counts(weights).tau_b]

    match level:
        case "none":
            moments, joint = Moments.of(x, y, row=row, rows=rows), Joint.of(x, y, row=row, rows=rows)
            of = _mean_over_groups(of_items)
            groups, used = min(grid.n_items, 1), _defined(of_items, rows)
        case "sys":
            m = grid.human.shape[1]
            moments = Moments.of(x, y, row=row, rows=rows, group=model, groups=m)
            joint = Joint.of(x, y, row=row, rows=rows, group=model, groups=m)
            of = _mean_over_groups(of_items)
            groups, used = grid.n_models, _defined(of_items, rows)
        case "item":
            of_rows = _of_rows(grid.human, grid.judge, grid.both)
            of = _mean_over_rows(of_rows)
            groups, used = int(grid.both.any(axis=1).sum()), int(np.isfinite(of_rows[:, 0]).sum())
        case "system":
            of = _of_means(grid)
            groups, used = min(grid.n_items, 1), _defined(lambda weights: [of(weights)[:, :1]], rows)
    figures = FigureSet(
        names=tuple(f"{level}.{name}" for name in COEFFICIENTS),
        of=of,
        n=(grid.n_items,) * 3,
        why=(why_none(grid, level),) * 3,
        bounds=(-1, 1),
    )
    return figures, (used, groups - used)


def _defined(of: Callable[[Floats], list[Floats]], rows: int) -> int:
    """Groups with a first coefficient."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return int(np.isfinite(of(np.ones((1, rows)))[0]).sum())


def system_means(grid: Grid, weights: Floats) -> tuple[Floats, Floats, Bools]:
    """People's and the judge's mean of each model (b, M), and whether the resample has any of its items (b, M).

    Over the cells that both scored, so that both means are of the same responses.
    """
    count = weights @ grid.both
    human, judge = (weights @ np.where(grid.both, table, 0) for table in (grid.human, grid.judge))
    safe = np.maximum(count, 1)
    return human / safe, judge / safe, count > 0


def _of_means(grid: Grid) -> Figures:
    def of(weights: Floats) -> Floats:
        return _of_rows(*system_means(grid, weights))

    return of


def _of_rows(x: Floats, y: Floats, present: Bools) -> Floats:
    """(n, 3) the coefficients across the models of each row."""
    spearman, pairs = row_order(x, y, present)
    return np.column_stack([row_pearson(x, y, present), spearman, pairs.tau_b])


def _mean_over_groups(of_groups: Callable[[Floats], list[Floats]]) -> Figures:
    """The mean of each coefficient (g, b) over the groups that have it."""

    def of(weights: Floats) -> Floats:
        return np.column_stack([mean_of_known(found) for found in of_groups(weights)])

    return of


def _mean_over_rows(of_rows: Floats) -> Figures:
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
