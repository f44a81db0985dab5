"""Noise: how far a rater's scores scatter once items and severities are taken out."""

from __future__ import annotations

import numpy as np

from stats.arrays import Floats
from stats.estimate import Reason, Result
from stats.raters.clusters import LEVEL, ByRater, Scale
from stats.raters.ratings import Scored
from stats.raters.severity import residuals


def residual_sd(scored: Scored, effect: Floats, *, level: float = LEVEL) -> list[Result]:
    """SD of a rater's residuals after severity (R,), in the units of the axis; interval on the log scale.

    sqrt(sum_i f_i^2 / (n - 1)), f_i = e_i sqrt(n_i / (n_i - 1)): an item's mean takes up one of its n_i scores, so bare
    residuals of items with two raters are too small by a factor of .71, and of items with three by .82. With equally noisy
    raters it is the SD of a single score. A rater's noise also shows, halved at two raters an item, in the partners' figure.
    """
    of = scored.kept(scored.shared)
    by = ByRater(of.rater, of.prompt, of.n_raters)
    squares = residuals(of, effect) ** 2 * of.per_item / (of.per_item - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = by.total(squares) / (by.n - 1)
        sd = np.where(by.n > 1, np.sqrt(variance), np.nan)
        influence = (squares - variance[of.rater]) / (2 * sd[of.rater])
    why = [Reason.NOTHING_SHARED if n == 0 else Reason.NOT_ENOUGH for n in by.n.tolist()]
    return by.results(sd, influence, scale=Scale.POSITIVE, level=level, why=why)
