"""Mistakes that are made elsewhere, each with its number, and that it is not made here.

Others stand beside the figure they concern: narrow integers, missing as 0, observed points only, the ratio metric's
values and no variation in test_agreement_references; gaps in the list of points in test_agreement_pairs; looking again
and again in test_agreement_alarm; items and models in test_agreement_systems.
"""

import krippendorff
import numpy as np
import pandas as pd
import pytest
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from stats.agreement import (
    EXACT,
    ICC_1_1,
    METRICS,
    NA,
    Interval,
    Method,
    PatternHistogram,
    alpha,
    estimate,
    gwet,
    panel,
)
from stats.agreement import sums as sums_of
from stats.agreement.coefficients import _disagreement
from stats.estimate import Estimate, Reason, Undefined

POINTS = [1, 2, 3, 4, 5]


@pytest.fixture(scope="module")
def example(vectors) -> np.ndarray:
    """Krippendorff (2011), example C: twelve units, four raters."""
    ratings = vectors["alpha/krippendorff-2011-example-C"]["inputs"]["ratings_raters_x_items"]
    return np.array(ratings, dtype=float).T


def value(scores, coefficient) -> float:
    found = estimate(PatternHistogram.from_scores(scores, values=POINTS), coefficient)
    assert isinstance(found, Estimate)
    return found.value


