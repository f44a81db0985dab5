"""All figures of agreement of one axis: what a monitor shows and a report prints."""

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from stats.agreement.coefficients import (
    EXACT,
    ICC_1_1,
    ICC_1_K,
    MEAN_ABSOLUTE_DIFFERENCE,
    WITHIN_ONE,
    Coefficient,
    Metric,
    alpha,
    bp,
    gwet,
    raters_per_item,
)
from stats.agreement.intervals import ITEM_JACKKNIFE, Interval, estimate_all
from stats.agreement.patterns import PatternHistogram
from stats.agreement.sums import items
from stats.arrays import Floats, Ints
from stats.estimate import Estimate, Reason, Result, Undefined

Kind = Literal["ordinal", "nominal", "binary"]

METRICS: tuple[Metric, ...] = ("nominal", "ordinal", "interval")

FEW_ITEMS = 30
"""Pairable items below which an alpha says little."""

FEW_PROMPTS = 30
"""Prompts with a pairable item below which intervals are rough."""

FEW_NA = 50
""""Cannot judge" below which the alpha of it has no interval: with a dozen, nominal 95 % intervals cover 81 %."""

_MUCH_AGREEMENT, _LOW_ALPHA = 0.8, 0.4


@dataclass(frozen=True, slots=True)
class Panel:
    """One axis: how much there is, how it is spread, and how well raters agree."""

    values: Floats
    distribution: Ints
    """(k,) scores given to each point, on all items."""
    n_items: int
    """Items that somebody scored or could not judge."""
    n_scored: int
    """Items with a score."""
    n_pairable: int
    """Items with two scores or more."""
    n_prompts: int | None
    """Prompts with such an item; None where prompts are not known."""
    n_ratings: int
    """Scores."""
    n_pairs: int
    """Pairs of scores on the same item."""
    n_na: int
    """"Cannot judge" said."""
    n_conflicts: int
    """Items that one rater scored and another could not judge."""
    mean: float | None
    raters_per_item: float | None
    """k of ICC(1,k): scores per pairable item, as analysis of variance counts them."""
    headline: Metric
    alpha: dict[Metric, Result]
    exact: Result
    within_one: Result
    mean_abs_difference: Result
    ac1: Result
    ac2: Result
    brennan_prediger: Result
    icc_1_1: Result
    icc_1_k: Result
    na_exact: Result
    """Whether raters agree on "cannot judge", whatever the score: share of pairs of judgements."""
    na_alpha: Result
    """The same, corrected for chance: nominal alpha of scored against "cannot judge"."""
    little_variation: bool
    """Raters agree, but nearly all scores are the same, so alpha is low or undefined all the same."""
    variants: dict[str, str]
    """Which of several definitions of its name each figure follows, in full; alphas as `alpha.ordinal`."""

    @property
    def few_items(self) -> bool:
        """Too few to take the figures for more than a first sign."""
        return 0 < self.n_pairable < FEW_ITEMS

    @property
    def few_prompts(self) -> bool:
        """Too few to take intervals, which are over prompts, for more than rough."""
        return self.n_prompts is not None and 0 < self.n_prompts < FEW_PROMPTS

    @property
    def na_rate(self) -> float | None:
        judged = self.n_ratings + self.n_na
        return self.n_na / judged if judged else None


