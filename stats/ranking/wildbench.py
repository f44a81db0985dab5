"""WB-Score and WB-Reward, as the WildBench leaderboard computes them, and without its traps.

A judge with a checklist gives each response 1 to 10 (WB-Score), or says which of two is better and by how much
(WB-Reward). Source: Lin et al. (2024), WildBench; `leaderboard/data_dir/_create_tables.py` of allenai/WildBench. The checklist
only conditions the judge: nothing is read out of it.

Where the leaderboard's script does something a reader would not expect, `Variant.PUBLISHED` does the same and
`Variant.OURS` does not:

| | PUBLISHED | OURS |
| --- | --- | --- |
| truncated and empty responses | leave the counts and the groups, stay in N and in the plain mean | are left out everywhere |
| a group without a response | counts 0 in the macro mean, its weight included | leaves the macro mean with its weight |

In both, a prompt with two groups counts in each of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from stats.agreement.intervals import Interval
from stats.arrays import Bools, Floats, Ints
from stats.estimate import Reason, Result, Undefined
from stats.resampling import CLUSTER_BOOTSTRAP, Figures, bootstrap_prompts


class Variant(StrEnum):
    PUBLISHED = "published"
    OURS = "ours"


GROUPS = {
    "Creative Tasks": 0.5,
    "Planning & Reasoning": 1.25,
    "Math & Data Analysis": 1.0,
    "Information/Advice seeking": 0.75,
    "Coding & Debugging": 1.25,
}
"""Task groups and their weights in macro means."""

GROUP_OF = {
    "Information seeking": "Information/Advice seeking",
    "Advice seeking": "Information/Advice seeking",
    "Creative Writing": "Creative Tasks",
    "Editing": "Creative Tasks",
    "Brainstorming": "Creative Tasks",
    "Role playing": "Creative Tasks",
    "Others": "Creative Tasks",
    "Coding & Debugging": "Coding & Debugging",
    "Reasoning": "Planning & Reasoning",
    "Planning": "Planning & Reasoning",
    "Math": "Math & Data Analysis",
    "Data Analysis": "Math & Data Analysis",
}
"""The group of each of WildBench's tags."""

OFF = -1
"""The length rule is not applied."""


def groups_of(tags: Sequence[Sequence[str]]) -> Bools:
    """(P, 5) which of `GROUPS` each prompt is in, by its primary and secondary tags; unknown tags are in none."""
    names = list(GROUPS)
    member = np.zeros((len(tags), len(names)), bool)
    for row, of_prompt in enumerate(tags):
        for tag in of_prompt:
            if tag in GROUP_OF:
                member[row, names.index(GROUP_OF[tag])] = True
    return member


def macro_mean(by_group: Floats, *, variant: Variant = Variant.PUBLISHED) -> Floats:
    """(b,) weighted means of figures of the groups (b, 5), NaN where a group has none."""
    weights = np.array(list(GROUPS.values()))
    known = ~np.isnan(by_group)
    total = np.where(known, by_group, 0) @ weights
    over = weights.sum() if variant is Variant.PUBLISHED else known @ weights
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = np.where(known.any(axis=1), total / over, np.nan)
    return found


@dataclass(frozen=True, slots=True)
class Score:
    """Of one model. All intervals come from the same resamples of prompts."""

    variant: Variant
    mean: Result
    """Of the judge's scores, 1 to 10."""
    score: Result
    """WB-Score: 2 (mean - 5), from -8 to 10. The board shows ten times that."""
    groups: dict[str, Result]
    """The same of each task group."""
    task_macro: Result
    """Their weighted mean."""
    n_failed: int
    """Responses without a score: left out."""
    n_truncated: int


