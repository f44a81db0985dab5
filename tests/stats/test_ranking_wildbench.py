"""WB-Score and WB-Reward: as published, trap by trap, and without the traps."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stats.agreement import Interval
from stats.estimate import Estimate, Reason, Undefined
from stats.ranking.wildbench import (
    GROUPS,
    OFF,
    Outcomes,
    Variant,
    centred_score,
    groups_of,
    macro_mean,
    wb_reward,
    wb_score,
)

BOARD = Path(__file__).parents[3] / "shared" / "data" / "wildbench-leaderboard"
FEW = Interval(replicates=100, fewest=50)


def rng(seed=1):
    return np.random.default_rng(seed)


def value(figure) -> float:
    """0 for what does not exist, as the scripts have it."""
    return figure.value if isinstance(figure, Estimate) else 0.0


@pytest.fixture
def model_x(vectors):
    inputs = vectors["wildbench/score-and-reward"]["inputs"]
    truncated = np.zeros(8, bool)
    truncated[inputs["truncated"]] = True
    sign = {"T": 1, "R": -1, "tie": 0}
    lengths = np.array(inputs["lens"], float)
    outcomes = Outcomes(
        np.array([float(sign[winner] * extent) for winner, extent in inputs["outcome"]]), *lengths.T
    )
    groups = groups_of([[primary, *secondary] for primary, secondary in inputs["tags"]])
    return np.array(inputs["scores"], float), groups, truncated, outcomes


def test_the_score_is_that_of_the_leaderboards_script(vectors, model_x):
    scores, groups, truncated, _ = model_x
    expected = vectors["wildbench/score-and-reward"]["expected"]["score"]
    found = wb_score(scores, groups, truncated=truncated, interval=FEW, rng=rng())
    assert found.mean.value == pytest.approx(expected["score"], abs=1e-9)
    assert found.score.value == pytest.approx(expected["adjusted_score"], abs=1e-9)
    assert found.task_macro.value == pytest.approx(expected["task_macro_score"], abs=1e-9)
    assert found.mean.n == expected["total"]
    by_group = {name: value(figure) for name, figure in found.groups.items()}
    assert by_group == pytest.approx(expected["task_categorized_scores"], abs=1e-9)


@pytest.mark.parametrize("k", [-1, 100, 500, 1000])
def test_the_reward_is_that_of_the_leaderboards_script(vectors, model_x, k):
    _, groups, truncated, outcomes = model_x
    expected = vectors["wildbench/score-and-reward"]["expected"][f"pairwise-gpt4t {k}"]
    found = wb_reward([outcomes], groups, k=k, truncated=truncated, interval=FEW, rng=rng())
    names = ["win_much", "win", "tie", "lose", "lose_much"]
    assert found.counts[0] == {name: expected[name] for name in names}
    assert found.reward.value == pytest.approx(expected["reward"], abs=1e-9)
    assert found.task_macro.value == pytest.approx(expected["task_macro_reward"], abs=1e-9)
    assert found.reward.n == expected["total"]
    by_group = {name: value(figure) for name, figure in found.groups[0].items()}
    assert by_group == pytest.approx(expected["task_categorized_rewards"], abs=1e-9)
    shown = outcomes.length[~truncated].mean()
    assert shown == pytest.approx(expected["avg_len"])


def test_scores_of_the_leaderboard_follow_from_their_means_and_groups():
    if not BOARD.exists():
        pytest.skip("no WildBench leaderboard here (../shared/data/wildbench-leaderboard)")
    board = json.loads((BOARD / "score.json").read_text(encoding="utf-8"))
    assert len(board) == 61
    for name, row in board.items():
        assert row["adjusted_score"] == pytest.approx(2 * (row["score"] - 5), abs=1e-4), name
        groups = np.array([[row["task_categorized_scores"].get(group, np.nan) for group in GROUPS]])
        macro = macro_mean(groups)[0]
        assert macro == pytest.approx(row["task_macro_score"], abs=1e-4), name


# The traps, one by one


def test_a_truncated_response_stays_in_the_published_mean_and_leaves_ours():
    scores, groups = np.array([9.0, 9, 1]), groups_of([["Math"]] * 3)
    cut = [False, False, True]
    published, ours = (
        wb_score(scores, groups, truncated=cut, variant=variant, interval=FEW, rng=rng())
        for variant in (Variant.PUBLISHED, Variant.OURS)
    )
    assert (published.mean.value, ours.mean.value) == (pytest.approx(19 / 3), 9)
    assert published.groups["Math & Data Analysis"].value == ours.groups["Math & Data Analysis"].value == 8
    assert published.n_truncated == ours.n_truncated == 1
    outcomes = [Outcomes(np.array([2.0, 2, 2]), np.ones(3), np.ones(3))]
    rewards = [
        wb_reward(outcomes, groups, truncated=cut, variant=variant, interval=FEW, rng=rng()).reward.value
        for variant in (Variant.PUBLISHED, Variant.OURS)
    ]
    assert rewards == [pytest.approx(2 / 3), 1]


def test_an_absent_group_counts_0_as_published_and_leaves_ours():
    scores, groups = np.array([9.0, 9]), groups_of([["Math"], ["Coding & Debugging"]])
    published, ours = (
        wb_score(scores, groups, variant=variant, interval=FEW, rng=rng())
        for variant in (Variant.PUBLISHED, Variant.OURS)
    )
    assert published.task_macro.value == pytest.approx(8 * 2.25 / 4.75)
    assert ours.task_macro.value == pytest.approx(8)
    assert published.groups["Creative Tasks"] == Undefined(Reason.NO_SCORES, 0)


def test_a_prompt_with_two_groups_counts_in_both():
    groups = groups_of([["Math", "Data Analysis", "Planning"], ["Nothing known"]])
    assert groups.sum(axis=1).tolist() == [2, 0]
    found = wb_score([3.0, 9], groups, interval=FEW, rng=rng())
    assert found.groups["Math & Data Analysis"].n == found.groups["Planning & Reasoning"].n == 1
    assert found.mean.value == 6  # where a prompt without a group counts, too


@pytest.mark.parametrize(
    ("extent", "length", "k", "kept"),
    [
        (1, 601, 100, 0),
        (1, 600, 100, 1),  # more than K, not K
        (2, 9000, 100, 2),  # much better stays
        (-1, 9000, 100, -1),  # the loser may be longer
        (-1, 1, 100, 0),  # the baseline won slightly and is longer
        (1, 9000, OFF, 1),
    ],
)
def test_a_slight_winner_that_is_much_longer_has_only_tied(extent, length, k, kept):
    outcomes = Outcomes(np.array([float(extent)]), np.array([float(length)]), np.array([500.0]))
    assert outcomes.with_length_rule(k).tolist() == [kept]


def test_three_baselines_are_averaged_and_drawn_together():
    groups = groups_of([["Math"]] * 40)
    extents = [rng(seed).integers(-2, 3, 40).astype(float) for seed in range(3)]
    outcomes = [Outcomes(extent, np.ones(40), np.ones(40)) for extent in extents]
    found = wb_reward(outcomes, groups, interval=FEW, rng=rng())
    assert found.reward.value == pytest.approx(np.mean([extent.mean() / 2 for extent in extents]))
    assert [figure.value for figure in found.by_baseline] == pytest.approx([e.mean() / 2 for e in extents])
    same = wb_reward([outcomes[0]] * 3, groups, interval=FEW, rng=rng())
    assert (same.reward.low, same.reward.high) == pytest.approx(
        (same.by_baseline[0].low, same.by_baseline[0].high)
    )
    assert same.reward.units == 40


def test_what_the_judge_failed_on_is_counted_and_left_out():
    groups = groups_of([["Math"]] * 3)
    found = wb_score([9, np.nan, 9], groups, interval=FEW, rng=rng())
    assert (found.mean.value, found.mean.n, found.n_failed) == (9, 2, 1)
    outcomes = Outcomes(np.array([2, np.nan, 2.0]), np.ones(3), np.ones(3))
    assert wb_reward([outcomes], groups, interval=FEW, rng=rng()).reward.value == 1


# Properties


@settings(max_examples=40)
@given(st.integers(0, 1000), st.integers(1, 30))
def test_order_changes_nothing_and_swapping_sides_changes_the_sign(seed, n):
    chance = rng(seed)
    tags = [chance.choice(["Math", "Planning", "Editing", "Others"], 2).tolist() for _ in range(n)]
    groups = groups_of(tags)
    extent, length, other = (
        chance.integers(-2, 3, n).astype(float),
        chance.integers(1, 900, n),
        chance.integers(1, 900, n),
    )
    found = wb_reward([Outcomes(extent, length, other)], groups, k=100, interval=FEW, rng=rng())
    swapped = wb_reward([Outcomes(-extent, other, length)], groups, k=100, interval=FEW, rng=rng())
    assert swapped.reward.value == pytest.approx(-found.reward.value)
    assert swapped.task_macro.value == pytest.approx(-found.task_macro.value)
    order = chance.permutation(n)
    again = wb_reward(
        [Outcomes(extent[order], length[order], other[order])], groups[order], k=100, interval=FEW, rng=rng()
    )
    assert again.reward.value == pytest.approx(found.reward.value)
    assert again.counts == found.counts
    assert -1 <= found.reward.value <= 1
    assert sum(found.counts[0].values()) == n


def test_nothing_scored_is_undefined_and_one_prompt_has_no_interval():
    groups = groups_of([["Math"]] * 2)
    assert wb_score([np.nan, np.nan], groups, rng=rng()).score == Undefined(Reason.NO_SCORES)
    assert wb_score([], groups_of([]), rng=rng()).task_macro == Undefined(Reason.NO_SCORES)
    one = wb_score([7.0], groups[:1], rng=rng())
    assert (one.score.value, one.score.no_interval) == (4, Reason.ONE_UNIT)
    cut = wb_score([7.0, 5], groups, truncated=[True, True], variant=Variant.OURS, rng=rng())
    assert cut.mean == Undefined(Reason.NO_SCORES)


def test_our_analogue_is_centred_on_the_middle_of_the_scale():
    found = centred_score([1, 5, 5, np.nan, 4], interval=FEW, rng=rng())
    assert (found.value, found.n) == (pytest.approx((3.75 - 3) / 2), 4)
    assert centred_score([1.0] * 9, interval=FEW, rng=rng()).value == -1
    assert centred_score([10.0] * 9, highest=10, interval=FEW, rng=rng()).value == 1
    assert centred_score([], rng=rng()) == Undefined(Reason.NO_SCORES)


def test_what_is_malformed_is_refused():
    with pytest.raises(ValueError, match="five groups"):
        wb_score([1.0], np.ones((1, 3), bool), rng=rng())
    with pytest.raises(ValueError, match="baseline"):
        wb_reward([], np.ones((1, 5), bool), rng=rng())
    with pytest.raises(ValueError, match="five groups"):
        wb_reward([Outcomes(np.ones(2), np.ones(2), np.ones(2))], np.ones((1, 5), bool), rng=rng())