def panel(
    histogram: PatternHistogram,
    *,
    kind: Kind = "ordinal",
    true_zero: bool = False,
    interval: Interval = ITEM_JACKKNIFE,
    rng: np.random.Generator | None = None,
) -> Panel:
    """All figures of an axis. On a nominal one, figures that need an order are undefined.

    On two points all metrics give the same alpha, so a binary axis has them all; but any two of its
    scores are neighbours, so there is nothing in `within_one`. `true_zero` says that 0 on the axis is none of it, as with
    counts and times, so that ratios mean something: it adds the ratio alpha.
    """
    ordered = kind != "nominal"
    two_points = histogram.values.size == 2
    wanted: dict[str, Coefficient] = {"nominal": alpha("nominal")}
    if ordered:
        wanted |= {"ordinal": alpha("ordinal"), "interval": alpha("interval")}
        wanted |= {"ratio": alpha("ratio")} if true_zero else {}
        wanted |= {"mean_abs_difference": MEAN_ABSOLUTE_DIFFERENCE}
        wanted |= {} if two_points else {"within_one": WITHIN_ONE}
        wanted |= {"ac2": gwet("quadratic"), "icc_1_1": ICC_1_1, "icc_1_k": ICC_1_K}
    wanted |= {"exact": EXACT, "ac1": gwet("identity")}
    wanted |= {"brennan_prediger": bp("quadratic" if ordered else "identity")}
    found = dict(
        zip(wanted, estimate_all(histogram, list(wanted.values()), interval=interval, rng=rng), strict=True)
    )
    na_exact, na_alpha = _agreement_on_na(histogram, interval, rng)

    def of(name: str) -> Result:
        reason = Reason.TWO_POINTS if ordered and two_points else Reason.NOT_ORDERED
        return found.get(name) or Undefined(reason, histogram.n_pairable)

    headline: Metric = "ordinal" if kind == "ordinal" else "nominal"

    n_ratings = histogram.n_ratings
    k = raters_per_item(items(histogram).total())[0]
    return Panel(
        values=histogram.values,
        distribution=histogram.distribution,
        n_items=histogram.n_items,
        n_scored=histogram.n_scored,
        n_pairable=histogram.n_pairable,
        n_prompts=histogram.n_pairable_clusters,
        n_ratings=n_ratings,
        n_pairs=histogram.n_pairs,
        n_na=histogram.n_na,
        n_conflicts=histogram.n_conflicts,
        mean=float(histogram.distribution @ histogram.values) / n_ratings if ordered and n_ratings else None,
        raters_per_item=None if np.isnan(k) else float(k),
        headline=headline,
        alpha={metric: of(metric) for metric in (*METRICS, *_ratio(true_zero))},
        exact=of("exact"),
        within_one=of("within_one"),
        mean_abs_difference=of("mean_abs_difference"),
        ac1=of("ac1"),
        ac2=of("ac2"),
        brennan_prediger=of("brennan_prediger"),
        icc_1_1=of("icc_1_1"),
        icc_1_k=of("icc_1_k"),
        na_exact=na_exact,
        na_alpha=na_alpha,
        little_variation=little_variation(of("exact"), of(headline)),
        variants={
            f"alpha.{name}" if name in get_args(Metric) else name: coefficient.variant
            for name, coefficient in wanted.items()
        },
    )


def _ratio(true_zero: bool) -> tuple[Metric, ...]:
    return ("ratio",) if true_zero else ()


def _agreement_on_na(
    histogram: PatternHistogram, interval: Interval, rng: np.random.Generator | None
) -> list[Result]:
    judged = histogram.judged_or_not()
    if histogram.n_na == 0:
        return [Undefined(Reason.NO_NA, judged.n_pairable)] * 2
    exact, corrected = estimate_all(judged, [EXACT, alpha("nominal")], interval=interval, rng=rng)
    if histogram.n_na < FEW_NA and isinstance(corrected, Estimate) and corrected.no_interval is None:
        corrected = replace(corrected, low=None, high=None, no_interval=Reason.NOT_ENOUGH)
    return [exact, corrected]


def little_variation(exact: Result, alpha: Result) -> bool:
    """Whether alpha is low for want of variation and not of agreement (the paradox of kappa).

    Alpha compares disagreement with what chance would give. Where nearly all scores are the same,
    chance gives almost none, and a handful of differences take alpha to 0. Our rule: raters agree
    exactly on 80 % or more, and alpha is below .4 or undefined for lack of variation.
    """
    if not isinstance(exact, Estimate) or exact.value < _MUCH_AGREEMENT:
        return False
    if isinstance(alpha, Undefined):
        return alpha.reason is Reason.NO_VARIATION
    return alpha.value < _LOW_ALPHA
