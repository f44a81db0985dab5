"""ICC of complete sets."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from statsmodels.formula.api import ols

from stats.agreement import Interval, Method, icc_two_way
from stats.agreement.two_way import F_DISTRIBUTION, TwoWay
from stats.estimate import Estimate, Reason, Undefined


def results(found: TwoWay) -> list:
    return [found.agreement_1, found.consistency_1, found.agreement_k, found.consistency_k]


def values(found: TwoWay) -> list[float]:
    return [result.value for result in results(found)]


def test_icc_of_a_complete_set_is_that_of_shrout_and_fleiss(vectors):
    vector = vectors["icc/shrout-fleiss-1979"]
    found = icc_two_way(vector["inputs"]["targets_x_raters"])
    names = ["ICC(A,1)", "ICC(C,1)", "ICC(A,k)", "ICC(C,k)"]
    assert values(found) == pytest.approx(
        [vector["expected"][name] for name in names], abs=vector["tolerance"]
    )
    assert [round(value, 2) for value in values(found)] == [
        vector["expected"]["published"][name] for name in ["ICC2", "ICC3", "ICC2k", "ICC3k"]
    ]


def test_the_intervals_are_those_that_the_psych_package_prints(vectors):
    """R's psych, ICC(sf): lower and upper bounds of the same data."""
    found = icc_two_way(vectors["icc/shrout-fleiss-1979"]["inputs"]["targets_x_raters"])
    printed = [(0.019, 0.76), (0.342, 0.95), (0.071, 0.93), (0.676, 0.99)]
    for result, (low, high) in zip(results(found), printed, strict=True):
        assert isinstance(result, Estimate)
        assert (round(result.low, 3), round(result.high, 2)) == (low, high)
        assert (result.method, result.n) == (F_DISTRIBUTION, 6)


@st.composite
def complete(draw):
    n, k = draw(st.integers(2, 8)), draw(st.integers(2, 5))
    cells = st.lists(st.integers(1, 5), min_size=n * k, max_size=n * k)
    return np.array(draw(cells), float).reshape(n, k)


@given(complete())
def test_every_icc_is_made_of_the_mean_squares_of_statsmodels(scores):
    n, k = scores.shape
    if np.ptp(scores.mean(axis=1)) == 0:
        return
    table = pd.DataFrame(
        {"score": scores.ravel(), "item": np.repeat(range(n), k), "rater": list(range(k)) * n}
    )
    if np.ptp(scores - scores.mean(axis=1, keepdims=True) - scores.mean(axis=0)) < 1e-9:
        return  # without any error statsmodels has no residual to divide by
    theirs = sm.stats.anova_lm(ols("score ~ C(item) + C(rater)", table).fit())
    squares = theirs["sum_sq"] / theirs["df"]
    items, raters, error = (squares[name] for name in ["C(item)", "C(rater)", "Residual"])
    found = icc_two_way(scores)
    expected = [
        (items - error) / (items + (k - 1) * error + k * (raters - error) / n),
        (items - error) / (items + (k - 1) * error),
        (items - error) / (items + (raters - error) / n),
        (items - error) / items,
    ]
    for result, value in zip(results(found), expected, strict=True):
        if isinstance(result, Estimate):
            assert result.value == pytest.approx(value, abs=1e-8)
            assert result.low is None or result.low <= result.value <= result.high
        else:
            assert items + (raters - error) / n < 1e-9


@given(complete(), st.randoms(), st.floats(-3, 3))
def test_neither_order_nor_a_common_shift_changes_anything(scores, random, shift):
    n, k = scores.shape
    shuffled = scores[random.sample(range(n), n)][:, random.sample(range(k), k)] + shift
    for one, other in zip(results(icc_two_way(scores)), results(icc_two_way(shuffled)), strict=True):
        assert type(one) is type(other)
        if isinstance(one, Estimate):
            assert one.value == pytest.approx(other.value, abs=1e-6)
            assert (one.low is None) == (other.low is None)


def test_raters_of_different_levels_are_consistent_and_do_not_agree():
    scores = np.array([[1, 3], [2, 4], [3, 5], [1, 3]], float)
    found = icc_two_way(scores)
    assert isinstance(found.consistency_1, Estimate)
    assert (found.consistency_1.value, found.consistency_1.no_interval) == (1, Reason.NO_SPREAD)
    assert isinstance(found.agreement_1, Estimate)
    assert found.agreement_1.value < 0.5


def test_one_missing_cell_leaves_all_undefined():
    scores = np.array([[1, 2, 3], [2, np.nan, 4], [5, 5, 5]])
    assert results(icc_two_way(scores)) == [Undefined(Reason.INCOMPLETE, 3)] * 4


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        (np.empty((0, 3)), Reason.NO_SCORES),
        (np.full((2, 2), np.nan), Reason.NO_SCORES),
        ([[1, 2, 3]], Reason.ONE_ITEM),
        ([[1], [2], [3]], Reason.NO_ITEM_WITH_TWO_SCORES),
        ([[4, 4], [4, 4], [4, 4]], Reason.NO_VARIATION),
    ],
)
def test_without_variation_or_data_there_is_a_reason(scores, reason):
    assert results(icc_two_way(scores)) == [Undefined(reason, len(scores))] * 4


def test_items_of_equal_means_have_no_reliable_mean():
    found = icc_two_way([[1, 5], [5, 1], [3, 3]])
    assert found.consistency_k == Undefined(Reason.NO_VARIATION_BETWEEN_ITEMS, 3)
    assert isinstance(found.consistency_1, Estimate)
    assert found.consistency_1.value == pytest.approx(-1)


@pytest.mark.parametrize("method", [Method.ITEM_JACKKNIFE, Method.CLUSTER_JACKKNIFE])
def test_resampling_leaves_out_items_or_prompts(method):
    rng = np.random.default_rng(0)
    scores = np.clip(np.round(3 + rng.normal(size=(24, 1)) + rng.normal(size=(24, 4))), 1, 5)
    prompt = np.arange(24) // 2
    groups = prompt if method.over_clusters else np.arange(24)
    without = [values(icc_two_way(scores[groups != g])) for g in np.unique(groups)]
    n = len(without)
    error = np.sqrt((n - 1) / n * np.sum((without - np.mean(without, axis=0)) ** 2, axis=0))
    found = results(icc_two_way(scores, interval=Interval(method), cluster=prompt))
    t = scipy_stats.t.ppf(0.975, n - 1)
    assert [f.value - f.low for f in found] == pytest.approx(t * error, abs=1e-9)
    assert {f.units for f in found} == {n}


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    covered = np.zeros(2)
    for _ in range(400):
        items, raters = 0.8 * rng.normal(size=(25, 1)), 0.3 * rng.normal(size=(1, 5))
        found = icc_two_way(3 + items + raters + 0.7 * rng.normal(size=(25, 5)))
        truth = [0.64 / (0.64 + 0.09 + 0.49), 0.64 / (0.64 + 0.49)]
        covered += [
            f.low <= t <= f.high for f, t in zip([found.agreement_1, found.consistency_1], truth, strict=True)
        ]
    assert (np.abs(covered / 400 - 0.95) < 0.03).all()


def test_malformed_sets_are_refused():
    with pytest.raises(ValueError, match="items, raters"):
        icc_two_way([1, 2, 3])
    with pytest.raises(ValueError, match="belong together"):
        icc_two_way([[1, 2], [2, 3]], interval=Interval(Method.CLUSTER_JACKKNIFE))
