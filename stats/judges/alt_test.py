"""May a judge stand in for an annotator? The alternative annotator test.

Each annotator r is set against the judge f on the items that r and somebody else rated: who of the two lies nearer to
those others? Per item, W_f = [the judge is at least as near], W_r = [r is]; a tie counts for both. The judge beats r
when E(W_r) - E(W_f) < eps, where eps is what the judge's cheapness is worth: .2 against experts, .15 against skilled
annotators, .1 against a crowd. The winning rate is the share of annotators whom it beats, at a false discovery rate q.

The verdict is mostly the choice of eps, so that belongs into the plan of a study, and the curve beside the verdict. With
two raters per item the "others" are one person, who is often wrong: the authors advise three or more. As in their
program, an annotator's items count as independent in the test; the intervals of rho are over prompts.

Source: Calderon, Reichart and Dror (2025), The Alternative Annotator Test for LLM-as-a-Judge.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from scipy import special

from stats.agreement.intervals import Interval, Method
from stats.arrays import Floats, Ints
from stats.estimate import Estimate, Reason, Result, Undefined
from stats.judges.figures import FigureSet
from stats.judges.grid import Grid, Ratings
from stats.judges.multiplicity import benjamini_yekutieli
from stats.judges.others import mean_of_others
from stats.resampling import CLUSTER_BOOTSTRAP, bootstrap_prompts

EXPERTS, SKILLED, CROWD = 0.2, 0.15, 0.1
"""The authors' eps, by who the annotators are."""

CURVE: tuple[float, ...] = tuple(round(i / 100, 2) for i in range(31))

_ROUNDING = 1e-9


class Scoring(StrEnum):
    """How near a score is to those of others."""

    ACCURACY = "accuracy"
    """The share of others who gave the same: for kinds without an order. A judge's mean over repeats equals nobody."""
    NEGATIVE_RMSE = "neg_rmse"
    """Minus the root of the mean squared distance: for points on a scale."""


class Few(StrEnum):
    """What becomes of annotators with few items, for whom a mean is not yet normal."""

    LEAVE_OUT = "leave_out"
    """As the authors' program does."""
    WILCOXON = "wilcoxon"
    """The signed-rank test in place of the t-test, as their paper advises."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What a study fixes before it looks."""

    epsilon: float = SKILLED
    scoring: Scoring = Scoring.NEGATIVE_RMSE
    q: float = 0.05
    min_items: int = 30
    few: Few = Few.LEAVE_OUT
    curve: tuple[float, ...] = CURVE


@dataclass(frozen=True, slots=True)
class Annotator:
    """The judge against one annotator."""

    rater: int
    n: int
    """Items of theirs that somebody else rated and the judge scored."""
    judge: Result
    """W_f: how often the judge is at least as near to the others. Its mean over annotators is rho."""
    human: Result
    """W_r: how often the annotator is."""
    difference: Result
    """W_r - W_f, to be below eps."""
    p: float
    """At the study's eps, one-sided, not adjusted."""
    adjusted_p: float
    """Benjamini-Yekutieli, over the annotators (and axes) of the call."""
    beaten: bool


@dataclass(frozen=True, slots=True)
class Point:
    """The winning rate at one eps."""

    epsilon: float
    winning_rate: Result
    registered: bool
    """Whether this is the eps that the study had fixed."""


@dataclass(frozen=True, slots=True)
class AltTest:
    """The outcome on one axis."""

    setting: Setting
    winning_rate: Result
    """omega: share of annotators beaten. A count of verdicts: it has no interval of its own; `units` is annotators."""
    advantage: Result
    """rho: mean over annotators of W_f, which ranks judges, and does not depend on eps. `n` is items."""
    curve: tuple[Point, ...]
    annotators: tuple[Annotator, ...]
    left_out: int
    """Annotators with too few items."""
    shared_by_two: float
    """Share of the items with just two raters."""

    @property
    def passed(self) -> bool | None:
        """Whether the judge beats at least half of the annotators; None where that is not known."""
        return self.winning_rate.value >= 0.5 if isinstance(self.winning_rate, Estimate) else None

    @property
    def thin(self) -> bool:
        """Whether to warn: most items have two raters, so that most comparisons are with one other person."""
        return self.shared_by_two > 0.5


