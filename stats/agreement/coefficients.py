"""Coefficients of agreement, each a function of the sums over items.

The functions take the sums of b samples and give (b,) numbers, NaN where a sample leaves the
coefficient undefined; `intervals` turns that into `Undefined` with the reason.

Sources: Krippendorff (2011), Computing Krippendorff's Alpha-Reliability; Gwet (2008), Computing
inter-rater reliability and its variance in the presence of high agreement, and (2014), Handbook of
Inter-Rater Reliability, 4th ed.; Brennan and Prediger (1981), Coefficient kappa: some uses, misuses
and alternatives; Shrout and Fleiss (1979), Intraclass correlations.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from stats.agreement.sums import Sums
from stats.arrays import Floats
from stats.estimate import Reason

Metric = Literal["nominal", "ordinal", "interval", "ratio"]
Weights = Literal["identity", "linear", "quadratic"]


@dataclass(frozen=True, slots=True)
class Coefficient:
    """A figure of agreement: its name, its variant in full, how it is computed and what it can be."""

    name: str
    variant: str
    of: Callable[[Sums], Floats]
    lowest: float = -np.inf
    highest: float = 1.0
    singles_count: bool = False
    """Whether items with a single score have a say in it."""

    def why_undefined(self, sums: Sums) -> Reason:
        """The reason, for sums of one sample that leave this coefficient undefined."""
        if sums.rated[0] == 0:
            return Reason.NO_SCORES
        if sums.pairable[0] == 0:
            return Reason.NO_ITEM_WITH_TWO_SCORES
        if self.name == "alpha_ratio" and sums.values[0] < 0:
            return Reason.NEGATIVE_VALUES
        if self.name.startswith("icc") and sums.pairable[0] < 2:
            return Reason.ONE_ITEM
        if self.name.startswith("icc") and sums.within[0] > 0:
            return Reason.NO_VARIATION_BETWEEN_ITEMS
        return Reason.NO_VARIATION


# Krippendorff's alpha


def krippendorff_alpha(sums: Sums, metric: Metric) -> Floats:
    """1 - observed / expected disagreement; 1 is perfect, 0 is chance, below 0 is systematic disagreement.

    alpha = 1 - (n - 1) sum_ck o_ck d_ck / sum_ck n_c n_k d_ck, over the coincidences o of pairable
    items, their margins n_c and n = sum_c n_c. Undefined when all scores are the same (0 / 0).
    """
    observed, expected = (
        _ordinal_disagreement(sums)
        if metric == "ordinal"
        else _disagreement(sums, _squared_distances(sums.values, metric))
    )
    return 1 - _ratio((sums.marginals.sum(axis=1) - 1) * observed, expected)


def _disagreement(sums: Sums, distance: Floats) -> tuple[Floats, Floats]:
    """sum o_ck d_ck and sum n_c n_k d_ck over c < k, each (b,), for distances (k, k) known beforehand."""
    above = np.triu_indices(sums.values.size, 1)
    return (
        np.asarray(sums.coincidences @ distance[above]),
        np.sum((sums.marginals @ distance) * sums.marginals, axis=1) / 2,
    )


def _squared_distances(v: Floats, metric: Literal["nominal", "interval", "ratio"]) -> Floats:
    """(k, k) how far apart two points are, in Krippendorff's metric."""
    apart = np.abs(v[:, None] - v)
    if metric == "nominal":
        return (apart > 0).astype(np.float64)
    if metric == "ratio":
        both = v[:, None] + v
        apart = apart / np.where(both > 0, both, 1) if v[0] >= 0 else apart * np.nan
    return np.square(apart)


def _ordinal_disagreement(sums: Sums) -> tuple[Floats, Floats]:
    """The same, where the distance of two points is how many scores lie between them, half of both included.

    So it depends on the data, and changes from resample to resample.
    """
    n_c, k = sums.marginals, sums.values.size
    middle = np.cumsum(n_c, axis=1) - n_c / 2
    observed, expected = np.zeros((2, len(n_c)))
    start = 0
    for c in range(k - 1):  # coincidences (c, c + 1), …, (c, k - 1) stand side by side
        distance = np.square(middle[:, c + 1 :] - middle[:, c : c + 1])
        observed += np.sum(sums.coincidences[:, start : start + k - 1 - c] * distance, axis=1)
        expected += np.sum(n_c[:, c + 1 :] * distance, axis=1) * n_c[:, c]
        start += k - 1 - c
    return observed, expected


def alpha(metric: Metric) -> Coefficient:
    variants = {
        "nominal": "Krippendorff's alpha, nominal",
        "ordinal": "Krippendorff's alpha, ordinal (Krippendorff's metric, mid-ranks)",
        "interval": "Krippendorff's alpha, interval",
        "ratio": "Krippendorff's alpha, ratio",
    }
    return Coefficient(f"alpha_{metric}", variants[metric], lambda sums: krippendorff_alpha(sums, metric))


# Agreement of pairs, as raters understand it


def percent_agreement(sums: Sums, weights: Weights) -> Floats:
    """p_a: the mean over pairable items of the mean weight of an item's pairs of scores.

    Weights: identity [c = k], linear 1 - |c - k| / span, quadratic 1 - (c - k)^2 / span^2, where the
    span is that of the whole axis, used or not.
    """
    span = sums.values[-1] - sums.values[0]
    match weights:
        case "identity":
            agreement = sums.exact
        case "linear":
            agreement = sums.pairable - sums.absolute / span
        case "quadratic":
            agreement = sums.pairable - sums.squared / span**2
    return _ratio(agreement, sums.pairable)


EXACT = Coefficient(
    "exact",
    "share of pairs with the same score, mean over items",
    lambda sums: percent_agreement(sums, "identity"),
    lowest=0,
)