def wb_score(
    scores: npt.ArrayLike,
    groups: Bools,
    *,
    prompt: Ints | None = None,
    truncated: npt.ArrayLike | None = None,
    variant: Variant = Variant.PUBLISHED,
    interval: Interval = CLUSTER_BOOTSTRAP,
    rng: np.random.Generator,
) -> Score:
    """WB-Score of one model.

    `scores` (P,): 1 to 10, NaN where the judge failed; `groups` (P, 5): `groups_of` the tags; `truncated` (P,): the response
    was cut off or empty; `prompt` (P,): the prompt of each row, each its own by default.
    """
    given = np.asarray(scores, dtype=np.float64)
    rows = np.arange(given.size) if prompt is None else prompt
    cut = np.zeros(given.size, bool) if truncated is None else np.asarray(truncated, dtype=bool)
    if not given.shape == cut.shape == rows.shape or groups.shape != (given.size, len(GROUPS)):
        raise ValueError("each response has a score, a prompt and a mark for each of five groups")
    known = ~np.isnan(given)
    plain = known if variant is Variant.PUBLISHED else known & ~cut
    member = groups & (known & ~cut)[:, None]
    value = np.where(known, given, 0.0)

    def figures(weights: Floats) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = (weights @ np.where(plain, value, 0)) / (weights @ plain)
            by_group = 2 * ((weights @ (member * value[:, None])) / (weights @ member) - 5)
        return np.column_stack([mean, 2 * (mean - 5), by_group, macro_mean(by_group, variant=variant)])

    sizes = [int(member[:, g].sum()) for g in range(len(GROUPS))]
    n = [int(plain.sum())] * 2 + sizes + [int(member.any(axis=1).sum())]
    found = _over_prompts(figures, rows, plain | member.any(axis=1), n, interval, rng)
    return Score(
        variant=variant,
        mean=found[0],
        score=found[1],
        groups=dict(zip(GROUPS, found[2:-1], strict=True)),
        task_macro=found[-1],
        n_failed=int((~known).sum()),
        n_truncated=int(cut.sum()),
    )


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Battles of one model with one baseline.

    `extent` (P,): 2 much better than the baseline's response, 1 slightly better, 0 a tie, -1 slightly worse, -2 much worse;
    NaN where the judge failed. `length`, `baseline_length` (P,): characters of the two responses.
    """

    extent: Floats
    length: Floats
    baseline_length: Floats

    def with_length_rule(self, k: float) -> Floats:
        """(P,) extents, where a *slight* winner that is longer than the loser by more than `k` characters has only tied.

        `OFF` leaves all as they are. The scripts sweep 100 to 3,000; 500 is the paper's value.
        """
        if k == OFF:
            return self.extent
        longer = np.sign(self.extent) * (self.length - self.baseline_length)
        return np.where((np.abs(self.extent) == 1) & (longer > k), 0.0, self.extent)


@dataclass(frozen=True, slots=True)
class Reward:
    """Of one model against its baselines. All intervals come from the same resamples of prompts."""

    variant: Variant
    k: float
    reward: Result
    """WB-Reward, -1 to 1: the mean over the baselines."""
    task_macro: Result
    """The same of the weighted means over task groups."""
    by_baseline: list[Result]
    groups: list[dict[str, Result]]
    """Of each baseline, each task group's."""
    task_macro_by_baseline: list[Result]
    counts: list[dict[str, int]]
    """Of each baseline: win_much, win, tie, lose, lose_much; truncated and failed ones are in none."""
    n_truncated: int


