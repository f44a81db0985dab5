"""Tie calibration: how near two scores of a judge must lie to be called a tie, as people's ties go.

acc-eq is the largest acc23 over eps >= 0, where scores of the judge that differ by eps or less are tied. Without it a
judge with many values, which never ties, is worse by as many pairs as people leave tied. The eps that is best for
these data is too good for others: `held_out` scores each half of the prompts with the eps of the other half.

Deutsch, Foster and Freitag (2023), Ties matter: meta-evaluating modern metrics with pairwise accuracy and tie
calibration; reference implementation: google-research/mt-metrics-eval, tau_optimization.py. Of equally good eps ours
is the smallest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from stats.agreement.intervals import Interval
from stats.arrays import Bools, Floats, Ints
from stats.estimate import Reason, Result
from stats.judges.figures import FigureSet, measure
from stats.judges.grid import Grid
from stats.judges.joint import ranked
from stats.judges.levels import Level, mean_over_rows, why_none
from stats.judges.moments import ratio
from stats.resampling import CLUSTER_BOOTSTRAP, Figures

SLACK = 1e-12
"""A difference of two scores is a float: 4.4 - 4.3 > 0.1. So |difference| <= eps + SLACK is a tie."""


@dataclass(frozen=True, slots=True)
class TieCurve:
    """acc23 at each eps that changes it, at one level."""

    level: Level
    eps: Floats
    """(e,) 0 and each difference of two scores of the judge, ascending."""
    acc23: Floats
    """(e,)"""

    @property
    def best(self) -> tuple[float, float]:
        """eps* and acc-eq; NaN both without a pair."""
        if self.acc23.size == 0:
            return float("nan"), float("nan")
        at = int(np.argmax(self.acc23 > self.acc23.max() - SLACK))
        return float(self.eps[at]), float(self.acc23[at])

    def at(self, eps: float) -> float:
        """acc23 where |difference| <= eps is a tie; NaN without a pair."""
        if self.acc23.size == 0:
            return float("nan")
        return float(self.acc23[np.searchsorted(self.eps, eps + SLACK, side="right") - 1])


@dataclass(frozen=True, slots=True)
class TieCalibration:
    """Of pairs of models on one prompt (level item)."""

    eps: float | None
    """The smallest of the best, from all prompts; None where there is no pair."""
    acc_eq: Result
    """acc23 at the best eps, which each resample finds for itself."""
    eps_of_halves: tuple[float | None, float | None]
    """The best for either half of the prompts, split at random."""
    held_out: Result
    """acc23 of every prompt at the eps of the half that it is not in."""


def tie_calibration(
    grid: Grid, *, interval: Interval = CLUSTER_BOOTSTRAP, rng: np.random.Generator
) -> TieCalibration:
    grid = grid.shared()
    figures, halves = tie_figures(grid, rng=rng)
    return gathered(measure(figures, grid.prompt, interval=interval, rng=rng), grid, halves)


def gathered(found: dict[str, Result], grid: Grid, halves: tuple[float, float]) -> TieCalibration:
    def known(eps: float) -> float | None:
        return None if np.isnan(eps) else eps

    eps, _ = tie_curve(grid, "item").best
    return TieCalibration(
        eps=known(eps),
        acc_eq=found["acc_eq"],
        eps_of_halves=(known(halves[0]), known(halves[1])),
        held_out=found["acc_eq.held_out"],
    )


def tie_figures(grid: Grid, *, rng: np.random.Generator) -> tuple[list[FigureSet], tuple[float, float]]:
    """`acc_eq` and `acc_eq.held_out` as functions of weights, and the eps of the halves; `grid` from `Grid.shared`."""
    pairs = _pairs(grid, "item")
    rows = len(grid.human)
    names, cluster = np.unique(grid.prompt, return_inverse=True)
    half = (rng.permutation(names.size) < names.size // 2)[cluster]
    eps = [_curve(pairs.only(half == side), "item").best[0] for side in (True, False)]
    other = np.where(half, eps[1], eps[0])
    per_row = pairs.accuracy(other)
    n, why = (grid.n_items,), why_none(grid, "item")
    no_half = Reason.ONE_PROMPT if names.size == 1 else why
    return [
        FigureSet(("acc_eq",), _best_of(pairs, rows), n, (why,), bounds=(0, 1)),
        FigureSet(("acc_eq.held_out",), mean_over_rows(per_row[:, None]), n, (no_half,), bounds=(0, 1)),
    ], (eps[0], eps[1])


def tie_curve(grid: Grid, level: Level) -> TieCurve:
    """acc23 against eps on level none, item or sys. On none it goes through all pairs of different pairs of scores."""
    return _curve(_pairs(grid.shared(), level), level)


@dataclass(frozen=True)
class _Pairs:
    """Pairs of things, in groups, that calling them tied makes right or wrong."""

    total: Floats
    """(g,) pairs of the group."""
    untied: Floats
    """(g,) of them right where the judge leaves no two tied."""
    group: Ints
    """(p,)"""
    apart: Floats
    """(p,) how far apart the judge's two scores are; ascending."""
    gain: Floats
    """(p,) pairs made right, less pairs made wrong, by calling this one tied: never 0."""

    def only(self, groups: Bools) -> _Pairs:
        use = groups[self.group]
        return _Pairs(
            np.where(groups, self.total, 0),
            np.where(groups, self.untied, 0),
            self.group[use],
            self.apart[use],
            self.gain[use],
        )

    def accuracy(self, eps: Floats) -> Floats:
        """(g,) acc23 of each group at an eps of its own (g,); NaN without a pair, and without an eps."""
        tied = self.apart <= eps[self.group] + SLACK
        gained = np.bincount(self.group[tied], self.gain[tied], minlength=self.total.size)
        some = (self.total > 0) & ~np.isnan(eps)
        return np.asarray(np.where(some, (self.untied + gained) / np.where(some, self.total, 1), np.nan))


