"""How two scores go together by order alone: mid-ranks and pairs, in groups, for many resamples at once.

Things of one group with the same two scores are one *cell*; a resample says how often each cell occurs. Scores have few
points as a rule, so there are few cells; a judge with as many values as things has as many cells as things, and all is
exact all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from stats.arrays import Array, Floats, Ints
from stats.judges.moments import ratio

_DIGITS = 12
"""Scores that agree in so many digits are the same: (1 + 2 + 2) / 3 is not the same number in every order."""

_EXACT_IN_FLOAT32 = 2**24
_BLOCK = 2_000_000


def ranked(values: npt.ArrayLike) -> Ints:
    """0, 1, 2, … in the order of the values, the same for equal ones."""
    x = np.asarray(values, dtype=np.float64)
    largest = float(np.abs(x).max(initial=0)) or 1.0
    _, code = np.unique(np.round(x / largest, _DIGITS), return_inverse=True)
    return code.reshape(x.shape).astype(np.int64)


class PairCounts(NamedTuple):
    """Pairs of things in each group, as numbers of pairs (g, b).

    A thing drawn twice makes two pairs with each other thing, and none with itself: that one would be tied on both
    sides whatever the judge is like, and would make resamples better than the data.
    """

    pairs: Floats
    tied_x: Floats
    """On x, whatever y says."""
    tied_y: Floats
    tied_both: Floats
    balance: Floats
    """C - D: concordant less discordant pairs."""

    @property
    def concordant(self) -> Floats:
        untied = self.pairs - self.tied_x - self.tied_y + self.tied_both
        return (untied + self.balance) / 2

    @property
    def discordant(self) -> Floats:
        return self.concordant - self.balance

    @property
    def tau_b(self) -> Floats:
        """Kendall's tau-b, (C - D) / sqrt((C + D + T_y)(C + D + T_x)); T_x: tied on x only. NaN where a side is
        constant."""
        return ratio(self.balance, np.sqrt((self.pairs - self.tied_x) * (self.pairs - self.tied_y))).clip(
            -1, 1
        )

    @property
    def accuracy(self) -> Floats:
        """acc23 = (C + T_xy) / all pairs: pairs that both sides order alike, or both leave tied. NaN without a pair.

        Deutsch, Foster and Freitag (2023), Ties matter: meta-evaluating modern metrics with pairwise accuracy and tie
        calibration.
        """
        return ratio(self.concordant + self.tied_both, self.pairs)

    def total(self) -> PairCount:
        """Over all groups together."""
        both = self.tied_both
        parts = (self.concordant, self.discordant, self.tied_x - both, self.tied_y - both, both)
        return PairCount(*(round(float(np.sum(part))) for part in parts))


@dataclass(frozen=True, slots=True)
class PairCount:
    """How many pairs of which sort, x being people and y the judge."""

    concordant: int
    discordant: int
    tied_human: int
    """Only for people."""
    tied_judge: int
    """Only for the judge."""
    tied_both: int

    @property
    def pairs(self) -> int:
        return self.concordant + self.discordant + self.tied_human + self.tied_judge + self.tied_both


@dataclass(frozen=True)
class Margin:
    """The values that one side has in each group: `group` (K,) ascending and, within it, in order of value."""

    group: Ints
    table: sp.csr_array
    """(K, P) how many things of a row have the value."""
    start: Ints
    """(g,) where each group begins."""

    @classmethod
    def of(cls, code: Ints, *, row: Ints, rows: int, group: Ints) -> tuple[Margin, Ints]:
        """From the code, row and group of each thing (n,), no group being empty; and the codes (K,) of the values."""
        wide = int(code.max(initial=0)) + 1
        kept, where = np.unique(group * wide + code, return_inverse=True)
        table = sp.coo_array((np.ones(code.size), (where, row)), shape=(kept.size, rows)).tocsr()
        groups = kept // wide
        return cls(groups, table, np.flatnonzero(np.diff(groups, prepend=-1))), kept % wide

    def find(self, codes: Ints, group: Ints, code: Ints) -> Ints:
        """Where the value `code` of `group` is; `codes` (K,) as they came with the margin."""
        wide = int(max(codes.max(initial=0), code.max(initial=0))) + 1
        return np.searchsorted(self.group * wide + codes, group * wide + code).astype(np.int64)

    def counts(self, weights: Floats) -> Floats:
        """(K, b)"""
        return np.asarray(self.table @ weights.T)

    @cached_property
    def _of_group(self) -> sp.csr_array:
        """(g, K) which values are of which group."""
        k = self.group.size
        return sp.csr_array((np.ones(k), np.arange(k), np.append(self.start, k)), shape=(self.start.size, k))

    def sum(self, table: Floats) -> Floats:
        """(g, b) sum of a table (K, b) over the values of each group."""
        return np.asarray(self._of_group @ table)

    def middle(self, counts: Floats) -> Floats:
        """(K, b) mid-rank of each value in its group, less the group's mean rank: sums to 0 over its things."""
        reached = _running(counts)
        before = np.zeros((self.start.size, counts.shape[1]))
        before[1:] = reached[self.start[1:] - 1]
        total = self.sum(counts)
        reached -= counts / 2
        reached -= (before + total / 2)[self.group]
        return reached