def alt_test(
    grid: Grid,
    setting: Setting | None = None,
    *,
    interval: Interval = CLUSTER_BOOTSTRAP,
    rng: np.random.Generator,
) -> AltTest:
    """The test on one axis."""
    return alt_tests([grid], setting, interval=interval, rng=rng)[0]


def alt_tests(
    grids: Sequence[Grid],
    setting: Setting | None = None,
    *,
    interval: Interval = CLUSTER_BOOTSTRAP,
    rng: np.random.Generator,
) -> list[AltTest]:
    """The test on several axes: false discoveries are held down over axes x annotators, the winning rate is per axis."""
    setting = setting or Setting()
    if not grids:
        return []
    duels = [_duels(grid, setting) for grid in grids]
    epsilons = sorted({*setting.curve, setting.epsilon})
    counts = np.concatenate([each.counts[each.tested] for each in duels])
    p = np.array([[_p(count, epsilon, setting) for count in counts] for epsilon in epsilons])
    p = p.reshape(len(epsilons), len(counts))
    adjusted = benjamini_yekutieli(p)
    ends = np.cumsum([each.tested.size for each in duels])[:-1]
    return [
        _outcome(grid, each, setting, epsilons, raw, fair, interval, rng)
        for grid, each, raw, fair in zip(
            grids, duels, np.split(p, ends, axis=1), np.split(adjusted, ends, axis=1), strict=True
        )
    ]


def advantage_figures(grid: Grid, setting: Setting | None = None) -> FigureSet:
    """rho, named "alt_test.rho", as a function of weights on rows: for ranking judges by it (`comparing`)."""
    duels = _duels(grid, setting or Setting())
    name, n, why = ("alt_test.rho",), (duels.items,), (duels.why or Reason.NOT_ENOUGH,)
    if duels.why is not None:
        return FigureSet(name, lambda weights: np.full((len(weights), 1), np.nan), n, why)
    used = np.isin(duels.rater, duels.tested)
    position = np.searchsorted(duels.tested, duels.rater[used])
    shares = _Shares(duels.row[used], position, duels.judge[used], duels.human[used], len(grid.prompt))
    return FigureSet(name, lambda weights: shares(weights)[:, :1], n, why, bounds=(0, 1))


@dataclass(frozen=True)
class _Duels:
    """Each rating of r that can be set against the judge: n of them."""

    row: Ints
    rater: Ints
    judge: Floats
    """W_f (n,): 1 or 0."""
    human: Floats
    """W_r (n,)."""
    items: int
    shared_by_two: float
    raters: Ints
    counts: Ints
    """(raters, 3) how often W_r - W_f is -1, 0 and 1."""
    tested: Ints
    """Which of `raters` have items enough."""
    why: Reason | None


