"""Checklists: the selective curve, and which items are of use."""

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pointbiserialr

from stats.agreement import Interval
from stats.estimate import Estimate, Reason, Undefined
from stats.judges.checklists import THRESHOLDS, item_usefulness, point_biserial, selective_curve

FEW = Interval(replicates=200, fewest=100)


def rng(seed=1):
    return np.random.default_rng(seed)


def judged(n=80, seed=0, r=5):
    """People's means, and a judge that is less noisy with a checklist where it is unsure."""
    chance = rng(seed)
    truth = chance.integers(1, 6, n).astype(float)
    unsure = chance.random(n) < 0.5
    people = np.clip(truth + chance.normal(0, 0.3, n), 1, 5)
    without = np.clip(np.round(truth[:, None] + unsure[:, None] * chance.normal(0, 1.3, (n, r))), 1, 5)
    with_list = np.clip(np.round(truth[:, None] + chance.normal(0, 0.4, (n, r))), 1, 5)
    return people, without, with_list


def test_thresholds_are_those_of_the_study():
    assert THRESHOLDS == (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7)


def test_each_point_of_the_curve_is_the_alpha_of_the_krippendorff_package():
    people, without, with_list = judged()
    curve = selective_curve(people, without, with_list, interval=FEW, rng=rng())
    assert [point.threshold for point in curve] == [np.inf, 0, *THRESHOLDS]
    sd = without.std(axis=1, ddof=1)
    for point in curve:
        use = sd >= point.threshold - 1e-12
        judge = np.where(use, with_list.mean(axis=1), without.mean(axis=1))
        rounded = [np.floor(side + 0.5 + 1e-9) for side in (people, judge)]
        expected = krippendorff.alpha(np.array(rounded), level_of_measurement="ordinal")
        assert point.alpha.value == pytest.approx(expected, abs=1e-9)
        means = krippendorff.alpha(np.array([people, judge]), level_of_measurement="interval")
        assert point.alpha_of_means.value == pytest.approx(means, abs=1e-9)
        assert point.share == pytest.approx(use.mean())
        assert point.alpha.low < point.alpha.value < point.alpha.high
    assert [curve[0].share, curve[1].share] == [0, 1]
    assert curve[2].alpha.value > curve[0].alpha.value


def test_halves_are_rounded_up_and_unfit_items_left_out():
    people = [2.5, 4.0, 1.0, np.nan, 5.0]
    without = [[3, 3], [4, 4], [1, 1], [2, 2], [5, np.nan]]
    [never, *_] = selective_curve(people, without, without, interval=FEW, rng=rng())
    assert never.alpha.n == 3
    assert never.alpha.value == 1  # 2.5 is a 3


def test_a_judge_and_people_who_all_say_the_same_leave_alpha_undefined():
    curve = selective_curve([3.0] * 9, [[3, 3]] * 9, [[3, 3]] * 9, interval=FEW, rng=rng())
    assert {point.alpha for point in curve} == {Undefined(Reason.NO_VARIATION, 9)}
    assert {point.alpha_of_means for point in curve} == {Undefined(Reason.NO_VARIATION, 9)}
    none = selective_curve([np.nan], [[3, 3]], [[3, 3]], rng=rng())
    assert none[0].alpha == Undefined(Reason.NOTHING_SHARED)
    one = selective_curve([2.0], [[3, 3]], [[3, 3]], rng=rng())
    assert isinstance(one[0].alpha, Estimate)
    assert one[0].alpha.no_interval == Reason.ONE_UNIT


def test_usefulness_is_the_error_saved():
    found = item_usefulness(
        np.array(["a", "a", "b", "b", "c"]),
        gold=[3, 4, 3, 4, 2],
        full=[3, 4, 5, 4, 2],
        ablated=[4, 3, 3, 4, np.nan],
        prompt=np.array([0, 1, 0, 1, 2]),
        interval=FEW,
        rng=rng(),
    )
    assert found["a"].value == -1  # of use: without it the error is larger
    assert found["b"].value == 1
    assert found["c"] == Undefined(Reason.NO_SCORES, 0)


def test_point_biserial_is_that_of_scipy():
    chance = rng(2)
    item, prompt = np.repeat(["x", "y", "z"], 60), np.tile(np.arange(60), 3)
    score = chance.integers(1, 6, 180).astype(float)
    ticked = (score + chance.normal(0, 2, 180) > 3).astype(float)
    ticked[item == "z"] = 1
    ticked[5] = np.nan
    order = chance.permutation(180)
    found = point_biserial(
        item[order], ticked[order], score[order], prompt=prompt[order], interval=FEW, rng=rng()
    )
    for name in "xy":
        rows = (item == name) & ~np.isnan(ticked)
        assert found[name].value == pytest.approx(pointbiserialr(ticked[rows], score[rows]).statistic)
        assert found[name].low < found[name].value < found[name].high
        assert found[name].n == rows.sum()
    assert found["z"] == Undefined(Reason.CONSTANT, 60)


def test_an_item_of_one_prompt_has_no_interval():
    item = np.repeat(["common", "rare"], [40, 10])
    prompt = np.r_[np.arange(40), np.zeros(10, int)]
    score = np.arange(50.0) % 5
    found = point_biserial(item, score > 2, score, prompt=prompt, interval=FEW, rng=rng())
    assert found["common"].low is not None
    assert found["rare"].no_interval == Reason.UNDEFINED_RESAMPLES


@settings(max_examples=40)
@given(st.integers(0, 999), st.integers(2, 25))
def test_a_reversed_tick_reverses_the_sign_and_units_do_not_matter(seed, n):
    chance = rng(seed)
    item, ticked = chance.integers(0, 3, n), chance.integers(0, 2, n).astype(float)
    score, prompt = chance.integers(1, 6, n).astype(float), chance.integers(0, 5, n)
    few = Interval(replicates=2, fewest=2)
    one = point_biserial(item, ticked, score, prompt=prompt, interval=few, rng=rng())
    two = point_biserial(item, 1 - ticked, 10 * score + 3, prompt=prompt, interval=few, rng=rng())
    for name, figure in one.items():
        if isinstance(figure, Undefined):
            assert figure == two[name]
        else:
            assert two[name].value == pytest.approx(-figure.value, abs=1e-9)
            assert -1 <= figure.value <= 1


def test_no_rows_no_items_and_malformed_input():
    nothing = np.array([])
    assert point_biserial(nothing, nothing, nothing, prompt=nothing.astype(int), rng=rng()) == {}
    with pytest.raises(ValueError, match="ticked"):
        point_biserial(np.array(["a"]), [2], [1], prompt=np.array([0]), rng=rng())
    with pytest.raises(ValueError, match="repeats"):
        selective_curve([1.0], [3.0], [3.0], rng=rng())