@dataclass(frozen=True)
class Joint:
    """The pairs of scores that occur. `x`, `y` (n,): the scores of each thing; only their order counts.

    `row` (n,): where in the P `rows`. `group` (n,): 0 to `groups` - 1; groups without a thing are allowed.
    """

    x: Floats
    y: Floats
    row: Ints
    rows: int
    group: Ints
    groups: int

    @classmethod
    def of(
        cls, x: Floats, y: Floats, *, row: Ints, rows: int, group: Ints | None = None, groups: int = 1
    ) -> Joint:
        return cls(x, y, row, rows, np.zeros(x.size, np.int64) if group is None else group, groups)

    @cached_property
    def _codes(self) -> tuple[Ints, Ints]:
        return ranked(self.x), ranked(self.y)

    @cached_property
    def _used(self) -> tuple[Ints, Ints]:
        """Groups with a thing, and the place among them of each thing's group."""
        used, place = np.unique(self.group, return_inverse=True)
        return used, place.astype(np.int64)

    @cached_property
    def _cells(self) -> tuple[Margin, Ints, Ints]:
        """The cells by group, and for each the codes of its two values."""
        x, y = self._codes
        wide = int(y.max(initial=0)) + 1
        margin, code = self._margin(x * wide + y)
        return margin, code // wide, code % wide

    def _margin(self, code: Ints) -> tuple[Margin, Ints]:
        return Margin.of(code, row=self.row, rows=self.rows, group=self._used[1])

    @cached_property
    def _sides(self) -> tuple[tuple[Margin, Ints], tuple[Margin, Ints]]:
        """The values of each side by group, and where in them each cell's is."""
        cells, x, y = self._cells
        found = []
        for thing, cell in zip(self._codes, (x, y), strict=True):
            margin, code = self._margin(thing)
            found.append((margin, margin.find(code, cells.group, cell)))
        return found[0], found[1]

    @cached_property
    def _per_row(self) -> sp.csr_array:
        """(u, P) things of each group in a row."""
        used, place = self._used
        return sp.coo_array((np.ones(place.size), (place, self.row)), shape=(used.size, self.rows)).tocsr()

    def _spread(self, found: Floats, empty: float = np.nan) -> Floats:
        """From groups with a thing (u, b) to all (g, b)."""
        used, _ = self._used
        if used.size == self.groups:
            return found
        everywhere = np.full((self.groups, found.shape[1]), empty)
        everywhere[used] = found
        return everywhere

    def order(self, weights: Floats) -> tuple[Floats, PairCounts]:
        """Spearman's correlation (g, b), NaN where a side is constant, and the pairs of each group.

        Spearman's is Pearson's of mid-ranks. `weights` (b, P) are whole numbers, and so are the counts of pairs.
        """
        if self.x.size == 0:
            nothing = np.zeros((self.groups, len(weights)))
            return nothing * np.nan, PairCounts(*[nothing] * 5)
        cells, _, _ = self._cells
        counts = cells.counts(weights)
        n = cells.sum(counts)
        product = counts.copy()
        squares, tied = [], []
        for side, at in self._sides:
            of_side = side.counts(weights)
            middle = side.middle(of_side)
            product *= middle[at]
            middle *= middle
            middle *= of_side
            squares.append(side.sum(middle))
            of_side *= of_side
            tied.append(side.sum(of_side))
        covariance = cells.sum(product)
        spearman = ratio(covariance, np.sqrt(squares[0] * squares[1])).clip(-1, 1)
        balance = self._balance(counts, weights)
        counts *= counts
        tied.append(cells.sum(counts))
        itself = np.asarray(self._per_row @ np.square(weights.T))  # twice, in either order
        pairs = [(n * n - itself) / 2, *((t - itself) / 2 for t in tied), balance]
        return self._spread(spearman), PairCounts(*(self._spread(t, 0) for t in pairs))

    def _balance(self, counts: Floats, weights: Floats) -> Floats:
        """(u, b) C - D: half of n' S n, S the sign of every two cells, or of every two rows where that is less."""
        cells, _, _ = self._cells
        found = np.empty((cells.start.size, len(weights)))
        stops = np.append(cells.start[1:], cells.group.size)
        for g, (start, stop) in enumerate(zip(cells.start, stops, strict=True)):
            signs, per_cell = self._signs[g]
            found[g] = _quadratic(signs, counts[start:stop] if per_cell else weights.T) / 2
        return found

    @cached_property
    def _signs(self) -> list[tuple[Array, bool]]:
        """For each group: the signs (cells, cells), or summed over the cells of rows (P, P), and which of the two."""
        cells, x, y = self._cells
        stops = np.append(cells.start[1:], cells.group.size)
        return [
            (_signs(x[a:b], y[a:b]), True)
            if b - a <= self.rows
            else (_signs_of_rows(x[a:b], y[a:b], cells.table[a:b]), False)
            for a, b in zip(cells.start, stops, strict=True)
        ]