def _duels(grid: Grid, setting: Setting) -> _Duels:
    nothing = np.empty(0, dtype=np.int64)
    of_nobody = _Duels(
        nothing, nothing, np.empty(0), np.empty(0), 0, 0.0, nothing, np.empty((0, 3), np.int64), nothing, None
    )
    ratings = grid.ratings
    if ratings is None:
        return replace(of_nobody, why=Reason.NO_DATA)
    if ratings.anonymous:
        return replace(of_nobody, why=Reason.ANONYMOUS)
    scored = ~np.isnan(grid.judge[ratings.row, ratings.model])
    if not scored.any():
        return replace(of_nobody, why=Reason.NOTHING_SHARED)
    row, model = ratings.row[scored], ratings.model[scored]
    rater, value = ratings.rater[scored], ratings.value[scored]
    cell = row * grid.human.shape[1] + model
    judge = grid.judge[row, model]
    mean, others = mean_of_others(Ratings(row, model, rater, value), grid.human.shape[1])
    if setting.scoring is Scoring.NEGATIVE_RMSE:
        # The mean squared distance of x to the others' scores is (x - their mean)^2 + their variance.
        nearer = np.abs(value - mean) - np.abs(judge - mean)
    else:
        nearer = _equal(cell, rater, value, judge) - _equal(cell, rater, value, value)
    keep = others > 0
    if not keep.any():
        return replace(of_nobody, why=Reason.SINGLE_RATINGS)
    row, rater, nearer = row[keep], rater[keep], nearer[keep]
    raters, index = np.unique(rater, return_inverse=True)
    won, lost = nearer >= -_ROUNDING, nearer <= _ROUNDING
    outcome = lost.astype(np.int64) - won + 1
    counts = np.bincount(index * 3 + outcome, minlength=raters.size * 3).reshape(-1, 3)
    enough = counts.sum(axis=1) >= (setting.min_items if setting.few is Few.LEAVE_OUT else 1)
    _, on_item = np.unique(np.unique(np.column_stack([cell[keep], rater]), axis=0)[:, 0], return_counts=True)
    return _Duels(
        row=row,
        rater=index.astype(np.int64),
        judge=won.astype(np.float64),
        human=lost.astype(np.float64),
        items=on_item.size,
        shared_by_two=float(np.mean(on_item == 2)),
        raters=raters,
        counts=counts,
        tested=np.flatnonzero(enough),
        why=None if enough.any() else Reason.NOT_ENOUGH,
    )


def _equal(cell: Ints, rater: Ints, value: Floats, score: Floats) -> Floats:
    """How many of the others, at each row, gave `score` (n,)."""
    points, rank = np.unique(value, return_inverse=True)
    at = np.searchsorted(points, score - _ROUNDING).clip(max=points.size - 1)
    given = np.abs(points[at] - score) <= _ROUNDING
    cells, cell_index = np.unique(cell, return_inverse=True)
    table = np.zeros((cells.size, points.size))
    np.add.at(table, (cell_index, rank), 1)
    own, own_index = np.unique(np.column_stack([cell, rater]), axis=0, return_inverse=True)
    of_rater = np.zeros((len(own), points.size))
    np.add.at(of_rater, (own_index.ravel(), rank), 1)
    return np.where(given, table[cell_index, at] - of_rater[own_index.ravel(), at], 0.0)


def _outcome(
    grid: Grid,
    duels: _Duels,
    setting: Setting,
    epsilons: Sequence[float],
    p: Floats,
    adjusted: Floats,
    interval: Interval,
    rng: np.random.Generator,
) -> AltTest:
    left_out = duels.raters.size - duels.tested.size
    registered = epsilons.index(setting.epsilon)
    beaten = adjusted <= setting.q
    if duels.why is not None:
        none = Undefined(duels.why, duels.items)
        points = tuple(Point(epsilon, none, i == registered) for i, epsilon in enumerate(epsilons))
        return AltTest(setting, none, none, points, (), left_out, duels.shared_by_two)
    used = np.isin(duels.rater, duels.tested)
    position = np.searchsorted(duels.tested, duels.rater[used])
    sizes = np.bincount(position)
    rows, row = np.unique(duels.row[used], return_inverse=True)
    figures = bootstrap_prompts(
        _Shares(row, position, duels.judge[used], duels.human[used], rows.size),
        grid.prompt[rows],
        n=[duels.items, *np.repeat(sizes, 3).tolist()],
        why=Reason.NOT_ENOUGH,
        interval=interval,
        rng=rng,
        bounds=(-1, 1),
    )
    annotators = tuple(
        Annotator(
            rater=int(duels.raters[of]),
            n=int(sizes[i]),
            judge=figures[1 + 3 * i],
            human=figures[2 + 3 * i],
            difference=figures[3 + 3 * i],
            p=float(p[registered, i]),
            adjusted_p=float(adjusted[registered, i]),
            beaten=bool(beaten[registered, i]),
        )
        for i, of in enumerate(duels.tested)
    )
    rates = [_share(row, duels.items, interval.level) for row in beaten]
    return AltTest(
        setting=setting,
        winning_rate=rates[registered],
        advantage=figures[0],
        curve=tuple(Point(epsilons[i], rate, i == registered) for i, rate in enumerate(rates)),
        annotators=annotators,
        left_out=left_out,
        shared_by_two=duels.shared_by_two,
    )


