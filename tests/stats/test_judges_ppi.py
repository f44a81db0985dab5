"""Prediction-powered means: against the published ones, the formula, and simulation."""

from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from stats.estimate import Estimate, Reason, Undefined
from stats.judges.grid import Grid
from stats.judges.ppi import ppi_mean, ppi_models


@pytest.fixture(scope="module")
def published(vectors):
    entry = vectors["ppi/mean"]
    names = ("Y_human", "Yhat_on_labelled", "Yhat_on_unlabelled")
    return [np.array(entry["inputs"][name], dtype=float) for name in names], entry["expected"]


def test_the_published_means(published):
    inputs, wanted = published
    found = ppi_mean(*inputs, as_published=True)
    assert found.tuning == pytest.approx(wanted["lambda_power_tuned"], abs=1e-7)
    assert found.tuned.value == pytest.approx(wanted["estimate_tuned"], abs=1e-7)
    assert (found.tuned.low, found.tuned.high) == pytest.approx(wanted["ci_tuned"], abs=1e-7)
    assert found.plain.value == pytest.approx(wanted["estimate_lambda1"], abs=1e-7)
    assert (found.plain.low, found.plain.high) == pytest.approx(wanted["ci_lambda1"], abs=1e-7)
    assert (found.people.low, found.people.high) == pytest.approx(wanted["classical_ci"], abs=1e-7)
    assert (found.n, found.more, found.tuned.n) == (12, 30, 12)


def test_people_alone_have_students_interval(published):
    (human, judge, alone), _ = published
    found = ppi_mean(human, judge, alone)
    wanted = scipy_stats.ttest_1samp(human, 0).confidence_interval()
    assert (found.people.low, found.people.high) == pytest.approx(tuple(wanted))
    assert found.tuned.high - found.tuned.low > 0.784  # the published one, which takes 12 labels for many


def test_prompts_are_what_is_sampled():
    """Two responses to one prompt are not two independent items: the error is that of prompts."""
    chance = np.random.default_rng(1)
    human, judge = np.repeat(chance.normal(3, 1, 40), 2), np.repeat(chance.normal(3, 1, 40), 2)
    alone = np.repeat(chance.normal(3, 1, 100), 2)
    doubled = ppi_mean(
        human,
        judge,
        alone,
        cluster=np.repeat(np.arange(40), 2),
        cluster_alone=np.repeat(np.arange(100) + 40, 2),
    )
    single = ppi_mean(human[::2], judge[::2], alone[::2])
    for name in ("tuned", "plain", "people", "sample"):
        one, other = getattr(doubled, name), getattr(single, name)
        assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high))
    assert doubled.tuning == pytest.approx(single.tuning)
    naive = ppi_mean(human, judge, alone)
    assert doubled.people.high - doubled.people.low > 1.3 * (naive.people.high - naive.people.low)


def test_statsmodels_has_the_same_clustered_error_of_people():
    chance = np.random.default_rng(2)
    cluster = np.sort(chance.integers(15, size=60))
    human = chance.normal(size=60) + chance.normal(size=15)[cluster]
    found = ppi_mean(
        human, human, chance.normal(size=9), cluster=cluster, cluster_alone=np.arange(9) + 100
    ).people
    groups = {"groups": cluster, "use_correction": False}
    fit = sm.OLS(human, np.ones(60)).fit(cov_type="cluster", cov_kwds=groups)
    units = np.unique(cluster).size
    half = scipy_stats.t.ppf(0.975, units - 1) * fit.bse[0] * np.sqrt(units / (units - 1))
    assert (found.high - found.low) / 2 == pytest.approx(half)


def test_items_with_and_without_people_may_share_a_prompt():
    """One prompt, one model labelled and one not: their errors are counted together, by hand."""
    human, judge = np.array([1.0, 3, 4, 2]), np.array([2.0, 3, 5, 2])
    alone, cluster = np.array([2.0, 4, 4, 1]), np.array([0, 1, 2, 3])
    found = ppi_mean(human, judge, alone, cluster=cluster, cluster_alone=cluster)
    each = (human - judge) - np.mean(human - judge) + alone - alone.mean()
    half = scipy_stats.t.ppf(0.975, 3) * each.std(ddof=1) / 2
    assert (found.plain.high - found.plain.low) / 2 == pytest.approx(half)


def test_the_tuning_is_the_best_there_is():
    chance = np.random.default_rng(4)
    human = chance.normal(size=50)
    judge = human + chance.normal(size=50)
    found = ppi_mean(human, judge, chance.normal(0, 2**0.5, 300))
    assert 0 < found.tuning < 1
    widths = [each.high - each.low for each in (found.tuned, found.plain, found.people)]
    assert widths[0] < min(widths[1:])
    assert found.gain.value == pytest.approx((widths[2] / widths[0]) ** 2, rel=0.01)


@pytest.mark.parametrize(("rho", "gain"), [(0.5, 1.33), (0.7, 1.96)])
def test_the_gain_is_modest(rho, gain):
    chance = np.random.default_rng(5)
    human = chance.normal(size=4000)
    judge = rho * human + np.sqrt(1 - rho**2) * chance.normal(size=4000)
    found = ppi_mean(human, judge, chance.normal(size=400_000))
    assert found.gain.value == pytest.approx(gain, rel=0.06)


def test_a_judge_that_goes_against_people_is_not_used():
    chance = np.random.default_rng(6)
    human = chance.normal(size=30)
    found = ppi_mean(human, -human, chance.normal(size=90))
    assert (found.tuning, found.gain.value) == (0.0, 1.0)
    assert found.tuned == found.people


