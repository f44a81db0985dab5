"""Multiple choice: accuracy by category, and its spread over variants of the prompt."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from stats.agreement import Interval
from stats.estimate import Reason, Undefined
from stats.judges.choices import Choices, accuracy, spread_over_variants

FEW = Interval(replicates=400, fewest=100)


def rng(seed=1):
    return np.random.default_rng(seed)


def test_accuracy_by_category_with_intervals():
    correct = np.array([[1], [1], [0], [1], [0]])
    found = accuracy(Choices.of(correct, ["law", "law", "law", "art", "art"]), interval=FEW, rng=rng())
    assert found.overall.value == 0.6
    assert found.by_category["law"].value == pytest.approx(2 / 3)
    assert found.by_category["art"].value == 0.5
    assert found.macro.value == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_the_interval_of_an_accuracy_is_near_wilsons():
    correct = (rng(3).random((300, 1)) < 0.7).astype(float)
    found = accuracy(Choices.of(correct), rng=rng()).overall
    wilson = binomtest(int(correct.sum()), 300).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((wilson.low, wilson.high), abs=0.01)


def test_variants_of_a_question_are_drawn_together():
    correct = np.tile((rng(3).random((100, 1)) < 0.7), (1, 8)).astype(float)
    eight = accuracy(Choices.of(correct), interval=FEW, rng=rng()).overall
    one = accuracy(Choices.of(correct[:, :1]), interval=FEW, rng=rng()).overall
    assert (eight.low, eight.high, eight.units) == pytest.approx((one.low, one.high, one.units))
    assert (eight.n, one.n) == (800, 100)


def test_what_could_not_be_read_is_wrong_unless_asked_otherwise():
    choices = Choices.of([[1], [np.nan], [0], [1]])
    assert accuracy(choices, rng=rng()).overall.value == 0.5
    parsed = accuracy(choices, unread_is_wrong=False, rng=rng()).overall
    assert (parsed.value, parsed.n) == (pytest.approx(2 / 3), 3)
    assert choices.unread == 0.25


def test_spread_is_the_range_and_sd_of_the_variants():
    table = np.array([[1, 1, 0], [1, 0, 0], [1, 1, 1], [0, 1, 0]])
    found = spread_over_variants(Choices.of(table), interval=FEW, rng=rng())
    assert [figure.value for figure in found.by_variant] == [0.75, 0.75, 0.25]
    assert found.range.value == 0.5
    assert found.sd.value == pytest.approx(np.std([0.75, 0.75, 0.25], ddof=1))


def test_variants_that_make_no_difference_spread_as_chance_does():
    p = []
    for seed in range(40):
        table = (rng(seed).random((60, 4)) < 0.6).astype(float)
        found = spread_over_variants(Choices.of(table), shuffles=99, interval=FEW, rng=rng(seed))
        p.append(found.p)
        assert found.range_by_chance > 0
    assert 0.35 < np.mean(p) < 0.65
    worse = table.copy()
    worse[:, 0] *= rng(7).random(60) < 0.4
    found = spread_over_variants(Choices.of(worse), shuffles=499, interval=FEW, rng=rng())
    assert found.p < 0.01
    assert found.sd.low > found.sd_by_chance


@settings(max_examples=40)
@given(st.integers(0, 999), st.integers(1, 12), st.integers(1, 4))
def test_the_order_of_answers_and_variants_changes_nothing(seed, n, v):
    chance = rng(seed)
    choices = Choices.of(chance.integers(0, 2, (n, v)), chance.integers(0, 3, n))
    order = chance.permutation(n * v)
    shuffled = Choices(
        choices.question[order],
        v - 1 - choices.variant[order],
        choices.category[order],
        choices.correct[order],
    )
    few = Interval(replicates=2, fewest=2)
    a, b = (accuracy(c, interval=few, rng=rng()) for c in (choices, shuffled))
    assert a.overall.value == pytest.approx(b.overall.value)
    assert a.macro.value == pytest.approx(b.macro.value)
    one, two = (spread_over_variants(c, shuffles=5, interval=few, rng=rng()) for c in (choices, shuffled))
    if v == 1:
        assert one.range == Undefined(Reason.NOT_ENOUGH, n)
    else:
        assert one.range.value == pytest.approx(two.range.value)
        assert 0 <= one.sd.value <= one.range.value + 1e-12


def test_questions_that_not_all_variants_had_are_left_out_of_the_spread():
    choices = Choices(np.array([0, 0, 1]), np.array([0, 1, 0]), np.zeros(3, int), np.array([1.0, 0, 1]))
    found = spread_over_variants(choices, interval=FEW, rng=rng())
    assert (found.range.value, found.range.n) == (1, 1)
    assert found.range.no_interval == Reason.ONE_UNIT
    nothing = spread_over_variants(Choices.of(np.zeros((0, 3))), interval=FEW, rng=rng())
    assert nothing.range == Undefined(Reason.NO_SCORES, 0)


def test_a_model_that_is_always_right_has_no_sign_of_variation():
    found = spread_over_variants(Choices.of(np.ones((20, 3))), shuffles=9, interval=FEW, rng=rng())
    assert (found.range.value, found.range.no_interval, found.p) == (0, Reason.NO_SPREAD, 1)


def test_an_answer_is_right_wrong_or_unread():
    with pytest.raises(ValueError, match="right"):
        Choices.of([[2]])
