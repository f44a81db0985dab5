"""Two who scored the same things: agreement and correlation, from a table of how often they said what.

A table (k, k) counts, for the k points of the axis, how often a (rows) gave one point and b (columns) another. The
list of points is fixed: a point that nobody used has its row and column all the same, or weighted kappa would take its
neighbours for neighbours. Tables add up, so those of prompts, times how often each prompt is drawn, are the tables of a
bootstrap. Every function here takes tables (..., k, k), whole or weighted, and gives (...), NaN where a table leaves
the figure undefined.

Sources: Cohen (1960), A coefficient of agreement for nominal scales, and (1968), Weighted kappa; Kendall (1945), The
treatment of ties in ranking problems; Lin (1989), A concordance correlation coefficient to evaluate reproducibility.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stats.agreement.coefficients import Weights
from stats.agreement.intervals import ITEM_JACKKNIFE, About, Interval, Resampled, Rows, resample
from stats.agreement.scale import places, points_of
from stats.arrays import Array, Floats, Ints
from stats.estimate import Reason, Result

# Tables


def pair_table(a: npt.ArrayLike, b: npt.ArrayLike, values: npt.ArrayLike) -> Floats:
    """(k, k) from the scores of both (n,), in the units of `values` (k,); where either is NaN, the thing is left out.

    Raises ValueError for a score that is no point of the axis, and for lists of different lengths.
    """
    table: Floats = pair_tables(a, b, values, np.zeros(np.shape(a), np.int64), groups=1)[0]
    return table


def pair_tables(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    values: npt.ArrayLike,
    group: npt.ArrayLike,
    *,
    groups: int | None = None,
) -> Floats:
    """(groups, k, k): a table for each group of things, such as a prompt. `group` (n,) are indices from 0 on."""
    points = points_of(values)
    one, other = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    of = np.asarray(group, dtype=np.int64)
    if one.ndim != 1 or one.shape != other.shape or one.shape != of.shape:
        raise ValueError(
            f"scores {one.shape} and {other.shape}, groups {of.shape}: they must be lists of one length"
        )
    both = ~(np.isnan(one) | np.isnan(other))
    g, k = int(of.max(initial=-1)) + 1 if groups is None else groups, points.size
    cell = (of[both] * k + places(points, one[both])) * k + places(points, other[both])
    return np.bincount(cell, minlength=g * k * k).astype(np.float64).reshape(g, k, k)


# Agreement


def exact_agreement(tables: Floats) -> Floats:
    """Share of things on which both said the same."""
    return _ratio(np.trace(tables, axis1=-2, axis2=-1), _total(tables))


def within_one(tables: Floats) -> Floats:
    """Share of things on which both said the same point or neighbours on the axis."""
    place = np.arange(tables.shape[-1])
    near = (np.abs(place[:, None] - place) <= 1).astype(np.float64)
    return _ratio(_sum(tables, near), _total(tables))


def mean_absolute_difference(tables: Floats, values: npt.ArrayLike) -> Floats:
    """How far apart both are on average, in the units of `values`."""
    return _ratio(_sum(tables, _apart(points_of(values))), _total(tables))


def mean_difference(tables: Floats, values: npt.ArrayLike) -> Floats:
    """b - a on average: how much more b gives than a, in the units of `values`."""
    v = points_of(values)
    return _ratio(_sum(tables, v - v[:, None]), _total(tables))


def cohen_kappa(tables: Floats, weights: Weights = "identity", values: npt.ArrayLike | None = None) -> Floats:
    """1 - mean disagreement / what it would be if both kept their shares of points and scored at random.

    1 - sum_ck t_ck d_ck / (sum_ck t_c. t_.k d_ck / n), with d_ck: identity [c != k], linear |c - k|, quadratic
    (c - k)^2, in the units of `values` (k,), equal steps without them. Quadratic weights (QWK) make it Lin's
    concordance, 2 cov / (var_a + var_b + (mean_a - mean_b)^2). NaN when both gave one and the same point to everything.
    """
    points = np.arange(tables.shape[-1], dtype=np.float64) if values is None else points_of(values)
    apart = _apart(points)
    distance = {"identity": (apart > 0).astype(np.float64), "linear": apart, "quadratic": apart**2}[weights]
    rows, columns = _margins(tables)
    expected = np.sum((rows @ distance) * columns, axis=-1)
    return 1 - _ratio(_sum(tables, distance) * _total(tables), expected)


def quadratic_kappa(tables: Floats, values: npt.ArrayLike | None = None) -> Floats:
    """QWK: Cohen's kappa with quadratic weights."""
    return cohen_kappa(tables, "quadratic", values)


