"""Bootstrap over prompts of figures that are functions of weights."""

import numpy as np
import pytest

from stats.agreement import Interval
from stats.estimate import Estimate, Reason, Undefined
from stats.resampling import bootstrap_prompts, draws, resamples

RNG = 5


def mean_of(values):
    return lambda weights: (weights @ values / weights.sum(axis=1))[:, None]


def test_turns_of_a_conversation_are_drawn_together():
    drawn = resamples(np.array([7, 7, 3]), 200, np.random.default_rng(RNG))
    assert (drawn[:, 0] == drawn[:, 1]).all()
    assert (drawn[:, 0] + drawn[:, 2] == 2).all()
    assert set(np.unique(drawn)) == {0, 1, 2}


def test_the_interval_of_a_mean_is_that_of_students_t():
    values = np.random.default_rng(1).normal(size=200)
    [found] = bootstrap_prompts(mean_of(values), np.arange(200), n=200, rng=np.random.default_rng(RNG))
    assert isinstance(found, Estimate)
    half = 1.972 * values.std(ddof=1) / 200**0.5
    assert found.value == pytest.approx(values.mean())
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.06)
    assert (found.n, found.units, found.replicates) == (200, 200, 2000)


def test_blocks_change_nothing_but_memory():
    values = np.arange(10.0)
    one = draws(mean_of(values), np.arange(10), replicates=64, rng=np.random.default_rng(RNG), block=64)
    many = draws(mean_of(values), np.arange(10), replicates=64, rng=np.random.default_rng(RNG), block=7)
    assert np.array_equal(one[1], many[1])


def test_what_does_not_exist_says_why():
    def nothing(weights):
        return np.full((len(weights), 1), np.nan)

    found = bootstrap_prompts(
        nothing, np.arange(5), n=3, why=Reason.ONE_MODEL, rng=np.random.default_rng(RNG)
    )
    assert found == [Undefined(Reason.ONE_MODEL, 3)]


@pytest.mark.parametrize(
    ("values", "reason"),
    [([2.0], Reason.ONE_UNIT), ([2.0] * 9, Reason.NO_SPREAD), ([1.0, 2.0], Reason.NOT_ENOUGH)],
)
def test_a_figure_without_an_interval_says_why(values, reason):
    [found] = bootstrap_prompts(
        mean_of(np.array(values)),
        np.arange(len(values)),
        n=1,
        interval=Interval(replicates=100, fewest=2),
        rng=np.random.default_rng(RNG),
    )
    assert isinstance(found, Estimate)
    assert (found.low, found.high, found.no_interval) == (None, None, reason)
