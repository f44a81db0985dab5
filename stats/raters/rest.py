"""A rater against the rest: the mean difference, and how far the rater's scores rise and fall with the others'.

The rest is the mean of the others' scores of the same item, the rater's own left out. Compared are the items that somebody
else scored, too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stats.arrays import Bools, Floats, Ints
from stats.estimate import Reason, Result
from stats.raters.clusters import LEVEL, ByRater, Scale
from stats.raters.ratings import Scored

FEWEST = 3
"""Items that a correlation needs at least."""


@dataclass(frozen=True)
class Rest:
    """(R,) each."""

    deviation: list[Result]
    """Mean of own score less the others' mean, in the units of the axis."""
    pearson: list[Result]
    spearman: list[Result]


def against_the_rest(scored: Scored, *, level: float = LEVEL) -> Rest:
    """Deviation and leave-one-out correlations of each rater, intervals clustered by prompt (correlations on Fisher's z)."""
    pairs = scored.kept(scored.shared)
    own = pairs.value
    rest = rest_mean(pairs)
    by = ByRater(pairs.rater, pairs.prompt, pairs.n_raters)
    difference = own - rest
    mean = by.mean(difference)
    return Rest(
        deviation=by.results(mean, difference - mean[pairs.rater], level=level, why=Reason.NOTHING_SHARED),
        pearson=correlation_results(by, *pearson(by, own, rest), level=level),
        spearman=correlation_results(by, *spearman(by, own, rest), level=level),
    )


def rest_mean(scored: Scored) -> Floats:
    """(n,) mean of the item's other scores; each item must have two."""
    total = np.bincount(scored.item, weights=scored.value, minlength=1)[scored.item]
    mean = (total - scored.value) / (scored.per_item - 1)
    return np.asarray(np.round(mean, 9))  # so that equal means are ties, in whatever order they were added up


def pearson(by: ByRater, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Correlation within each rater (R,), and the influence of each row on it (n,).

    NaN where one side is constant. With z-scores: u = z_x z_y - r (z_x^2 + z_y^2) / 2.
    """
    zx, zy = _standardised(by, x), _standardised(by, y)
    with np.errstate(invalid="ignore"):
        r = by.mean(zx * zy)
        return np.clip(r, -1, 1), zx * zy - r[by.rater] * (zx**2 + zy**2) / 2


def _standardised(by: ByRater, x: Floats) -> Floats:
    centred = x - by.mean(x)[by.rater]
    return np.asarray(centred / _root(by.mean(centred**2))[by.rater])


def _root(variance: Floats) -> Floats:
    """Square root, NaN for what is 0 but for rounding."""
    return np.sqrt(np.where(variance > 1e-18, variance, np.nan))


def spearman(by: ByRater, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Correlation of mid-ranks within each rater (R,), and the influence of each row on it (n,).

    With F, G the mid-distribution functions of the rater's x and y: rho = (E FG - 1/4) / sqrt((E F^2 - 1/4)(E G^2 - 1/4)). A
    row moves the ranks of others, too, so its influence on E FG is FG + E[h(x, X) G] + E[h(y, Y) F] - 3 E FG, with
    h(x, X) = [x < X] + [x = X] / 2.
    """
    of_x, of_y = _Ranked(by, x), _Ranked(by, y)
    f, g = of_x.rank, of_y.rank
    product, ff, gg = f * g, f * f, g * g
    moved = product + of_x.above(g) + of_y.above(f) - 3 * by.mean(product)[by.rater]
    moved_f = ff + 2 * of_x.above(f) - 3 * by.mean(ff)[by.rater]
    moved_g = gg + 2 * of_y.above(g) - 3 * by.mean(gg)[by.rater]
    covariance, var_f, var_g = by.mean(product) - 0.25, by.mean(ff) - 0.25, by.mean(gg) - 0.25
    var_f, var_g = (_root(v) ** 2 for v in (var_f, var_g))
    rho = covariance / np.sqrt(var_f * var_g)
    influence = moved / np.sqrt(var_f * var_g)[by.rater] - rho[by.rater] / 2 * (
        moved_f / var_f[by.rater] + moved_g / var_g[by.rater]
    )
    return np.clip(rho, -1, 1), influence


class _Ranked:
    """Mid-ranks within each rater, as shares of the rater's rows: between 0 and 1, on average 1/2."""

    def __init__(self, by: ByRater, x: Floats) -> None:
        self._n = by.n[by.rater]
        self._order = np.lexsort((x, by.rater))
        rater, sorted_x = by.rater[self._order], x[self._order]
        new: Bools = np.ones(x.size, dtype=bool)
        new[1:] = (rater[1:] != rater[:-1]) | (sorted_x[1:] != sorted_x[:-1])
        self._tie: Ints = np.cumsum(new) - 1
        self._first = np.flatnonzero(new)
        self._start = (np.cumsum(by.n) - by.n)[by.rater]  # rows stand by rater
        self._end = self._start + self._n
        sizes = np.diff(np.append(self._first, x.size))
        middle = self._first + sizes / 2
        self.rank = np.empty(x.size)
        self.rank[self._order] = middle[self._tie]
        self.rank = (self.rank - self._start) / np.maximum(self._n, 1)

    def above(self, weight: Floats) -> Floats:
        """(n,) mean over the rater's rows k of weight_k ([x < x_k] + [x = x_k] / 2)."""
        total = np.concatenate([[0.0], np.cumsum(weight[self._order])])
        ends = np.append(self._first[1:], weight.size)
        of_tie = np.empty(weight.size)
        of_tie[self._order] = ((total[ends] + total[self._first]) / 2)[self._tie]
        return np.asarray((total[self._end] - of_tie) / np.maximum(self._n, 1))


def correlation_results(
    by: ByRater, r: Floats, influence: Floats, *, level: float = LEVEL, empty: Reason = Reason.NOTHING_SHARED
) -> list[Result]:
    """Correlations as estimates: none of fewer than `FEWEST` rows."""
    few = by.n < FEWEST
    why = [empty if n == 0 else Reason.NOT_ENOUGH if n < FEWEST else Reason.CONSTANT for n in by.n.tolist()]
    return by.results(np.where(few, np.nan, r), influence, scale=Scale.CORRELATION, level=level, why=why)