# Correlation


def pearson(tables: Floats, values: npt.ArrayLike) -> Floats:
    """Pearson's correlation of the scores; NaN when either gave one point to everything."""
    v = points_of(values)
    centred = np.broadcast_to(v - (v[0] + v[-1]) / 2, (*tables.shape[:-2], v.size))
    return _correlation(tables, centred, centred)


def spearman(tables: Floats) -> Floats:
    """Pearson's correlation of ranks, equal scores sharing the middle of theirs."""
    rows, columns = _margins(tables)
    half = _total(tables)[..., None] / 2
    return _correlation(
        tables, np.cumsum(rows, axis=-1) - rows / 2 - half, np.cumsum(columns, axis=-1) - columns / 2 - half
    )


def tau_b(tables: Floats) -> Floats:
    """Kendall's tau-b: (C - D) / sqrt((pairs untied in a) (pairs untied in b)), over all pairs of things.

    C pairs are ordered alike by both, D the other way round. NaN when either ties them all.
    """
    greater = np.zeros_like(tables)  # later rows and columns, summed
    greater[..., :-1, :-1] = _sum_of_later(tables)[..., 1:, 1:]
    turned = tables[..., ::-1]
    smaller = np.zeros_like(tables)
    smaller[..., :-1, :-1] = _sum_of_later(turned)[..., 1:, 1:]
    ordered = np.sum(tables * greater - turned * smaller, axis=(-2, -1))
    n = _total(tables)
    one, other = ((n**2 - np.sum(margin**2, axis=-1)) / 2 for margin in _margins(tables))
    return _within_range(ordered, one, other, tables)


def _sum_of_later(tables: Floats) -> Floats:
    """(..., i, j): what lies in rows i and later, columns j and later."""
    reverse = tables[..., ::-1, ::-1]
    sums: Floats = reverse.cumsum(axis=-1).cumsum(axis=-2)[..., ::-1, ::-1]
    return sums


