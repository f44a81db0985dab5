"""Twice the same item: a rater against a gold value, and a rater against himself or herself on another day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stats.arrays import Floats, Ints
from stats.estimate import Reason, Result
from stats.raters.clusters import LEVEL, ByRater, Scale


@dataclass(frozen=True)
class Twice:
    """Two values of the same item on one axis: the rater's, and the gold value; or the rater's first and second.

    `rater`, `prompt` (m,) indices; `first`, `second` (m,) in the units of the axis.
    """

    rater: Ints
    prompt: Ints
    first: Floats
    second: Floats

    @classmethod
    def of(
        cls,
        rater: npt.ArrayLike,
        first: npt.ArrayLike,
        second: npt.ArrayLike,
        prompt: npt.ArrayLike | None = None,
    ) -> Twice:
        """From arrays (m,) in any order; pairs without both values are left out."""
        who = np.asarray(rater, dtype=np.int64).reshape(-1)
        a, b = (np.asarray(x, dtype=np.float64).reshape(-1) for x in (first, second))
        prompts = np.arange(who.size) if prompt is None else np.asarray(prompt, dtype=np.int64).reshape(-1)
        if not who.size == a.size == b.size == prompts.size:
            raise ValueError(f"{who.size} raters, {a.size} and {b.size} values, {prompts.size} prompts")
        rows = np.lexsort((prompts, who))
        rows = rows[~np.isnan(a + b)[rows]]
        return cls(who[rows], prompts[rows], a[rows], b[rows])


@dataclass(frozen=True)
class TwiceAgreement:
    """(R,) each."""

    qwk: list[Result]
    """Quadratic weighted kappa."""
    exact: list[Result]
    """Share of equal values."""
    difference: list[Result]
    """Mean of the second less the first: how much lower than gold, or how much more lenient the second time."""


def agreement_twice(pairs: Twice, n_raters: int, *, level: float = LEVEL) -> TwiceAgreement:
    """Weighted agreement of the pairs of each rater; intervals clustered by prompt, kappa's on Fisher's z.

    Kappa from moments: 1 - E(a - b)^2 / (var a + var b + (E a - E b)^2), which is the same as from the table.
    """
    by = ByRater(pairs.rater, pairs.prompt, n_raters)
    a, b, of = pairs.first, pairs.second, pairs.rater
    exact = by.mean(a == b)
    difference = by.mean(b - a)
    apart, centred_a, centred_b = (a - b) ** 2, a - by.mean(a)[of], b - by.mean(b)[of]
    observed = by.mean(apart)
    variance_a, variance_b, gap = by.mean(centred_a**2), by.mean(centred_b**2), by.mean(a) - by.mean(b)
    expected = variance_a + variance_b + gap**2
    with np.errstate(invalid="ignore", divide="ignore"):
        kappa = np.where(expected > 1e-18, 1 - observed / expected, np.nan)
        moved = (centred_a**2 - variance_a[of]) + (centred_b**2 - variance_b[of])
        moved += 2 * gap[of] * (centred_a - centred_b)
        influence = -(apart - observed[of]) / expected[of] + (observed / expected**2)[of] * moved
    why = [Reason.NO_DATA if n == 0 else Reason.NO_VARIATION for n in by.n.tolist()]
    return TwiceAgreement(
        qwk=by.results(kappa, influence, scale=Scale.CORRELATION, level=level, why=why),
        exact=by.results(exact, (a == b) - exact[of], scale=Scale.SHARE, level=level, why=Reason.NO_DATA),
        difference=by.results(difference, (b - a) - difference[of], level=level, why=Reason.NO_DATA),
    )
