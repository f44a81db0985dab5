"""Reliability of model means: split halves of the raters."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stats.agreement import PatternHistogram, alpha, estimate, system_reliability
from stats.estimate import Estimate, Reason, Undefined

SEED = 3


def study(prompts=60, models=6, raters=2, apart=0.6, noise=0.7, seed=0) -> dict:
    rng = np.random.default_rng(seed)
    prompt, model = np.divmod(np.arange(prompts * models), models)
    quality = 3 + apart * np.linspace(-1, 1, models)[model] + 0.5 * rng.normal(size=prompt.size)
    value = np.clip(np.round(quality[:, None] + noise * rng.normal(size=(prompt.size, raters))), 1, 5)
    rows = {"item": np.arange(prompt.size), "model": model, "prompt": prompt}
    return {name: np.repeat(of, raters) for name, of in rows.items()} | {"value": value.ravel()}


def reliability(data: dict, seed: int = SEED, **options):
    return system_reliability(**data, rng=np.random.default_rng(seed), **options)


def test_with_two_items_a_model_the_mean_over_splits_is_that_over_all_of_them():
    rng = np.random.default_rng(1)
    model, prompt = np.repeat(np.arange(4), 2), np.tile([0, 1], 4)
    scores = np.array([[1, 3], [2, 2], [3, 4], [2, 5], [4, 5], [3, 3], [5, 1], [4, 2]], float)
    every = []
    for sides in itertools.product([0, 1], repeat=8):
        first = scores[np.arange(8), list(sides)].reshape(4, 2).mean(axis=1)
        second = scores[np.arange(8), 1 - np.array(sides)].reshape(4, 2).mean(axis=1)
        if np.ptp(first) > 0 and np.ptp(second) > 0:
            every.append(np.corrcoef(first, second)[0, 1])
    found = system_reliability(
        item=np.repeat(np.arange(8), 2),
        model=np.repeat(model, 2),
        prompt=np.repeat(prompt, 2),
        value=scores.ravel(),
        splits=20_000,
        rng=rng,
    )
    assert isinstance(found.halves, Estimate)
    assert found.halves.value == pytest.approx(np.mean(every), abs=0.01)


def test_models_are_told_apart_far_more_reliably_than_items():
    data = study(prompts=200, apart=0.4)
    found = reliability(data)
    item_level = estimate(
        PatternHistogram.from_scores(data["value"].reshape(-1, 2), values=[1, 2, 3, 4, 5]), alpha("ordinal")
    )
    assert isinstance(found.halves, Estimate)
    assert isinstance(item_level, Estimate)
    assert item_level.value < 0.5
    assert found.halves.value > 0.95


def test_the_step_up_is_spearman_and_browns_for_twice_the_raters():
    found = reliability(study(prompts=20, apart=0.2))
    halves, stepped_up = found.halves, found.stepped_up
    assert isinstance(halves, Estimate)
    assert isinstance(stepped_up, Estimate)
    for name in ["value", "low", "high"]:
        r = getattr(halves, name)
        assert getattr(stepped_up, name) == pytest.approx(2 * r / (1 + r))
    assert halves.low < halves.value < halves.high < 1
    assert (found.n_models, found.n_prompts, found.n_items, found.splits) == (6, 20, 120, 200)
    assert halves.units == 20


def test_stepped_up_halves_of_four_raters_are_as_reliable_as_a_correlation_of_two_such_groups():
    four = study(prompts=40, apart=0.12, raters=8, noise=1.2)
    one, other = four["value"].reshape(-1, 8)[:, :4], four["value"].reshape(-1, 8)[:, 4:]
    halves = {name: of.reshape(-1, 8)[:, :4].ravel() for name, of in four.items()}
    means = [of.mean(axis=1).reshape(40, 6).mean(axis=0) for of in (one, other)]
    found = reliability(halves).stepped_up
    assert isinstance(found, Estimate)
    assert found.low < np.corrcoef(*means)[0, 1] < found.high


def test_an_item_counts_once_whatever_the_number_of_its_raters():
    """Ten raters of one item of a model do not outweigh two of another."""
    many = np.repeat([5.0], 10)
    data = {
        "item": np.r_[np.zeros(10), [1, 1], [2, 2], [3, 3], [4, 4], [5, 5]].astype(int),
        "model": np.r_[np.zeros(10), [0, 0], [1, 1], [1, 1], [2, 2], [2, 2]].astype(int),
        "prompt": np.r_[np.zeros(10), [1, 1], [0, 0], [1, 1], [0, 0], [1, 1]].astype(int),
        "value": np.r_[many, [1, 1], [4, 4], [4, 4], [2, 2], [2, 2]],
    }
    found = reliability(data).halves
    assert isinstance(found, Estimate)
    assert found.value == pytest.approx(1)  # no rater differs from another


@given(st.randoms())
def test_neither_the_order_of_rows_nor_the_names_matter(random):
    data = study(prompts=5, models=4, raters=2)
    order = random.sample(range(data["item"].size), data["item"].size)
    shuffled = {name: of[order] for name, of in data.items()}
    shuffled["model"] = shuffled["model"] * 1000 - 7
    one, other = reliability(data, splits=300).halves, reliability(shuffled, splits=300).halves
    assert isinstance(one, Estimate)
    assert isinstance(other, Estimate)
    assert one.value == pytest.approx(other.value, abs=0.1)  # by chance of the splits alone


def test_items_scored_once_change_nothing():
    data = study(prompts=20)
    single = {
        "item": 10_000 + np.arange(6),
        "model": np.arange(6),
        "prompt": np.zeros(6, int),
        "value": np.ones(6),
    }
    more = {name: np.r_[of, single[name]] for name, of in data.items()}
    assert reliability(data) == reliability(more)


def test_the_same_seed_gives_the_same_figures():
    assert reliability(study()) == reliability(study())
    assert reliability(study()) != reliability(study(), seed=4)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (study(models=1), Reason.ONE_MODEL),
        (study(models=2), Reason.NOT_ENOUGH),
        (study(raters=1), Reason.SINGLE_RATINGS),
        ({name: of[:0] for name, of in study().items()}, Reason.NO_SCORES),
        (study() | {"value": np.full(720, 4.0)}, Reason.CONSTANT),
    ],
)
def test_what_cannot_be_split_or_correlated_says_why(data, reason):
    for result in [(found := reliability(data)).halves, found.stepped_up]:
        assert isinstance(result, Undefined)
        assert result.reason is reason


def test_one_prompt_has_a_figure_and_no_interval():
    found = reliability(study(prompts=1, models=8)).halves
    assert isinstance(found, Estimate)
    assert found.no_interval is Reason.ONE_UNIT


def test_malformed_rows_are_refused():
    with pytest.raises(ValueError, match="one length"):
        system_reliability(item=[1, 1], model=[1], prompt=[1, 1], value=[1, 2], rng=np.random.default_rng(1))
    with pytest.raises(ValueError, match="two models"):
        system_reliability(
            item=[1, 1], model=[1, 2], prompt=[1, 1], value=[1, 2], rng=np.random.default_rng(1)
        )


def test_an_odd_rater_goes_to_either_half():
    """Or one half would always be the more reliable one."""
    from stats.agreement import systems

    values = np.tile([1.0, 2.0, 4.0], 400)
    by_size = systems._by_size(np.repeat(np.arange(400), 3), np.full(400, 3))
    first, second = systems._halves(by_size, values, 400, np.random.default_rng(0))
    singles = np.isin(first, [1, 2, 4])  # the means of two are 1.5, 2.5 and 3
    assert 150 < singles.sum() < 250
    assert (np.isin(second, [1, 2, 4]) == ~singles).all()
    assert (np.where(singles, first + 2 * second, 2 * first + second) == 7).all()
