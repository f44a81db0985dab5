"""Win rates from verdicts on pairs that a judge gave in both orders.

Adjusted win rate = (wins + ties / 2) / pairs, where a pair whose two orders contradict each other is a tie. Order
consistency = share of pairs with the same verdict in both orders. As in FastChat's `show_result.py`, MT-bench (Zheng et al.
2023) and the Japanese Vicuna QA benchmark.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stats.agreement.intervals import Interval
from stats.arrays import Bools, Floats
from stats.estimate import Reason, Result, Undefined
from stats.ranking.battles import Verdicts
from stats.resampling import CLUSTER_BOOTSTRAP, bootstrap_prompts, by_prompt


@dataclass(frozen=True, slots=True)
class WinRates:
    """Of one model, against all others or against one. Pairs without a verdict in both orders count nowhere but in `failed`."""

    wins: int
    losses: int
    ties: int
    """Ties, and pairs whose two orders contradict each other."""
    failed: int
    """Pairs for which the judge gave no verdict in one order or both."""
    adjusted: Result
    """(wins + ties / 2) / pairs."""
    order_consistency: Result
    """Share of pairs with the same verdict in both orders."""
    shown_first: Result
    """Share of verdicts for whichever response was shown first, ties half: 1/2 if the order does not matter."""


def win_rates(
    verdicts: Verdicts, *, interval: Interval = CLUSTER_BOOTSTRAP, rng: np.random.Generator
) -> list[WinRates]:
    """Of each model against all others that it met; all intervals from the same resamples of prompts."""
    sides = [(verdicts.first == m, verdicts.second == m) for m in range(verdicts.n_models)]
    return _rates(verdicts, sides, interval, rng)


def against(
    verdicts: Verdicts, baseline: int, *, interval: Interval = CLUSTER_BOOTSTRAP, rng: np.random.Generator
) -> dict[int, WinRates]:
    """Of each other model against `baseline` alone; all intervals from the same resamples of prompts."""
    others = [m for m in range(verdicts.n_models) if m != baseline]
    sides = [
        (
            (verdicts.first == m) & (verdicts.second == baseline),
            (verdicts.second == m) & (verdicts.first == baseline),
        )
        for m in others
    ]
    return dict(zip(others, _rates(verdicts, sides, interval, rng), strict=True))


def _rates(
    verdicts: Verdicts, sides: list[tuple[Bools, Bools]], interval: Interval, rng: np.random.Generator
) -> list[WinRates]:
    """`sides`: for each model, pairs in which it is `first` and those in which it is `second`."""
    given, n = verdicts.given, len(sides)
    one, other = verdicts.one[given], verdicts.other[given]
    won = np.where(one == other, one, 0.5)
    # of each model: in which pairs it is, and what it got there
    pairs = [(first | second)[given] for first, second in sides]
    got = [np.where(first[given], won, 1 - won) for first, _ in sides]
    early = (one + 1 - other) / 2
    columns = (
        pair * what
        for of in (got, [one == other] * n, [early] * n)
        for pair, what in zip(pairs, of, strict=True)
    )
    prompts, counts = by_prompt(verdicts.prompt[given], pairs)
    _, sums = by_prompt(verdicts.prompt[given], columns)

    def figures(weights: Floats) -> Floats:
        with np.errstate(invalid="ignore"):
            shares: Floats = (weights @ sums) / np.tile(weights @ counts, 3)
        return shares

    size = [int(pair.sum()) for pair in pairs]
    found: list[Result] = [Undefined(Reason.NO_SCORES)] * (3 * n)
    if one.size and n:
        found = bootstrap_prompts(
            figures,
            prompts,
            n=size * 3,
            why=Reason.NO_SCORES,
            interval=interval,
            rng=rng,
            bounds=(0.0, 1.0),
        )
    return [
        WinRates(
            wins=int((pairs[i] & (got[i] == 1)).sum()),
            losses=int((pairs[i] & (got[i] == 0)).sum()),
            ties=int((pairs[i] & (got[i] == 0.5)).sum()),
            failed=int(((sides[i][0] | sides[i][1]) & ~given).sum()),
            adjusted=found[i],
            order_consistency=found[n + i],
            shown_first=found[2 * n + i],
        )
        for i in range(n)
    ]
