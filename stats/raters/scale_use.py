"""Use of the scale: how many points somebody really uses, and whether they press the same one over and over."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stats.arrays import Bools, Floats, Ints
from stats.estimate import Estimate, Reason, Result, Undefined
from stats.raters.clusters import LEVEL, ByRater, RaterMethod, Scale
from stats.raters.ratings import Scored


@dataclass(frozen=True)
class ScaleUse:
    """(R,) each; on all scored items, also those that nobody else scored."""

    counts: Ints
    """(R, k) scores given to each point."""
    entropy: list[Result]
    """-sum p log2 p, in bits: 0 when one point is used alone, log2(k) when all are used equally."""
    modal_share: list[Result]
    """Of the point that is given most often."""


def scale_use(scored: Scored, *, level: float = LEVEL) -> ScaleUse:
    """Entropy and modal share. Raises ValueError for a score that is no point of the axis.

    The entropy of a sample is too small by (points used - 1) / (2 n ln 2) bits or so (Miller 1955): the figure is left as it
    is, and the interval makes up for it.
    """
    points = scored.points
    place = np.searchsorted(points, scored.value).clip(max=points.size - 1)
    if not np.array_equal(points[place], scored.value):
        raise ValueError("a score is no point of its axis")
    by = ByRater(scored.rater, scored.prompt, scored.n_raters)
    counts = np.bincount(scored.rater * points.size + place, minlength=scored.n_raters * points.size)
    counts = counts.reshape(scored.n_raters, points.size)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = counts / by.n[:, None]
        bits = np.where(share > 0, -np.log2(share), 0.0)
    entropy = np.where(by.n > 0, (share * bits).sum(axis=1), np.nan)
    mode = counts.argmax(axis=1)
    modal = np.where(by.n > 0, share.max(axis=1), np.nan)
    return ScaleUse(
        counts=counts,
        entropy=by.results(
            np.where(entropy == 0, 0.0, entropy),
            bits[scored.rater, place] - entropy[scored.rater],
            level=level,
            why=Reason.NO_SCORES,
            bounds=(0.0, float(np.log2(points.size))),
            bias=np.maximum((counts > 0).sum(axis=1) - 1, 0) / (2 * np.log(2) * np.maximum(by.n, 1)),
        ),
        modal_share=by.results(
            modal,
            (place == mode[scored.rater]) - modal[scored.rater],
            scale=Scale.SHARE,
            level=level,
            why=Reason.NO_SCORES,
        ),
    )


def longest_run(scored: Scored) -> list[Result]:
    """(R,) the most equal scores one after the other, in the order in which the rater gave them.

    What was done, and no estimate of anything: it has no interval. Undefined (`no_data`) without the order of all scores.
    """
    n = np.bincount(scored.rater, minlength=scored.n_raters)
    longest = np.zeros(scored.n_raters, dtype=np.int64)
    ordered = np.zeros(scored.n_raters, dtype=bool)
    if scored.order is not None and scored.in_order is not None and scored.value.size:
        unknown = np.bincount(scored.rater, weights=np.isnan(scored.order), minlength=scored.n_raters)
        ordered = (n > 0) & (unknown == 0)
        rows = scored.in_order
        rater, value = scored.rater[rows], scored.value[rows]
        new: Bools = np.ones(rater.size, dtype=bool)
        new[1:] = (rater[1:] != rater[:-1]) | (value[1:] != value[:-1])
        first = np.flatnonzero(new)
        np.maximum.at(longest, rater[first], np.diff(np.append(first, rater.size)))
    return [
        Estimate(
            value=float(longest[r]),
            low=None,
            high=None,
            level=LEVEL,
            method=RaterMethod.NONE,
            n=int(n[r]),
            units=int(n[r]),
            no_interval=Reason.NOT_ASKED,
        )
        if ordered[r]
        else Undefined(Reason.NO_DATA if n[r] else Reason.NO_SCORES, int(n[r]))
        for r in range(scored.n_raters)
    ]


def run_by_chance(share: Floats | float, n: Ints | int) -> Floats:
    """How long the longest run of a point would be, on average, if its share of n scores were spread at random:
    log(n (1 - p)) / log(1 / p), of the order of one more or less. Schilling (1990), The Longest Run of Heads."""
    p = np.asarray(share, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        run = np.log(np.maximum(np.asarray(n) * (1 - p), 1)) / -np.log(p)
    return np.where(p >= 1, np.asarray(n, dtype=np.float64), run)
