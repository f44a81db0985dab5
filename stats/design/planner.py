"""The planner: how wide intervals will be, before anything is rated, and what narrows them.

With P prompts, M models, k raters per item out of R, and variance components (`stats.design.components`), in points squared:

    var(mean of a model)         = (prompt + prompt_model + residual / k) / P + raters' part
    var(difference of two models) = 2 (prompt_model + residual / k) / P       + raters' part

The prompts are the same for all models, so their own difficulty leaves a difference. Half-widths are z times the square root.
For alpha the half-width is z sigma_k / sqrt(items); sigma_k comes from a pilot or from a table of simulations.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import NormalDist
from typing import Literal

from scipy import special

from stats.design.components import DEFAULTS, Components
from stats.estimate import Reason, Result, Undefined

Assignment = Literal["scattered", "side_by_side", "random"]
"""Who rates what: balanced over raters and models, the same raters for all responses to a prompt, or left to chance."""

Figure = Literal["alpha", "mean", "mean_other_raters", "difference"]
FIGURES: tuple[Figure, ...] = ("alpha", "mean", "mean_other_raters", "difference")

Width = float | Undefined
"""Half of an interval's width."""

DEFAULT_ALPHA = 0.45
"""Of subjective quality on five points; scores usually lie between .3 and .6."""

SIGMA = {(0.45, 2): 0.82, (0.45, 3): 0.61, (0.45, 5): 0.49, (0.62, 2): 0.65, (0.80, 2): 0.39}
"""sigma_k of ordinal alpha on five points, by (alpha, raters per item): from simulated studies with independent items. Where
half of the scores are the highest it is .85 at (.46, 2)."""

MOST = {"prompts": 10_000_000, "models": 10_000, "raters_per_item": 1_000, "raters": 1_000_000}
"""Larger than any study: beyond them a size is a slip of the keys. Prompts are searched for up to theirs."""

WIDEST_OF_ALPHA = 1.0
"""Alpha has its whole meaning between 0 and 1: an interval of ±1 says nothing about it."""


def normal_sigma(alpha: float, raters_per_item: int) -> float:
    """(1 - a) (1 + (k - 1) a) sqrt(2 / (k (k - 1))): sqrt(items) times the standard error of an intraclass correlation of
    normal scores, in large samples. Source: Fisher (1925); Donner (1986), A review of inference procedures for the ICC."""
    k, alpha = raters_per_item, max(alpha, 0.0)  # below chance, it is about as wide as at chance
    return (1 - alpha) * (1 + (k - 1) * alpha) * math.sqrt(2 / (k * (k - 1)))


@dataclass(frozen=True, slots=True)
class Agreement:
    """What agreement to expect, and how unsure alpha will be.

    `alpha`: expected. `sigma` and `raters_per_item`: from a pilot, the standard error of its alpha times the square root of
    its pairable items, at so many raters per item; None for the table. A jackknife over prompts brings in that responses to
    one prompt are alike, as long as the study has about as many models as the pilot.
    """

    alpha: float = DEFAULT_ALPHA
    sigma: float | None = None
    raters_per_item: float = 2

    def __post_init__(self) -> None:
        if not self.alpha <= 1 or (self.sigma is not None and not self.sigma >= 0):
            raise ValueError("alpha is 1 at most, and its sigma 0 or more")

    @classmethod
    def of_pilot(cls, alpha: Result, raters_per_item: float | None) -> Agreement | None:
        """From a pilot's alpha with a jackknife over prompts; None if it has no alpha. Without an interval, only the alpha."""
        if isinstance(alpha, Undefined):
            return None
        k = raters_per_item or 2
        if alpha.low is None or alpha.units < 2 or alpha.replicates:
            return cls(alpha.value, None, k)
        error = (alpha.value - alpha.low) / float(special.stdtrit(alpha.units - 1, 0.5 + alpha.level / 2))
        return cls(alpha.value, error * math.sqrt(alpha.n), k)

    def sigma_k(self, raters_per_item: int) -> float:
        """The half-width of alpha is z sigma_k / sqrt(items).

        A pilot's sigma is carried over to other numbers of raters, and the table's to other alphas, in proportion to that of
        normal scores: five points make it 2 to 8 % larger.
        """
        usual = normal_sigma(self.alpha, raters_per_item)
        if self.sigma is None:
            exact = SIGMA.get((round(self.alpha, 2), raters_per_item))
            return exact if exact is not None else usual * _coarseness(self.alpha)
        of_pilot = normal_sigma(self.alpha, max(2, round(self.raters_per_item)))
        return self.sigma * usual / of_pilot if of_pilot else self.sigma