def _correlation(tables: Floats, a: Floats, b: Floats) -> Floats:
    """Pearson's, of what rows (..., k) and columns (..., k) are worth."""
    rows, columns = _margins(tables)
    n = _total(tables)
    sum_a, sum_b = np.sum(rows * a, axis=-1), np.sum(columns * b, axis=-1)
    products = np.sum((a[..., None, :] @ tables)[..., 0, :] * b, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        covariance = products - sum_a * sum_b / n
        variance_a = np.sum(rows * a**2, axis=-1) - sum_a**2 / n
        variance_b = np.sum(columns * b**2, axis=-1) - sum_b**2 / n
    return _within_range(covariance, variance_a, variance_b, tables)


def _within_range(over: Floats, a: Floats, b: Floats, tables: Floats) -> Floats:
    """over / sqrt(a b), rounding kept within -1 and 1; NaN where either side is constant."""
    rows, columns = _margins(tables)
    varies = ((rows > 0).sum(axis=-1) > 1) & ((columns > 0).sum(axis=-1) > 1)
    under = np.sqrt(np.where(varies, a, np.nan)) * np.sqrt(np.where(varies, b, np.nan))
    return np.clip(_ratio(over, under), -1, 1)


# Both, with intervals


@dataclass(frozen=True, slots=True)
class Pair:
    """What two who scored the same things have in common."""

    n: int
    """Things that both scored."""
    table: Floats
    exact: Result
    within_one: Result
    mean_abs_difference: Result
    mean_difference: Result
    """b - a."""
    kappa: Result
    kappa_linear: Result
    qwk: Result
    pearson: Result
    spearman: Result
    tau_b: Result


def pair(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    *,
    values: npt.ArrayLike,
    cluster: npt.ArrayLike | None = None,
    interval: Interval = ITEM_JACKKNIFE,
    rng: np.random.Generator | None = None,
) -> Pair:
    """Every figure of a pair, from the scores of both (n,), NaN where one has none; `cluster` (n,) names the prompts.

    Intervals are over items, or over prompts, for these two raters. Raises ValueError as `pair_table` does, and when
    an interval over clusters is asked for and none are given.
    """
    table = pair_table(a, b, values)
    points, k = points_of(values), len(table)
    units: Resampled[Floats]
    if not interval.method.over_clusters:
        cells = np.flatnonzero(table)
        units = _Cells(k * k, cells, table.ravel()[cells].astype(np.int64))
    elif cluster is None:
        raise ValueError("an interval over clusters needs to know which items belong together")
    else:
        _, group = np.unique(np.asarray(cluster), return_inverse=True)
        of_cluster = pair_tables(a, b, values, group).reshape(-1, k * k)
        kept = of_cluster[of_cluster.any(axis=1)]
        units = Rows(kept, np.ones(len(kept), np.int64), copies=_COPIES)

    def figures(sums: Floats) -> Floats:
        tables = sums.reshape(-1, k, k)
        return np.column_stack(
            [
                exact_agreement(tables),
                within_one(tables),
                mean_absolute_difference(tables, points),
                mean_difference(tables, points),
                *(cohen_kappa(tables, weights, points) for weights in _WEIGHTS),
                pearson(tables, points),
                spearman(tables),
                tau_b(tables),
            ]
        )

    n, span = int(table.sum()), float(points[-1] - points[0])
    missing = Reason.NOTHING_SHARED if n == 0 else None
    kappa = About(n, missing or Reason.NO_VARIATION, -1, 1)
    correlation = About(n, missing or (Reason.ONE_ITEM if n == 1 else Reason.CONSTANT), -1, 1)
    about = [
        *[About(n, Reason.NOTHING_SHARED, 0, 1)] * 2,
        About(n, Reason.NOTHING_SHARED, 0, span),
        About(n, Reason.NOTHING_SHARED, -span, span),
        *[kappa] * 3,
        *[correlation] * 3,
    ]
    return Pair(n, table, *resample(units, figures, about, interval=interval, rng=rng))


@dataclass(frozen=True, slots=True)
class _Cells:
    """Items as units: each adds 1 to a cell of the flat table, and those of one cell are of one sort."""

    size: int
    """Cells of the table."""
    cell: Ints
    """(u,) of each sort."""
    multiplicity: Ints

    @property
    def n(self) -> int:
        return int(self.multiplicity.sum())

    @property
    def block(self) -> int:
        return max(1, 4_000_000 // (self.size * _COPIES))

    def __len__(self) -> int:
        return len(self.cell)

    def total(self) -> Floats:
        return self.weighted(self.multiplicity[None, :])

    def weighted(self, weights: Array) -> Floats:
        """(b, size)"""
        tables = np.zeros((len(weights), self.size))
        tables[:, self.cell] = weights
        return tables

    def without_one(self, total: Floats, start: int, stop: int) -> Floats:
        tables = np.repeat(total, stop - start, axis=0)
        tables[np.arange(stop - start), self.cell[start:stop]] -= 1
        return tables


_COPIES = 8
"""Arrays of the tables' size that tau-b takes."""

_WEIGHTS: tuple[Weights, ...] = ("identity", "linear", "quadratic")


def _total(tables: Floats) -> Floats:
    total: Floats = tables.sum(axis=(-2, -1))
    return total


def _margins(tables: Floats) -> tuple[Floats, Floats]:
    """(..., k) how often a gave each point, and b."""
    return tables.sum(axis=-1), tables.sum(axis=-2)


def _sum(tables: Floats, weights: Floats) -> Floats:
    """(...) of each table, cell by cell times `weights` (k, k)."""
    return np.asarray(tables.reshape(*tables.shape[:-2], -1) @ weights.ravel())


def _apart(values: Floats) -> Floats:
    return np.abs(values[:, None] - values)


def _ratio(over: Floats, under: Floats) -> Floats:
    """over / under, NaN where under is not above 0."""
    ratio: Floats = over / np.where(under > 0, under, np.nan)
    return ratio
