"""Which models does a judge tell apart, and does it put them in people's order? After Arena-Hard.

A side, people or a judge, has a score for each model with an interval. It separates two models when it is sure which one
is the better: when their intervals do not overlap (as published), or when the interval of their paired difference leaves
0 out. The second finds more, rightly: two 95 % intervals may overlap a little and the difference still be clear, and
models that answer the same prompts share what is hard about them.

"Agreement with confidence" has three definitions that give very different numbers; none is shown without its letter.

A  +1 both separate and agree, -1 both separate and disagree, 0 otherwise; mean over all pairs (the paper's text)
B  the same points, mean over the pairs that people separate (fits the paper's figures, nearly)
C  1 agree, 1/2 the judge does not separate, 0 disagree; mean over the pairs that people separate (the authors' notebook)

A can be no more than people's own separability. Every pair counts once: the notebook drops pairs that have the same
intervals as another one. Version 0.1 of Arena-Hard used 95 % intervals; version 2.0 prints 5 % and 95 % quantiles, which
is a 90 % interval. Here the level is given, and said.

Source: Li et al. (2024), From Crowdsourced Data to High-Quality Benchmarks: Arena-Hard and BenchBuilder Pipeline, and
lmarena/arena-hard-auto.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import numpy as np
from scipy import special

from stats.agreement.intervals import Interval, Method
from stats.arrays import Bools, Floats
from stats.estimate import Estimate, Reason, Result, Undefined
from stats.judges.clustered_means import ClusteredMeans
from stats.judges.figures import FigureSet
from stats.judges.grid import Grid
from stats.resampling import CLUSTER_BOOTSTRAP, draws, summarise
from stats.tails import tail


@dataclass(frozen=True)
class Side:
    """What people, or a judge, say of M models.

    `score`, `low`, `high` (M,): each model's figure and its interval at `level`. `variance` (M,): of the figure, over
    resamples. `difference_low`, `difference_high` (M, M): of the interval of the row's model less the column's, from
    the same resamples; None where only marginal intervals are known.
    """

    score: Floats
    low: Floats
    high: Floats
    variance: Floats
    level: float = 0.95
    difference_low: Floats | None = None
    difference_high: Floats | None = None

    def __post_init__(self) -> None:
        m = self.score.shape
        if len(m) != 1 or any(each.shape != m for each in (self.low, self.high, self.variance)):
            raise ValueError("score, low, high and variance must be (models,)")
        for table in (self.difference_low, self.difference_high):
            if table is not None and table.shape != m * 2:
                raise ValueError("intervals of differences must be (models, models)")

    @classmethod
    def of_draws(
        cls,
        score: Floats,
        drawn: Floats,
        *,
        level: float = 0.95,
        paired: bool = True,
        units: int | None = None,
    ) -> Side:
        """From bootstrap replicates `drawn` (b, M), NaN where a resample left a model out.

        `paired`: each row is one resample of all models. Where files hold each model's replicates in an order of its
        own (some are sorted), say False: then no difference is known. `units`: prompts that were drawn, to widen the
        intervals of few of them (`stats.tails`); without it, plain percentiles.
        """
        beyond = (1 - level) / 2 if units is None else tail(level, units)
        ends = [beyond, 1 - beyond]
        missing = np.isnan(drawn).any()
        quantile, variance = (np.nanquantile, np.nanvar) if missing else (np.quantile, np.var)
        low, high = quantile(drawn, ends, axis=0)
        side = cls(score, low, high, variance(drawn, axis=0), level)
        if not paired:
            return side
        m = score.size
        first, second = np.triu_indices(m, 1)
        least, most = quantile(drawn[:, first] - drawn[:, second], ends, axis=0)
        differences = np.zeros((2, m, m))
        differences[:, first, second] = least, most
        differences[:, second, first] = -most, -least
        return replace(side, difference_low=differences[0], difference_high=differences[1])

    @property
    def marginal(self) -> Bools:
        """(M, M) pairs whose intervals do not overlap; ends that touch do."""
        return (self.low[:, None] > self.high) | (self.high[:, None] < self.low)

    @property
    def paired(self) -> Bools | None:
        """(M, M) pairs with an interval of the difference that leaves 0 out."""
        if self.difference_low is None or self.difference_high is None:
            return None
        return (self.difference_low > 0) | (self.difference_high < 0)

    @property
    def better(self) -> Floats:
        """(M, M) the probability that the row's model is the better one, from normal distributions.

        Phi((mu_a - mu_b) / sqrt(var_a + var_b)); models without variance are better, worse, or equal (1/2).
        """
        return _normal(self.score, self.variance)


@dataclass(frozen=True, slots=True)
class Separability:
    """Where people and a judge stand on the pairs of models. Without a Grid there are no intervals around the figures."""

    level: float
    """Of the models' intervals."""
    pairs: int
    human: Result
    """Share of pairs that people separate by their models' own intervals."""
    judge: Result
    human_paired: Result
    """Share of pairs that people separate by the interval of the difference."""
    judge_paired: Result
    agreement: Result
    """B, the headline: by the models' own intervals, over the pairs that people separate."""
    agreement_a: Result
    agreement_c: Result
    agreement_paired: Result
    """B, by intervals of differences."""
    brier: Result
    """Mean squared distance of the judge's probability that one model is better from people's order (0, 1; a tie 1/2)."""
    brier_soft: Result
    """The same from people's probability."""
    left_out: int = 0
    """Models that answered too few prompts for an interval."""


