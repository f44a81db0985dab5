"""Least squares with standard errors that know that responses to one prompt depend on each other.

Sources: Liang and Zeger (1986), Longitudinal data analysis using generalized linear models; Cameron and Miller (2015), A
Practitioner's Guide to Cluster-Robust Inference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy import special

from stats.arrays import Floats, Ints
from stats.estimate import Estimate, Reason, Result, Undefined
from stats.resampling import Figures

_FLAT = 1e-9
"""A column that keeps less than this share of its size has no variation of its own."""


class StandardError(StrEnum):
    """How the interval of a coefficient is made: value +- Student's t times this standard error."""

    CLUSTERED = "cluster_robust"
    """Sandwich with G / (G - 1) (n - 1) / (n - k), and t with G - 1 degrees of freedom, for G clusters."""
    CLASSICAL = "classical"
    """For independent residuals of one variance; t with n - k degrees of freedom."""


@dataclass(frozen=True, slots=True)
class Fit:
    """y regressed on named columns."""

    coefficients: dict[str, Result]
    p: dict[str, float | None]
    """Two-sided, of a coefficient of 0; None where there is no standard error."""
    n: int


@dataclass(frozen=True)
class Within:
    """Columns less their mean over each group: what is left when every group has an effect of its own."""

    keep: Ints
    """Which rows are left: those in groups of two or more."""
    group: Ints

    @classmethod
    def of(cls, group: Ints) -> Within:
        _, index, size = np.unique(group, return_inverse=True, return_counts=True)
        keep = np.flatnonzero(size[index] > 1)
        return cls(keep, np.unique(index[keep], return_inverse=True)[1])

    def __call__(self, column: Floats) -> Floats:
        column = column[self.keep]
        mean = np.bincount(self.group, weights=column) / np.bincount(self.group).clip(min=1)
        return np.asarray(column - mean[self.group])


def least_squares(
    y: Floats,
    columns: Mapping[str, Floats],
    *,
    effects: Ints | None = None,
    cluster: Ints | None = None,
    level: float = 0.95,
) -> Fit:
    """Ordinary least squares of `y` (n,) on the columns (n,) each, and an intercept named "intercept".

    `effects` (n,): groups with an effect of their own (prompts), in place of the intercept; groups of one row say
    nothing and are left out. `cluster` (n,): rows whose residuals depend on each other; without it, none do. Effects
    lie within clusters, and so cost no degrees of freedom (Cameron and Miller, 2015, section III.B).
    """
    names = list(columns)
    x = np.column_stack([np.empty((y.size, 0)), *columns.values()])
    size = np.linalg.norm(x, axis=0)
    if effects is None:
        names, x, size = (
            ["intercept", *names],
            np.column_stack([np.ones(y.size), x]),
            np.append(np.sqrt(y.size), size),
        )
    else:
        within = Within.of(effects)
        y, x = (
            within(y),
            np.column_stack([np.empty((within.keep.size, 0)), *(within(column) for column in x.T)]),
        )
        cluster = None if cluster is None else cluster[within.keep]
    n, k = x.shape
    if n <= k:
        return _no_fit(names, Reason.NOT_ENOUGH, n)
    norm = np.linalg.norm(x, axis=0)
    if (norm <= _FLAT * size).any():
        return _no_fit(names, Reason.CONSTANT, n)
    scaled = x / norm
    gram = scaled.T @ scaled
    if np.linalg.eigvalsh(gram)[0] < _FLAT:
        return _no_fit(names, Reason.CONSTANT, n)
    bread = np.linalg.inv(gram)
    beta = bread @ (scaled.T @ y)
    residual = y - scaled @ beta
    if cluster is None:
        variance, df = bread * (residual @ residual) / (n - k), n - k
        method, units = StandardError.CLASSICAL, n
    else:
        _, index = np.unique(cluster, return_inverse=True)
        units = int(index.max()) + 1
        scores = np.zeros((units, k))
        np.add.at(scores, index, scaled * residual[:, None])
        correction = units / max(units - 1, 1) * (n - 1) / (n - k)
        variance, df = bread @ (scores.T @ scores) @ bread * correction, units - 1
        method = StandardError.CLUSTERED
    coefficients: dict[str, Result] = {}
    p: dict[str, float | None] = {}
    for i, name in enumerate(names):
        value, error = float(beta[i] / norm[i]), float(np.sqrt(max(variance[i, i], 0)) / norm[i])
        coefficients[name] = around(value, error, df, level=level, method=method, n=n, units=units)
        known = coefficients[name].no_interval is None  # type: ignore[union-attr]
        p[name] = float(2 * special.stdtr(df, -abs(value) / error)) if known else None
    return Fit(coefficients, p, n)


