"""Stratified subsets: the right numbers, at random, the same again from a seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stats.design.subsets import allocate, stratified_subset


def rng(seed=1):
    return np.random.default_rng(seed)


def test_a_proportional_subset_has_the_shares_of_the_whole():
    source = np.repeat(["elyza", "rakuda", "vicuna"], [100, 40, 60])
    found = stratified_subset(source, 50, rng=rng())
    names, counts = np.unique(source[found], return_counts=True)
    assert dict(zip(names, counts, strict=True)) == {"elyza": 25, "rakuda": 10, "vicuna": 15}
    assert (np.diff(found) > 0).all()


def test_an_equal_subset_gives_what_a_small_stratum_lacks_to_the_others():
    assert allocate([3, 50, 50], 43, allocation="equal", rng=rng()).tolist() == [3, 20, 20]
    found = stratified_subset(np.repeat([7, 8, 9], [3, 50, 50]), 43, allocation="equal", rng=rng())
    assert np.bincount(np.repeat([7, 8, 9], [3, 50, 50])[found])[7:].tolist() == [3, 20, 20]


def test_largest_remainders_get_the_places_left():
    assert allocate([47, 16, 37], 10, rng=rng()).tolist() == [5, 1, 4]  # 4.7, 1.6, 3.7
    tied = {tuple(allocate([1, 1, 1], 1, rng=rng(seed))) for seed in range(30)}
    assert tied == {(1, 0, 0), (0, 1, 0), (0, 0, 1)}


def test_several_columns_are_strata_together():
    strata = np.array([[s, t] for s in ("a", "b") for t in ("x", "y", "z") for _ in range(10)])
    found = stratified_subset(strata, 12, rng=rng())
    _, counts = np.unique(strata[found], axis=0, return_counts=True)
    assert counts.tolist() == [2] * 6


def test_a_seed_gives_the_same_subset_and_each_thing_has_the_same_chance():
    strata = np.repeat([0, 1], [10, 20])
    assert np.array_equal(stratified_subset(strata, 9, rng=rng(3)), stratified_subset(strata, 9, rng=rng(3)))
    times = np.zeros(30)
    chance = rng()
    for _ in range(3000):
        times[stratified_subset(strata, 9, rng=chance)] += 1
    assert times / 3000 == pytest.approx(np.full(30, 0.3), abs=0.04)


@settings(max_examples=80)
@given(
    st.lists(st.integers(0, 12), max_size=8),
    st.integers(0, 60),
    st.sampled_from(["proportional", "equal"]),
    st.integers(0, 99),
)
def test_places_add_up_and_no_stratum_gives_more_than_it_has(counts, size, allocation, seed):
    found = allocate(counts, size, allocation=allocation, rng=rng(seed))
    assert found.sum() == min(size, sum(counts))
    assert (found >= 0).all()
    assert (found <= counts).all()
    if allocation == "proportional" and sum(counts) >= size > 0:
        assert np.abs(found - np.array(counts) * size / sum(counts)).max() < 1
    if allocation == "equal" and len(counts):
        roomy = found < np.array(counts)
        assert not roomy.any() or np.ptp(found[roomy]) <= 1
    strata = np.repeat(np.arange(len(counts)), counts)
    chosen = stratified_subset(strata, size, allocation=allocation, rng=rng(seed))
    assert len(set(chosen.tolist())) == found.sum() == chosen.size


def test_malformed_input_is_refused():
    with pytest.raises(ValueError, match="0 things"):
        stratified_subset([1, 2], -1, rng=rng())
    with pytest.raises(ValueError, match="columns"):
        stratified_subset(np.zeros((2, 2, 2)), 1, rng=rng())