def _running(table: Floats) -> Floats:
    """(K, b) sums of each row and those before it; as np.cumsum, in steps that are quicker over columns."""
    length, step = len(table), 32
    padded = np.zeros((-(-length // step), step, table.shape[1]))
    flat = padded.reshape(-1, table.shape[1])
    flat[:length] = table
    for i in range(1, step):
        padded[:, i] += padded[:, i - 1]
    for i in range(1, len(padded)):
        padded[i] += padded[i - 1, -1]
    return flat[:length]


def _signs(x: Ints, y: Ints, start: int = 0, stop: int | None = None) -> Array:
    """(stop - start, n) +1 where two cells are concordant, -1 where discordant, 0 where tied."""
    part = slice(start, stop)
    order = np.sign(x[part, None] - x)
    order *= np.sign(y[part, None] - y)
    signs: Array = order.astype(np.float32)
    return signs


def _signs_of_rows(x: Ints, y: Ints, table: sp.csr_array) -> Array:
    """(P, P) sum of the signs of every two cells, one of each row."""
    cells = table.astype(np.float32)
    found: Array = np.zeros((cells.shape[1], cells.shape[1]), dtype=np.float32)
    step = max(1, _BLOCK // x.size)
    for start in range(0, x.size, step):
        half = np.ascontiguousarray((cells.T @ _signs(x, y, start, start + step).T).T)  # (block, P)
        found += cells[start : start + step].T @ half
    return found


def _quadratic(signs: Array, counts: Floats) -> Floats:
    """(b,) n' S n for whole numbers n (u, b); in single precision where that is exact."""
    largest = float(counts.sum(axis=0).max(initial=0)) * float(np.abs(signs).max(initial=0))
    if largest < _EXACT_IN_FLOAT32:
        product = (signs @ counts.astype(np.float32)).astype(np.float64)
    else:
        product = signs.astype(np.float64) @ counts
    found: Floats = np.einsum("ub,ub->b", counts, product)
    return found