def _pairs(grid: Grid, level: Level) -> _Pairs:
    human, judge = ranked(np.where(np.isnan(grid.human), 0, grid.human)), grid.judge
    match level:
        case "item":
            parts = _pairs_in_rows(human, judge, grid.both)
        case "sys":
            parts = _pairs_in_rows(human.T, judge.T, grid.both.T)
        case "none":
            parts = _pairs_of_values(human[grid.both], judge[grid.both])
        case "system":
            raise ValueError("the judge's means are not tied by an eps")
    total, untied, group, apart, gain = parts
    ascending = np.argsort(apart, kind="stable")
    return _Pairs(total, untied, group[ascending], apart[ascending], gain[ascending])


_Parts = tuple[Floats, Floats, Ints, Floats, Floats]


def _pairs_in_rows(human: Ints, judge: Floats, present: Bools) -> _Parts:
    """The pairs of the things in each row of two tables (n, M), the rows being the groups."""
    n, m = human.shape
    count = present.sum(axis=1)
    untied = np.zeros(n)
    none = np.empty(0)
    groups, distances, gains = [none.astype(np.int64)], [none], [none]
    for step in range(1, m):
        row, one = np.nonzero(present[:, step:] & present[:, :-step])
        other = one + step
        above, apart = human[row, other] - human[row, one], judge[row, other] - judge[row, one]
        tied, concordant = above == 0, above * apart > 0
        untied += np.bincount(row[concordant], minlength=n)
        use = tied | concordant
        groups.append(row[use])
        distances.append(np.abs(apart[use]))
        gains.append(np.where(tied[use], 1.0, -1.0))
    return (
        count * (count - 1) / 2,
        untied,
        np.concatenate(groups),
        np.concatenate(distances),
        np.concatenate(gains),
    )


def _pairs_of_values(human: Ints, judge: Floats) -> _Parts:
    """The pairs of all things (n,) as one group; things with the same two scores go together."""
    cells, number = np.unique(np.column_stack([human, judge]), axis=0, return_counts=True)
    h, j = cells[:, 0], cells[:, 1]
    untied, distances, gains = 0.0, [np.empty(0)], [np.empty(0)]
    for a in range(h.size):  # with the cells after it: they have the same human score or a higher one
        apart, tied = j[a:] - j[a], h[a:] == h[a]
        pairs = (number[a] * number[a:]).astype(np.float64)
        pairs[0] = number[a] * (number[a] - 1) / 2
        concordant = ~tied & (apart > 0)
        untied += float(pairs[concordant].sum())
        use = (tied | concordant) & (pairs > 0)
        distances.append(np.abs(apart[use]))
        gains.append(np.where(tied[use], pairs[use], -pairs[use]))
    apart, gain = np.concatenate(distances), np.concatenate(gains)
    total = np.array([human.size * (human.size - 1) / 2])
    return total, np.array([untied]), np.zeros(apart.size, np.int64), apart, gain


def _curve(pairs: _Pairs, level: Level) -> TieCurve:
    some = pairs.total > 0
    if not some.any():
        return TieCurve(level, np.empty(0), np.empty(0))
    start = float((pairs.untied[some] / pairs.total[some]).mean())
    gained = np.cumsum(np.append(0, pairs.gain / pairs.total[pairs.group])) / some.sum()
    apart = np.append(0, pairs.apart)
    last = np.append(np.diff(apart) > SLACK, True)  # of those that are tied together
    return TieCurve(level, apart[last], start + gained[last])


def _best_of(pairs: _Pairs, rows: int) -> Figures:
    """Weights on rows to the largest acc23 over eps, found anew in each resample."""
    some = pairs.total > 0
    share = np.where(some, pairs.untied / np.where(some, pairs.total, 1), 0)
    # Equal distances are tied at once. The best eps lies where a gain is followed by a loss: what is between two such
    # places is added up beforehand.
    step = np.cumsum(np.append(0, np.diff(pairs.apart) > SLACK)[: pairs.apart.size])
    steps = int(step[-1]) + 1 if step.size else 0
    gains, losses = (np.bincount(step[s * pairs.gain > 0], minlength=steps) > 0 for s in (1, -1))
    at_once = int(pairs.apart.size > 0 and pairs.apart[0] <= SLACK)  # tied at eps 0 already
    ends = gains & np.append(losses[1:], True)
    if at_once:
        ends[0] = True
    segment = (np.cumsum(ends) - ends)[step]
    table = sp.coo_array(
        (pairs.gain / pairs.total[pairs.group], (segment, pairs.group)),
        shape=(int(segment.max(initial=-1)) + 1, rows),
    ).tocsr()

    def of(weights: Floats) -> Floats:
        gained = np.cumsum(np.asarray(table @ weights.T), axis=0)
        if not at_once:
            gained = np.concatenate([np.zeros((1, len(weights))), gained])
        best = weights @ share + gained.max(axis=0, initial=-np.inf)
        return ratio(best, weights @ some)[:, None]

    return of
