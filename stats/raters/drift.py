"""Drift: whether a rater becomes more lenient or more severe in the course of the work."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stats.arrays import Floats
from stats.estimate import Reason, Result
from stats.raters.clusters import LEVEL, ByRater
from stats.raters.ratings import Scored
from stats.raters.severity import residuals

FEWEST = 6
"""Items in order that a rater needs: two in each third."""


@dataclass(frozen=True)
class Drift:
    """(R,) each, in the units of the axis; above 0: more lenient towards the end."""

    slope: list[Result]
    """Change from the first to the last rating along a straight line."""
    thirds: list[Result]
    """Mean of the last third less that of the first."""


def drift(scored: Scored, effect: Floats, *, level: float = LEVEL) -> Drift:
    """What the rater gives above the item's other raters, severities taken out, against the place in the rater's own order.

    The place runs from 0 (first) to 1 (last). Undefined (`no_data`) where the order is not known.
    """
    known = np.zeros(scored.value.size, dtype=bool) if scored.order is None else ~np.isnan(scored.order)
    ordered = scored.shared & known
    of = scored.kept(ordered)
    by = ByRater(of.rater, of.prompt, of.n_raters)
    among = scored.per_item[ordered]
    above = residuals(scored, effect)[ordered] * among / (among - 1)
    place = _places(by, of)
    few = by.n < FEWEST
    why = [Reason.NO_DATA if n == 0 else Reason.NOT_ENOUGH for n in by.n.tolist()]

    x = place - by.mean(place)[by.rater]
    y = above - by.mean(above)[by.rater]
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = by.mean(x**2)
        slope = by.mean(x * y) / variance
        influence = x * (y - slope[by.rater] * x) / variance[by.rater]
    first, last = place < 1 / 3, place > 2 / 3
    with np.errstate(invalid="ignore", divide="ignore"):
        at_first = by.total(above * first) / by.total(first)
        at_last = by.total(above * last) / by.total(last)
        moved = (last * (above - at_last[by.rater]) / by.total(last)[by.rater]) - (
            first * (above - at_first[by.rater]) / by.total(first)[by.rater]
        )
    return Drift(
        slope=by.results(np.where(few, np.nan, slope), influence, level=level, why=why),
        thirds=by.results(
            np.where(few, np.nan, at_last - at_first), moved * by.n[by.rater], level=level, why=why
        ),
    )


def _places(by: ByRater, of: Scored) -> Floats:
    """(n,) 0 for a rater's first rating, 1 for the last, even steps between."""
    if of.in_order is None:
        return np.zeros(of.value.size)
    start = np.cumsum(by.n) - by.n
    place = np.empty(of.value.size)
    place[of.in_order] = np.arange(of.value.size) - start[of.rater]  # rows stand by rater, in both orders
    return np.asarray(place / np.maximum(by.n - 1, 1)[of.rater])
