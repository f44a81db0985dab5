"""Is one judge better than another? On the same items, with the same resamples.

Two judges score the same responses to the same prompts, so the difference of their figures is far surer than either
figure: a hard prompt is hard for both. What is resampled is prompts, once for both judges; two bootstraps drawn apart
would give intervals that are much too wide.

PERM-BOTH and Williams' test stand beside it because papers print them. Williams' test takes items for independent, which
responses to one prompt are not: it finds too much.

Sources: Deutsch, Dror and Roth (2021), A Statistical Analysis of Summarization Evaluation Metrics using Resampling Methods
(PERM-BOTH); Williams (1959), The comparison of regression variables, as in Graham and Baldwin (2014), Testing for
Significance of Increased Correlation with Human Judgment.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal, Protocol

import numpy as np
from scipy import special

from stats.agreement.intervals import Interval
from stats.arrays import Bools, Floats, Ints
from stats.estimate import Estimate, Reason, Result, Undefined
from stats.judges.grid import Grid
from stats.judges.multiplicity import benjamini_hochberg
from stats.resampling import CLUSTER_BOOTSTRAP, Figures, draws, summarise

_MOST_UNDEFINED = 0.05
_CELLS = 4_000_000
"""Of scores that are held at once."""
_WEIGHTS = 50_000
"""Of weights that are held at once, as for the figures of one judge."""


def on_shared_cells(grids: Sequence[Grid]) -> list[Grid]:
    """The same items for every judge: those that people and all of the judges scored."""
    if not grids:
        return []
    shared = np.all([grid.both for grid in grids], axis=0)
    return [
        replace(
            grid,
            human=np.where(shared, grid.human, np.nan),
            judge=np.where(shared, grid.judge, np.nan),
            repeats=None if grid.repeats is None else np.where(shared[:, :, None], grid.repeats, np.nan),
        ).shared()
        for grid in grids
    ]


# The paired bootstrap


class Measured(Protocol):
    """k figures of one judge that are computed together, as functions of weights on rows: a `FigureSet`."""

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def of(self) -> Figures: ...

    @property
    def n(self) -> tuple[int, ...]: ...

    @property
    def why(self) -> tuple[Reason, ...]: ...


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of the first judge less that of the second."""

    figure: str
    first: str
    second: str
    difference: Result
    p: float | None
    """Two-sided, from the same resamples as the interval; None where there is no interval to be had."""
    adjusted_p: float | None
    """Benjamini-Hochberg, over all pairs of judges and all figures of the call."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """All judges against each other."""

    differences: tuple[Difference, ...]
    top: dict[str, tuple[str, ...]]
    """Per figure, the top cluster: the judges that no other judge beats, at the false discovery rate q."""
    q: float


def compare_judges(
    judges: Mapping[str, Sequence[Measured]],
    prompt: Ints,
    *,
    lower_is_better: Collection[str] = (),
    q: float = 0.05,
    interval: Interval = CLUSTER_BOOTSTRAP,
    rng: np.random.Generator,
) -> Comparison:
    """Every figure of every two judges, paired over prompts.

    Each judge brings the same figures, of the same rows (`on_shared_cells`); `prompt` (P,) names the prompt of each row.
    Axes can be compared in one call, as figures of different names.
    """
    names = [_names(sets) for sets in judges.values()]
    if any(other != names[0] for other in names[1:]):
        raise ValueError("all judges must bring the same figures")
    everything = [one for sets in judges.values() for one in sets]
    if not everything:
        return Comparison((), {}, q)

    def figures(weights: Floats) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            by_column = np.asfortranarray(
                weights
            )  # its transpose is contiguous, and that is what sets work on
            return np.concatenate([one.of(by_column) for one in everything], axis=1)

    replicates = interval.replicates if prompt.size else 0
    block = max(1, _WEIGHTS // max(prompt.size, 1))
    point, drawn = draws(figures, prompt, replicates=replicates, rng=rng, block=block)
    k, units = len(names[0]), np.unique(prompt).size
    value = dict(zip(judges, point.reshape(-1, k), strict=True))
    columns = dict(zip(judges, np.split(drawn, len(judges), axis=1), strict=True))
    found: list[Difference] = []
    for first, second in combinations(judges, 2):
        apart = columns[first] - columns[second]
        results = summarise(
            value[first] - value[second],
            apart,
            n=[min(pair) for pair in zip(_n(judges[first]), _n(judges[second]), strict=True)],
            why=_why(judges, first, second, value),
            units=units,
            interval=interval,
        )
        found += [
            Difference(name, first, second, result, _p_value(apart[:, i], result), None)
            for i, (name, result) in enumerate(zip(names[0], results, strict=True))
        ]
    found = _adjusted(found)
    top = {
        name: _top(
            [judge for judge in judges if np.isfinite(value[judge][i])],
            [one for one in found if one.figure == name],
            lower=name in lower_is_better,
            q=q,
        )
        for i, name in enumerate(names[0])
    }
    return Comparison(tuple(found), top, q)


def _names(sets: Sequence[Measured]) -> tuple[str, ...]:
    return tuple(name for one in sets for name in one.names)


def _n(sets: Sequence[Measured]) -> tuple[int, ...]:
    return tuple(n for one in sets for n in one.n)


def _why(
    judges: Mapping[str, Sequence[Measured]], first: str, second: str, value: Mapping[str, Floats]
) -> list[Reason]:
    """The reason of whichever judge lacks the figure."""
    reasons = [tuple(why for one in judges[judge] for why in one.why) for judge in (first, second)]
    return [
        one if np.isnan(of_first) else other
        for one, other, of_first in zip(*reasons, value[first], strict=True)
    ]


def _p_value(drawn: Floats, result: Result) -> float | None:
    """Where the interval that just reaches 0 has its level, as `stats.tails.tail` widens it for few units.

    No p is smaller than what the number of resamples can tell.
    """
    if isinstance(result, Undefined) or result.units < 2:
        return None
    known = drawn[np.isfinite(drawn)]
    if known.size == 0 or drawn.size - known.size > _MOST_UNDEFINED * drawn.size:
        return None
    beyond = (1 + min(int((known <= 0).sum()), int((known >= 0).sum()))) / (1 + known.size)
    if beyond >= 0.5:
        return 1.0
    n = result.units
    return float(2 * special.stdtr(n - 1, special.ndtri(beyond) * np.sqrt((n - 1) / n)))


def _adjusted(found: list[Difference]) -> list[Difference]:
    tested = [i for i, one in enumerate(found) if one.p is not None]
    adjusted = benjamini_hochberg(np.array([found[i].p for i in tested], dtype=np.float64))
    for i, p in zip(tested, adjusted, strict=True):
        found[i] = replace(found[i], adjusted_p=float(p))
    return found


def _top(
    judges: Sequence[str], differences: Sequence[Difference], *, lower: bool, q: float
) -> tuple[str, ...]:
    beaten = set()
    for one in differences:
        if isinstance(one.difference, Estimate) and one.adjusted_p is not None and one.adjusted_p <= q:
            beaten.add(one.first if (one.difference.value < 0) != lower else one.second)
    return tuple(judge for judge in judges if judge not in beaten)


# Tests that papers print


@dataclass(frozen=True, slots=True)
class Significance:
    """The outcome of a test."""

    method: str
    statistic: float
    p: float
    two_sided: bool
    n: int
    """Items."""
    draws: int = 0
    """Of chance, where the test draws."""


Level = Literal["none", "item", "sys", "system"]
Statistic = Callable[[Floats], Floats]
"""Judge scores (b, P, M), NaN where there is none, to a figure (b,) that is larger for a better judge."""


@dataclass(frozen=True)
class PearsonWith:
    """Pearson's correlation with people: `pearson_with`."""

    human: Floats
    level: Level

    def __call__(self, judge: Floats) -> Floats:
        """(b,) for judge scores (b, P, M)."""
        known = ~(np.isnan(self.human) | np.isnan(judge))
        if self.level == "system":
            with np.errstate(invalid="ignore", divide="ignore"):
                means = [
                    np.where(known, side, 0).sum(axis=1) / known.sum(axis=1) for side in (self.human, judge)
                ]
            return _correlation(means[0], means[1], ~np.isnan(means[0]), axis=1)
        people = np.broadcast_to(self.human, judge.shape)
        if self.level == "none":
            flat = (len(judge), -1)
            return _correlation(people.reshape(flat), judge.reshape(flat), known.reshape(flat), axis=1)
        return _mean_known(_correlation(people, judge, known, axis=2 if self.level == "item" else 1))

    def rows(self, judge: Floats) -> Floats:
        """(P, k): what each row of scores (P, M) adds to the sums that `of_sums` takes."""
        known = ~(np.isnan(self.human) | np.isnan(judge))
        if self.level == "item":
            r = _correlation(self.human, judge, known, axis=1)
            return np.column_stack([np.nan_to_num(r), np.isfinite(r)])
        x = np.where(known, self.human - np.mean(self.human[known]), 0)
        y = np.where(known, judge, 0)
        moments = np.stack([known, x, y, x * x, y * y, x * y], axis=1)  # (P, 6, M)
        return (moments.sum(axis=2) if self.level == "none" else moments).reshape(len(moments), -1)

    def of_sums(self, sums: Floats) -> Floats:
        """(b,) for sums of rows (b, k)."""
        with np.errstate(invalid="ignore", divide="ignore"):
            if self.level == "item":
                return np.asarray(sums[:, 0] / sums[:, 1])
            n, x, y, xx, yy, xy = sums.reshape(len(sums), 6, -1).transpose(1, 0, 2)
            if self.level == "system":
                return _correlation(x / n, y / n, n > 0, axis=1)
            xx, yy, xy = xx - x * x / n, yy - y * y / n, xy - x * y / n
            flat = ~((xx > 1e-9) & (yy > 1e-9))
            return _mean_known(np.where(flat, np.nan, xy / np.sqrt(xx * yy)))


