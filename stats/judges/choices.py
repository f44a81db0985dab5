"""Multiple choice: accuracy by category, and how far it hangs on the wording of the prompt.

One row for each question and each variant of the prompt (order of the options, wording, examples shown). Questions are what
is drawn: the variants of one question are not independent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stats.agreement.intervals import Interval
from stats.arrays import Array, Bools, Floats, Ints
from stats.estimate import Reason, Result, Undefined
from stats.judges.categories import CategoryMeans, category_means
from stats.resampling import CLUSTER_BOOTSTRAP, bootstrap_prompts


@dataclass(frozen=True, slots=True)
class Choices:
    """What a model chose, a row for each question and variant.

    `question`, `variant` (n,): indices; `category` (n,): names or indices; `correct` (n,): 1 or 0, NaN where no answer could
    be read out of the response.
    """

    question: Ints
    variant: Ints
    category: Array
    correct: Floats

    def __post_init__(self) -> None:
        if not self.question.shape == self.variant.shape == self.category.shape == self.correct.shape:
            raise ValueError("each answer has a question, a variant and a category")
        given = self.correct[~np.isnan(self.correct)]
        if not np.isin(given, [0, 1]).all():
            raise ValueError("an answer is right (1), wrong (0) or unread (NaN)")

    @classmethod
    def of(cls, correct: npt.ArrayLike, category: npt.ArrayLike | None = None) -> Choices:
        """From a table (questions, variants), with the category of each question."""
        table = np.asarray(correct, dtype=np.float64)
        question, variant = (index.ravel() for index in np.indices(table.shape))
        names = np.zeros(len(table), np.int64) if category is None else np.asarray(category)
        return cls(question, variant, names[question], table.ravel())

    @property
    def unread(self) -> float:
        """The share of responses without an answer."""
        return float(np.isnan(self.correct).mean()) if self.correct.size else 0.0


def accuracy(
    choices: Choices,
    *,
    unread_is_wrong: bool = True,
    interval: Interval = CLUSTER_BOOTSTRAP,
    rng: np.random.Generator,
) -> CategoryMeans:
    """Share of right answers: overall, the mean over categories, and each category.

    A response without an answer is wrong, as a reader would have it; or left out, with `unread_is_wrong=False`, which is
    "accuracy among parsed answers" and flatters a model that often gives none.
    """
    correct = np.nan_to_num(choices.correct) if unread_is_wrong else choices.correct
    return category_means(
        correct, choices.category, prompt=choices.question, bounds=(0.0, 1.0), interval=interval, rng=rng
    )


@dataclass(frozen=True, slots=True)
class Spread:
    """How far accuracy differs between V variants of the prompt, over questions that were asked in all of them."""

    by_variant: list[Result]
    """Accuracy with each variant; its distance from the others is paired."""
    range: Result
    """Largest less smallest accuracy."""
    sd: Result
    """Standard deviation of the accuracies, with V - 1."""
    range_by_chance: float | None
    sd_by_chance: float | None
    """What these two would be on average if variants made no difference: they are never 0, since each variant meets other
    luck. From shuffling the variants within questions."""
    p: float | None
    """Share of shuffles with an SD as large as found, or larger: small when variants do make a difference."""


def spread_over_variants(
    choices: Choices,
    *,
    shuffles: int = 1000,
    interval: Interval = CLUSTER_BOOTSTRAP,
    rng: np.random.Generator,
) -> Spread:
    """Range and SD of accuracy over variants; an answer that could not be read is wrong.

    Intervals are percentiles of resamples of questions. Range and SD of resamples are larger than those of the data, since
    chance adds to them: where they are no larger than by chance, take the interval for an upper bound.
    """
    variants, place = np.unique(choices.variant, return_inverse=True)
    questions, row = np.unique(choices.question, return_inverse=True)
    table = np.full((questions.size, variants.size), np.nan)
    table[row, place] = np.nan_to_num(choices.correct)
    complete: Bools = ~np.isnan(table).any(axis=1)
    table, prompt = table[complete], questions[complete]
    n, v = table.shape
    if n == 0 or v < 2:
        why = Undefined(Reason.NO_SCORES if n == 0 else Reason.NOT_ENOUGH, n)
        accuracies: list[Result] = [why] * v
        if n:
            found = accuracy(choices, interval=interval, rng=rng)
            accuracies = [found.overall] * v
        return Spread(accuracies, why, why, None, None, None)

    def figures(weights: Floats) -> Floats:
        by_variant = weights @ table / weights.sum(axis=1, keepdims=True)
        return np.column_stack([by_variant, np.ptp(by_variant, axis=1), by_variant.std(axis=1, ddof=1)])

    found_all = bootstrap_prompts(
        figures, prompt, n=n, why=Reason.NO_SCORES, interval=interval, rng=rng, bounds=(0.0, 1.0)
    )
    observed = table.mean(axis=0).std(ddof=1)
    shuffled = np.stack([rng.permuted(table, axis=1).mean(axis=0) for _ in range(shuffles)])
    sds = shuffled.std(axis=1, ddof=1)
    return Spread(
        by_variant=found_all[:v],
        range=found_all[v],
        sd=found_all[v + 1],
        range_by_chance=float(np.ptp(shuffled, axis=1).mean()),
        sd_by_chance=float(sds.mean()),
        p=float((1 + (sds >= observed - 1e-12).sum()) / (1 + shuffles)),
    )
