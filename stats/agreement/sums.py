"""Sums over items: what every coefficient of agreement is a function of.

An item adds its row to the sums, whatever the other items are. So leaving an item out subtracts its
row, and a resample in which it occurs w times adds its row w times: an interval costs a matrix
product, and no pass over the ratings.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import scipy.sparse as sp

from stats.agreement.patterns import PatternHistogram
from stats.arrays import Array, Floats, Ints

_PAIRABLE, _RATED, _SQUARES, _WITHIN, _EXACT, _WITHIN_ONE, _ABSOLUTE, _SQUARED = range(8)
_SCALARS = 8

_BLOCK = 4_000_000
"""Numbers that a table may hold at a time (32 MB)."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over the items of b samples: row 0 alone for the data as they are, or b resamples.

    "Pairable" items have two scores or more; n_i is how many scores item i has, n_ic how many of
    them are point c.
    """

    values: Floats
    """(k,) the points of the axis."""
    scalars: Floats
    """(b, 8) see the properties."""
    marginals: Floats
    """(b, k) n_c: scores of point c, on pairable items."""
    shares: Floats
    """(b, k) sum of n_ic / n_i, on all items with a score."""
    coincidences: Floats
    """(b, k (k - 1) / 2) o_ck for c < k: sum of n_ic n_ik / (n_i - 1), on pairable items."""

    @property
    def pairable(self) -> Floats:
        """(b,) items with two scores or more."""
        return self.scalars[:, _PAIRABLE]

    @property
    def rated(self) -> Floats:
        """(b,) items with a score."""
        return self.scalars[:, _RATED]

    @property
    def squares(self) -> Floats:
        """(b,) sum of n_i squared, on pairable items."""
        return self.scalars[:, _SQUARES]

    @property
    def within(self) -> Floats:
        """(b,) sum of squared distances of scores from the mean of their item, on pairable items."""
        return self.scalars[:, _WITHIN]

    # Each item's mean over its pairs of scores, summed over pairable items:

    @property
    def exact(self) -> Floats:
        """(b,) of: the two are the same point."""
        return self.scalars[:, _EXACT]

    @property
    def within_one(self) -> Floats:
        """(b,) of: the two are the same point or neighbours on the axis."""
        return self.scalars[:, _WITHIN_ONE]

    @property
    def absolute(self) -> Floats:
        """(b,) of the distance between the two, in the units of the axis."""
        return self.scalars[:, _ABSOLUTE]

    @property
    def squared(self) -> Floats:
        """(b,) of the squared distance between the two."""
        return self.scalars[:, _SQUARED]


@dataclass(frozen=True, slots=True)
class Units:
    """Independent units (items, or clusters of items) with the sums of each, equal ones put together.

    `dense` (u, 8 + 2k) and `coincidences` (u, k (k - 1) / 2) are the sums of one unit of each sort,
    and `multiplicity` (u,) says how many units are of that sort. Coincidences of a long scale are
    mostly 0, so they may be a sparse matrix.
    """

    values: Floats
    dense: Floats
    coincidences: Any  # array or sparse array: scipy has no type that covers both
    multiplicity: Ints

    @property
    def n(self) -> int:
        return int(self.multiplicity.sum())

    def __len__(self) -> int:
        return len(self.multiplicity)

    @property
    def block(self) -> int:
        """How many rows of sums may be held at a time."""
        width = int(self.dense.shape[1] + self.coincidences.shape[1])
        return max(1, _BLOCK // width)

    def only(self, column: int) -> Self:
        """The units with something to say in that column: the others are not resampled."""
        keep = self.dense[:, column] > 0
        if keep.all():
            return self
        return type(self)(self.values, self.dense[keep], self.coincidences[keep], self.multiplicity[keep])

    def pairable(self) -> Self:
        return self.only(_PAIRABLE)

    def rated(self) -> Self:
        return self.only(_RATED)

    def weighted(self, weights: Array) -> Sums:
        """Sums of b samples in which the units occur `weights` (b, u) times."""
        weights = np.asarray(weights, dtype=np.float64)
        return self._sums(weights @ self.dense, np.asarray(weights @ self.coincidences))

    def total(self) -> Sums:
        """Sums over all units: one row."""
        return self.weighted(self.multiplicity[None, :])

    def without_one(self, total: Sums, start: int, stop: int) -> Sums:
        """`total` less one unit, for one of each sort from `start` to `stop`: (stop - start) rows."""
        dense = np.concatenate([total.scalars, total.marginals, total.shares], axis=1)
        coincidences = self.coincidences[start:stop]
        if sp.issparse(coincidences):
            coincidences = coincidences.toarray()
        return self._sums(dense - self.dense[start:stop], total.coincidences - coincidences)

    def _sums(self, dense: Floats, coincidences: Floats) -> Sums:
        k = self.values.size
        return Sums(
            values=self.values,
            scalars=dense[:, :_SCALARS],
            marginals=dense[:, _SCALARS : _SCALARS + k],
            shares=dense[:, _SCALARS + k :],
            coincidences=coincidences,
        )


def items(histogram: PatternHistogram) -> Units:
    """Each item a unit; items of one pattern are of one sort."""
    seen = (histogram.frequency > 0) & (histogram.scores > 0)
    dense, coincidences = _rows(histogram.values, histogram.counts[seen])
    return Units(histogram.values, dense, coincidences, histogram.frequency[seen])


def clusters(histogram: PatternHistogram) -> Units:
    """Each cluster a unit; clusters with the same number of items of each pattern are of one sort."""
    if histogram.clusters is None:
        raise ValueError("the histogram does not say which items belong together")
    scored = histogram.scores > 0
    row = np.cumsum(scored) - 1
    use = scored[histogram.clusters.pattern]
    pattern = row[histogram.clusters.pattern[use]]
    number = histogram.clusters.items[use]
    names, start = np.unique(histogram.clusters.key[use], return_index=True)  # rows are sorted by key
    if len(names) == 0:
        return items(histogram)
    example, multiplicity = _sorts(pattern, number, start)
    size = np.diff(np.append(start, len(pattern)))[example]
    rows = np.repeat(start[example], size) + np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
    membership = sp.csr_array(
        (number[rows].astype(np.float64), pattern[rows], np.append(0, np.cumsum(size))),
        shape=(len(example), int(scored.sum())),
    )
    dense, coincidences = _rows(histogram.values, histogram.counts[scored])
    together = membership @ coincidences
    if sp.issparse(together) and together.nnz > 0.2 * np.prod(together.shape):
        together = together.toarray()
    return Units(histogram.values, membership @ dense, together, multiplicity)


def _sorts(pattern: Ints, number: Ints, start: Ints) -> tuple[Ints, Ints]:
    """One cluster of each sort, and how many there are of it.

    Clusters are compared by a 64-bit sum of random numbers, one per pattern: among 100,000 different
    clusters, two are taken for the same about once in three billion runs.
    """
    rng = np.random.default_rng(20_221_101)
    label = rng.integers(2**63, size=int(pattern.max()) + 1, dtype=np.uint64) * 2 + 1
    names = np.add.reduceat(label[pattern] * number.astype(np.uint64), start)
    _, example, multiplicity = np.unique(names, return_index=True, return_counts=True)
    order = np.argsort(example)
    return example[order], multiplicity[order]


def _rows(values: Floats, counts: Ints) -> tuple[Floats, Any]:
    """What an item of each pattern adds: dense (P, 8 + 2k), coincidences (P, k (k - 1) / 2)."""
    c = counts.astype(np.float64)
    n = c.sum(axis=1)
    pairable = (n >= 2).astype(np.float64)
    pairs = np.maximum(n * (n - 1), 1)  # ordered ones
    centred = values - (values[0] + values[-1]) / 2  # squares of large numbers would lose digits
    within = np.maximum(c @ centred**2 - (c @ centred) ** 2 / np.maximum(n, 1), 0) * pairable
    exact = (c * (c - 1)).sum(axis=1) / pairs
    apart = np.abs(values[:, None] - values)

    dense = np.empty((len(c), _SCALARS + 2 * values.size))
    dense[:, _PAIRABLE] = pairable
    dense[:, _RATED] = n > 0
    dense[:, _SQUARES] = n**2 * pairable
    dense[:, _WITHIN] = within
    dense[:, _EXACT] = exact
    dense[:, _WITHIN_ONE] = exact + 2 * (c[:, 1:] * c[:, :-1]).sum(axis=1) / pairs
    dense[:, _ABSOLUTE] = ((c @ apart) * c).sum(axis=1) / pairs
    dense[:, _SQUARED] = 2 * n * within / pairs
    dense[:, _SCALARS : _SCALARS + values.size] = c * pairable[:, None]
    dense[:, _SCALARS + values.size :] = c / np.maximum(n, 1)[:, None]
    return dense, _coincidences(counts, n)


def _coincidences(counts: Ints, n: Floats) -> Any:
    """(P, k (k - 1) / 2): n_ic n_ik / (n_i - 1) for c < k; sparse when the scale is long."""
    k = counts.shape[1]
    if k <= 12:
        low, high = np.triu_indices(k, 1)
        return counts[:, low] * counts[:, high] / np.maximum(n - 1, 1)[:, None]
    # Only pairs of points that do occur together: for each pattern, each of its points with the
    # later ones.
    row, point = np.nonzero(counts)
    different = np.bincount(row, minlength=len(counts))
    after = np.cumsum(different)[row] - np.arange(len(row)) - 1
    first = np.repeat(np.arange(len(row)), after)
    second = first + 1 + np.arange(after.sum()) - np.repeat(np.cumsum(after) - after, after)
    c, d, at = point[first], point[second], row[first]
    column = c * k - c * (c + 1) // 2 + d - c - 1  # where triu_indices puts (c, d)
    worth = counts[at, c] * counts[at, d] / (n[at] - 1)
    return sp.csr_array((worth, (at, column)), shape=(len(counts), k * (k - 1) // 2))
