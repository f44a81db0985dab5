"""Sums of two scores and of their products in groups, and what follows from them: Pearson, lines, concordance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from stats.arrays import Floats, Ints

_ROUNDING = 1e-12
"""What is left of squares when nothing varies, as a share of them."""


class Sums(NamedTuple):
    """Weighted sums over the things of each group, each (g, b); x and y less their overall mean."""

    n: Floats
    x: Floats
    y: Floats
    xx: Floats
    yy: Floats
    xy: Floats
    centre: tuple[float, float]

    @property
    def variance_x(self) -> Floats:
        """Population variance of x; 0, and not what rounding leaves, where all x are the same."""
        return _variance(self.n, self.x, self.xx)

    @property
    def variance_y(self) -> Floats:
        return _variance(self.n, self.y, self.yy)

    @property
    def covariance(self) -> Floats:
        return self.xy / self.n - self.x * self.y / self.n**2

    @property
    def difference(self) -> Floats:
        """Mean of y - x."""
        return (self.y - self.x) / self.n + self.centre[1] - self.centre[0]

    @property
    def pearson(self) -> Floats:
        """NaN where x or y is constant."""
        return ratio(self.covariance, np.sqrt(self.variance_x * self.variance_y)).clip(-1, 1)

    @property
    def slope(self) -> Floats:
        """b of the least-squares line y = a + b x."""
        return ratio(self.covariance, self.variance_x)

    @property
    def intercept(self) -> Floats:
        """a of the least-squares line y = a + b x."""
        mean_x, mean_y = self.x / self.n + self.centre[0], self.y / self.n + self.centre[1]
        return mean_y - self.slope * mean_x

    @property
    def concordance(self) -> Floats:
        """Lin's coefficient, 2 cov / (var_x + var_y + (mean_x - mean_y)^2), with population moments.

        Quadratically weighted kappa of two raters is the same number, whatever values they use. Lin (1989), A
        concordance correlation coefficient to evaluate reproducibility. NaN where both sides say one and the same
        thing throughout.
        """
        return ratio(2 * self.covariance, self.variance_x + self.variance_y + self.difference**2)


@dataclass(frozen=True)
class Moments:
    """Things with two scores each, in `groups` groups: where the sums of a resample come from."""

    groups: int
    table: sp.csr_array
    """(6 g, P) what a row adds to the number of things, x, y, x^2, y^2 and xy of each group."""
    centre: tuple[float, float]

    @classmethod
    def of(
        cls, x: Floats, y: Floats, *, row: Ints, rows: int, group: Ints | None = None, groups: int = 1
    ) -> Moments:
        """`x`, `y`, `row`, `group` (n,): one entry per thing; `group` from 0 to `groups` - 1."""
        where = np.zeros(x.size, np.int64) if group is None else group
        centre = (float(x.mean()), float(y.mean())) if x.size else (0.0, 0.0)
        a, b = x - centre[0], y - centre[1]
        parts = [np.ones(x.size), a, b, a * a, b * b, a * b]
        table = sp.coo_array(
            (
                np.concatenate(parts),
                (np.concatenate([where + k * groups for k in range(6)]), np.tile(row, 6)),
            ),
            shape=(6 * groups, rows),
        ).tocsr()
        return cls(groups, table, centre)

    def sums(self, weights: Floats) -> Sums:
        """Sums of b resamples, in which the rows occur `weights` (b, P) times."""
        n, x, y, xx, yy, xy = np.asarray(self.table @ weights.T).reshape(6, self.groups, len(weights))
        return Sums(n, x, y, xx, yy, xy, self.centre)


def ratio(over: Floats, under: Floats) -> Floats:
    """over / under, NaN where under is not above 0."""
    result: Floats = over / np.where(under > 0, under, np.nan)
    return result


def _variance(n: Floats, x: Floats, xx: Floats) -> Floats:
    variance = xx / n - (x / n) ** 2
    return np.where(variance > _ROUNDING * xx / n, variance, 0)
