"""Figures of other implementations, and of papers, on the same data."""

import itertools

import krippendorff
import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from stats.agreement import (
    EXACT,
    ICC_1_1,
    ICC_1_K,
    ITEM_JACKKNIFE,
    MEAN_ABSOLUTE_DIFFERENCE,
    WITHIN_ONE,
    Coefficient,
    Interval,
    Method,
    PatternHistogram,
    alpha,
    bp,
    estimate,
    gwet,
    panel,
    spearman_brown,
)
from stats.agreement import sums as sums_of
from stats.estimate import Estimate, Reason, Undefined

POINTS = [1, 2, 3, 4, 5]

# Krippendorff (2011), Computing Krippendorff's Alpha-Reliability, example C: four raters, twelve units.
EXAMPLE_C = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, np.nan, np.nan, np.nan],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, np.nan, 3],
        [np.nan, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, np.nan],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, np.nan],
    ]
).T


def value(histogram: PatternHistogram, coefficient: Coefficient) -> float:
    found = estimate(histogram, coefficient)
    assert isinstance(found, Estimate), found
    return found.value


def from_pattern_list(patterns: list[dict]) -> PatternHistogram:
    return PatternHistogram.from_patterns(
        values=POINTS, counts=[p["counts"] for p in patterns], frequency=[p["items"] for p in patterns]
    )


@pytest.mark.parametrize(
    ("metric", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849), ("ratio", 0.797)]
)
def test_alpha_is_what_krippendorff_published(metric, published):
    histogram = PatternHistogram.from_scores(EXAMPLE_C, values=POINTS)
    assert round(value(histogram, alpha(metric)), 3) == published


def test_alpha_of_the_example_to_nine_digits(vectors):
    vector = vectors["alpha/krippendorff-2011-example-C"]
    ratings = np.array(vector["inputs"]["ratings_raters_x_items"], dtype=float).T
    table = vector["inputs"]["value_counts_items_x_5"]
    for histogram in [
        PatternHistogram.from_scores(ratings, values=vector["inputs"]["domain"]),
        PatternHistogram.from_patterns(values=POINTS, counts=table, frequency=np.ones(len(table))),
    ]:
        for metric, expected in vector["expected"]["alpha"].items():
            assert value(histogram, alpha(metric)) == pytest.approx(expected, abs=vector["tolerance"])


@pytest.mark.parametrize("weights", ["identity", "linear", "quadratic"])
def test_gwet_and_brennan_prediger_are_those_of_irrcac(vectors, weights):
    vector = vectors["gwet/same-matrix"]
    expected, tolerance = vector["expected"][weights], vector["tolerance"]
    histogram = PatternHistogram.from_scores(EXAMPLE_C, values=POINTS)

    assert value(histogram, gwet(weights)) == pytest.approx(expected["AC"], abs=tolerance)
    assert value(histogram, bp(weights)) == pytest.approx(expected["bp"], abs=tolerance)
    total = sums_of.items(histogram).total()
    agreement = {
        "identity": total.exact,
        "linear": total.pairable - total.absolute / 4,
        "quadratic": total.pairable - total.squared / 16,
    }[weights]
    assert agreement[0] / total.pairable[0] == pytest.approx(expected["pa"], abs=tolerance)
    if weights != "linear":  # alpha with linear weights is no metric of Krippendorff's
        metric = {"identity": "nominal", "quadratic": "interval"}[weights]
        assert value(histogram, alpha(metric)) == pytest.approx(expected["alpha"], abs=tolerance)


def test_the_paradox_is_computed_right_and_recognised(vectors):
    vector = vectors["paradox/95-percent-agreement"]
    histogram = from_pattern_list(vector["inputs"]["pattern_histogram"])
    expected = vector["expected"]
    found = {
        "exact_agreement": EXACT,
        "within_1": WITHIN_ONE,
        "alpha_nominal": alpha("nominal"),
        "alpha_ordinal": alpha("ordinal"),
        "alpha_interval": alpha("interval"),
        "AC1": gwet("identity"),
        "AC2_quadratic_domain_1_to_5": gwet("quadratic"),
        "AC2_linear": gwet("linear"),
        "bp_identity": bp("identity"),
        "bp_quadratic": bp("quadratic"),
    }
    for name, coefficient in found.items():
        assert value(histogram, coefficient) == pytest.approx(expected[name], abs=vector["tolerance"]), name
    assert panel(histogram).little_variation


def test_categories_that_nobody_used_count_in_gwets_chance(vectors):
    expected = vectors["paradox/95-percent-agreement"]["expected"]
    observed_only = PatternHistogram.from_patterns(values=[4, 5], counts=[[0, 2], [1, 1]], frequency=[95, 5])
    wrong = value(observed_only, gwet("quadratic"))
    assert wrong == pytest.approx(expected["AC2_quadratic_if_only_observed_categories"], abs=1e-9)
    assert wrong < expected["AC2_quadratic_domain_1_to_5"] - 0.04