def study(items: int, raters: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    quality = 3.3 + 0.8 * rng.normal(size=(items, 1))
    return np.clip(np.round(quality + 0.8 * rng.normal(size=(items, raters))), 1, 5)


def test_ordinal_is_krippendorffs_metric_and_none_of_the_other_three(example, vectors):
    total = sums_of.items(PatternHistogram.from_scores(example, values=POINTS)).total()
    n = total.marginals.sum()
    apart = np.abs(np.subtract.outer(POINTS, POINTS))
    weights = 1 - apart * (apart + 1) / (5 * 4)  # Gwet's "ordinal": 1 - C(|c - k| + 1, 2) / C(5, 2)
    observed, expected = _disagreement(total, 1.0 - weights)
    gwets = 1 - (n - 1) * observed[0] / expected[0]
    squared = value(example, alpha("interval"))
    uncorrected = 1 - (1 - squared) * n / (n - 1)  # interval, without the n - 1 term

    vector = vectors["gwet/same-matrix"]["expected"]["ordinal_gwet_weights"]
    assert gwets == pytest.approx(vector["alpha"], abs=1e-9)
    ours = value(example, alpha("ordinal"))
    assert [round(float(v), 3) for v in (ours, gwets, squared, uncorrected)] == [0.815, 0.834, 0.849, 0.845]
    said = panel(PatternHistogram.from_scores(example, values=POINTS)).variants
    assert said["alpha.ordinal"] == "Krippendorff's alpha, ordinal (Krippendorff's metric, mid-ranks)"
    assert said["ac2"] == "Gwet's AC2, quadratic weights"


def test_where_no_item_has_two_raters_alpha_is_undefined_and_not_one():
    found = panel(PatternHistogram.from_scores([[1, np.nan], [np.nan, 5], [3, np.nan]], values=POINTS))
    for metric in METRICS:
        assert found.alpha[metric] == Undefined(Reason.NO_ITEM_WITH_TWO_SCORES, 0)


def test_one_column_has_one_alpha_whichever_way_it_came_in(example):
    """From a matrix, from rows, from counts, from a long table; and the same name on all of them."""
    item, rater = np.nonzero(~np.isnan(example))
    scores = example[item, rater]
    ways = [
        PatternHistogram.from_scores(example, values=POINTS),
        PatternHistogram.from_ratings(values=POINTS, item=item, rank=scores.astype(int)),
        PatternHistogram.from_long(
            values=POINTS, prompt=item.astype(str), model=["m"] * item.size, score=scores
        ),
        PatternHistogram.from_patterns(
            values=POINTS,
            counts=[[(row == point).sum() for point in POINTS] for row in example],
            frequency=np.ones(12),
        ),
    ]
    found = {round(estimate(way, alpha("ordinal")).value, 12) for way in ways}
    assert found == {0.815387503755}


def test_none_is_missing():
    """The krippendorff package raises."""
    found = PatternHistogram.from_scores([[1, None, 2], [3, 3, None]], values=POINTS)
    assert (found.n_ratings, found.n_na) == (4, 0)


def test_cannot_judge_is_neither_missing_nor_zero():
    def of(rank: int) -> PatternHistogram:
        ranks = np.array([[1, 2, 0], [4, 4, 5], [3, rank, 0], [2, 3, 3]])
        return PatternHistogram.from_ratings(values=POINTS, item=np.arange(4).repeat(3), rank=ranks.ravel())

    missing, not_judged = panel(of(0)), panel(of(NA))
    assert missing.alpha == not_judged.alpha
    assert (missing.n_pairable, not_judged.n_pairable) == (3, 3)
    assert (missing.n_na, not_judged.n_na) == (0, 1)
    assert (missing.n_conflicts, not_judged.n_conflicts) == (0, 1)  # told to the coordinator
    assert missing.na_exact == Undefined(Reason.NO_NA, 3)
    assert isinstance(not_judged.na_exact, Estimate)
    assert not_judged.na_exact.value == 0.75

    zero = np.array([[1, 2, np.nan], [4, 4, 5], [3, 0, np.nan], [2, 3, 3]])
    scored = panel(PatternHistogram.from_scores(zero, values=[0, *POINTS]))
    assert scored.n_pairable == 4
    assert scored.alpha != missing.alpha


def test_resampling_raters_is_not_our_bootstrap():
    """A rater drawn twice agrees with himself, so such an interval reaches 1."""
    scores = study(100, 3)
    rng = np.random.default_rng(1)
    of_raters = [value(scores[:, rng.integers(3, size=3)], alpha("ordinal")) for _ in range(200)]
    assert np.quantile(of_raters, 0.975) == 1

    found = estimate(
        PatternHistogram.from_scores(scores, values=POINTS),
        alpha("ordinal"),
        interval=Interval(Method.ITEM_BOOTSTRAP),
        rng=rng,
    )
    assert isinstance(found, Estimate)
    assert found.units == 100  # items, not raters
    assert found.high < 0.75


def test_our_interval_is_not_the_one_that_draws_pairs():
    """With three raters, pairs drawn from the coincidences give intervals that cover 82-85 % and not 95."""
    scores = study(484, 3)
    histogram = PatternHistogram.from_scores(scores, values=POINTS)
    rng = np.random.default_rng(2)
    total = sums_of.items(histogram).total()
    above = np.triu_indices(5, 1)
    squared = np.square(np.subtract.outer(POINTS, POINTS))[above]
    n = total.marginals.sum()
    share = np.append(2 * total.coincidences[0] / n, 0)
    share[-1] = 1 - share.sum()
    drawn = rng.multinomial(histogram.n_pairs, share, size=2000)[:, :-1] @ squared / histogram.n_pairs
    by_chance = _disagreement(total, np.square(np.subtract.outer(POINTS, POINTS)).astype(float))[1][0]
    of_pairs = 1 - drawn * (n - 1) * n / 2 / by_chance
    found = estimate(histogram, alpha("interval"))
    assert isinstance(found, Estimate)
    assert of_pairs.mean() == pytest.approx(found.value, abs=0.01)
    assert np.ptp(np.quantile(of_pairs, [0.025, 0.975])) < 0.9 * (found.high - found.low)


def test_three_raters_intervals_cover_the_truth_as_often_as_they_say():
    truth = value(study(200_000, 3, seed=99), alpha("ordinal"))
    covered = 0
    for seed in range(300):
        found = estimate(PatternHistogram.from_scores(study(100, 3, seed), values=POINTS), alpha("ordinal"))
        assert isinstance(found, Estimate)
        covered += found.low <= truth <= found.high
    assert 0.92 <= covered / 300 <= 0.98


@pytest.mark.parametrize("name", ["AC1", "AC2_linear", "AC2_quadratic"])
def test_the_jackknifes_error_is_near_the_one_that_irrcac_derives(vectors, name):
    vector = vectors["histogram/coordinator-panel"]
    patterns = vector["inputs"]["patterns"]
    histogram = PatternHistogram.from_patterns(
        values=POINTS, counts=[p["counts"] for p in patterns], frequency=[p["items"] for p in patterns]
    )
    weights = {"AC1": "identity", "AC2_linear": "linear", "AC2_quadratic": "quadratic"}[name]
    found = estimate(histogram, gwet(weights))
    assert isinstance(found, Estimate)
    error = (found.high - found.low) / 2 / 1.9691  # 97.5 % of Student's t with 259 degrees of freedom
    # Theirs is linearised; with weights it is a little larger than the bootstrap's and ours.
    assert error == pytest.approx(vector["expected"]["irrCAC_analytic_se"][name], rel=0.1)


def test_items_with_fewer_raters_are_not_dropped_from_icc():
    """Listwise deletion would leave a fifth of a sparse design; one-way analysis of variance takes them all."""
    scores = study(60, 4)
    scores[np.random.default_rng(3).random(scores.shape) < 0.35] = np.nan
    pairable = scores[(~np.isnan(scores)).sum(axis=1) >= 2]
    item, rater = np.nonzero(~np.isnan(pairable))
    table = pd.DataFrame({"score": pairable[item, rater], "item": item})
    theirs = anova_lm(ols("score ~ C(item)", table).fit())
    between, within = theirs["sum_sq"] / theirs["df"]
    per_item = np.bincount(item)
    k0 = (per_item.sum() - (per_item**2).sum() / per_item.sum()) / (per_item.size - 1)
    assert value(scores, ICC_1_1) == pytest.approx(
        (between - within) / (between + (k0 - 1) * within), abs=1e-9
    )
    complete = scores[~np.isnan(scores).any(axis=1)]
    assert len(complete) < 0.35 * len(pairable)


def test_ratings_asked_for_because_two_disagreed_raise_alpha():
    """So they are kept apart by their purpose, and do not enter."""
    scores = study(20_000, 3)
    third = np.abs(scores[:, 0] - scores[:, 1]) >= 2
    with_extra = np.where(np.column_stack([np.ones((third.size, 2), bool), third]), scores, np.nan)
    assert value(with_extra, alpha("ordinal")) > value(scores[:, :2], alpha("ordinal")) + 0.03


def test_ratio_alpha_is_given_only_where_zero_means_none():
    counts = PatternHistogram.from_scores([[0, 0], [1, 2], [4, 4], [2, 4]], values=[0, 1, 2, 4])
    assert set(panel(counts).alpha) == {"nominal", "ordinal", "interval"}
    with_ratio = panel(counts, true_zero=True).alpha["ratio"]
    theirs = krippendorff.alpha(
        reliability_data=[[0, 1, 4, 2], [0, 2, 4, 4]], level_of_measurement="ratio", value_domain=[0, 1, 2, 4]
    )
    assert isinstance(with_ratio, Estimate)
    assert with_ratio.value == pytest.approx(theirs, abs=1e-9)


def test_a_scale_whose_name_begins_elsewhere_has_the_same_figures_but_for_ratio():
    """0 to 4 and 1 to 5 differ in nothing but where zero lies."""
    scores = study(80, 3)
    for metric in METRICS:
        shifted = estimate(PatternHistogram.from_scores(scores - 1, values=[0, 1, 2, 3, 4]), alpha(metric))
        assert isinstance(shifted, Estimate)
        assert shifted.value == pytest.approx(value(scores, alpha(metric)), abs=1e-12)
    assert value(scores, EXACT) < 1
