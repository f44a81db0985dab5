"""Assignments: balanced, connected, and never what was forbidden."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stats.design import NOBODY, balanced_assignment, health, side_by_side_assignment

LLM_JP = {"models": np.tile(np.arange(10), 484), "prompts": np.repeat(np.arange(484), 10)}


def assert_different_raters(seats: np.ndarray) -> None:
    ordered = np.sort(seats, axis=1)
    assert (ordered[:, 1:] != ordered[:, :-1]).all()


def test_the_study_of_llm_jp_is_balanced_in_every_way_within_a_second():
    start = time.process_time()
    seats = balanced_assignment(
        item_models=LLM_JP["models"], raters_per_item=2, n_raters=53, rng=np.random.default_rng(1)
    )
    took = time.process_time() - start
    assert_different_raters(seats)
    found = health(seats=seats, item_models=LLM_JP["models"], n_raters=53)
    assert found.load == (182, 183)
    assert found.rater_model[0] >= 17
    assert found.rater_model[1] <= 20
    assert found.empty_pairs == 0
    assert found.shared[1] <= 5
    assert found.connected
    assert found.connectivity is not None
    assert found.connectivity > 0.97
    assert took < 1


def test_a_large_study_is_balanced_in_every_way():
    """A fifth of 100,000 items x 3; `bench/design.py` does all of it."""
    models = np.arange(20_000) % 10
    seats = balanced_assignment(
        item_models=models, raters_per_item=3, n_raters=200, rng=np.random.default_rng(1)
    )
    assert_different_raters(seats)
    found = health(seats=seats, item_models=models, n_raters=200)
    assert found.load == (300, 300)
    assert found.rater_model[0] >= 28
    assert found.rater_model[1] <= 32
    assert found.empty_pairs == 0
    assert found.connected


def test_a_seed_gives_the_same_assignment_again():
    one, two, other = (
        balanced_assignment(
            item_models=np.arange(60) % 3, raters_per_item=2, n_raters=7, rng=np.random.default_rng(seed)
        )
        for seed in [1, 1, 2]
    )
    np.testing.assert_array_equal(one, two)
    assert (one != other).any()


@st.composite
def designs(draw):
    raters = draw(st.integers(1, 9))
    per_item = draw(st.integers(1, raters))
    models = draw(st.lists(st.integers(0, 3), min_size=1, max_size=40))
    return models, per_item, raters, draw(st.integers(0, 1000))


@given(designs())
def test_loads_differ_by_one_at_most_when_nothing_is_forbidden(design):
    models, per_item, raters, seed = design
    seats = balanced_assignment(
        item_models=models, raters_per_item=per_item, n_raters=raters, rng=np.random.default_rng(seed)
    )
    assert seats.shape == (len(models), per_item)
    assert_different_raters(seats)
    load = np.bincount(seats.ravel(), minlength=raters)
    assert load.max() - load.min() <= 1


@settings(max_examples=60)
@given(designs(), st.data())
def test_nothing_forbidden_is_given_and_loads_are_as_even_as_they_can_be(design, data):
    models, per_item, raters, seed = design
    pairs = data.draw(
        st.lists(st.tuples(st.integers(0, len(models) - 1), st.integers(0, raters - 1)), max_size=60)
    )
    options = {
        "item_models": models,
        "raters_per_item": per_item,
        "n_raters": raters,
        "rng": np.random.default_rng(seed),
        "forbidden": pairs,
    }
    barred = np.zeros((len(models), raters), bool)
    for item, rater in pairs:
        barred[item, rater] = True
    if (raters - barred.sum(axis=1) < per_item).any():
        with pytest.raises(ValueError, match="short of raters"):
            balanced_assignment(**options)
        return
    seats = balanced_assignment(**options)
    assert_different_raters(seats)
    assert not barred[np.arange(len(models))[:, None], seats].any()
    load = np.bincount(seats.ravel(), minlength=raters)
    assert load.max() == least_possible_maximum(barred, per_item)


def least_possible_maximum(barred: np.ndarray, per_item: int) -> int:
    """By maximum flow: the smallest load that, as a limit for all, still fills every seat."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_flow

    items, raters = barred.shape
    for limit in range(items * per_item + 1):
        capacity = np.zeros((items + raters + 2, items + raters + 2), np.int32)
        capacity[0, 1 : items + 1] = per_item
        capacity[1 : items + 1, items + 1 : -1] = ~barred
        capacity[items + 1 : -1, -1] = limit
        flow = maximum_flow(csr_array(capacity), 0, items + raters + 1).flow_value
        if flow == items * per_item:
            return limit
    raise AssertionError("no limit fills the seats")


def test_a_rater_who_may_rate_little_gets_all_that_there_is_for_them():
    forbidden = [(item, 0) for item in range(90)]
    seats = balanced_assignment(
        item_models=np.zeros(100, int),
        raters_per_item=2,
        n_raters=5,
        rng=np.random.default_rng(0),
        forbidden=forbidden,
    )
    assert list(np.sort(np.bincount(seats.ravel(), minlength=5))) == [10, 47, 47, 48, 48]