def pearson_with(human: Floats, level: Level) -> PearsonWith:
    """Pearson's correlation with people (P, M): pooled ("none"), per prompt, per model, or of the models' means.

    Groups in which a side is constant have none and are left out of the mean.
    """
    return PearsonWith(human, level)


def _mean_known(each: Floats) -> Floats:
    known = np.isfinite(each)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(known, each, 0).sum(axis=1) / known.sum(axis=1))


def _correlation(x: Floats, y: Floats, known: Bools, *, axis: int) -> Floats:
    n = known.sum(axis=axis, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        x = np.where(known, x - np.where(known, x, 0).sum(axis=axis, keepdims=True) / n, 0)
        y = np.where(known, y - np.where(known, y, 0).sum(axis=axis, keepdims=True) / n, 0)
        xx, yy = (x * x).sum(axis=axis), (y * y).sum(axis=axis)
        r = (x * y).sum(axis=axis) / np.sqrt(xx * yy)
    return np.where((xx > 1e-12) & (yy > 1e-12), r, np.nan)


def perm_both(
    first: Floats,
    second: Floats,
    statistic: Statistic,
    *,
    permutations: int = 2_000,
    rng: np.random.Generator,
    prompt: Ints | None = None,
) -> Significance | Undefined:
    """PERM-BOTH: does the first judge do better than the second? One-sided.

    Both judges' scores (P, M) are put on one scale (mean 0, SD 1); then the two scores of each cell change places with
    probability 1/2, and the difference of the statistic is compared with the one observed. p = (1 + differences at
    least as large) / (1 + permutations). With `prompt` (P,) whole prompts change places, which holds when responses
    to a prompt depend on each other; with `pearson_with` that takes sums of rows alone, and is much quicker.
    """
    known = ~(np.isnan(first) | np.isnan(second))
    n = int(known.sum())
    if n == 0:
        return Undefined(Reason.NOTHING_SHARED)
    a, b = (np.where(known, side, np.nan) for side in (first, second))
    if np.ptp(a[known]) < 1e-12 or np.ptp(b[known]) < 1e-12:
        return Undefined(Reason.CONSTANT, n)
    a, b = ((side - np.nanmean(side)) / np.nanstd(side) for side in (a, b))
    observed = float((statistic(a[None]) - statistic(b[None]))[0])
    if not np.isfinite(observed):
        return Undefined(Reason.CONSTANT, n)
    as_large = drawn = 0
    for difference in _swapped(a, b, statistic, permutations, rng, prompt):
        as_large += int((difference >= observed - 1e-12).sum())
        drawn += int(np.isfinite(difference).sum())
    if drawn < (1 - _MOST_UNDEFINED) * permutations:
        return Undefined(Reason.UNDEFINED_RESAMPLES, n)
    return Significance("perm_both", observed, (1 + as_large) / (1 + drawn), False, n, drawn)


def _swapped(
    a: Floats,
    b: Floats,
    statistic: Statistic,
    permutations: int,
    rng: np.random.Generator,
    prompt: Ints | None,
) -> Iterator[Floats]:
    """Differences of the statistic after chance had the judges change places, in blocks."""
    prompts, of_row = np.unique(np.arange(len(a)) if prompt is None else prompt, return_inverse=True)
    by_sums = statistic if prompt is not None and isinstance(statistic, PearsonWith) else None
    if by_sums:
        first, second = by_sums.rows(a), by_sums.rows(b)
    block = max(1, _CELLS // (len(a) if by_sums else a.size))
    for start in range(0, permutations, block):
        size = min(block, permutations - start)
        if prompt is None:
            swap = rng.random((size, *a.shape)) < 0.5
        else:
            swap = (rng.random((size, prompts.size)) < 0.5)[:, of_row, None]
        if by_sums:
            moved = swap[:, :, 0].astype(np.float64) @ (second - first)
            yield by_sums.of_sums(first.sum(axis=0) + moved) - by_sums.of_sums(second.sum(axis=0) - moved)
        else:
            yield statistic(np.where(swap, b, a)) - statistic(np.where(swap, a, b))


def williams(r12: float, r13: float, r23: float, n: int) -> Significance | Undefined:
    """Williams' test of r12 > r13, one-sided: Pearson of people with either judge, r23 of the two judges, n items.

    t = (r12 - r13) sqrt((n-1)(1+r23) / (2K(n-1)/(n-3) + ((r12+r13)/2)^2 (1-r23)^3)) with n - 3 degrees of freedom,
    K = 1 - r12^2 - r13^2 - r23^2 + 2 r12 r13 r23. Where the judges agree entirely there is nothing to test.
    """
    if n < 4:
        return Undefined(Reason.NOT_ENOUGH, n)
    if not np.isfinite([r12, r13, r23]).all():
        return Undefined(Reason.CONSTANT, n)
    k = max(1 - r12**2 - r13**2 - r23**2 + 2 * r12 * r13 * r23, 0.0)
    spread = 2 * k * (n - 1) / (n - 3) + ((r12 + r13) / 2) ** 2 * (1 - r23) ** 3
    if spread < 1e-15:
        return Undefined(Reason.NO_VARIATION, n)
    t = (r12 - r13) * np.sqrt((n - 1) * (1 + r23) / spread)
    return Significance("williams", float(t), float(special.stdtr(n - 3, -t)), False, n)


def williams_test(human: Floats, first: Floats, second: Floats) -> Significance | Undefined:
    """Williams' test on pooled cells, all of which must be there; for clusters of responses it finds too much."""
    sides = np.stack([human.ravel(), first.ravel(), second.ravel()])
    n = sides.shape[1]
    if np.isnan(sides).any():
        return Undefined(Reason.INCOMPLETE, n)
    if n < 4:
        return Undefined(Reason.NOT_ENOUGH, n)
    if (np.ptp(sides, axis=1) < 1e-12).any():
        return Undefined(Reason.CONSTANT, n)
    r = np.atleast_2d(np.corrcoef(sides))
    return williams(float(r[0, 1]), float(r[0, 2]), float(r[1, 2]), n)
