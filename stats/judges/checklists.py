"""Checklists: when a judge is better with one, and which of its items are of use.

Source: Furuhashi et al. (2025), Are checklists really useful for automatic evaluation of generative tasks?, and
`calc_krippendoff_alpha.py`, `ablation_scoring.py` of its authors. What they do differently from us is said at each figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stats.agreement.coefficients import krippendorff_alpha
from stats.agreement.intervals import Interval
from stats.agreement.sums import Sums
from stats.arrays import Array, Bools, Floats, Ints
from stats.estimate import Reason, Result, Undefined
from stats.resampling import CLUSTER_BOOTSTRAP, Figures, bootstrap_prompts

THRESHOLDS = tuple(round(0.30 + 0.05 * step, 2) for step in range(9))
"""As the authors sweep them: .30 to .70."""


# When to use one


@dataclass(frozen=True, slots=True)
class Selective:
    """A judge that uses its checklist prompt only where it is unsure, at one threshold."""

    threshold: float
    """The checklist is used where the judge's repeated scores without it have an SD of that much or more. Infinite: never; 0:
    always."""
    share: float
    """Of items for which it is used."""
    alpha: Result
    """Ordinal alpha of the judge and the people's mean, both rounded to the points of the scale (halves up)."""
    alpha_of_means: Result
    """Interval alpha of the two as they are, unrounded."""


def selective_curve(
    human: npt.ArrayLike,
    without: npt.ArrayLike,
    with_checklist: npt.ArrayLike,
    *,
    prompt: Ints | None = None,
    values: npt.ArrayLike = (1, 2, 3, 4, 5),
    thresholds: Sequence[float] = THRESHOLDS,
    interval: Interval = CLUSTER_BOOTSTRAP,
    rng: np.random.Generator,
) -> list[Selective]:
    """Agreement with people at each threshold, after "never" (inf) and "always" (0), all from the same resamples.

    `human` (n,): mean of what people gave; `without`, `with_checklist` (n, R): the judge's repeated scores with either prompt,
    NaN where it failed; `prompt` (n,): the prompt of each item; `values` (k,): the points of the scale, ascending. An item
    needs all three, and two repeats for an SD (with R - 1); the others are left out.

    The authors round people's mean and score an empty answer as 3; we round the judge alike and leave empty answers out.
    """
    people = np.asarray(human, dtype=np.float64)
    plain, listed = np.asarray(without, dtype=np.float64), np.asarray(with_checklist, dtype=np.float64)
    rows = np.arange(people.size) if prompt is None else prompt
    if plain.ndim != 2 or listed.ndim != 2 or not len(people) == len(plain) == len(listed) == rows.size:
        raise ValueError("each item has a human mean, and repeats (n, R) with and without the checklist")
    repeats, with_repeats = (~np.isnan(plain)).sum(axis=1), (~np.isnan(listed)).sum(axis=1)
    use = ~np.isnan(people) & (repeats >= 2) & (with_repeats >= 1)
    people, rows = people[use], rows[use]
    mean, listed_mean = (
        np.nansum(table[use], axis=1) / count[use]
        for table, count in ((plain, repeats), (listed, with_repeats))
    )
    squares = np.nansum((plain[use] - mean[:, None]) ** 2, axis=1)
    sd = np.sqrt(squares / (repeats[use] - 1))

    every = [np.inf, 0.0, *thresholds]
    chosen = np.stack([sd >= t - 1e-12 for t in every])  # (T, n)
    judged = np.where(chosen, listed_mean, mean)
    points = np.asarray(values, dtype=np.float64)
    if people.size == 0:
        none = Undefined(Reason.NOTHING_SHARED)
        return [Selective(t, 0.0, none, none) for t in every]

    k = points.size
    rounded, of_people = _rounded(judged, points), _rounded(people, points)
    tables = [np.eye(k * k)[of_people * k + of_judge] for of_judge in rounded]

    def figures(weights: Floats) -> Floats:
        ordinal = [_ordinal_alpha((weights @ table).reshape(-1, k, k), points) for table in tables]
        of_means = [_interval_alpha(weights, people, of_judge) for of_judge in judged]
        return np.column_stack(ordinal + of_means)

    found = bootstrap_prompts(
        figures,
        rows,
        n=people.size,
        why=Reason.NO_VARIATION,
        interval=interval,
        rng=rng,
        bounds=(-np.inf, 1.0),
    )
    return [
        Selective(t, float(chosen[i].mean()), found[i], found[len(every) + i]) for i, t in enumerate(every)
    ]


def _rounded(scores: Floats, points: Floats) -> Ints:
    """The place of the nearest point; of the upper one if two are as near."""
    middles = (points[:-1] + points[1:]) / 2
    return np.searchsorted(middles, scores + 1e-9, side="right").astype(np.int64)


def _ordinal_alpha(table: Floats, points: Floats) -> Floats:
    """(b,) Krippendorff's ordinal alpha of two raters, from how often they gave which points (b, k, k)."""
    both = table + table.transpose(0, 2, 1)
    above = np.triu_indices(points.size, 1)
    nothing = np.zeros((len(table), 8))
    sums = Sums(points, nothing, both.sum(axis=2), nothing[:, :0], both[:, above[0], above[1]])
    return krippendorff_alpha(sums, "ordinal")