def test_seats_that_are_taken_stay_and_count():
    already = [(item, 0) for item in range(30)]
    seats = balanced_assignment(
        item_models=np.arange(60) % 4,
        raters_per_item=2,
        n_raters=6,
        rng=np.random.default_rng(0),
        already=already,
    )
    assert_different_raters(seats)
    assert (seats[:30, 0] == 0).all()
    assert list(np.bincount(seats.ravel(), minlength=6)) == [30, 18, 18, 18, 18, 18]


def test_what_cannot_be_is_refused_with_the_reason():
    rng = np.random.default_rng(0)
    for options, words in [
        ({"raters_per_item": 3, "n_raters": 2}, "item 0 needs 3 raters and 2 of 2 may rate it; 4 of 4 items"),
        ({"raters_per_item": 2, "n_raters": 2, "forbidden": [(2, 1)]}, "item 2 needs 2 raters and 1 of 2"),
        ({"raters_per_item": 1, "n_raters": 3, "already": [(1, 0), (1, 2)]}, "item 1 has more than 1 raters"),
        ({"raters_per_item": 0, "n_raters": 2}, "at least one rater"),
        ({"raters_per_item": 1, "n_raters": 2, "forbidden": [(9, 0)]}, "that there is not"),
    ]:
        with pytest.raises(ValueError, match=words):
            balanced_assignment(item_models=[0, 1, 0, 1], rng=rng, **options)


def test_no_items_need_no_raters():
    seats = balanced_assignment(item_models=[], raters_per_item=2, n_raters=0, rng=np.random.default_rng(0))
    assert seats.shape == (0, 2)


def test_side_by_side_gives_all_responses_to_a_prompt_to_the_same_raters():
    seats = side_by_side_assignment(
        item_prompts=LLM_JP["prompts"],
        item_models=LLM_JP["models"],
        raters_per_item=2,
        n_raters=53,
        rng=np.random.default_rng(1),
    )
    assert_different_raters(seats)
    per_prompt = seats.reshape(484, 10, 2)
    assert (per_prompt == per_prompt[:, :1]).all()
    found = health(seats=seats, item_models=LLM_JP["models"], n_raters=53)
    assert found.load == (180, 190)  # 484 * 2 prompts over 53 raters: 18 or 19 each
    assert found.rater_model == (18, 19)
    assert found.connected


def test_side_by_side_evens_out_prompts_of_different_size_and_keeps_prohibitions():
    rng = np.random.default_rng(2)
    prompts = np.repeat(np.arange(60), rng.integers(1, 9, 60)) * 7
    forbidden = [(int(np.flatnonzero(prompts == 7 * p)[-1]), p % 6) for p in range(60)]
    seats = side_by_side_assignment(
        item_prompts=prompts,
        item_models=rng.integers(0, 4, len(prompts)),
        raters_per_item=2,
        n_raters=6,
        rng=rng,
        forbidden=forbidden,
    )
    load = np.bincount(seats.ravel(), minlength=6)
    assert load.max() - load.min() <= 8
    assert all(p % 6 not in seats[prompts == 7 * p] for p in range(60))


def test_fixed_pairs_are_found_out_as_groups_that_cannot_be_compared():
    seats = np.repeat([[0, 1], [2, 3], [4, 5]], 20, axis=0)
    found = health(seats=seats, item_models=np.arange(60) % 5, n_raters=6)
    assert found.components == 3
    assert not found.connected
    assert found.connectivity == pytest.approx(0, abs=1e-9)
    assert (found.n_pairs, found.empty_pairs, found.shared) == (15, 12, (0, 20))


def test_raters_linked_with_everybody_are_as_connected_as_can_be():
    seats = np.array([(a, b) for a in range(6) for b in range(a + 1, 6)])
    found = health(seats=seats, item_models=np.zeros(15, int), n_raters=8)
    assert found.n_raters == 6  # two of the eight have nothing yet
    assert found.connectivity == pytest.approx(6 / 5)
    assert found.empty_pairs == 0


def test_a_rater_who_shares_nothing_is_a_group_of_their_own():
    seats = [[0, 1], [0, 1], [2, NOBODY]]
    found = health(seats=seats, item_models=[0, 1, 0], n_raters=3)
    assert (found.components, found.connectivity, found.load) == (2, 0, (1, 2))
    assert health(seats=np.full((2, 2), NOBODY), item_models=[0, 0], n_raters=3).n_raters == 0


def test_a_large_design_takes_a_sparse_solver_to_the_same_eigenvalue(monkeypatch):
    from stats.design import soundness

    rng = np.random.default_rng(0)
    seats = np.array([rng.choice(60, 3, replace=False) for _ in range(1000)])
    exact = health(seats=seats, item_models=np.zeros(1000, int), n_raters=60).connectivity
    monkeypatch.setattr(soundness, "_DENSE", 10)
    assert health(seats=seats, item_models=np.zeros(1000, int), n_raters=60).connectivity == pytest.approx(
        exact, abs=1e-8
    )
