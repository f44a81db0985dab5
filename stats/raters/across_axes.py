"""Across axes: whether somebody tells the questions apart, or gives one impression on all of them."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np

from stats.arrays import Floats
from stats.estimate import Reason, Result, Undefined
from stats.raters.clusters import LEVEL, ByRater, Scale
from stats.raters.ratings import Sheet
from stats.raters.rest import correlation_results, pearson


def equal_axes(sheet: Sheet, *, level: float = LEVEL) -> list[Result]:
    """(R,) share of a rater's items with the same score on all axes.

    Over the axes with the same points (the most that there are), and the items that the rater scored on all of them.
    Undefined (`not_enough`) with fewer than two such axes.
    """
    scales = Counter(
        tuple(points) for points, ordered in zip(sheet.points, sheet.ordered, strict=True) if ordered
    )
    points, many = scales.most_common(1)[0] if scales else ((), 0)
    if many < 2:
        return [Undefined(Reason.NOT_ENOUGH)] * sheet.n_raters
    axes = [a for a in range(sheet.n_axes) if sheet.ordered[a] and tuple(sheet.points[a]) == points]
    low, high = sheet.score[:, axes[0]].copy(), sheet.score[:, axes[0]].copy()
    for axis in axes[1:]:
        np.minimum(low, sheet.score[:, axis], out=low)  # NaN, once in, stays
        np.maximum(high, sheet.score[:, axis], out=high)
    complete = ~np.isnan(low)
    by = ByRater(sheet.rater[complete], sheet.prompt[complete], sheet.n_raters)
    equal = (low == high)[complete].astype(np.float64)
    share = by.mean(equal)
    return by.results(share, equal - share[by.rater], scale=Scale.SHARE, level=level, why=Reason.NO_SCORES)


def halo(sheet: Sheet, *, level: float = LEVEL) -> tuple[list[Result], Result]:
    """Mean correlation between axes: of each rater (R,), and of all raters together.

    Over the items scored on all axes that have an order, and over the pairs of axes that vary for the rater. Together: each
    rater's scores less the rater's mean, so that lenient and severe raters do not add to it. High for everybody when
    responses are good or bad in all respects; a rater far above all others has one impression only.
    """
    axes = [a for a in range(sheet.n_axes) if sheet.ordered[a]]
    nothing = Undefined(Reason.NOT_ENOUGH)
    if len(axes) < 2:
        return [nothing] * sheet.n_raters, nothing
    complete = ~np.isnan(sheet.score[:, axes]).any(axis=1)
    prompt = sheet.prompt[complete]
    by = ByRater(sheet.rater[complete], prompt, sheet.n_raters)
    columns = [sheet.score[complete, axis] for axis in axes]
    each = correlation_results(by, *_mean_correlation(by, columns), level=level, empty=Reason.NO_SCORES)
    rows = np.argsort(prompt, kind="stable")
    together = ByRater(np.zeros(rows.size, dtype=np.int64), prompt[rows], 1)
    centred = [(x - by.mean(x)[by.rater])[rows] for x in columns]
    (everybody,) = correlation_results(
        together, *_mean_correlation(together, centred), level=level, empty=Reason.NO_SCORES
    )
    return each, everybody


def _mean_correlation(by: ByRater, columns: list[Floats]) -> tuple[Floats, Floats]:
    total, influence = np.zeros(by.n_raters), np.zeros(by.rater.size)
    pairs = np.zeros(by.n_raters)
    for x, y in combinations(columns, 2):
        r, u = pearson(by, x, y)
        known = ~np.isnan(r)
        pairs += known
        total += np.nan_to_num(r)
        influence += np.nan_to_num(u)
    with np.errstate(invalid="ignore", divide="ignore"):
        return total / pairs, influence / pairs[by.rater]
