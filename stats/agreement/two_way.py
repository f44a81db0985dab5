"""Intraclass correlation where every rater scored every item: a calibration set.

With the same raters everywhere, what is a rater's own level can be told apart from error. Agreement, ICC(A, .), counts
differences of level against the raters; consistency, ICC(C, .), does not. "1" is the reliability of one score, "k" of
the mean of all raters. Sources: McGraw and Wong (1996), Forming inferences about some intraclass correlation
coefficients; Shrout and Fleiss (1979) name them ICC(2,1), (3,1), (2,k) and (3,k).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from stats.agreement.intervals import About, Interval, Method, Rows, resample
from stats.arrays import Floats
from stats.estimate import Estimate, Reason, Result, Undefined

F_DISTRIBUTION = "f_distribution"
"""The method of an interval that McGraw and Wong derived: normal scores, and raters like these."""


@dataclass(frozen=True, slots=True)
class TwoWay:
    """ICCs of a complete set of n items and k raters."""

    n_items: int
    n_raters: int
    agreement_1: Result
    """ICC(A,1)"""
    consistency_1: Result
    """ICC(C,1)"""
    agreement_k: Result
    """ICC(A,k)"""
    consistency_k: Result
    """ICC(C,k): Cronbach's alpha"""


class MeanSquares(NamedTuple):
    """Of a two-way analysis of variance without repetition, each (b,)."""

    items: Floats
    raters: Floats
    error: Floats


def icc_two_way(
    scores: npt.ArrayLike,
    *,
    level: float = 0.95,
    interval: Interval | None = None,
    cluster: npt.ArrayLike | None = None,
    rng: np.random.Generator | None = None,
) -> TwoWay:
    """From a matrix (n_items, n_raters) of scores, NaN where there is none; any NaN leaves all figures undefined.

    Intervals come from the F distribution (McGraw and Wong 1996, tables 7 and 8) at `level`; they are for items and, in
    ICC(A, .), raters like these. With `interval`, they come from resampling items, or clusters of items with `cluster`
    (n_items,), for these raters.
    """
    x = np.asarray(scores, dtype=np.float64)
    if x.ndim != 2:
        raise ValueError(f"scores {x.shape} must be (items, raters)")
    n, k = x.shape
    missing = np.isnan(x)
    if reason := _why_none(x, missing):
        return TwoWay(n, k, *[Undefined(reason, n)] * 4)
    x = x - x.mean()  # squares of large numbers would lose digits
    sums = np.column_stack([np.ones(n), x, np.sum(x**2, axis=1), np.sum(x, axis=1) ** 2])
    values = _figures(sums.sum(axis=0)[None, :], k)
    if np.isnan(values).all():
        return TwoWay(n, k, *[Undefined(Reason.NO_VARIATION, n)] * 4)
    if interval is None:
        ms = mean_squares(sums.sum(axis=0)[None, :], k)
        return TwoWay(n, k, *_by_f(values[0], ms, n, k, level))
    about = [About(n, Reason.NO_VARIATION_BETWEEN_ITEMS, highest=1)] * 4
    units = Rows(sums, np.ones(n, np.int64))
    if interval.method.over_clusters:
        if cluster is None:
            raise ValueError("an interval over clusters needs to know which items belong together")
        _, index = np.unique(np.asarray(cluster), return_inverse=True)
        rows = np.zeros((int(index.max()) + 1, sums.shape[1]))
        np.add.at(rows, index, sums)
        units = Rows(rows, np.ones(len(rows), np.int64))
    return TwoWay(n, k, *resample(units, lambda of: _figures(of, k), about, interval=interval, rng=rng))


def mean_squares(sums: Floats, k: int) -> MeanSquares:
    """From sums over items (b, k + 3) of: 1, each rater's score, sum of squares, square of the sum."""
    n, of_rater = sums[:, 0], sums[:, 1 : k + 1]
    mean = of_rater.sum(axis=1) ** 2 / (n * k)
    total = sums[:, k + 1] - mean
    items = sums[:, k + 2] / k - mean
    raters = np.sum(of_rater**2, axis=1) / n - mean
    error = total - items - raters
    # What is left of rounding when nothing varies must not be taken for variance.
    items, raters, error = (np.where(of > 1e-12 * sums[:, k + 1], of, 0) for of in (items, raters, error))
    some = np.where(n > 1, n - 1, np.nan)
    return MeanSquares(items / some, raters / (k - 1), error / (some * (k - 1)))


