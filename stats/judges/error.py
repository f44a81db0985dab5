"""How far a judge is off: leniency, size of error, its line and its steps, and what it said where people said what.

Error is judge less people, in the units of the axis. Where raters differ in severity, adjust their scores first, or the
judge's leniency is mixed with theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import optimize

from stats.agreement.intervals import Interval
from stats.arrays import Floats, Ints
from stats.estimate import Reason, Result, Undefined
from stats.judges.figures import FigureSet, measure
from stats.judges.grid import Grid, Ratings
from stats.judges.levels import why_none
from stats.judges.moments import Moments, ratio
from stats.resampling import CLUSTER_BOOTSTRAP

Rounding = Literal["none", "nearest"]
"""none: what lies off the points is counted and left out. nearest: it moves to the nearest point, up from the
middle."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Items whose mean of people's scores lies from `low` (included) to `high` (not included)."""

    point: float
    """The point of the axis that these means are nearest to."""
    low: float
    high: float
    bias: Result


@dataclass(frozen=True, slots=True)
class Errors:
    """Over the items that both sides scored."""

    bias: Result
    """Leniency: mean of judge - people. Above 0 the judge is the more lenient."""
    bias_per_model: tuple[Result, ...]
    """(M,) in the order of the grid's columns."""
    bias_per_bin: tuple[Bin, ...]
    """For each point of the axis. Means of few raters err themselves: where they are low they are so by chance too, so
    that a faultless judge seems lenient at the low end and severe at the high one."""
    mae: Result
    rmse: Result
    intercept: Result
    """a of the calibration line judge = a + b people."""
    slope: Result
    """b of the calibration line: below 1, the judge compresses the scale (or people's means are noisy)."""
    concordance: Result
    """Lin's, with the mean of people."""


def errors(grid: Grid, *, interval: Interval = CLUSTER_BOOTSTRAP, rng: np.random.Generator) -> Errors:
    grid = grid.shared()
    return gathered(measure(error_figures(grid), grid.prompt, interval=interval, rng=rng), grid)


def gathered(found: dict[str, Result], grid: Grid) -> Errors:
    """From figures named as `error_figures` names them."""
    edges = np.concatenate([[-np.inf], _edges(grid.values), [np.inf]])
    return Errors(
        bias=found["bias"],
        bias_per_model=tuple(found[f"bias.model.{m}"] for m in range(grid.human.shape[1])),
        bias_per_bin=tuple(
            Bin(float(point), float(edges[i]), float(edges[i + 1]), found[f"bias.bin.{i}"])
            for i, point in enumerate(grid.values)
        ),
        mae=found["mae"],
        rmse=found["rmse"],
        intercept=found["intercept"],
        slope=found["slope"],
        concordance=found["concordance"],
    )


def error_figures(grid: Grid) -> list[FigureSet]:
    """Bias in all, per model and per bin, MAE and RMSE, the line and the concordance; `grid` from `Grid.shared`."""
    row, model = np.nonzero(grid.both)
    x, y, (rows, models) = grid.human[row, model], grid.judge[row, model], grid.human.shape
    off, points = y - x, grid.values.size
    everything, bins = (
        np.zeros(row.size, np.int64),
        np.searchsorted(_edges(grid.values), np.round(x, 9), side="right"),
    )

    def per_row(value: Floats | None, group: Ints, groups: int) -> Floats:
        """(P, groups) sums of the cells of each row."""
        sums = np.bincount(row * groups + group, value, minlength=rows * groups)
        return sums.reshape(rows, groups).astype(np.float64)

    groups = [(everything, 1), (model, models), (bins, points)]
    count = np.concatenate([per_row(None, *group) for group in groups], axis=1)
    error = np.concatenate([per_row(off, *group) for group in groups], axis=1)
    size = np.concatenate([per_row(t, everything, 1) for t in (np.abs(off), off**2)], axis=1)
    both = Moments.of(x, y, row=row, rows=rows)

    def bias(weights: Floats) -> Floats:
        return ratio(weights @ error, weights @ count)

    def sizes(weights: Floats) -> Floats:
        absolute, squared = ratio(weights @ size, weights @ count[:, :1]).T
        return np.column_stack([absolute, np.sqrt(squared)])

    def line(weights: Floats) -> Floats:
        sums = both.sums(weights)
        return np.column_stack([sums.intercept[0], sums.slope[0]])

    n, why = row.size, why_none(grid, "none")
    per_group = tuple(int(c) for c in count.sum(axis=0))
    names = [f"bias.model.{m}" for m in range(models)] + [f"bias.bin.{i}" for i in range(points)]
    nothing = Reason.NOTHING_SHARED
    return [
        FigureSet(
            ("bias", *names),
            bias,
            per_group,
            (nothing,) * len(per_group),
            units=tuple(np.unique(grid.prompt[of > 0]).size for of in count.T),
        ),
        FigureSet(("mae", "rmse"), sizes, (n, n), (nothing, nothing), bounds=(0, np.inf)),
        FigureSet(("intercept", "slope"), line, (n, n), (why, why)),
        FigureSet(
            ("concordance",), lambda weights: both.sums(weights).concordance.T, (n,), (why,), bounds=(-1, 1)
        ),
    ]


