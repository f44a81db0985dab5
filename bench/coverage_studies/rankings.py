"""Rankings, checklists and multiple choice."""

from __future__ import annotations

import numpy as np
from scipy import special

from bench.coverage_studies.found import Found, estimates
from bench.coverage_studies.population import Cell, draw
from stats.agreement import Interval
from stats.judges.checklists import item_usefulness, point_biserial, selective_curve
from stats.judges.choices import Choices, accuracy, spread_over_variants
from stats.judges.grid import Grid
from stats.judges.preferences import preferences
from stats.ranking import Battles, Verdicts, bradley_terry, win_rates
from stats.ranking.order import order_effects, rates_of_verdicts
from stats.ranking.wildbench import Outcomes, centred_score, wb_reward, wb_score

OF_THIS_SIZE: tuple[str, ...] = ()

CATEGORIES, VARIANTS = 4, 3


def study(cell: Cell, rng: np.random.Generator, replicates: int) -> Found:
    interval = Interval(replicates=replicates, fewest=min(replicates, 1000))
    drawn = draw(cell, rng)
    p = cell.prompts
    grid = drawn.grid()
    ranked = bradley_terry(
        Battles.from_scores(grid.human, grid.prompt), probabilities=True, interval=interval, rng=rng
    )
    found = estimates({"strengths": ranked.strengths, "probabilities": ranked.probabilities}, "bradley_terry")
    verdicts = _verdicts(drawn.quality, rng)
    found |= estimates(win_rates(verdicts, interval=interval, rng=rng), "win_rates")
    found |= pairs(grid, verdicts, interval, rng)

    member = np.zeros((p, 5), bool)
    member[np.arange(p), rng.integers(5, size=p)] = True
    ten = np.clip(np.round(2 * drawn.quality[:, -1] + rng.normal(size=p)), 1, 10)
    score = wb_score(ten, member, interval=interval, rng=rng)
    found |= estimates({"mean": score.mean, "groups": list(score.groups.values())}, "wb_score")
    found["wb_score.task_macro", 0] = score.task_macro
    lengths = np.exp(drawn.ln_length)
    outcomes = [
        Outcomes(np.clip(drawn.judge[:, -1] - drawn.judge[:, b], -2, 2), lengths[:, -1], lengths[:, b])
        for b in range(3)
    ]
    reward = wb_reward(outcomes, member, interval=interval, rng=rng)
    found |= estimates({"reward": reward.reward, "by_baseline": reward.by_baseline}, "wb_reward")
    found["wb_reward.task_macro", 0] = reward.task_macro
    found["centred_score", 0] = centred_score(drawn.judge[:, 0], interval=interval, rng=rng)

    choices = _choices(p, rng)
    found |= estimates(accuracy(choices, interval=interval, rng=rng), "choices")
    spread = spread_over_variants(choices, shuffles=2, interval=interval, rng=rng)
    found |= estimates(spread, "variants")
    found |= _checklists(drawn.quality, drawn.score.mean(axis=2), interval, rng)
    return found


def pairs(grid: Grid, verdicts: Verdicts, interval: Interval, rng: np.random.Generator) -> Found:
    """What order does, and people's preferences beside the judge's."""
    cells = [verdicts.prompt * grid.human.shape[1] + model for model in (verdicts.first, verdicts.second)]
    preferred = preferences(
        verdicts,
        np.column_stack([grid.human.ravel()[cell] for cell in cells]),
        cells=(cells[0], cells[1]),
        ratings=grid.ratings,
        shape=grid.human.shape,
        interval=interval,
        rng=rng,
    )
    return (
        estimates(order_effects(verdicts, interval=interval, rng=rng), "order")
        | estimates(rates_of_verdicts(verdicts, interval=interval, rng=rng), "rates_of_verdicts")
        | estimates(preferred, "preferences")
    )


def _verdicts(quality: np.ndarray, rng: np.random.Generator) -> Verdicts:
    """Of all pairs of models, in both orders, with a liking for whichever is shown first."""
    p, m = quality.shape
    first, second = np.triu_indices(m, 1)
    ahead = quality[:, first] - quality[:, second] + 0.3 * rng.normal(size=(p, first.size))

    def verdict(liking: float) -> np.ndarray:
        felt = ahead + liking + 0.4 * rng.normal(size=ahead.shape)
        return (np.sign(np.where(np.abs(felt) < 0.3, 0, felt)) + 1) / 2

    return Verdicts(
        np.repeat(np.arange(p), first.size),
        np.tile(first, p),
        np.tile(second, p),
        verdict(0.2).ravel(),
        verdict(-0.2).ravel(),
        m,
    )


def _choices(questions: int, rng: np.random.Generator) -> Choices:
    category = rng.integers(CATEGORIES, size=questions)
    ability = 0.6 + 0.5 * category / CATEGORIES - rng.normal(size=questions)
    right = rng.random((questions, VARIANTS)) < special.expit(
        2 * ability[:, None] - 0.5 * np.arange(VARIANTS)
    )
    return Choices.of(right.astype(float), category)


def _checklists(
    quality: np.ndarray, human: np.ndarray, interval: Interval, rng: np.random.Generator
) -> Found:
    """One response to each prompt; three checklist items that each apply to some."""
    p = len(quality)
    q, people = quality[:, 0], human[:, 0]

    def judged(sd: float, repeats: int = 1) -> np.ndarray:
        return np.clip(np.round(q[:, None] + sd * rng.normal(size=(p, repeats))), 1, 5)

    found: Found = {}
    for i, one in enumerate(
        selective_curve(
            people, judged(0.8, 4), judged(0.6, 4), thresholds=(0.4, 0.7), interval=interval, rng=rng
        )
    ):
        found |= {(name, i): each for (name, _), each in estimates(one, "selective").items()}
    prompt = np.repeat(np.arange(p), 3)
    item = np.tile(np.arange(3), p)
    asked = rng.random(prompt.size) < 0.7
    prompt, item = prompt[asked], item[asked]
    useful = item_usefulness(
        item,
        people[prompt],
        judged(0.5).ravel()[prompt],
        judged(0.7).ravel()[prompt],
        prompt=prompt,
        interval=interval,
        rng=rng,
    )
    ticked = (rng.random(prompt.size) < special.expit(q[prompt] - 3)).astype(float)
    serial = point_biserial(item, ticked, people[prompt], prompt=prompt, interval=interval, rng=rng)
    return found | estimates({"item_usefulness": useful, "point_biserial": serial})
