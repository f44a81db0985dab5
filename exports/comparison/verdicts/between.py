"""Two judges that compared the same pairs, against each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from exports.comparison.verdicts.figures import PairComparison
from exports.comparison.verdicts.reading import JudgedPairs
from stats.agreement.intervals import Interval
from stats.arrays import Ints
from stats.judges.preferences import Preferences, preferences


@dataclass(frozen=True, slots=True)
class PairsBetween:
    axis: str
    """Of the first, where the two call it differently."""
    first: str
    second: str
    found: Preferences
    """Of the first, with the second in the place of people."""


def compare_pair_judges(
    judges: Sequence[tuple[str, Sequence[PairComparison]]], *, interval: Interval, rng: np.random.Generator
) -> tuple[PairsBetween, ...]:
    """On each axis that both compared on, or on the only one of each."""
    return tuple(
        PairsBetween(one.axis, first, second, _agreement(one, other, interval, rng))
        for (first, by_first), (second, by_second) in combinations(judges, 2)
        for one, other in _matched([one.pairs for one in by_first], [one.pairs for one in by_second])
    )


def _matched(
    first: Sequence[JudgedPairs], second: Sequence[JudgedPairs]
) -> list[tuple[JudgedPairs, JudgedPairs]]:
    if len(first) == len(second) == 1:
        return [(first[0], second[0])]
    by_axis = {one.axis: one for one in second}
    return [(one, by_axis[one.axis]) for one in first if one.axis in by_axis]


def _agreement(
    first: JudgedPairs, second: JudgedPairs, interval: Interval, rng: np.random.Generator
) -> Preferences:
    """The second judge's outcomes stand for scores of both responses: 1 for the better one."""
    v = second.verdicts
    outcome = np.where(v.one == v.other, v.one, 0.5)
    outcome[~v.given] = np.nan
    got = np.full(len(first.key), np.nan)
    mine, theirs = _same(first.key, second.key)
    got[mine] = outcome[theirs]
    nowhere = np.full(len(got), -1, dtype=np.int64)
    return preferences(
        first.verdicts,
        np.column_stack([got, 1 - got]),
        cells=(nowhere, nowhere),
        interval=interval,
        rng=rng,
    )


def _same(first: Ints, second: Ints) -> tuple[Ints, Ints]:
    """Places of rows that are in both. A judge with several prompts has no row twice."""
    both, place = np.unique(np.concatenate([first, second]), axis=0, return_inverse=True)
    at = np.full(len(both), -1, dtype=np.int64)
    place = place.ravel()
    at[place[len(first) :]] = np.arange(len(second))
    theirs = at[place[: len(first)]]
    mine = np.flatnonzero(theirs >= 0)
    return mine.astype(np.int64), theirs[mine]