def _interval_alpha(weights: Floats, x: Floats, y: Floats) -> Floats:
    """(b,) Krippendorff's interval alpha of two raters with values x and y (n,)."""
    n = 2 * weights.sum(axis=1)
    centre = (x.mean() + y.mean()) / 2
    a, b = x - centre, y - centre
    observed = weights @ (a - b) ** 2
    expected = n * (weights @ (a * a + b * b)) - (weights @ (a + b)) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = np.where(expected > 1e-9 * n**2, 1 - (n - 1) * observed / expected, np.nan)
    return found


# Which items are of use


def item_usefulness(
    checklist_item: Array,
    gold: npt.ArrayLike,
    full: npt.ArrayLike,
    ablated: npt.ArrayLike,
    *,
    prompt: Ints,
    interval: Interval = CLUSTER_BOOTSTRAP,
    rng: np.random.Generator,
) -> dict[object, Result]:
    """Of each checklist item, the mean of |gold - full| - |gold - ablated|, in the scale's units.

    One row for each response and item: `checklist_item` (n,) names the item, `gold` (n,) is the people's mean, `full` (n,) the
    judge's score with the whole list and `ablated` (n,) without that item. Below 0: leaving the item out makes the judge's
    error larger, so it is of use; above 0: the judge is better without. The interval is over prompts; an item that only
    one prompt has gets none.
    """
    error_less = np.abs(np.asarray(gold, float) - np.asarray(full, float)) - np.abs(
        np.asarray(gold, float) - np.asarray(ablated, float)
    )
    names, groups = _Groups.of(checklist_item, ~np.isnan(error_less))
    value = np.nan_to_num(error_less)

    def figures(weights: Floats) -> Floats:
        with np.errstate(invalid="ignore"):
            mean: Floats = groups.sums(weights, value) / groups.sums(weights)
        return mean

    return _of_each(figures, names, groups, prompt, Reason.NO_SCORES, (-np.inf, np.inf), interval, rng)


def point_biserial(
    checklist_item: Array,
    ticked: npt.ArrayLike,
    score: npt.ArrayLike,
    *,
    prompt: Ints,
    interval: Interval = CLUSTER_BOOTSTRAP,
    rng: np.random.Generator,
) -> dict[object, Result]:
    """Of each checklist item, the correlation of being ticked with the overall score.

    One row for each rating and item: `ticked` (n,) 1 or 0, NaN where nobody said; `score` (n,) the overall score given with it.
    Pearson's r with one side in two values, -1 to 1; CONSTANT for an item that is ticked always or never, or with one score
    only. The interval is over prompts.
    """
    x, y = np.asarray(ticked, dtype=np.float64), np.asarray(score, dtype=np.float64)
    if not np.isin(x[~np.isnan(x)], [0, 1]).all():
        raise ValueError("an item is ticked (1) or not (0)")
    names, groups = _Groups.of(checklist_item, ~(np.isnan(x) | np.isnan(y)))
    x = np.nan_to_num(x)
    y = np.nan_to_num(y - (np.nanmean(y) if not np.isnan(y).all() else 0))

    def figures(weights: Floats) -> Floats:
        n, sx, sy, sxx, syy, sxy = (groups.sums(weights, v) for v in (None, x, y, x * x, y * y, x * y))
        with np.errstate(invalid="ignore", divide="ignore"):
            vx, vy = sxx / n - (sx / n) ** 2, syy / n - (sy / n) ** 2
            r = (sxy / n - sx * sy / n**2) / np.sqrt(vx * vy)
            found: Floats = np.where((vx > 1e-12) & (vy > 1e-12), r.clip(-1, 1), np.nan)
        return found

    return _of_each(figures, names, groups, prompt, Reason.CONSTANT, (-1.0, 1.0), interval, rng)


@dataclass(frozen=True, slots=True)
class _Groups:
    """Rows put together by checklist item, in one pass over sorted rows."""

    order: Ints
    starts: Ints
    known: Floats
    """(n,) 1 for rows that count, in the order of `order`."""
    sizes: Ints

    @classmethod
    def of(cls, names: Array, known: Bools) -> tuple[list[object], _Groups]:
        found, place = np.unique(names, return_inverse=True)
        if place.shape != known.shape:
            raise ValueError("each row has an item and its figures")
        order = np.argsort(place, kind="stable").astype(np.int64)
        sizes = np.bincount(place, weights=known, minlength=found.size).astype(np.int64)
        starts = np.searchsorted(place[order], np.arange(found.size)).astype(np.int64)
        return found.tolist(), cls(order, starts, known[order].astype(np.float64), sizes)

    def sums(self, weights: Floats, value: Floats | None = None) -> Floats:
        """(b, groups) weighted sums of `value` (n,), or of ones."""
        row = self.known if value is None else self.known * value[self.order]
        total: Floats = np.add.reduceat(weights[:, self.order] * row, self.starts, axis=1)
        return total


def _of_each(
    figures: Figures,
    names: list[object],
    groups: _Groups,
    prompt: Ints,
    why: Reason,
    bounds: tuple[float, float],
    interval: Interval,
    rng: np.random.Generator,
) -> dict[object, Result]:
    """Each item's figure. A resample without any prompt of an item leaves it undefined: with few prompts it has no interval."""
    if not names:
        return {}
    reasons = [why if size else Reason.NO_SCORES for size in groups.sizes.tolist()]
    results = bootstrap_prompts(
        figures, prompt, n=groups.sizes.tolist(), why=reasons, interval=interval, rng=rng, bounds=bounds
    )
    return dict(zip(names, results, strict=True))