WITHIN_ONE = Coefficient(
    "within_one",
    "share of pairs at most one point of the scale apart, mean over items",
    lambda sums: _ratio(sums.within_one, sums.pairable),
    lowest=0,
)


def mean_absolute_difference(sums: Sums) -> Floats:
    """How far apart two scores of an item are on average, in the units of the axis.

    sum_ck o_ck |c - k| / n: from the coincidences, as alpha is, so an item weighs as many scores as it has.
    """
    low, high = np.triu_indices(sums.values.size, 1)
    apart = sums.coincidences @ (sums.values[high] - sums.values[low])
    return _ratio(2 * apart, sums.marginals.sum(axis=1))


MEAN_ABSOLUTE_DIFFERENCE = Coefficient(
    "mean_abs_difference",
    "mean absolute difference of pairs of scores, weighted as in alpha",
    mean_absolute_difference,
    lowest=0,
    highest=np.inf,
)


# Corrected for chance otherwise


def gwet_ac(sums: Sums, weights: Weights) -> Floats:
    """Gwet's AC1 (identity weights) and AC2: (p_a - p_e) / (1 - p_e).

    p_e = sum_ck w_ck sum_c pi_c (1 - pi_c) / (q (q - 1)) with all q points of the axis, and pi_c the
    mean over all items with a score, singly scored ones too, of the share of c. It does not fall
    when most scores are the same; it is high on uniform noise, so never show it alone.
    """
    q = sums.values.size
    pi = sums.shares / np.where(sums.rated > 0, sums.rated, np.nan)[:, None]
    chance = _sum_of_weights(sums.values, weights) * np.sum(pi * (1 - pi), axis=1) / (q * (q - 1))
    return _beyond(percent_agreement(sums, weights), chance)


def brennan_prediger(sums: Sums, weights: Weights) -> Floats:
    """Brennan and Prediger's coefficient: (p_a - p_e) / (1 - p_e) with p_e = sum_ck w_ck / q^2."""
    chance = _sum_of_weights(sums.values, weights) / sums.values.size**2
    return _beyond(percent_agreement(sums, weights), np.array([chance]))


def _beyond(agreement: Floats, chance: Floats) -> Floats:
    """How much of what chance leaves open is agreed on."""
    return _ratio(agreement - chance, 1 - chance)


def _sum_of_weights(values: Floats, weights: Weights) -> float:
    apart = np.abs(values[:, None] - values) / (values[-1] - values[0])
    match weights:
        case "identity":
            return float(values.size)
        case "linear":
            return float(np.sum(1 - apart))
        case "quadratic":
            return float(np.sum(1 - apart**2))


def gwet(weights: Weights) -> Coefficient:
    name, words = ("ac1", "AC1") if weights == "identity" else (f"ac2_{weights}", f"AC2, {weights} weights")
    return Coefficient(name, f"Gwet's {words}", lambda sums: gwet_ac(sums, weights), singles_count=True)


def bp(weights: Weights) -> Coefficient:
    return Coefficient(
        f"bp_{weights}",
        f"Brennan and Prediger's coefficient, {weights} weights",
        lambda sums: brennan_prediger(sums, weights),
    )


# Intraclass correlation


def raters_per_item(sums: Sums) -> Floats:
    """k0: the number of scores per item that one-way analysis of variance goes by when it varies.

    k0 = (N - sum n_i^2 / N) / (I - 1), N scores on I pairable items; NaN for a single item.
    """
    n = sums.marginals.sum(axis=1)
    return _ratio(n - _ratio(sums.squares, n), sums.pairable - 1)


def icc_one_way(sums: Sums) -> Floats:
    """ICC(1,1), raters nested in items, from one-way analysis of variance with unequal numbers of raters.

    (MSB - MSW) / (MSB + (k0 - 1) MSW): the share of a single score's variance that is the items'.
    """
    between, within = _mean_squares(sums)
    return _ratio(between - within, between + (raters_per_item(sums) - 1) * within)


def icc_of_means(sums: Sums) -> Floats:
    """ICC(1,k0) = (MSB - MSW) / MSB: how reliable an item's mean is, with the raters it has (k0).

    The same as Spearman and Brown's step from ICC(1,1) to k0 raters.
    """
    between, within = _mean_squares(sums)
    return _ratio(between - within, between)


def spearman_brown(reliability: float, k: float) -> float:
    """Reliability of the mean of k ratings when one rating has `reliability`."""
    return k * reliability / (1 + (k - 1) * reliability)


def _mean_squares(sums: Sums) -> tuple[Floats, Floats]:
    """Between and within items, each (b,)."""
    n = sums.marginals.sum(axis=1)
    v = sums.values - (sums.values[0] + sums.values[-1]) / 2
    total = sums.marginals @ v**2 - _ratio((sums.marginals @ v) ** 2, n)
    # What is left of rounding when nothing varies must not be taken for variance.
    between = total - sums.within
    between = np.where(between > 1e-12 * np.abs(total), between, 0)
    within = np.where(sums.within > 1e-12 * np.abs(total), sums.within, 0)
    return _ratio(between, sums.pairable - 1), _ratio(within, n - sums.pairable)


ICC_1_1 = Coefficient("icc_1_1", "ICC(1,1), one-way, unequal numbers of raters", icc_one_way)
ICC_1_K = Coefficient("icc_1_k", "ICC(1,k) of item means, one-way, k as it is on average", icc_of_means)


def _ratio(over: Floats, under: Floats) -> Floats:
    """over / under, NaN where under is not above 0."""
    ratio: Floats = over / np.where(under > 0, under, np.nan)
    return ratio
