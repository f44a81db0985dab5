"""Further raters where the first ones disagree: rules that pick items, and what they do to the figures.

Ratings asked for because of what others gave are of the phase "extra". They are not independent of the first ones: counted
in alpha, they raise it, so they are kept out. In simulations (`simulate`) a third rating of disagreeing raters makes item
means no better than the same number of ratings at random, unless some raters are careless; and keeping the two closest of
three makes them worse than no third rating at all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from scipy import special

from stats.agreement import PatternHistogram, alpha, estimate
from stats.agreement.intervals import Interval, Method
from stats.arrays import Bools, Floats, Ints
from stats.design.components import DEFAULTS, Components
from stats.estimate import Result

PHASE = "extra"
"""Of each rating that a rule asks for."""

NOBODY = -1


class Trigger(StrEnum):
    """Why an item gets a further rater. In the order in which a budget is spent."""

    DISTANCE = "distance"
    NA_AGAINST_SCORE = "na_against_score"
    FLAGGED_RATER = "flagged_rater"


@dataclass(frozen=True, slots=True)
class Rule:
    """When an item gets one more rater."""

    distance: float | None = None
    """If two scores on the axis are that far apart or more, in its units."""
    na_against_score: bool = False
    """If one rater scored it and another could not judge it."""
    flagged: frozenset[int] = field(default_factory=frozenset)
    """If one of these rated it."""
    maximum: int = 3
    """Ratings that an item has in the end at most."""
    budget: int | None = None
    """Extra ratings in all, those already given included; None for no limit."""

    def __post_init__(self) -> None:
        if self.distance is not None and not self.distance > 0:
            raise ValueError("a distance is more than 0")
        if self.maximum < 1 or (self.budget is not None and self.budget < 0):
            raise ValueError("a maximum is 1 or more, a budget 0 or more")


@dataclass(frozen=True, slots=True)
class Selection:
    """Items that get one more rater each, the most pressing first."""

    item: Ints
    trigger: list[Trigger]
    triggered: int
    """Items that the rule is about, also those past the maximum or the budget."""


def select(
    rule: Rule,
    *,
    scores: npt.ArrayLike,
    na: npt.ArrayLike | None = None,
    raters: npt.ArrayLike | None = None,
    spent: int = 0,
    rng: np.random.Generator,
) -> Selection:
    """Items for one more rating. Ask again when those are in: an item may need a second.

    `scores` (n, s): on the rule's axis, a row for each item, NaN where there is none; `na` (n, s): "cannot judge"; `raters`
    (n, s): who, NOBODY where a seat is empty; `spent`: extra ratings asked for so far. Larger distances come first, then
    "cannot judge" against a score, then flagged raters; chance decides between equals.
    """
    given = np.asarray(scores, dtype=np.float64)
    if given.ndim != 2:
        raise ValueError("scores must be (items, seats)")
    abstained = np.zeros(given.shape, bool) if na is None else np.asarray(na, dtype=bool)
    who = np.full(given.shape, NOBODY) if raters is None else np.asarray(raters, dtype=np.int64)
    if not given.shape == abstained.shape == who.shape:
        raise ValueError("scores, na and raters must have one shape")
    scored = ~np.isnan(given)
    if (scored & abstained).any():
        raise ValueError("a rating is a score or “cannot judge”, not both")

    apart = _range(given)
    by = {
        Trigger.DISTANCE: apart >= (np.inf if rule.distance is None else rule.distance - 1e-9),
        Trigger.NA_AGAINST_SCORE: rule.na_against_score & scored.any(axis=1) & abstained.any(axis=1),
        Trigger.FLAGGED_RATER: np.isin(who, sorted(rule.flagged)).any(axis=1),
    }
    kinds: Bools = np.stack([*by.values()])
    wanted = kinds.any(axis=0)
    kind = kinds.argmax(axis=0)
    ready = np.flatnonzero(wanted & ((scored | abstained).sum(axis=1) < rule.maximum))
    urgent = np.lexsort((rng.random(ready.size), -apart[ready], kind[ready]))
    left = ready.size if rule.budget is None else max(0, rule.budget - spent)
    chosen = ready[urgent][:left].astype(np.int64)
    names = list(by)
    return Selection(chosen, [names[kind[i]] for i in chosen], int(wanted.sum()))


def _range(scores: Floats) -> Floats:
    """(n,) largest less smallest score; 0 with fewer than two."""
    known = ~np.isnan(scores)
    high = np.where(known, scores, -np.inf).max(axis=1, initial=-np.inf)
    low = np.where(known, scores, np.inf).min(axis=1, initial=np.inf)
    return np.where(known.sum(axis=1) >= 2, high - low, 0.0)


# What a rule does to the figures


class Combine(StrEnum):
    """How an item's score is made of its ratings."""

    MEAN = "mean"
    MEDIAN = "median"
    CLOSEST_TWO = "closest_two"