def _share(beaten: Floats, items: int, level: float) -> Estimate:
    return Estimate(
        value=float(np.mean(beaten)),
        low=None,
        high=None,
        level=level,
        method=Method.NONE,
        n=items,
        units=beaten.size,
        no_interval=Reason.NOT_ASKED,
    )


class _Shares:
    """rho, then W_f, W_r and their difference of each annotator, as functions of weights on rows."""

    def __init__(self, row: Ints, rater: Ints, judge: Floats, human: Floats, rows: int) -> None:
        raters = int(rater.max()) + 1
        self.sums = np.zeros((3, rows, raters))
        for table, weight in zip(self.sums, (np.ones_like(judge), judge, human), strict=True):
            np.add.at(table, (row, rater), weight)

    def __call__(self, weights: Floats) -> Floats:
        n, judge, human = (weights @ table for table in self.sums)
        with np.errstate(invalid="ignore", divide="ignore"):
            judge, human = judge / n, human / n
        met = n > 0  # a resample may leave a rater out
        rho = np.where(met, judge, 0).sum(axis=1) / met.sum(axis=1).clip(min=1)
        rho[~met.any(axis=1)] = np.nan
        each = np.stack([judge, human, human - judge], axis=2).reshape(len(weights), -1)
        return np.column_stack([rho, each])


def _p(counts: Ints, epsilon: float, setting: Setting) -> float:
    """One-sided p of E(W_r - W_f) >= eps, from how often the difference was -1, 0 and 1."""
    if counts.sum() < setting.min_items and setting.few is Few.WILCOXON:
        return signed_rank_p(counts, epsilon)
    return t_test_p(counts, epsilon)


def t_test_p(counts: Ints, epsilon: float) -> float:
    """Student's t-test of the mean of n differences, `counts` (3,) of which are -1, 0 and 1.

    Where all differences are the same, t is infinite, or 0 / 0. What is known then is that d was seen n times in a
    row; were the mean eps or more, that had a probability of at most ((1 - eps) / (1 - d))^n.
    """
    n = int(counts.sum())
    mean = float(counts[2] - counts[0]) / n
    if counts.max() == n:
        return 1.0 if mean >= epsilon else float(((1 - epsilon) / (1 - mean)) ** n)
    deviation = np.sqrt((counts[0] + counts[2] - n * mean**2) / (n - 1))
    return float(special.stdtr(n - 1, (mean - epsilon) / (deviation / np.sqrt(n))))


def signed_rank_p(counts: Ints, epsilon: float) -> float:
    """Wilcoxon's signed-rank test, exact under ties; differences equal to eps say nothing and are left out."""
    shifted = np.array([-1 - epsilon, -epsilon, 1 - epsilon])
    size, sign = np.abs(shifted), np.sign(shifted)
    known = (counts > 0) & (size > _ROUNDING)
    if not known.any():
        return 1.0
    _, group = np.unique(size[known].round(9), return_inverse=True)
    in_group = np.bincount(group, weights=counts[known]).astype(np.int64)
    below = np.cumsum(in_group) - in_group
    twice = 2 * below + in_group + 1  # twice the mid-rank, a whole number
    observed = int(np.sum((twice[group] * counts[known])[sign[known] > 0]))
    ways = np.zeros(int(np.sum(twice * in_group)) + 1)
    ways[0] = 1
    for rank, times in zip(twice, in_group, strict=True):
        for _ in range(times):
            moved = np.zeros_like(ways)
            moved[rank:] = ways[:-rank]
            ways = (ways + moved) / 2
    return min(1.0, float(ways[: observed + 1].sum()))
