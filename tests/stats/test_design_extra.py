"""Extra raters: whom a rule picks, and what its ratings do to the figures."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stats.design.components import Components
from stats.design.extra import PHASE, Combine, Rule, Trigger, combined, select, simulate

NAN = np.nan
SCORES = np.array([[1, 5, NAN], [3, 3, NAN], [2, NAN, NAN], [2, 4, NAN], [4, NAN, NAN], [1, 5, 3]])
NA = np.zeros((6, 3), bool)
NA[4, 1] = True
RATERS = np.array([[0, 1, -1], [2, 3, -1], [7, -1, -1], [0, 2, -1], [1, 3, -1], [0, 1, 2]])


def rng(seed=1):
    return np.random.default_rng(seed)


def test_items_are_picked_by_distance_then_by_na_then_by_rater():
    rule = Rule(distance=2, na_against_score=True, flagged=frozenset({7}))
    found = select(rule, scores=SCORES, na=NA, raters=RATERS, rng=rng())
    assert found.item.tolist() == [0, 3, 4, 2]
    assert found.trigger == [
        Trigger.DISTANCE,
        Trigger.DISTANCE,
        Trigger.NA_AGAINST_SCORE,
        Trigger.FLAGGED_RATER,
    ]
    assert found.triggered == 5  # one of them has three ratings already
    assert PHASE == "extra"


def test_each_trigger_by_itself_and_none():
    def items(rule):
        return select(rule, scores=SCORES, na=NA, raters=RATERS, rng=rng()).item.tolist()

    assert items(Rule(distance=3)) == [0]
    assert items(Rule(na_against_score=True)) == [4]
    assert sorted(items(Rule(flagged=frozenset({3})))) == [1, 4]
    assert items(Rule()) == []
    assert items(Rule(distance=2, maximum=2)) == []
    assert items(Rule(distance=2, maximum=4))[:2] in ([0, 5], [5, 0])


def test_a_budget_goes_to_the_most_pressing_items_and_counts_what_was_spent():
    rule = Rule(distance=1, budget=3)
    assert select(rule, scores=SCORES, rng=rng(), spent=2).item.tolist() == [0]
    assert select(rule, scores=SCORES, rng=rng(), spent=5).item.tolist() == []


def test_chance_decides_between_equals_and_a_seed_decides_again():
    scores = np.tile([1.0, 5], (50, 1))
    picks = [select(Rule(distance=2, budget=5), scores=scores, rng=rng(s)).item.tolist() for s in (1, 1, 2)]
    assert picks[0] == picks[1] != picks[2]


@settings(max_examples=50)
@given(st.integers(0, 999), st.integers(1, 30), st.integers(1, 4), st.integers(0, 20))
def test_a_rule_is_kept_to(seed, n, maximum, budget):
    chance = rng(seed)
    scores = chance.integers(1, 6, (n, 4)).astype(float)
    scores[chance.random((n, 4)) < 0.5] = NAN
    rule = Rule(distance=2, maximum=maximum, budget=budget)
    found = select(rule, scores=scores, rng=chance)
    assert len(found.item) == len(set(found.item.tolist())) <= budget
    for item in found.item:
        given_ = scores[item][~np.isnan(scores[item])]
        assert np.ptp(given_) >= 2
        assert given_.size < maximum
    order = chance.permutation(n)
    assert select(rule, scores=scores[order], rng=chance).triggered == found.triggered


def test_nothing_and_malformed_input():
    assert select(Rule(distance=1), scores=np.zeros((0, 2)), rng=rng()).item.size == 0
    with pytest.raises(ValueError, match="not both"):
        select(Rule(), scores=[[1.0]], na=[[True]], rng=rng())
    with pytest.raises(ValueError, match="items, seats"):
        select(Rule(), scores=[1.0], rng=rng())
    with pytest.raises(ValueError, match="one shape"):
        select(Rule(), scores=[[1.0]], na=[[True, False]], rng=rng())
    with pytest.raises(ValueError, match="more than 0"):
        Rule(distance=0)
    with pytest.raises(ValueError, match="1 or more"):
        Rule(maximum=0)


def test_ratings_are_put_together_as_named():
    ratings = np.array([[1, 5, 4, NAN], [3, 3, 5, NAN], [2, 4, NAN, NAN], [5, NAN, NAN, NAN], [1, 2, 3, NAN]])
    assert combined(ratings, Combine.MEAN).tolist() == pytest.approx([10 / 3, 11 / 3, 3, 5, 2])
    assert combined(ratings, Combine.MEDIAN).tolist() == [4, 3, 3, 5, 2]
    assert combined(ratings, Combine.CLOSEST_TWO).tolist() == [4.5, 3, 3, 5, 1.5]
    assert combined(ratings[:, :1], Combine.CLOSEST_TWO).tolist() == [1, 3, 2, 5, 1]


# What a rule does

STUDY = {"components": Components(0.25, 0.30, 0.12, 0.53, 0.13), "mean": 3.2, "n_items": 60_000}


def test_with_careful_raters_a_third_rating_is_no_better_than_one_at_random():
    found = simulate(Rule(distance=2), **STUDY, rng=rng())
    mean, median, closest = (found.rule[way] for way in Combine)
    figures = [
        (found.design.rmse, 0.575),
        (found.design.alpha.value, 0.458),
        (mean.ratings_per_item, 2.18),
        (mean.rmse, 0.559),
        (mean.alpha.value, 0.513),
        (found.at_random.rmse, 0.558),
        (median.rmse, 0.604),
        (closest.rmse, 0.633),
    ]
    for ours, expected in figures:
        assert ours == pytest.approx(expected, abs=0.01)
    assert found.at_random.rmse < mean.rmse < found.design.rmse < median.rmse < closest.rmse
    assert found.at_random.alpha.value == pytest.approx(found.design.alpha.value, abs=0.01)  # unbiased
    assert mean.alpha.low > found.design.alpha.high + 0.03  # inflated
    assert found.at_random.ratings_per_item == mean.ratings_per_item
    assert 0 < mean.mean_shift < 0.01


@pytest.mark.parametrize(
    ("careless", "expected"),
    [(0.1, [0.660, 0.619, 0.635, 0.696, 2.23, 0.356]), (0.2, [0.724, 0.669, 0.694, 0.744, 2.26, 0.288])],
)
def test_with_careless_raters_the_third_rating_pays(careless, expected):
    found = simulate(Rule(distance=2), **STUDY, careless=careless, rng=rng())
    mean, _, closest = (found.rule[way] for way in Combine)
    assert mean.rmse < found.at_random.rmse < found.design.rmse < closest.rmse
    ours = [
        found.design.rmse,
        mean.rmse,
        found.at_random.rmse,
        closest.rmse,
        mean.ratings_per_item,
        found.design.alpha.value,
    ]
    assert ours == pytest.approx(expected, abs=0.045)


def test_a_third_rating_of_all_is_better_than_of_some_and_a_budget_is_kept():
    some = {**STUDY, "n_items": 5000}
    all_three = simulate(Rule(distance=2), **some, raters_per_item=3, rng=rng())
    assert all_three.design.rmse == pytest.approx(0.469, abs=0.015)
    assert all_three.rule[Combine.MEAN].ratings_per_item == 3
    cut = simulate(Rule(distance=2, budget=100), **some, rng=rng())
    assert cut.rule[Combine.MEAN].ratings_per_item == pytest.approx(2.02)
