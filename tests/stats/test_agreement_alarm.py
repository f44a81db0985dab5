"""When a live figure is a reason to act."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stats.agreement import (
    PatternHistogram,
    alarm,
    alpha,
    batches_of_new_items,
    enough_items,
    estimate,
    merge,
)
from stats.estimate import Estimate, Reason, Undefined


def batch(high: float | None, n: int = 50) -> Estimate:
    low = None if high is None else high - 0.2
    return Estimate(value=0.3, low=low, high=high, level=0.95, method="item_jackknife", n=n, units=n)


@pytest.mark.parametrize(
    ("batches", "sounds"),
    [
        ([], False),
        ([batch(0.3)], False),  # once may be chance
        ([batch(0.3), batch(0.35)], True),
        ([batch(0.3), batch(0.3), batch(0.5)], False),  # the newest are what counts
        ([batch(0.5), batch(0.3), batch(0.3)], True),
        ([batch(0.4), batch(0.3)], False),  # up to the target is not below it
        ([batch(0.3), batch(0.3, n=49)], False),  # too few items
        ([batch(0.3), batch(0.9, n=20), batch(0.3)], True),  # too few to say anything, also that all is well
        ([batch(0.3), batch(None)], False),  # no interval
        ([batch(0.3), Undefined(Reason.NO_VARIATION, 60)], False),
        ([batch(0.3), Undefined(Reason.NO_VARIATION, 60), batch(0.3)], False),
    ],
)
def test_an_alarm_needs_two_batches_in_a_row_that_lie_below_the_target(batches, sounds):
    assert alarm(batches, 0.4) is sounds


def test_looking_again_and_again_gives_hardly_any_alarm_where_all_is_well():
    """Alpha lies at the target: of a hundred looks, half of the values lie below it."""
    rng = np.random.default_rng(0)

    def items(n: int) -> PatternHistogram:
        quality = 0.8 * rng.normal(size=(n, 1))
        scores = np.clip(np.round(3.2 + quality + 0.7 * rng.normal(size=(n, 2))), 1, 5)
        return PatternHistogram.from_scores(scores, values=[1, 2, 3, 4, 5])

    truth = estimate(items(200_000), alpha("ordinal")).value
    looks = [estimate(items(60), alpha("ordinal")) for _ in range(300)]
    assert np.mean([look.value < truth for look in looks]) > 0.4
    assert sum(alarm(looks[:n], truth) for n in range(len(looks))) <= 2
    assert alarm(looks, truth + 0.5)


def test_below_thirty_items_there_is_no_alpha_to_act_upon():
    assert enough_items(batch(0.3, n=29)) == Undefined(Reason.NOT_ENOUGH, 29)
    assert enough_items(batch(0.3, n=30)) == batch(0.3, n=30)
    assert enough_items(Undefined(Reason.NO_SCORES)) == Undefined(Reason.NO_SCORES)


@given(st.lists(st.integers(0, 40), max_size=12))
def test_batches_are_made_of_new_items_and_lose_none_but_the_rest(sizes):
    days = [
        PatternHistogram.from_patterns(values=[1, 2, 3], counts=[[1, 1, 0], [0, 0, 1]], frequency=[n, 5])
        for n in sizes
    ]
    batches = batches_of_new_items(days)
    assert all(one.n_pairable >= 50 for one in batches)
    together = sum(one.n_pairable for one in batches)
    assert sum(sizes) - together < 50
    if batches:
        used = merge(batches)
        assert used.n_pairable == together