def _edges(points: Floats) -> Floats:
    """(k - 1,) halfway between the points; what lies there belongs to the upper one."""
    return (points[1:] + points[:-1]) / 2


@dataclass(frozen=True, slots=True)
class Isotonic:
    """The judge's score as a function of people's that never falls: a picture of the calibration, without an
    interval."""

    human: Floats
    """(d,) the different means of people, ascending."""
    judge: Floats
    """(d,) the fit there: the mean of the judge over runs of neighbours."""
    n: Ints
    """(d,) items with that mean."""


def isotonic_map(grid: Grid) -> Isotonic | Undefined:
    """Least squares among maps that never fall (pool adjacent violators). Barlow et al. (1972), Statistical Inference
    under Order Restrictions."""
    x, y = grid.human[grid.both], grid.judge[grid.both]
    if x.size == 0:
        return Undefined(Reason.NOTHING_SHARED)
    means, where, n = np.unique(x, return_inverse=True, return_counts=True)
    fit = optimize.isotonic_regression(np.bincount(where, y) / n, weights=n.astype(np.float64))
    return Isotonic(means, np.asarray(fit.x, dtype=np.float64), n.astype(np.int64))


@dataclass(frozen=True, slots=True)
class Confusion:
    """How often the judge said what where one person said what."""

    values: Floats
    counts: Ints
    """(k, k) pairs of a single rating of a person (rows) and the judge's score of that response (columns)."""
    rounding: Rounding
    moved: int
    """Pairs in which the judge's score lay off the points and was rounded."""
    left_out: int
    """Pairs in which it lay off the points and was left out, or a rating did."""


def confusion(grid: Grid, *, rounding: Rounding = "none") -> Confusion | Undefined:
    """The judge against each single rating, and not against rounded means of ratings."""
    if grid.ratings is None:
        return Undefined(Reason.NO_DATA)
    pairs = single_ratings(grid)
    if pairs.row.size == 0:
        return Undefined(Reason.NOTHING_SHARED)
    points, judge = grid.values, grid.judge[pairs.row, pairs.model]
    edges = _edges(points)
    nearest_h, nearest_j = (np.searchsorted(edges, t, side="right") for t in (pairs.value, judge))
    on_h, on_j = (
        np.isclose(points[nearest], t, rtol=0, atol=1e-9)
        for nearest, t in ((nearest_h, pairs.value), (nearest_j, judge))
    )
    use = on_h & (on_j if rounding == "none" else True)
    cells = nearest_h[use] * points.size + nearest_j[use]
    return Confusion(
        values=points,
        counts=np.bincount(cells, minlength=points.size**2).reshape(points.size, points.size),
        rounding=rounding,
        moved=int((use & ~on_j).sum()),
        left_out=int((~use).sum()),
    )


def single_ratings(grid: Grid) -> Ratings:
    """The ratings of responses that the judge scored, too."""
    if grid.ratings is None:
        none = np.empty(0, np.int64)
        return Ratings(none, none, none, np.empty(0))
    of = grid.ratings
    use = grid.both[of.row, of.model]
    return Ratings(of.row[use], of.model[use], of.rater[use], of.value[use])
