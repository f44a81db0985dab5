"""What `measure` makes of figures whose resamples are off."""

import numpy as np
import pytest

from stats.agreement import Interval
from stats.estimate import Reason
from stats.judges.figures import FigureSet, measure

FEW = Interval(replicates=2_000, fewest=2)
VALUES = np.random.default_rng(1).normal(3, 1, 50)


def _mean(weights):
    return (weights @ VALUES / weights.sum(axis=1))[:, None]


def _low(weights):
    """The mean, and half a point less in every resample: as much as the data are off, in turn, from the truth."""
    return _mean(weights) - 0.5 * (weights != 1).any(axis=1)[:, None]


def _measured(**more):
    one = FigureSet(("mean",), more.pop("of", _mean), (50,), (Reason.NO_SCORES,), **more)
    return measure([one], np.arange(50), interval=FEW, rng=np.random.default_rng(2))["mean"]


def test_a_bias_is_taken_off_twice_once_for_the_resamples_and_once_for_the_data():
    plain, biased = _measured(), _measured(of=_low, biased=frozenset({"mean"}))
    assert biased.value == plain.value
    assert biased.high == pytest.approx(plain.high + 0.5, abs=0.02)
    assert biased.low == biased.value  # the figure itself is never outside of its interval


def test_a_figure_without_bias_keeps_its_interval_nearly():
    plain, corrected = _measured(), _measured(biased=frozenset({"mean"}))
    assert [corrected.low, corrected.high] == pytest.approx([plain.low, plain.high], abs=0.02)


def test_resamples_may_be_of_another_function_than_the_figure():
    of_less = _measured(
        of=_low, resampled=lambda weights: _low(weights) + 0.5 * (weights != 1).any(axis=1)[:, None]
    )
    plain = _measured()
    assert (of_less.low, of_less.high) == pytest.approx((plain.low, plain.high))


def test_a_figure_of_few_prompts_has_a_wider_interval_and_says_so():
    plain, of_few = _measured(), _measured(units=(8,))
    assert of_few.units == 8
    assert of_few.high - of_few.low > 1.2 * (plain.high - plain.low)