def wb_reward(
    outcomes: Sequence[Outcomes],
    groups: Bools,
    *,
    k: float = 500,
    prompt: Ints | None = None,
    truncated: npt.ArrayLike | None = None,
    variant: Variant = Variant.PUBLISHED,
    interval: Interval = CLUSTER_BOOTSTRAP,
    rng: np.random.Generator,
) -> Reward:
    """WB-Reward = (much better - much worse + (slightly better - slightly worse) / 2) / N, mean over baselines (three).

    `k`: of the length rule, in characters; the other arguments as in `wb_score`.
    """
    size = len(groups)
    rows = np.arange(size) if prompt is None else prompt
    cut = np.zeros(size, bool) if truncated is None else np.asarray(truncated, dtype=bool)
    if not outcomes:
        raise ValueError("a reward needs a baseline")
    if (
        any(o.extent.shape != (size,) for o in outcomes)
        or cut.shape != (size,)
        or groups.shape[1] != len(GROUPS)
    ):
        raise ValueError("each response has an outcome, a prompt and a mark for each of five groups")
    extents = [o.with_length_rule(k) for o in outcomes]
    n_baselines, n_groups = len(outcomes), len(GROUPS)
    known = np.stack([~np.isnan(extent) for extent in extents], axis=1)
    counted = known & ~cut[:, None]
    over = known if variant is Variant.PUBLISHED else counted
    points = np.where(counted, np.nan_to_num(np.stack(extents, axis=1)) / 2, 0.0)
    members = [groups & counted[:, [b]] for b in range(n_baselines)]

    def figures(weights: Floats) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            rewards = (weights @ points) / (weights @ over)
            by_group = [
                (weights @ (members[b] * points[:, [b]])) / (weights @ members[b]) for b in range(n_baselines)
            ]
        macros = np.column_stack([macro_mean(found, variant=variant) for found in by_group])
        return np.column_stack(
            [rewards.mean(axis=1), macros.mean(axis=1), rewards, macros, np.concatenate(by_group, axis=1)]
        )

    all_n = over.sum(axis=0).astype(int).tolist()
    n = [sum(all_n), int(counted.sum()), *all_n, *counted.sum(axis=0).astype(int).tolist()]
    n += [int(member[:, g].sum()) for member in members for g in range(n_groups)]
    found = _over_prompts(figures, rows, np.logical_or.reduce(over, axis=1), n, interval, rng)
    of_groups = found[2 + 2 * n_baselines :]
    return Reward(
        variant=variant,
        k=k,
        reward=found[0],
        task_macro=found[1],
        by_baseline=found[2 : 2 + n_baselines],
        task_macro_by_baseline=found[2 + n_baselines : 2 + 2 * n_baselines],
        groups=[
            dict(zip(GROUPS, of_groups[b * n_groups : (b + 1) * n_groups], strict=True))
            for b in range(n_baselines)
        ],
        counts=[
            {
                name: int((extents[b][counted[:, b]] == extent).sum())
                for name, extent in (("win_much", 2), ("win", 1), ("tie", 0), ("lose", -1), ("lose_much", -2))
            }
            for b in range(n_baselines)
        ],
        n_truncated=int(cut.sum()),
    )


def centred_score(
    scores: npt.ArrayLike,
    *,
    lowest: float = 1,
    highest: float = 5,
    prompt: Ints | None = None,
    interval: Interval = CLUSTER_BOOTSTRAP,
    rng: np.random.Generator,
) -> Result:
    """Our analogue of WB-Score on another scale, not WildBench's: (mean - middle) / half the range, from -1 to 1.

    On 1 to 5 that is (mean - 3) / 2. `scores` (P,), NaN where there is none.
    """
    given = np.asarray(scores, dtype=np.float64)
    rows = np.arange(given.size) if prompt is None else prompt
    known = ~np.isnan(given)
    centred = np.where(known, (given - (lowest + highest) / 2) / ((highest - lowest) / 2), 0)

    def figures(weights: Floats) -> Floats:
        with np.errstate(invalid="ignore"):
            mean: Floats = ((weights @ centred) / (weights @ known))[:, None]
        return mean

    return _over_prompts(figures, rows, known, [int(known.sum())], interval, rng)[0]


def _over_prompts(
    figures: Figures, prompt: Ints, drawn: Bools, n: list[int], interval: Interval, rng: np.random.Generator
) -> list[Result]:
    """Figures with intervals, drawing prompts of the rows in `drawn` (P,) only: the others have no say."""
    if not drawn.any():
        return [Undefined(Reason.NO_SCORES)] * len(n)

    def of_drawn(weights: Floats) -> Floats:
        everywhere = np.zeros((len(weights), drawn.size))
        everywhere[:, drawn] = weights
        return figures(everywhere)

    everything = np.unique(prompt[drawn]).size
    return bootstrap_prompts(
        of_drawn,
        prompt[drawn],
        n=n,
        why=Reason.NO_SCORES,
        interval=interval,
        rng=rng,
        units=[min(size, everything) for size in n],  # a group has no more prompts than responses
    )