def _coarseness(alpha: float) -> float:
    """How much larger sigma is on five points than for normal scores: along the table's rows, the last ones beyond them."""
    known = [(0.45, 1.02), (0.62, 1.056), (0.80, 1.083)]
    if alpha <= known[0][0]:
        return known[0][1]
    for (a, low), (b, high) in pairwise(known):
        if alpha <= b:
            return low + (high - low) * (alpha - a) / (b - a)
    return known[-1][1]


@dataclass(frozen=True, slots=True)
class Plan:
    """A study to be: `prompts` x `models`, each item rated by `raters_per_item` of `raters` people."""

    prompts: int
    models: int
    raters_per_item: int
    raters: int
    components: Components = DEFAULTS
    agreement: Agreement = Agreement()
    assignment: Assignment = "scattered"
    level: float = 0.95

    def __post_init__(self) -> None:
        if min(self.prompts, self.models, self.raters_per_item) < 1:
            raise ValueError("a study has a prompt, a model and a rater at least")
        if self.raters < self.raters_per_item:
            raise ValueError(f"{self.raters_per_item} raters per item cannot come from {self.raters} raters")
        if not 0 < self.level < 1:
            raise ValueError("a level lies between 0 and 1")

    # What it costs

    @property
    def items(self) -> int:
        return self.prompts * self.models

    @property
    def ratings(self) -> int:
        """Of all items, each on all axes in one sitting."""
        return self.items * self.raters_per_item

    @property
    def ratings_per_rater(self) -> float:
        return self.ratings / self.raters

    # What it gives

    def half_width(self, figure: Figure) -> Width:
        """Of alpha, or in points of the axis; or why there is none."""
        z = NormalDist().inv_cdf(0.5 + self.level / 2)
        if figure == "alpha":
            if self.raters_per_item < 2:
                return Undefined(Reason.SINGLE_RATINGS, self.items)
            return z * self.agreement.sigma_k(self.raters_per_item) / math.sqrt(self.items)
        if figure == "difference":
            if self.models < 2:
                return Undefined(Reason.ONE_MODEL, self.items)
            return z * math.sqrt(self.variance_of_difference())
        return z * math.sqrt(self.variance_of_mean(other_raters=figure == "mean_other_raters"))

    def variance_of_mean(self, *, other_raters: bool = False) -> float:
        """Of a model's mean, for other prompts like these; with `other_raters` for other raters like these, too.

        Raters' part: with balanced loads each rater's severity counts alike for all models, and so belongs to the scale these
        raters use. For a scale in general it is rater / R more (or what as many raters as rate a model leave, if there are
        fewer ratings than raters). Left to chance, raters differ between items: rater / (P k).
        """
        c, of_model = self.components, self.prompts * self.raters_per_item
        variance = (c.prompt + c.prompt_model + c.residual / self.raters_per_item) / self.prompts
        if self.assignment == "random":
            variance += c.rater / of_model
        else:
            variance += c.rater * (1 / min(self.raters, of_model) - 1 / self.raters)
        if other_raters:
            variance += c.rater / self.raters
        return variance

    def variance_of_difference(self) -> float:
        """Of the difference of two models' means, on the same prompts.

        Raters' part: 0 where the same raters rate both models of a prompt, nearly 0 where each rates both models equally often
        within one, and 2 rater / (P k) where that is left to chance.
        """
        c, k = self.components, self.raters_per_item
        variance = 2 * (c.prompt_model + c.residual / k) / self.prompts
        if self.assignment == "random":
            variance += 2 * c.rater / (self.prompts * k)
        elif self.assignment == "scattered":
            variance += 2 * c.rater * self._unevenness()
        return variance

    def _unevenness(self) -> float:
        """Sum over raters of the variance of their share in a model's ratings, if they have them equally often within one.

        A number that is c or c + 1 by chance has a variance of 1/4 at most, and of its mean where that is less.
        """
        of_model = self.prompts * self.raters_per_item
        return self.raters * min(0.25, of_model / self.raters) / of_model**2

    # What it takes

    def prompts_for(self, half_width: float, figure: Figure) -> int | Undefined:
        """The fewest prompts with so narrow an interval, all else as planned.

        NOT_ENOUGH if no number of them is enough, TOO_WIDE if so wide an interval says nothing.
        """
        if too_wide(half_width, figure):
            return Undefined(Reason.TOO_WIDE, self.items)
        if isinstance(now := self.half_width(figure), Undefined):
            return now
        return _fewest(
            lambda n: replace(self, prompts=n).half_width(figure),
            half_width,
            most=MOST["prompts"],
            n=self.items,
        )

    def raters_per_item_for(self, half_width: float, figure: Figure) -> int | Undefined:
        """The fewest raters per item with so narrow an interval, all else as planned.

        NOT_ENOUGH if all of them are too few, TOO_WIDE if so wide an interval says nothing.
        """
        if too_wide(half_width, figure):
            return Undefined(Reason.TOO_WIDE, self.items)
        if figure == "difference" and self.models < 2:
            return Undefined(Reason.ONE_MODEL, self.items)
        return _fewest(
            lambda n: replace(self, raters_per_item=n).half_width(figure),
            half_width,
            most=self.raters,
            n=self.items,
        )