def around(
    value: float, error: float, df: float, *, level: float, method: str, n: int, units: int
) -> Estimate:
    """value +- t SE."""
    reason: Reason | None = None
    if df < 1:
        reason = Reason.ONE_UNIT if units < 2 else Reason.NOT_ENOUGH
    elif error <= 1e-12 * max(1, abs(value)):
        reason = Reason.NO_SPREAD
    half = None if reason else float(special.stdtrit(df, 0.5 + level / 2)) * error
    return Estimate(
        value=value,
        low=None if half is None else value - half,
        high=None if half is None else value + half,
        level=level,
        method=method,
        n=n,
        units=units,
        no_interval=reason,
    )


def scaled_by(result: Result, factor: float) -> Result:
    """The same figure in other units; `factor` > 0."""
    if isinstance(result, Undefined):
        return result
    low, high = (None if end is None else end * factor for end in (result.low, result.high))
    return Estimate(
        result.value * factor,
        low,
        high,
        result.level,
        result.method,
        result.n,
        result.units,
        result.replicates,
        result.undefined_replicates,
        result.no_interval,
    )


def _no_fit(names: list[str], why: Reason, n: int) -> Fit:
    return Fit(dict.fromkeys(names, Undefined(why, n)), dict.fromkeys(names), n)


def partial_correlation(
    x: Floats, y: Floats, given: list[Floats], *, row: Ints, rows: int, effects: bool
) -> Figures:
    """Pearson of `x` and `y` (n,) when the columns `given` are held fixed, as a function of weights (b, rows) on rows.

    `row` (n,): the row of each. With `effects` each row has an effect of its own; else there is an intercept.
    """
    columns = [x, y, *given]
    if effects:
        within = Within.of(row)
        columns, row = [within(column) for column in columns], row[within.keep]
    sizes = [np.linalg.norm(column) for column in columns]
    flat = any(
        size <= _FLAT * max(1.0, np.abs(c).max(initial=0))
        for size, c in zip(sizes[:2], columns, strict=False)
    )
    table = np.column_stack(
        [column / size if size else column for column, size in zip(columns, sizes, strict=True)]
    )
    if not effects:
        table = np.column_stack([table, np.full(len(table), 1 / np.sqrt(max(len(table), 1)))])
    k = table.shape[1]
    products = np.zeros((rows, k, k))
    np.add.at(products, row, table[:, :, None] * table[:, None, :])

    def of(weights: Floats) -> Floats:
        total = (weights @ products.reshape(rows, k * k)).reshape(-1, k, k)
        pair, across, rest = total[:, :2, :2], total[:, :2, 2:], total[:, 2:, 2:]
        left = pair
        if k > 2:
            left = pair - across @ np.linalg.pinv(rest, rcond=_FLAT, hermitian=True) @ across.transpose(
                0, 2, 1
            )
        own = left[:, [0, 1], [0, 1]]
        with np.errstate(invalid="ignore", divide="ignore"):
            r = left[:, 0, 1] / np.sqrt(own.prod(axis=1))
        known = (own > _FLAT * pair[:, [0, 1], [0, 1]]).all(axis=1) & (not flat)
        return np.where(known, r.clip(-1, 1), np.nan)[:, None]

    return of