def test_no_variation_leaves_alpha_undefined_and_agreement_at_one(vectors):
    ratings = np.array(vectors["alpha/undefined"]["inputs"]["ratings_raters_x_items"]).T
    found = panel(PatternHistogram.from_scores(ratings, values=POINTS))
    for metric in found.alpha:
        assert found.alpha[metric] == Undefined(Reason.NO_VARIATION, 4)
    assert found.icc_1_1 == Undefined(Reason.NO_VARIATION, 4)
    assert isinstance(found.exact, Estimate)
    assert found.exact.value == 1.0
    assert found.little_variation


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.float32, np.int64])
def test_narrow_integers_do_not_overflow(vectors, dtype):
    expected = vectors["alpha/narrow-dtype-trap"]["expected"]
    matrix = np.array([[1, 5, 3, 2], [2, 4, 3, 5]], dtype=dtype).T
    small = PatternHistogram.from_scores(matrix, values=np.array(POINTS, dtype=dtype))
    assert value(small, alpha("interval")) == pytest.approx(expected["second_example_correct"], abs=1e-9)

    missing = np.isnan(EXAMPLE_C)
    rank = np.where(missing, 0, EXAMPLE_C).astype(dtype)
    item = np.repeat(np.arange(12), 4)
    histogram = PatternHistogram.from_ratings(values=POINTS, item=item, rank=rank.ravel().astype(np.int16))
    assert value(histogram, alpha("interval")) == pytest.approx(expected["interval_correct"], abs=1e-9)


def test_the_ratio_metric_goes_by_the_points_own_values(vectors):
    expected = vectors["alpha/narrow-dtype-trap"]["expected"]
    wrong = PatternHistogram.from_scores(EXAMPLE_C - 1, values=[0, 1, 2, 3, 4])
    trap = expected["ratio_with_default_domain_0_to_4 (WRONG for a 1-5 scale)"]
    assert value(wrong, alpha("ratio")) == pytest.approx(trap, abs=1e-9)


def test_missing_is_not_zero(vectors):
    trap = vectors["alpha/narrow-dtype-trap"]["expected"]
    trap = trap["zero_coded_missing_counted_as_a_category (WRONG), ordinal"]
    zeros = PatternHistogram.from_scores(np.nan_to_num(EXAMPLE_C), values=[0, *POINTS])
    assert value(zeros, alpha("ordinal")) == pytest.approx(trap, abs=1e-9)
    proper = PatternHistogram.from_scores(EXAMPLE_C, values=[0, *POINTS])
    assert value(proper, alpha("ordinal")) == pytest.approx(0.8153875037548814, abs=1e-9)


def test_the_whole_panel_from_a_histogram(vectors):
    vector = vectors["histogram/coordinator-panel"]
    expected, tolerance = vector["expected"], vector["tolerance"]
    histogram = from_pattern_list(vector["inputs"]["patterns"])
    found = {
        "exact_agreement": EXACT,
        "within_1": WITHIN_ONE,
        "alpha_nominal": alpha("nominal"),
        "alpha_ordinal": alpha("ordinal"),
        "alpha_interval": alpha("interval"),
        "AC1": gwet("identity"),
        "AC2_linear": gwet("linear"),
        "AC2_quadratic": gwet("quadratic"),
        "mean_abs_pair_diff": MEAN_ABSOLUTE_DIFFERENCE,
    }
    for name, coefficient in found.items():
        assert value(histogram, coefficient) == pytest.approx(expected[name], abs=tolerance), name
    icc = expected["icc1_unbalanced"]
    one = value(histogram, ICC_1_1)
    assert one == pytest.approx(icc["icc_1_1"], abs=tolerance)
    assert spearman_brown(one, 2) == pytest.approx(icc["icc_1_k_for_k2"], abs=tolerance)
    assert spearman_brown(one, 3) == pytest.approx(icc["icc_1_k_for_k3"], abs=tolerance)
    assert panel(histogram).raters_per_item == pytest.approx(icc["k0"], abs=tolerance)
    assert value(histogram, ICC_1_K) == pytest.approx(spearman_brown(one, icc["k0"]), abs=tolerance)


def test_coincidences_are_those_of_the_vector(vectors):
    vector = vectors["histogram/coordinator-panel"]
    total = sums_of.items(from_pattern_list(vector["inputs"]["patterns"])).total()
    matrix = np.array(vector["expected"]["coincidence_matrix"])
    np.testing.assert_allclose(total.coincidences[0], matrix[np.triu_indices(5, 1)], atol=1e-9)
    np.testing.assert_allclose(total.marginals[0], matrix.sum(axis=1), atol=1e-9)