def too_wide(half_width: float, figure: Figure) -> bool:
    """Whether an interval says nothing about alpha; of figures in points, the scale decides, which is not known here."""
    return figure == "alpha" and half_width >= WIDEST_OF_ALPHA


def _fewest(width: Callable[[int], Width], wanted: float, *, most: int, n: int) -> int | Undefined:
    """The smallest number, up to `most`, whose width is `wanted` or less; widths fall with it."""
    if not wanted > 0:
        raise ValueError("a half-width is more than 0")

    def narrow(number: int) -> bool:
        found = width(number)
        return not isinstance(found, Undefined) and found <= wanted * (1 + 1e-12)

    if not narrow(most):
        return Undefined(Reason.NOT_ENOUGH, n)
    low, high = 0, most  # narrow at high, not at low
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if narrow(middle) else (middle, high)
    return high


# What buys most


@dataclass(frozen=True, slots=True)
class Change:
    """A plan that differs in one thing, and what that buys."""

    name: Literal["more_prompts", "more_raters_per_item", "more_raters"]
    plan: Plan
    ratings: int
    """More than before."""
    narrower: dict[Figure, float | Undefined]
    """By how much of itself each half-width shrinks: .18 is 18 % narrower."""


def changes(plan: Plan) -> list[Change]:
    """One more rater per item; the same ratings spent on prompts instead; half as many raters again, for the same ratings.

    The first two cost the same, within a prompt, so they can be compared.
    """
    k = plan.raters_per_item
    prompts = math.ceil(plan.prompts * (k + 1) / k)
    people = max(plan.raters + 1, round(plan.raters * 1.5))
    options: list[tuple[Literal["more_prompts", "more_raters_per_item", "more_raters"], Plan]] = [
        ("more_prompts", replace(plan, prompts=prompts)),
        ("more_raters_per_item", replace(plan, raters_per_item=k + 1, raters=max(plan.raters, k + 1))),
        ("more_raters", replace(plan, raters=people)),
    ]
    return [
        Change(name, after, after.ratings - plan.ratings, {f: _narrower(plan, after, f) for f in FIGURES})
        for name, after in options
    ]


def _narrower(before: Plan, after: Plan, figure: Figure) -> float | Undefined:
    was, now = before.half_width(figure), after.half_width(figure)
    if isinstance(was, Undefined) or isinstance(now, Undefined):
        return was if isinstance(was, Undefined) else now if isinstance(now, Undefined) else 0.0
    return 1 - now / was if was > 0 else 0.0


def buys_most(plan: Plan, figure: Figure) -> Change | None:
    """The change that narrows a figure most; None if none does by half a percent."""
    best: Change | None = None
    most = 0.005
    for change in changes(plan):
        shrinks = change.narrower[figure]
        if not isinstance(shrinks, Undefined) and shrinks > most:
            best, most = change, shrinks
    return best
