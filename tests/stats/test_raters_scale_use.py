"""Scale use, axes, order, pace and repeats: against SciPy and scikit-learn, and by hand."""

import numpy as np
import pytest
from scipy import stats as scipy_stats
from sklearn.metrics import cohen_kappa_score

from stats.agreement.pairs import pair_table, quadratic_kappa
from stats.estimate import Estimate, Reason, Undefined
from stats.raters import (
    Scored,
    Sheet,
    Twice,
    agreement_twice,
    drift,
    equal_axes,
    halo,
    longest_run,
    pace,
    scale_use,
    severity,
)
from stats.raters.clusters import ByRater
from stats.raters.pace import medians
from stats.raters.scale_use import run_by_chance


def alone(values, **options) -> Scored:
    """One rater's scores."""
    return Scored.of(item=np.arange(len(values)), rater=np.zeros(len(values), int), value=values, **options)


def test_entropy_is_that_of_scipy():
    values = np.random.default_rng(0).choice([1, 2, 3, 4, 5], 80, p=[0.1, 0, 0.2, 0.3, 0.4])
    found = scale_use(alone(values))
    assert list(found.counts[0]) == [int((values == point).sum()) for point in range(1, 6)]
    assert found.entropy[0].value == pytest.approx(scipy_stats.entropy(found.counts[0], base=2))
    assert found.modal_share[0].value == pytest.approx(found.counts[0].max() / 80)
    assert found.entropy[0].low < found.entropy[0].value < found.entropy[0].high


def test_one_point_alone_has_no_entropy_and_no_interval():
    found = scale_use(alone([4] * 20))
    assert (found.entropy[0].value, found.modal_share[0].value) == (0, 1)
    assert found.entropy[0].no_interval is found.modal_share[0].no_interval is Reason.NO_SPREAD


def test_all_points_equally_often_have_the_largest_entropy():
    found = scale_use(alone([1, 2, 3, 4, 5] * 4))
    assert found.entropy[0].value == pytest.approx(np.log2(5))


def test_a_rater_without_scores_has_no_use_of_the_scale():
    found = scale_use(alone([1, 2], n_raters=2))
    assert found.entropy[1] == found.modal_share[1] == Undefined(Reason.NO_SCORES, 0)


def test_a_score_that_is_no_point_is_malformed():
    with pytest.raises(ValueError, match="no point of its axis"):
        scale_use(alone([1, 2.5]))


def test_the_longest_run_goes_by_the_order_of_rating():
    values, order = [4, 4, 2, 4, 4, 4], [0, 5, 1, 2, 3, 4]  # 4 2 4 4 4 4
    (found,) = longest_run(alone(values, order=order))
    assert found.value == 4
    assert found.no_interval is Reason.NOT_ASKED


def test_a_run_does_not_go_on_with_the_next_rater():
    found = longest_run(
        Scored.of(item=[0, 1, 2, 3], rater=[0, 0, 1, 1], value=[3, 3, 3, 3], order=[0, 1, 2, 3])
    )
    assert [one.value for one in found] == [2, 2]


def test_without_an_order_there_is_no_run_and_no_drift():
    for order in (None, [0, np.nan, 2]):
        scored = alone([1, 1, 1], order=order)
        assert longest_run(scored) == [Undefined(Reason.NO_DATA, 3)]
        assert drift(scored, np.zeros(1)).slope == [Undefined(Reason.NO_DATA, 0)]


def test_runs_by_chance_are_as_long_as_simulated_ones():
    rng = np.random.default_rng(1)
    runs = []
    for _ in range(300):
        hits = np.flatnonzero(np.append(rng.random(200) > 0.4, True))
        runs.append(np.diff(np.append(-1, hits)).max() - 1)
    assert run_by_chance(0.4, 200) == pytest.approx(np.mean(runs), abs=1)
    assert run_by_chance(1.0, 200) == 200


def two_axes(score, **options) -> Sheet:
    n = len(score)
    return Sheet.of(item=np.arange(n), rater=np.zeros(n, int), score=score, **options)


def test_equal_axes_are_counted_where_all_are_scored():
    sheet = two_axes([[4, 4], [3, 3], [2, 5], [np.nan, 4], [1, 1]])
    (found,) = equal_axes(sheet)
    assert (found.value, found.n) == (0.75, 4)


def test_axes_with_other_points_take_no_part_in_equality():
    points = [[1, 2, 3, 4, 5], [0, 1], [1, 2, 3, 4, 5]]
    (found,) = equal_axes(two_axes([[4, 0, 4], [3, 1, 3]], points=points))
    assert found.value == 1
    assert equal_axes(two_axes([[4, 0]], points=points[:2])) == [Undefined(Reason.NOT_ENOUGH)]


def test_halo_is_the_mean_correlation_between_axes():
    rng = np.random.default_rng(2)
    score = np.clip(np.round(3 + rng.normal(0, 1, (90, 1)) + rng.normal(0, 1, (90, 3))), 1, 5)
    (found,), everybody = halo(two_axes(score))
    r = np.corrcoef(score.T)
    assert found.value == pytest.approx((r[0, 1] + r[0, 2] + r[1, 2]) / 3)
    assert everybody.value == pytest.approx(found.value)
    assert found.low < found.value < found.high


def test_lenient_and_severe_raters_make_no_halo_of_all():
    rng = np.random.default_rng(3)
    score = np.clip(rng.integers(1, 4, (400, 2)) + 2.0 * (np.arange(400) % 2)[:, None], 1, 5)
    sheet = Sheet.of(item=np.arange(400), rater=np.arange(400) % 2, score=score)
    _, everybody = halo(sheet)
    assert abs(everybody.value) < 0.15
    assert np.corrcoef(score.T)[0, 1] > 0.5