def test_a_constant_judge_adds_nothing():
    human = np.random.default_rng(7).normal(size=30)
    found = ppi_mean(human, np.full(30, 3.0), np.full(90, 3.0))
    assert found.tuning == 0
    assert found.tuned == found.people
    assert found.tuned.value == pytest.approx(found.plain.value)
    assert found.sample.no_interval is Reason.NO_SPREAD


def test_a_perfect_judge_leaves_only_the_sampling_of_prompts():
    chance = np.random.default_rng(8)
    human, alone = chance.normal(size=30), chance.normal(size=3000)
    found = ppi_mean(human, human, alone)
    assert found.plain.value == pytest.approx(alone.mean())
    assert found.gain.value > 50


def test_a_sample_that_was_not_drawn_by_chance_shows():
    chance = np.random.default_rng(9)
    quality = chance.normal(3, 1, 400)
    hard = quality < 2.8
    chosen = ppi_mean(quality[hard], quality[hard], quality[~hard])
    assert chosen.sample.high < 0
    drawn = chance.permutation(400)
    fair = ppi_mean(quality[drawn[:100]], quality[drawn[:100]], quality[drawn[100:]])
    assert fair.sample.low < 0 < fair.sample.high


def test_the_interval_covers_the_truth():
    """300 studies of 30 labelled prompts: 95 % would be 285 of them, and 4 standard deviations are 15."""
    chance = np.random.default_rng(10)
    covered = {True: 0, False: 0}
    for _ in range(300):
        human = chance.normal(3, 1, 30)
        judge, alone = human + chance.normal(1, 1, 30), chance.normal(4, 2**0.5, 120)
        for as_published in covered:
            tuned = ppi_mean(human, judge, alone, as_published=as_published).tuned
            covered[as_published] += tuned.low < 3 < tuned.high
    assert covered[False] >= 270
    assert covered[False] >= covered[True]


def test_without_labels_or_without_more_items_there_is_no_estimate():
    some = np.array([1.0, 2, 4])
    none = np.empty(0)
    no_labels = ppi_mean(none, none, some)
    assert no_labels.tuned == no_labels.people == Undefined(Reason.NOTHING_SHARED, 0)
    all_labelled = ppi_mean(some, some, none)
    assert all_labelled.tuned == all_labelled.plain == Undefined(Reason.NO_DATA, 3)
    assert all_labelled.people.value == pytest.approx(7 / 3)
    assert all_labelled.people.high == pytest.approx(
        scipy_stats.ttest_1samp(some, 0).confidence_interval().high
    )


def test_one_prompt_has_no_interval():
    found = ppi_mean(np.array([3.0]), np.array([4.0]), np.array([4.0, 5.0]))
    assert isinstance(found.tuned, Estimate)
    assert found.tuned.no_interval is Reason.ONE_UNIT
    assert found.gain == Undefined(Reason.ONE_PROMPT, 1)


def test_two_labels_are_too_few_to_tune_and_to_say_how_sure():
    found = ppi_mean(np.array([3.0, 4.0]), np.array([4.0, 5.5]), np.array([4.0, 5.0, 6.0]))
    assert found.tuned.no_interval is Reason.NOT_ENOUGH
    assert found.people.low < found.people.high


def test_malformed_input_is_refused():
    with pytest.raises(ValueError, match="n,"):
        ppi_mean(np.ones(3), np.ones(2), np.ones(3))
    with pytest.raises(ValueError, match="both kinds"):
        ppi_mean(np.ones(3), np.ones(3), np.ones(3), cluster=np.arange(3))
    with pytest.raises(ValueError, match="one prompt"):
        ppi_mean(np.ones(3), np.ones(3), np.ones(3), cluster=np.arange(2), cluster_alone=np.arange(3))


def test_each_model_of_a_grid_has_a_mean():
    chance = np.random.default_rng(11)
    truth = chance.normal(3, 1, (60, 2))
    judge = truth + chance.normal(size=(60, 2))
    human = np.where(chance.random((60, 1)) < 0.4, truth, np.nan)
    judge[5] = np.nan
    grid = replace(Grid.of(human, judge), prompt=np.arange(60) // 2)
    for m, found in enumerate(ppi_models(grid)):
        scored = ~np.isnan(judge[:, m])
        both = scored & ~np.isnan(human[:, m])
        assert (found.n, found.more) == (both.sum(), (scored & ~both).sum())
        assert found.people.value == pytest.approx(truth[both, m].mean())
        assert found.people.units == np.unique(grid.prompt[both]).size


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(4, 40), st.integers(2, 60), st.floats(-5, 5), st.floats(0.1, 10))
def test_means_move_with_the_scale(seed, n, more, shift, factor):
    chance = np.random.default_rng(seed)
    human, judge, alone = chance.normal(size=n), chance.normal(size=n), chance.normal(size=more)
    one, other = (
        ppi_mean(human, judge, alone),
        ppi_mean(shift + factor * human, shift + factor * judge, shift + factor * alone),
    )
    assert other.tuning == pytest.approx(one.tuning, abs=1e-9)
    assert other.tuned.value == pytest.approx(shift + factor * one.tuned.value, abs=1e-8)
    assert other.tuned.high == pytest.approx(shift + factor * one.tuned.high, abs=1e-8)
    assert other.gain.value == pytest.approx(one.gain.value)
    assert 0 <= one.tuning <= 1