_MOST_MISSING = 0.05
"""Of resamples without any response of a model."""

_CELLS = 100_000
"""Of weights, or of pairs of models, that are held at once: what is computed from them should stay in the cache."""

_FEWEST = 64
"""Resamples at once, however many models there are: what a block costs beforehand is shared by so many."""

_PAIRED = (2, 3, 7)
_WHY = (
    *(Reason.ONE_MODEL,) * 4,
    Reason.NO_SEPARATED_PAIR,
    Reason.ONE_MODEL,
    *(Reason.NO_SEPARATED_PAIR,) * 2,
    *(Reason.ONE_MODEL,) * 2,
)


FIGURES = (
    "separability.human",
    "separability.judge",
    "separability.human_paired",
    "separability.judge_paired",
    "agreement_with_confidence.b",
    "agreement_with_confidence.a",
    "agreement_with_confidence.c",
    "agreement_with_confidence.b_paired",
    "pair_rank_brier",
    "pair_rank_brier.soft",
)
"""Names of the figures of `Separability`, in its order."""


class _Pairs(NamedTuple):
    """What a side says of each pair a < b, in b samples: (b, pairs)."""

    order: Floats
    """Sign of score a - score b."""
    marginal: Bools
    paired: Bools | None
    better: Floats


def compare_sides(human: Side, judge: Side, *, n: int = 0, units: int = 0) -> Separability:
    """From intervals or bootstrap tables that are given. `n`: items behind them, `units`: prompts, where known."""
    if human.score.shape != judge.score.shape:
        raise ValueError("both sides must be of the same models")
    value = _figures(_pairs(human), _pairs(judge))[0]
    lacking = Reason.NOT_ASKED  # no interval
    results: list[Result] = []
    for i, each in enumerate(value):
        if np.isfinite(each):
            results.append(
                Estimate(float(each), None, None, human.level, Method.NONE, n, units, no_interval=lacking)
            )
        else:
            no_table = (
                i in _PAIRED and human.score.size > 1 and (human.paired is None or judge.paired is None)
            )
            results.append(Undefined(Reason.NO_DATA if no_table else _why(i, human.score.size), n))
    return _gathered(results, human.level, human.score.size)