def test_one_axis_has_no_halo():
    each, everybody = halo(two_axes([[1], [2]]))
    assert each == [everybody] == [Undefined(Reason.NOT_ENOUGH)]


def test_a_rater_who_becomes_lenient_drifts():
    rng = np.random.default_rng(4)
    item = np.repeat(np.arange(600), 2)
    rater = np.tile([0, 1], 600)
    value = rng.normal(3, 0.7, 600)[item] + rng.normal(0, 0.3, item.size)
    value += (rater == 0) * (item / 599 - 0.5)  # a point, from first to last
    scored = Scored.of(item=item, rater=rater, value=value, order=item)
    found = drift(scored, severity(scored).effect)
    assert found.slope[0].value == pytest.approx(1, abs=0.1)
    assert found.thirds[0].value == pytest.approx(2 / 3, abs=0.1)
    assert found.slope[0].low < 1 < found.slope[0].high
    # the slope is that of a straight line through what is above the other rater's score
    own, other = value[rater == 0], value[rater == 1]
    line = scipy_stats.linregress(np.arange(600) / 599, own - other)
    assert found.slope[0].value == pytest.approx(line.slope)


def test_few_items_have_no_drift():
    scored = Scored.of(item=[0, 0, 1, 1], rater=[0, 1] * 2, value=[1, 2, 3, 4], order=[0, 0, 1, 1])
    assert drift(scored, np.zeros(2)).thirds == [Undefined(Reason.NOT_ENOUGH, 2)] * 2


def timed(seconds, characters, rater=None, **options) -> Sheet:
    n = len(seconds)
    return Sheet.of(
        item=np.arange(n),
        rater=np.zeros(n, int) if rater is None else rater,
        score=np.ones(n),
        seconds=seconds,
        characters=characters,
        **options,
    )


def test_time_is_set_against_length():
    rng = np.random.default_rng(5)
    characters = np.exp(rng.normal(6, 0.7, 400))
    rater = np.arange(400) % 4
    seconds = 3 * characters**0.5 * np.exp(rng.normal(0, 0.3, 400))
    seconds[rater == 3] /= 4
    found = pace(timed(seconds, characters, rater))
    assert found.exponent == pytest.approx(scipy_stats.linregress(np.log(characters), np.log(seconds)).slope)
    z = [one.value for one in found.z]
    assert z[3] < -1.5
    assert max(abs(np.array(z[:3]))) < 1
    assert found.seconds[0].value == pytest.approx(np.median(seconds[rater == 0]))
    assert found.seconds[0].low < found.seconds[0].value < found.seconds[0].high


def test_less_time_than_reading_takes_is_counted():
    found = pace(timed([1, 5, 30, 60], [100, 100, 100, 100]), reading_speed=20)  # 5 seconds to read
    assert found.below_floor[0].value == 0.25


def test_without_times_or_lengths_there_is_no_pace():
    for sheet in (timed([np.nan, 0], [10, 10]), Sheet.of(item=[0], rater=[0], score=[1.0])):
        found = pace(sheet)
        assert {one.reason for column in (found.z, found.seconds, found.below_floor) for one in column} == {
            Reason.NO_DATA
        }
    assert pace(timed([5, 5, 5], [10, 10, 10])).z == [Undefined(Reason.CONSTANT, 3)]
    with pytest.raises(ValueError, match="reading speed"):
        pace(timed([1], [1]), reading_speed=0)


def test_a_median_has_the_order_statistics_as_its_interval():
    x = np.random.default_rng(6).normal(0, 1, 99)
    (found,) = medians(ByRater(np.zeros(99, int), np.arange(99), 1), x)
    exact = scipy_stats.quantile_test(x, p=0.5).confidence_interval(0.95)
    assert found.value == np.median(x)
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), abs=0.1)


def test_agreement_with_gold_is_that_of_scikit_learn():
    rng = np.random.default_rng(7)
    rater = np.repeat([0, 2], 60)
    first = rng.integers(1, 6, 120)
    second = np.clip(first + rng.integers(-1, 2, 120), 1, 5)
    found = agreement_twice(Twice.of(rater, first, second), 3)
    for who in (0, 2):
        rows = rater == who
        kappa = cohen_kappa_score(first[rows], second[rows], labels=[1, 2, 3, 4, 5], weights="quadratic")
        assert found.qwk[who].value == pytest.approx(kappa)
        assert found.exact[who].value == pytest.approx(np.mean(first[rows] == second[rows]))
        assert found.difference[who].value == pytest.approx(np.mean(second[rows] - first[rows]))
        assert found.qwk[who].low < kappa < found.qwk[who].high
    assert found.qwk[1] == Undefined(Reason.NO_DATA, 0)


def test_kappa_from_moments_is_kappa_from_the_table():
    rng = np.random.default_rng(8)
    points = [0.0, 1.0, 2.5, 4.0]
    first, second = rng.choice(points, (2, 50))
    (found,) = agreement_twice(Twice.of(np.zeros(50, int), first, second), 1).qwk
    assert found.value == pytest.approx(quadratic_kappa(pair_table(first, second, points), points))


def test_repeats_that_are_all_the_same_point_have_no_kappa():
    found = agreement_twice(Twice.of([0] * 6, [3] * 6, [3] * 6), 1)
    assert found.qwk == [Undefined(Reason.NO_VARIATION, 6)]
    assert isinstance(found.exact[0], Estimate)


def test_pairs_without_both_values_are_left_out():
    pairs = Twice.of([1, 0, 0], [1, 2, np.nan], [1, 3, 4])
    assert list(pairs.rater) == [0, 1]
    with pytest.raises(ValueError, match="2 raters"):
        Twice.of([0, 0], [1], [1])
