"""A rater against the rest: the vector, SciPy, and intervals against leaving prompts out one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from stats.estimate import Estimate, Reason, Undefined
from stats.raters import Scored, against_the_rest, residual_sd, severity
from stats.raters.clusters import ByRater
from stats.raters.rest import pearson, rest_mean, spearman
from tests.stats.test_raters_severity import random_ratings, scored_from


def test_figures_of_the_vector(vectors):
    vector = vectors["raters/severity-and-loo"]
    found = against_the_rest(scored_from(vector["inputs"]["ratings_item_rater_score"]))
    expected = vector["expected"]
    for place, name in enumerate("ABC"):
        assert found.deviation[place].value == pytest.approx(
            expected["loo_dev"][name], abs=vector["tolerance"]
        )
        assert found.pearson[place].value == pytest.approx(
            expected["loo_pearson"][name], abs=vector["tolerance"]
        )


def by_hand(scored, rater):
    rows = (scored.rater == rater) & scored.shared
    rest = [
        np.mean(scored.value[(scored.item == item) & (scored.rater != rater)]) for item in scored.item[rows]
    ]
    return scored.value[rows], np.array(rest)


def test_correlations_are_those_of_scipy():
    rng = np.random.default_rng(0)
    data = random_ratings(rng)
    data["value"] = np.clip(np.round(data["value"]), 1, 5)
    scored = Scored.of(**data)
    found = against_the_rest(scored)
    for rater in range(6):
        own, rest = by_hand(scored, rater)
        assert found.deviation[rater].value == pytest.approx(np.mean(own - rest))
        assert found.pearson[rater].value == pytest.approx(scipy_stats.pearsonr(own, rest).statistic)
        assert found.spearman[rater].value == pytest.approx(scipy_stats.spearmanr(own, rest).statistic)
        assert found.pearson[rater].n == own.size


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=3, max_size=30))
def test_any_two_columns_correlate_as_scipy_has_it(pairs):
    x, y = np.array(pairs, dtype=float).T
    by = ByRater(np.zeros(x.size, dtype=int), np.arange(x.size), 1)
    ours = [float(correlation(by, x, y)[0][0]) for correlation in (pearson, spearman)]
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        assert np.isnan(ours).all()
    else:
        assert ours == pytest.approx(
            [scipy_stats.pearsonr(x, y)[0], scipy_stats.spearmanr(x, y)[0]], abs=1e-9
        )


@pytest.mark.parametrize("correlation", [pearson, spearman])
def test_an_influence_is_what_a_little_more_of_one_row_does(correlation):
    rng = np.random.default_rng(1)
    x = rng.integers(1, 6, 200).astype(float)
    y = np.round(2 * (x + rng.normal(0, 1.5, 200))) / 2
    one = ByRater(np.zeros(200, dtype=int), np.arange(200), 1)
    r, influence = correlation(one, x, y)
    many = 500
    rows = np.repeat(np.arange(200), many)
    for extra in (0, 17, 99):
        more = np.append(rows, [extra] * 10)
        by = ByRater(np.zeros(more.size, dtype=int), np.arange(more.size), 1)
        moved = (correlation(by, x[more], y[more])[0] - r) * more.size / 10
        assert moved[0] == pytest.approx(influence[extra], rel=1e-3, abs=1e-3)
    assert influence.mean() == pytest.approx(0, abs=1e-9)


def test_errors_are_about_those_of_leaving_out_prompts_one_by_one():
    rng = np.random.default_rng(2)
    prompt = np.repeat(np.arange(60), 4)
    x = rng.integers(1, 6, prompt.size).astype(float)
    y = x + rng.normal(0, 1, prompt.size) + rng.normal(0, 1, 60)[prompt]
    by = ByRater(np.zeros(prompt.size, dtype=int), prompt, 1)
    for correlation in (pearson, spearman):
        _, influence = correlation(by, x, y)
        without = np.array(
            [
                correlation(ByRater(by.rater[keep], prompt[keep], 1), x[keep], y[keep])[0][0]
                for keep in (prompt != p for p in range(60))
            ]
        )
        jackknife = np.sqrt(59 / 60 * np.sum((without - without.mean()) ** 2))
        assert by.error(influence)[0] == pytest.approx(jackknife, rel=0.05)


def test_a_constant_rater_has_no_correlation():
    found = against_the_rest(
        Scored.of(item=[0, 0, 1, 1, 2, 2, 3, 3], rater=[0, 1] * 4, value=[4, 1, 4, 2, 4, 3, 4, 5])
    )
    assert found.pearson == [Undefined(Reason.CONSTANT, 4)] * 2
    assert found.spearman == [Undefined(Reason.CONSTANT, 4)] * 2
    assert found.deviation[0].value == pytest.approx(1.25)


def test_a_rater_whom_nobody_shares_an_item_with_has_no_rest():
    found = against_the_rest(Scored.of(item=[0, 1, 2, 3, 3], rater=[0, 0, 0, 1, 2], value=[1, 2, 3, 4, 5]))
    assert found.pearson[0] == found.deviation[0] == Undefined(Reason.NOTHING_SHARED, 0)
    assert found.pearson[1] == Undefined(Reason.NOT_ENOUGH, 1)
    assert found.deviation[1].no_interval is Reason.ONE_UNIT


def test_raters_who_always_agree_have_no_interval():
    found = against_the_rest(
        Scored.of(item=np.repeat(np.arange(6), 2), rater=[0, 1] * 6, value=np.repeat([1, 2, 3, 4, 5, 1], 2))
    )
    assert [one.value for one in found.pearson] == pytest.approx([1, 1])
    assert {one.no_interval for one in found.pearson} == {Reason.NO_SPREAD}


def test_the_rest_leaves_the_rater_out():
    scored = Scored.of(item=[0, 0, 0], rater=[0, 1, 2], value=[1, 3, 5])
    assert list(rest_mean(scored)) == [4, 3, 2]


def test_the_noise_of_equally_noisy_raters_is_that_of_a_single_score():
    rng = np.random.default_rng(3)
    item = np.repeat(np.arange(3000), 2)
    rater = np.array([rng.choice(8, 2, replace=False) for _ in range(3000)]).ravel()
    value = rng.normal(0, 1, 3000)[item] + rng.normal(0, 0.3, 8)[rater] + rng.normal(0, 0.7, item.size)
    scored = Scored.of(item=item, rater=rater, value=value)
    for one in residual_sd(scored, severity(scored).effect):
        assert isinstance(one, Estimate)
        assert one.value == pytest.approx(0.7, abs=0.06)
        assert one.low < one.value < one.high