@dataclass(frozen=True, slots=True)
class Effect:
    """Of a way to spend further ratings, in one simulated study."""

    ratings_per_item: float
    rmse: float
    """Of item scores against the score that careful raters give on average, in points."""
    alpha: Result
    """Ordinal, if extra ratings counted."""
    mean_shift: float
    """By how much the mean of all items moves, in points."""


@dataclass(frozen=True, slots=True)
class Simulated:
    """Effects, all on the same items and ratings."""

    design: Effect
    """The first ratings alone."""
    rule: dict[Combine, Effect]
    """With the rule's extra ratings."""
    at_random: Effect
    """With as many extra ratings, on items picked at random, mean of all."""


def simulate(
    rule: Rule,
    *,
    n_items: int = 20_000,
    raters_per_item: int = 2,
    components: Components = DEFAULTS,
    mean: float = 3.3,
    careless: float = 0.0,
    n_points: int = 5,
    rng: np.random.Generator,
) -> Simulated:
    """Effects of a rule on its distance in a simulated study.

    A score is mean + item + severity + residual, normal, rounded to 1 … `n_points`; raters are drawn anew for each rating. A
    share `careless` of ratings is any point with equal chance. Only the distance of a rule plays a part here.
    """
    c = components
    most = max(rule.maximum, raters_per_item)
    truth = mean + rng.normal(0, np.sqrt(c.prompt + c.prompt_model + c.model), n_items)
    noise = np.sqrt(c.rater + c.residual)
    everything = (truth[:, None] + rng.normal(0, noise, (n_items, most))).round().clip(1, n_points)
    any_point = rng.integers(1, n_points + 1, everything.shape)
    everything = np.where(rng.random(everything.shape) < careless, any_point, everything)
    expected = _expected(truth, noise, n_points)

    first = np.where(np.arange(most) < raters_per_item, everything, np.nan)
    extended = first.copy()
    spent = 0
    for _ in range(most - raters_per_item):
        more = select(rule, scores=extended, spent=spent, rng=rng).item
        if not more.size:
            break
        spent += more.size
        seat = (~np.isnan(extended[more])).sum(axis=1)
        extended[more, seat] = everything[more, seat]
    at_random = first.copy()
    empty = np.argwhere(np.isnan(at_random))
    for_more = tuple(empty[rng.permutation(len(empty))[:spent]].T)
    at_random[for_more] = everything[for_more]

    def effect(ratings: Floats, combine: Combine) -> Effect:
        scores = combined(ratings, combine)
        return Effect(
            ratings_per_item=float((~np.isnan(ratings)).sum() / n_items),
            rmse=float(np.sqrt(np.mean((scores - expected) ** 2))),
            alpha=_alpha(ratings, n_points),
            mean_shift=float(scores.mean() - combined(first, Combine.MEAN).mean()),
        )

    return Simulated(
        design=effect(first, Combine.MEAN),
        rule={combine: effect(extended, combine) for combine in Combine},
        at_random=effect(at_random, Combine.MEAN),
    )


def combined(ratings: Floats, combine: Combine) -> Floats:
    """(n,) scores of items from their ratings (n, s), NaN where there is none; each item has one at least.

    CLOSEST_TWO is the mean of the two ratings that are nearest to each other, of the lower two if two pairs are.
    """
    if combine is Combine.MEAN:
        return np.asarray(np.nanmean(ratings, axis=1))
    if combine is Combine.MEDIAN:
        return np.asarray(np.nanmedian(ratings, axis=1))
    ordered = np.sort(ratings, axis=1)  # NaN last
    gaps = np.nan_to_num(np.diff(ordered, axis=1), nan=np.inf)
    if not gaps.shape[1]:
        return ordered[:, 0]
    nearest = gaps.argmin(axis=1)
    rows = np.arange(len(ordered))
    pair = (ordered[rows, nearest] + ordered[rows, nearest + 1]) / 2
    return np.where(np.isfinite(gaps).any(axis=1), pair, ordered[:, 0])


def _expected(truth: Floats, noise: float, n_points: int) -> Floats:
    """(n,) the mean of a careful rater's rounded score: 1 + sum over c of P(score > c)."""
    edges = np.arange(1, n_points) + 0.5
    above: Floats = special.ndtr((truth[:, None] - edges) / noise).sum(axis=1)
    return 1 + above


def _alpha(ratings: Floats, n_points: int) -> Result:
    item, seat = np.nonzero(~np.isnan(ratings))
    histogram = PatternHistogram.from_ratings(
        values=np.arange(1, n_points + 1), item=item, rank=ratings[item, seat].astype(np.int64)
    )
    return estimate(histogram, alpha("ordinal"), interval=Interval(Method.ITEM_JACKKNIFE))