@pytest.mark.parametrize("metric", ["nominal", "ordinal", "interval"])
def test_the_jackknifes_error_is_that_of_the_vector(vectors, metric):
    vector = vectors["histogram/coordinator-panel"]
    found = estimate(from_pattern_list(vector["inputs"]["patterns"]), alpha(metric), interval=ITEM_JACKKNIFE)
    assert isinstance(found, Estimate)
    assert found.low is not None
    assert found.high is not None
    assert found.units == 255
    t = 1.9693475  # 97.5 % of Student's t with 254 degrees of freedom
    error = (found.high - found.low) / 2 / t
    assert error == pytest.approx(vector["expected"][f"jack_se_{metric}"], abs=1e-7)


def test_the_item_bootstrap_is_near_the_vector(vectors):
    vector = vectors["histogram/coordinator-panel"]
    found = estimate(
        from_pattern_list(vector["inputs"]["patterns"]),
        alpha("ordinal"),
        interval=Interval(Method.ITEM_BOOTSTRAP, replicates=10_000),
        rng=np.random.default_rng(7),
    )
    assert isinstance(found, Estimate)
    expected = vector["expected"]["item_bootstrap_ordinal_95_percentile_approx"]
    assert [found.low, found.high] == pytest.approx(expected, abs=0.01)


def test_icc_is_that_of_shrout_and_fleiss(vectors):
    vector = vectors["icc/shrout-fleiss-1979"]
    histogram = PatternHistogram.from_scores(vector["inputs"]["targets_x_raters"], values=np.arange(1, 11))
    for name, coefficient in {"ICC(1,1)": ICC_1_1, "ICC(1,k)": ICC_1_K}.items():
        expected = vector["expected"][name]
        assert value(histogram, coefficient) == pytest.approx(expected, abs=vector["tolerance"])


def test_a_pair_of_raters(vectors):
    vector = vectors["pair/two-raters-20-items"]
    both = np.column_stack([vector["inputs"]["rater_a"], vector["inputs"]["rater_b"]])
    histogram = PatternHistogram.from_scores(both, values=POINTS)
    assert value(histogram, EXACT) == pytest.approx(vector["expected"]["exact"], abs=1e-9)
    assert value(histogram, WITHIN_ONE) == pytest.approx(vector["expected"]["within_1"], abs=1e-9)


def test_the_judge_ceilings_alpha_among_people(vectors):
    humans = vectors["judge/alt-test"]["inputs"]["humans"]
    expected = vectors["judge/ceiling"]["expected"]
    items = sorted({item for scores in humans.values() for item in scores})
    people = np.array([[scores.get(item, np.nan) for scores in humans.values()] for item in items])
    histogram = PatternHistogram.from_scores(people, values=POINTS)
    assert value(histogram, alpha("ordinal")) == pytest.approx(
        expected["alpha_human_human_ordinal"], abs=1e-9
    )
    for (a, b), pair in zip(itertools.combinations(range(3), 2), expected["alpha_human_pairs"], strict=True):
        two = PatternHistogram.from_scores(people[:, [a, b]], values=POINTS)
        assert value(two, alpha("ordinal")) == pytest.approx(pair, abs=1e-9)


SCALES = {
    "two points": [0, 1],
    "five points": POINTS,
    "ten points": np.arange(1, 11),
    "uneven steps": [0, 0.5, 1, 2, 4, 8],
    "with negatives": [-2, -1, 0, 1, 2],
    "a hundred and one": np.arange(101),
}


@pytest.mark.parametrize("raters", [2, 3, 7])
@pytest.mark.parametrize("scale", SCALES)
def test_alpha_is_that_of_the_krippendorff_package(scale, raters):
    values = np.array(SCALES[scale], dtype=float)
    rng = np.random.default_rng(raters)
    quality = rng.normal(size=(80, 1)) + rng.normal(size=(80, raters))
    rank = np.clip((quality + 3) / 6 * len(values), 0, len(values) - 1).astype(int)
    scores = np.where(rng.random(rank.shape) < 0.2, np.nan, values[rank])
    histogram = PatternHistogram.from_scores(scores, values=values)
    for metric in ["nominal", "ordinal", "interval", *(["ratio"] if values[0] >= 0 else [])]:
        theirs = krippendorff.alpha(
            reliability_data=scores.T, level_of_measurement=metric, value_domain=values
        )
        assert value(histogram, alpha(metric)) == pytest.approx(theirs, abs=1e-9), metric


def test_two_raters_kappa_and_alpha_differ_by_the_correction_only():
    """Nominal alpha of two raters with pooled margins is Scott's pi, corrected for sample size."""
    rng = np.random.default_rng(4)
    a = rng.integers(1, 6, 200)
    b = np.where(rng.random(200) < 0.6, a, rng.integers(1, 6, 200))
    histogram = PatternHistogram.from_scores(np.column_stack([a, b]), values=POINTS)
    both = np.concatenate([a, b]), np.concatenate([b, a])  # margins pooled: kappa becomes Scott's pi
    pi = cohen_kappa_score(*both, labels=POINTS)
    assert value(histogram, alpha("nominal")) == pytest.approx(1 - (1 - pi) * 399 / 400, abs=1e-9)
