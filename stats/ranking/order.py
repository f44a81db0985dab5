"""How far the order in which two responses are shown decides, and win rates where each pair was shown in one order only.

Zheng et al. (2023), Judging LLM-as-a-Judge: consistency, and the bias towards the response that is shown first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stats.agreement.intervals import Interval
from stats.arrays import Floats
from stats.estimate import Reason, Result, Undefined
from stats.judges.moments import ratio
from stats.ranking.battles import Verdicts
from stats.resampling import CLUSTER_BOOTSTRAP, bootstrap_prompts, by_prompt


@dataclass(frozen=True, slots=True)
class OrderEffects:
    """Over pairs with a verdict in both orders."""

    pairs: int
    first_twice: int
    """Pairs in which whichever response was shown first won, in both orders."""
    second_twice: int
    """… whichever was shown second."""
    half: int
    """Pairs with a tie in one order and a winner in the other."""
    consistency: Result
    """Share of pairs with the same verdict in both orders."""
    shown_first: Result
    """Share of verdicts for whichever response was shown first, ties half: 1/2 if order does not matter."""
    ties: Result
    """Share of pairs that are ties in both orders."""


def order_effects(
    verdicts: Verdicts, *, interval: Interval = CLUSTER_BOOTSTRAP, rng: np.random.Generator
) -> OrderEffects:
    given = verdicts.given
    one, other = verdicts.one[given], verdicts.other[given]
    same = one == other
    found: list[Result] = [Undefined(Reason.NO_SCORES)] * 3
    if one.size:
        of = (same, (one + 1 - other) / 2, same & (one == 0.5), np.ones(one.size))
        prompts, table = by_prompt(verdicts.prompt[given], of)

        def figures(weights: Floats) -> Floats:
            sums = weights @ table
            return sums[:, :3] / sums[:, 3:]

        found = bootstrap_prompts(
            figures,
            prompts,
            n=one.size,
            why=Reason.NO_SCORES,
            interval=interval,
            rng=rng,
            bounds=(0.0, 1.0),
        )
    first, second = int(((one == 1) & (other == 0)).sum()), int(((one == 0) & (other == 1)).sum())
    return OrderEffects(
        pairs=one.size,
        first_twice=first,
        second_twice=second,
        half=int((~same).sum()) - first - second,
        consistency=found[0],
        shown_first=found[1],
        ties=found[2],
    )


def rates_of_verdicts(
    verdicts: Verdicts, *, interval: Interval = CLUSTER_BOOTSTRAP, rng: np.random.Generator
) -> list[Result]:
    """Of each model the share of single verdicts for it, ties half, whatever became of the other order.

    What order does is not taken out. It is all there is where pairs were shown in one order only.
    """
    parts = [(verdicts.one, ~np.isnan(verdicts.one)), (verdicts.other, ~np.isnan(verdicts.other))]
    prompt, first, second = (
        np.concatenate([of[known] for _, known in parts])
        for of in (verdicts.prompt, verdicts.first, verdicts.second)
    )
    won = np.concatenate([got[known] for got, known in parts])
    if not won.size:
        return [Undefined(Reason.NO_SCORES)] * verdicts.n_models
    sides = [(first == m, second == m) for m in range(verdicts.n_models)]
    size = [int((a | b).sum()) for a, b in sides]
    prompts, in_it = by_prompt(prompt, (a | b for a, b in sides))
    _, got = by_prompt(prompt, (a * won + b * (1 - won) for a, b in sides))

    def figures(weights: Floats) -> Floats:
        return ratio(weights @ got, weights @ in_it)

    return bootstrap_prompts(
        figures,
        prompts,
        n=size,
        why=Reason.NO_SCORES,
        interval=interval,
        rng=rng,
        bounds=(0.0, 1.0),
    )
