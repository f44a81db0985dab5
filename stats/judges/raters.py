"""The judge beside each rater: the single ratings behind people's means, by who gave them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stats.arrays import Floats, Ints
from stats.estimate import Reason
from stats.judges.grid import Grid
from stats.judges.joint import Margin, ranked
from stats.judges.moments import ratio
from stats.resampling import Figures

FEWEST = 10
"""Responses that a rater must share with the judge to count in a mean over raters."""

FEWEST_OF_PAIR = 30
"""Responses that two raters must share to count in a mean over pairs: there are many pairs, most with hardly any."""


@dataclass(frozen=True)
class Scores:
    """Single ratings of responses that the judge scored, too: one entry of each array (n,) per rating."""

    row: Ints
    model: Ints
    rater: Ints
    human: Floats
    judge: Floats
    cell: Ints
    """The response, as one number."""

    @classmethod
    def of(cls, grid: Grid) -> Scores:
        if grid.ratings is None:
            none = np.empty(0, np.int64)
            return cls(none, none, none, np.empty(0), np.empty(0), none)
        of = grid.ratings
        use = grid.both[of.row, of.model]
        row, model = of.row[use], of.model[use]
        cell = row * grid.human.shape[1] + model
        return cls(row, model, of.rater[use], of.value[use], grid.judge[row, model], cell)

    def only(self, use: np.ndarray[tuple[int], np.dtype[np.bool_]] | Ints) -> Scores:
        return Scores(
            self.row[use],
            self.model[use],
            self.rater[use],
            self.human[use],
            self.judge[use],
            self.cell[use],
        )

    @cached_property
    def per_cell(self) -> Ints:
        """(n,) how many ratings the response of each rating has."""
        return np.bincount(self.cell)[self.cell] if self.cell.size else np.empty(0, np.int64)

    def shared_by_raters(self) -> Scores:
        """Those of responses with two ratings or more."""
        return self.only(self.per_cell >= 2)

    @cached_property
    def rest(self) -> Floats:
        """(n,) the mean of the other ratings of the response; NaN where there is no other."""
        total = np.bincount(self.cell, self.human)[self.cell] if self.cell.size else self.human
        return ratio(total - self.human, (self.per_cell - 1).astype(np.float64))

    def by_rater(self, fewest: int) -> tuple[Scores, Ints, Ints]:
        """Those of raters with `fewest` or more, the place (n,) of each one's rater among these, and who they are
        (R,)."""
        who, n = np.unique(self.rater, return_counts=True)
        kept = who[n >= fewest]
        some = self.only(np.isin(self.rater, kept))
        return some, np.searchsorted(kept, some.rater).astype(np.int64), kept


def why_no_rater(grid: Grid, scores: Scores) -> Reason:
    """Why there is no figure per rater, as far as the ratings say it."""
    if grid.ratings is None:
        return Reason.NO_DATA
    if scores.row.size == 0:
        return Reason.NOTHING_SHARED
    if grid.ratings.anonymous:
        return Reason.ANONYMOUS
    return Reason.NOT_ENOUGH


def alpha_of_pairs(x: Floats, y: Floats, *, row: Ints, rows: int, group: Ints, groups: int) -> Figures:
    """Ordinal alpha of x and y in each group: weights (b, P) to (g, b), NaN where all scores of a group are the same.

    Krippendorff's ordinal metric is the squared difference of mid-ranks of all scores of both sides, so alpha is
    1 - (N - 1) sum (r_x - r_y)^2 / (N sum r^2), the ranks r less their mean and N two scores per thing. No list of
    points is needed, and any number of values is exact. Every group has a thing. `x`, `y`, `row`, `group` (n,).
    """
    code = ranked(np.concatenate([x, y]))
    of_both, codes = Margin.of(code, row=np.tile(row, 2), rows=rows, group=np.tile(group, 2))
    wide = int(code.max(initial=0)) + 1
    cells, cell_codes = Margin.of(code[: x.size] * wide + code[x.size :], row=row, rows=rows, group=group)
    at_x, at_y = (of_both.find(codes, cells.group, side) for side in np.divmod(cell_codes, wide))

    def of(weights: Floats) -> Floats:
        counts = of_both.counts(weights)
        middle = of_both.middle(counts)
        n = of_both.sum(counts)
        spread = of_both.sum(counts * middle**2)
        apart = middle[at_x]
        apart -= middle[at_y]
        apart *= apart
        apart *= cells.counts(weights)
        observed = cells.sum(apart)
        return 1 - ratio((n - 1) * observed, n * spread)

    return of