def _figures(sums: Floats, k: int) -> Floats:
    """(b, 4): ICC(A,1), (C,1), (A,k), (C,k)."""
    n = sums[:, 0]
    items, raters, error = mean_squares(sums, k)
    under = np.column_stack(
        [
            items + (k - 1) * error + k / n * (raters - error),
            items + (k - 1) * error,
            items + (raters - error) / n,
            items,
        ]
    )
    nothing = 1e-9 * (items + raters + error)[:, None]  # terms that cancel leave some rounding
    figures: Floats = (items - error)[:, None] / np.where(under > nothing, under, np.nan)
    return figures


def _why_none(x: Floats, missing: npt.NDArray[np.bool_]) -> Reason | None:
    n, k = x.shape
    if x.size == 0 or missing.all():
        return Reason.NO_SCORES
    if missing.any():
        return Reason.INCOMPLETE
    if k < 2:
        return Reason.NO_ITEM_WITH_TWO_SCORES
    return Reason.ONE_ITEM if n < 2 else None


def _by_f(values: Floats, ms: MeanSquares, n: int, k: int, level: float) -> list[Result]:
    agreement, consistency = _agreement_ends(values[0], ms, n, k, level), _consistency_ends(ms, n, k, level)
    ends = [agreement, consistency, *(_of_mean(low_high, k) for low_high in (agreement, consistency))]
    results: list[Result] = []
    for value, low_high in zip(values, ends, strict=True):
        if np.isnan(value):
            results.append(Undefined(Reason.NO_VARIATION_BETWEEN_ITEMS, n))
            continue
        reason = Reason.NO_SPREAD if low_high is None else None
        if low_high is not None and not np.isfinite(low_high).all():
            reason = Reason.NOT_ENOUGH  # nothing bounds the mean's reliability from below
        known = reason is None
        results.append(
            Estimate(
                value=float(value),
                low=low_high[0] if low_high and known else None,
                high=low_high[1] if low_high and known else None,
                level=level,
                method=F_DISTRIBUTION if known else Method.NONE,
                n=n,
                units=n,
                no_interval=reason,
            )
        )
    return results


def _consistency_ends(ms: MeanSquares, n: int, k: int, level: float) -> tuple[float, float] | None:
    """ICC(C,1) is a function of F = MS items / MS error, and so are its ends; None where F is 0 or infinite."""
    items, _, error = (float(of[0]) for of in ms)
    if items == 0 or error == 0:
        return None
    f, d1, d2 = items / error, n - 1, (n - 1) * (k - 1)
    low, high = f / _f(level, d1, d2), f * _f(level, d2, d1)
    return (low - 1) / (low + k - 1), (high - 1) / (high + k - 1)


def _agreement_ends(
    value: float, ms: MeanSquares, n: int, k: int, level: float
) -> tuple[float, float] | None:
    """ICC(A,1): the raters' variance and the error's together have about v degrees of freedom (Satterthwaite)."""
    items, raters, error = (float(of[0]) for of in ms)
    if value >= 1 or items == 0:
        return None
    # Below 0, where the formula has no meaning, as at 0: all of it is error.
    a = k * max(value, 0) / (n * (1 - value))
    b = 1 + a * (n - 1)
    parts = (a * raters) ** 2 / (k - 1) + (b * error) ** 2 / ((n - 1) * (k - 1))
    if parts == 0:
        return None
    v = (a * raters + b * error) ** 2 / parts
    rest = k * raters + (k * n - k - n) * error
    low_f, high_f = _f(level, n - 1, v), _f(level, v, n - 1)
    low = n * (items - low_f * error) / (low_f * rest + n * items)
    return low, n * (high_f * items - error) / (rest + n * high_f * items)


def _of_mean(ends: tuple[float, float] | None, k: int) -> tuple[float, float] | None:
    """The ends for the mean of k raters, by Spearman and Brown's step; without bound where that has none."""
    if ends is None:
        return None
    low, high = (k * r / (1 + (k - 1) * r) if 1 + (k - 1) * r > 0 else -np.inf for r in ends)
    return low, high


def _f(level: float, d1: float, d2: float) -> float:
    return float(special.fdtri(d1, d2, 0.5 + level / 2))
