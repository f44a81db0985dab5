"""How sure a figure of one rater is: linearised, clustered by prompt.

A figure that is smooth in means moves, with each rating, by that rating's *influence* u, and its error is that of the mean
of u. Ratings of responses to one prompt are not independent, so influences are added up by prompt first:

    SE^2 = C / (C - 1) * sum_c (sum_{j in c} u_j)^2 / n^2,    C prompts, n ratings of the rater

with Student's t, C - 1 degrees of freedom, around the figure or around a transform of it that is more nearly normal. It is
one pass over the ratings, for all raters at once, and draws nothing. Huber (1967); Liang & Zeger (1986); Efron (1982) calls
it the infinitesimal jackknife. It holds for other prompts like these, and for these raters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from functools import cached_property

import numpy as np
from scipy import special

from stats.arrays import Array, Floats, Ints
from stats.estimate import Estimate, Reason, Result, Undefined

LEVEL = 0.95

FEWEST_PROMPTS = 5
"""Below which there is no interval of a figure that is no mean: linearised, it would be too short."""

_NOTHING = 1e-12
"""A standard error below this is none: the data hold no sign of how the figure would vary."""


class RaterMethod(StrEnum):
    """How an interval about raters is made."""

    CLUSTER_LINEAR = "cluster_linear"
    """Linearised, clustered by prompt."""
    CLUSTER_WOODRUFF = "cluster_woodruff"
    """Of a median: the quantiles at both ends of the interval of the share below it, clustered by prompt."""
    LEAST_SQUARES = "least_squares"
    """From the pseudo-inverse of the normal equations and the residual variance."""
    NONE = "none"


@dataclass(frozen=True)
class _Scale:
    there: Callable[[Floats], Floats]
    slope: Callable[[Floats], Floats]
    back: Callable[[Floats], Floats]


class Scale(Enum):
    """On which scale an interval is symmetric."""

    PLAIN = _Scale(lambda x: x, np.ones_like, lambda y: y)
    CORRELATION = _Scale(np.arctanh, lambda r: 1 / (1 - r**2), np.tanh)  # Fisher's z
    SHARE = _Scale(special.logit, lambda p: 1 / (p * (1 - p)), special.expit)
    POSITIVE = _Scale(np.log, lambda x: 1 / x, np.exp)


class ByRater:
    """Sums, means and errors by rater, of rows that stand by rater and prompt."""

    def __init__(self, rater: Ints, prompt: Ints, n_raters: int) -> None:
        self.rater = rater
        self.n_raters = n_raters
        self.n: Ints = np.bincount(rater, minlength=n_raters)
        new = np.ones(rater.size, dtype=bool)
        new[1:] = (rater[1:] != rater[:-1]) | (prompt[1:] != prompt[:-1])
        self._cell = np.cumsum(new) - 1
        self._rater_of_cell = rater[new]
        self.prompt_of_cell = prompt[new]

    @cached_property
    def units(self) -> Ints:
        """(R,) prompts of each rater."""
        return np.bincount(self._rater_of_cell, minlength=self.n_raters)

    def total(self, x: Array) -> Floats:
        """(n,) to sums (R,)."""
        return np.asarray(np.bincount(self.rater, weights=x, minlength=self.n_raters), dtype=np.float64)

    def mean(self, x: Array) -> Floats:
        """(n,) to means (R,), NaN for a rater without rows."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(self.total(x) / self.n)

    def cells(self, x: Array) -> tuple[Ints, Ints, Floats]:
        """(n,) to sums by rater and prompt: who, which prompt, how much."""
        sums = np.bincount(self._cell, weights=x, minlength=self._rater_of_cell.size)
        return self._rater_of_cell, self.prompt_of_cell, np.asarray(sums, dtype=np.float64)

    def error(self, influence: Floats) -> Floats:
        """(R,) standard error of the mean of influences (n,), which have mean 0 within each rater."""
        who, _prompt, sums = self.cells(influence)
        squares = np.bincount(who, weights=sums**2, minlength=self.n_raters)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.sqrt(squares * self.units / (self.units - 1)) / self.n)

    def results(
        self,
        value: Floats,
        influence: Floats,
        *,
        scale: Scale = Scale.PLAIN,
        level: float = LEVEL,
        why: Reason | Sequence[Reason] = Reason.CONSTANT,
        bounds: tuple[float, float] = (-np.inf, np.inf),
        bias: Floats | float = 0.0,
    ) -> list[Result]:
        """Figures (R,) with their intervals; those that are NaN are undefined, and `why` says for what reason.

        `bias`: how far below the truth the figure lies on average; ends move up by it.
        """
        influence = np.nan_to_num(influence)  # of raters whose figure is undefined
        return results(
            value,
            self.error(influence),
            n=self.n,
            units=self.units,
            scale=scale,
            level=level,
            why=why,
            bounds=bounds,
            bias=bias,
        )


def results(
    value: Floats,
    error: Floats,
    *,
    n: Ints,
    units: Ints,
    scale: Scale = Scale.PLAIN,
    level: float = LEVEL,
    why: Reason | Sequence[Reason] = Reason.CONSTANT,
    method: str = RaterMethod.CLUSTER_LINEAR,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    bias: Floats | float = 0.0,
) -> list[Result]:
    """Figures (m,) and standard errors (m,) as estimates, undefined for the reason `why` where they are NaN."""
    of = scale.value
    with np.errstate(invalid="ignore", divide="ignore"):
        half = special.stdtrit(np.maximum(units - 1, 1), 0.5 + level / 2) * error * of.slope(value)
        low, high = of.back(of.there(value) - half), of.back(of.there(value) + half)
    low, high = np.minimum(low + bias, value).clip(*bounds), (high + bias).clip(*bounds)
    found: list[Result] = []
    for i in range(value.size):
        if n[i] == 0 or np.isnan(value[i]):
            found.append(Undefined(why if isinstance(why, Reason) else why[i], int(n[i])))
            continue
        missing: Reason | None = None
        if units[i] < 2:
            missing = Reason.ONE_UNIT
        elif units[i] < FEWEST_PROMPTS and scale is not Scale.PLAIN:
            missing = Reason.NOT_ENOUGH
        elif not error[i] > _NOTHING or not np.isfinite(half[i]):
            missing = Reason.NO_SPREAD
        found.append(
            Estimate(
                value=float(value[i]),
                low=None if missing else float(low[i]),
                high=None if missing else float(high[i]),
                level=level,
                method=method,
                n=int(n[i]),
                units=int(units[i]),
                no_interval=missing,
            )
        )
    return found
