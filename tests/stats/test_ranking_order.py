"""What the order of two responses does, and win rates of single verdicts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stats.agreement import Interval
from stats.estimate import Reason, Undefined
from stats.ranking import Verdicts, win_rates
from stats.ranking.order import order_effects, rates_of_verdicts

FEW = Interval(replicates=200, fewest=100)
NAN = np.nan


def rng(seed=1):
    return np.random.default_rng(seed)


def verdicts(one, other, first=None, second=None, prompt=None, models=2) -> Verdicts:
    n = len(one)
    return Verdicts(
        prompt=np.arange(n) if prompt is None else np.array(prompt),
        first=np.zeros(n, np.int64) if first is None else np.array(first),
        second=np.ones(n, np.int64) if second is None else np.array(second),
        one=np.array(one, dtype=float),
        other=np.array(other, dtype=float),
        n_models=models,
    )


def test_contradictions_are_told_apart_by_which_place_won():
    found = order_effects(
        verdicts([1, 1, 1, 0, 0.5, 0.5, NAN], [1, 0, 0, 1, 0.5, 1, 1]), interval=FEW, rng=rng()
    )
    assert (found.pairs, found.first_twice, found.second_twice, found.half) == (6, 2, 1, 1)
    assert found.consistency.value == pytest.approx(2 / 6)
    assert found.ties.value == pytest.approx(1 / 6)
    # for the one shown first: 1, 1, 1, 0, 1/2, 1/2 and, of the other order, 0, 1, 1, 0, 1/2, 0
    assert found.shown_first.value == pytest.approx(6.5 / 12)
    many = order_effects(verdicts([1, 1, 1, 0, 0.5] * 8, [1, 0, 0, 1, 0.5] * 8), interval=FEW, rng=rng())
    assert many.shown_first.low < many.shown_first.value < many.shown_first.high


def test_a_pair_that_was_shown_in_one_order_only_counts_among_single_verdicts():
    shown_once = verdicts([1, 1, 0, 0.5], [NAN, NAN, NAN, 1])
    found = rates_of_verdicts(shown_once, interval=FEW, rng=rng())
    assert [one.value for one in found] == pytest.approx([3.5 / 5, 1.5 / 5])
    assert [one.n for one in found] == [5, 5]
    [first, _] = win_rates(shown_once, interval=FEW, rng=rng())
    assert first.adjusted.n == 1


@settings(max_examples=40)
@given(st.integers(0, 1000), st.integers(2, 5), st.integers(1, 30))
def test_which_side_is_called_the_first_changes_nothing(seed, models, n):
    chance = rng(seed)
    first = chance.integers(models, size=n)
    second = (first + chance.integers(1, models, size=n)) % models
    prompt = chance.integers(4, size=n)
    one, other = chance.choice([0, 0.5, 1, NAN], size=(2, n))
    told = verdicts(one, other, first, second, prompt, models)
    flipped = verdicts(1 - other, 1 - one, second, first, prompt, models)
    assert order_effects(told, interval=FEW, rng=rng()) == order_effects(flipped, interval=FEW, rng=rng())
    found, again = (rates_of_verdicts(v, interval=FEW, rng=rng()) for v in (told, flipped))
    for a, b in zip(found, again, strict=True):
        assert a == b if isinstance(a, Undefined) else a.value == pytest.approx(b.value)


def test_where_both_orders_agree_single_verdicts_and_pairs_have_the_same_rates():
    chance = rng()
    n, models = 60, 4
    first = chance.integers(models, size=n)
    second = (first + chance.integers(1, models, size=n)) % models
    got = chance.choice([0, 0.5, 1], size=n)
    told = verdicts(got, got, first, second, chance.integers(20, size=n), models)
    single = rates_of_verdicts(told, interval=FEW, rng=rng())
    pairs = win_rates(told, interval=FEW, rng=rng())
    assert [one.value for one in single] == pytest.approx([one.adjusted.value for one in pairs])
    assert order_effects(told, interval=FEW, rng=rng()).consistency.value == 1


def test_no_verdict_is_no_figure():
    nothing = verdicts([NAN], [NAN])
    assert order_effects(nothing, rng=rng()).shown_first == Undefined(Reason.NO_SCORES)
    assert rates_of_verdicts(nothing, rng=rng()) == [Undefined(Reason.NO_SCORES)] * 2