def separability(
    grid: Grid, *, interval: Interval = CLUSTER_BOOTSTRAP, rng: np.random.Generator
) -> Separability:
    """From the scores themselves: models' means over shared cells, prompts resampled once for both sides.

    `interval` says the level of the models' intervals and of the intervals around the figures. For the latter each
    resample of prompts makes models' intervals of its own, from the standard error of a mean clustered by prompt (a
    bootstrap within each resample would say the same, a thousand times slower). They speak of studies of this size: more
    prompts separate more models. Read them as rough: in simulated studies of 60 and 300 prompts they held what studies
    find on average 92 to 100 times in 100.
    """
    grid = grid.shared()
    grid, left_out = _often_enough(grid)
    m, units = grid.n_models, grid.n_prompts
    if m < 2 or units < 2:
        why = Reason.NOTHING_SHARED if m == 0 else Reason.ONE_MODEL if m < 2 else Reason.ONE_PROMPT
        return _gathered([Undefined(why, grid.n_items)] * len(_WHY), interval.level, m, left_out)
    sides = _both_sides(grid)
    of = separability_figures(grid, level=interval.level).of

    def figures(weights: Floats) -> Floats:
        return np.concatenate([*(side.means(weights) for side in sides), of(weights)], axis=1)

    block = max(_FEWEST, _CELLS // max(grid.prompt.size, m * m))
    point, drawn = draws(figures, grid.prompt, replicates=interval.replicates, rng=rng, block=block)
    human, judge = (
        Side.of_draws(point[part], drawn[:, part], level=interval.level, units=units)
        for part in (slice(0, m), slice(m, 2 * m))
    )
    found = summarise(
        _figures(_pairs(human), _pairs(judge))[0],
        drawn[:, 2 * m :],
        n=grid.n_items,
        why=_WHY,
        units=units,
        interval=interval,
        bounds=(-1, 1),
    )
    return _gathered(found, interval.level, m, left_out)


def _often_enough(grid: Grid) -> tuple[Grid, int]:
    """Without models that more than one resample in twenty would miss: they answered three prompts, or fewer."""
    _, cluster = np.unique(grid.prompt, return_inverse=True)
    prompts = grid.n_prompts
    of_model = np.array([np.unique(cluster[column]).size for column in grid.both.T])
    present = of_model > 0
    rare = present & ((1 - of_model / max(prompts, 1)) ** prompts > _MOST_MISSING)
    if not rare.any():
        return grid, 0
    return replace(grid, judge=np.where(rare, np.nan, grid.judge)).shared(), int(rare.sum())


def separability_figures(grid: Grid, *, level: float = 0.95) -> FigureSet:
    """The figures of `Separability`, in its order, as functions of weights on rows: for comparing judges.

    Models' intervals are mean +- t SE, clustered by prompt. `grid` as it comes from `Grid.shared`.
    """
    sides = _both_sides(grid)

    def of(weights: Floats) -> Floats:
        human, judge = (_pairs_of_means(side, weights, level) for side in sides)
        figures = _figures(human, judge)
        figures[np.isnan(human.order).any(axis=1)] = np.nan  # some model has no response in this resample
        return figures

    return FigureSet(FIGURES, of, (grid.n_items,) * len(FIGURES), _WHY, bounds=(-1, 1))


def _figures(human: _Pairs, judge: _Pairs) -> Floats:
    """(b, figures), in the order of `Separability`."""
    pairs = human.order.shape[1]
    empty = np.full(len(human.order), np.nan)
    if pairs == 0:
        return np.column_stack([empty] * len(_WHY))
    shares = [
        empty if of is None else of.mean(axis=1)
        for of in (human.marginal, judge.marginal, human.paired, judge.paired)
    ]
    points, separated = _points(human.order, judge.order, human.marginal, judge.marginal)
    with np.errstate(invalid="ignore", divide="ignore"):
        b = points.sum(axis=1) / separated.sum(axis=1)
        c = ((points + separated) / 2).sum(axis=1) / separated.sum(axis=1)
        paired = empty
        if human.paired is not None and judge.paired is not None:
            points_paired, by_people = _points(human.order, judge.order, human.paired, judge.paired)
            paired = points_paired.sum(axis=1) / by_people.sum(axis=1)
    first = (human.order + 1) / 2
    brier = ((judge.better - first) ** 2).mean(axis=1)
    soft = ((judge.better - human.better) ** 2).mean(axis=1)
    return np.column_stack([*shares, b, points.mean(axis=1), c, paired, brier, soft])


def _points(human: Floats, judge: Floats, by_people: Bools, by_judge: Bools) -> tuple[Floats, Bools]:
    """+1, 0 or -1 for each pair, and which pairs people separate."""
    return np.where(by_people & by_judge, human * judge, 0.0), by_people


def _why(figure: int, models: int) -> Reason:
    return _WHY[figure] if models > 1 else Reason.ONE_MODEL


def _gathered(found: Sequence[Result], level: float, models: int, left_out: int = 0) -> Separability:
    names = [field.name for field in fields(Separability)][2:-1]
    return Separability(
        level, models * (models - 1) // 2, left_out=left_out, **dict(zip(names, found, strict=True))
    )


def _pairs(side: Side) -> _Pairs:
    above = np.triu_indices(side.score.size, 1)
    order = _sign(side.score[:, None] - side.score)
    return _Pairs(
        order[above][None],
        side.marginal[above][None],
        None if side.paired is None else side.paired[above][None],
        side.better[above][None],
    )


def _sign(apart: Floats) -> Floats:
    return np.where(np.abs(apart) > 1e-12, np.sign(apart), apart * 0)


def _normal(score: Floats, variance: Floats) -> Floats:
    """(…, M, M)"""
    apart = score[..., :, None] - score[..., None, :]
    spread = np.sqrt(variance[..., :, None] + variance[..., None, :])
    with np.errstate(invalid="ignore", divide="ignore"):
        z = np.where(apart == 0, 0, apart / spread)
    return np.asarray(special.ndtr(z))


def _both_sides(grid: Grid) -> list[ClusteredMeans]:
    models = grid.both.any(axis=0)
    known = grid.both[:, models]
    return [ClusteredMeans.of(side[:, models], known, grid.prompt) for side in (grid.human, grid.judge)]


def _pairs_of_means(side: ClusteredMeans, weights: Floats, level: float) -> _Pairs:
    """From mean +- t SE."""
    mean = side.means(weights)
    variance, covariance, units = side.covariances(weights)
    first, second = np.triu_indices(mean.shape[1], 1)
    order = mean[:, first] - mean[:, second]
    together = variance[:, first] + variance[:, second]
    with np.errstate(invalid="ignore", divide="ignore"):
        t = special.stdtrit(units - 1, 0.5 + level / 2)
        half = t * np.sqrt(variance)
        apart = t * np.sqrt((together - 2 * covariance).clip(min=0))
        z = np.where(order == 0, 0, order / np.sqrt(together))
    distance = np.abs(order)
    return _Pairs(
        _sign(order),
        distance > half[:, first] + half[:, second],
        distance > apart + 1e-12,
        np.asarray(special.ndtr(z)),
    )
