"""The planner: the tables it comes from, what it takes, and a simulated study that keeps its word."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t

from stats.design import balanced_assignment
from stats.design.components import Components
from stats.design.planner import FIGURES, Agreement, Plan, buys_most, changes, normal_sigma
from stats.estimate import Estimate, Reason, Undefined

BARE = Components(prompt=0.25, prompt_model=0.30, rater=0.0, residual=0.45)


# The tables


@pytest.mark.parametrize(
    ("prompts", "widths"),
    [(484, [0.109, 0.091, 0.085, 0.079]), (100, [0.240, 0.201, 0.186, 0.173])],
)
def test_differences_of_models_are_as_wide_as_the_formula_says(prompts, widths):
    for k, expected in zip([1, 2, 3, 5], widths, strict=True):
        plan = Plan(prompts, 10, k, 53, components=BARE)
        assert plan.half_width("difference") == pytest.approx(expected, abs=0.0005)


@pytest.mark.parametrize(
    ("alpha", "k", "widths"),
    [
        (0.45, 2, [0.23, 0.16, 0.10, 0.07, 0.05, 0.023]),
        (0.45, 3, [0.17, 0.12, 0.08, 0.06, 0.04, 0.017]),
        (0.45, 5, [0.14, 0.10, 0.06, 0.04, 0.03, 0.014]),
        (0.62, 2, [0.18, 0.13, 0.08, 0.06, 0.04, 0.018]),
        (0.80, 2, [0.11, 0.08, 0.05, 0.035, 0.024, 0.011]),
    ],
)
def test_alpha_is_as_wide_as_in_the_table(alpha, k, widths):
    for items, expected in zip([50, 100, 250, 484, 1000, 4840], widths, strict=True):
        plan = Plan(items, 1, k, 9, agreement=Agreement(alpha))
        coarse = 0.0005 if expected in (0.023, 0.017, 0.014, 0.018, 0.011, 0.035, 0.024) else 0.006
        assert plan.half_width("alpha") == pytest.approx(expected, abs=coarse)


@pytest.mark.parametrize(("k", "items"), [(2, 256), (3, 145), (5, 94)])
def test_items_for_a_tenth_of_alpha_are_those_of_the_table(k, items):
    assert Plan(1, 1, k, 9).prompts_for(0.1, "alpha") == pytest.approx(items, rel=0.02)


def test_a_pilot_of_50_items_and_3_raters_gives_alpha_to_seventeen_hundredths():
    assert Plan(50, 1, 3, 9).half_width("alpha") == pytest.approx(0.17, abs=0.003)


def test_half_as_many_ratings_again_buy_more_as_prompts_than_as_raters():
    plan = Plan(484, 10, 2, 53, components=BARE)
    bought = {change.name: change for change in changes(plan)}
    assert bought["more_prompts"].narrower["difference"] == pytest.approx(0.18, abs=0.005)
    assert bought["more_raters_per_item"].narrower["difference"] == pytest.approx(0.07, abs=0.006)
    assert bought["more_prompts"].ratings == bought["more_raters_per_item"].ratings == 4840
    assert buys_most(plan, "difference").name == "more_prompts"
    assert buys_most(plan, "alpha").name == "more_raters_per_item"


def test_severity_left_to_chance_widens_contrasts_as_it_did_in_simulations():
    """SD of contrasts there: random .0219, greedy and side by side .0200 and .0195; of the variance, a fifth."""
    with_raters = Components(0.25, 0.30, 0.12, 0.45)
    variance = {
        how: Plan(484, 10, 2, 53, components=with_raters, assignment=how).variance_of_difference()
        for how in ("scattered", "random", "side_by_side")
    }
    assert variance["side_by_side"] < variance["scattered"] < 1.005 * variance["side_by_side"]
    assert variance["random"] / variance["scattered"] == pytest.approx(1.115, abs=0.01)


# A study keeps its word


def test_means_and_differences_vary_as_planned():
    c = Components(0.25, 0.30, 0.12, 0.45)
    plan = Plan(40, 3, 2, 10, components=c)
    rng = np.random.default_rng(1)
    seats = balanced_assignment(
        item_models=np.tile(np.arange(3), 40), raters_per_item=2, n_raters=10, rng=rng
    ).reshape(40, 3, 2)
    means = []
    for _ in range(3000):
        score = (
            rng.normal(0, c.prompt**0.5, (40, 1, 1))
            + rng.normal(0, c.prompt_model**0.5, (40, 3, 1))
            + rng.normal(0, c.rater**0.5, 10)[seats]
            + rng.normal(0, c.residual**0.5, (40, 3, 2))
        )
        means.append(score.mean(axis=(0, 2)))
    means = np.array(means)
    assert means[:, 0].var() == pytest.approx(plan.variance_of_mean(other_raters=True), rel=0.08)
    assert (means[:, 0] - means[:, 1]).var() == pytest.approx(plan.variance_of_difference(), rel=0.08)


def test_the_sigma_of_normal_scores_is_that_of_simulated_ones():
    rng = np.random.default_rng(2)
    rho, k, items = 0.5, 3, 300
    truth = rng.normal(0, rho**0.5, (800, items, 1))
    scores = truth + rng.normal(0, (1 - rho) ** 0.5, (800, items, k))
    between = k * scores.mean(axis=2).var(axis=1, ddof=1)
    within = scores.var(axis=2, ddof=1).mean(axis=1)
    icc = (between - within) / (between + (k - 1) * within)
    assert icc.std() * items**0.5 == pytest.approx(normal_sigma(rho, k), rel=0.08)


def test_a_pilots_sigma_is_carried_over_to_other_numbers_of_raters():
    pilot = Agreement(0.45, sigma=0.9, raters_per_item=2)
    assert pilot.sigma_k(2) == pytest.approx(0.9)
    assert pilot.sigma_k(3) / pilot.sigma_k(2) == pytest.approx(0.61 / 0.82, abs=0.02)


def test_a_pilots_alpha_brings_its_own_sigma():
    found = Estimate(0.5, 0.4, 0.6, 0.95, "cluster_jackknife", n=200, units=40)
    agreement = Agreement.of_pilot(found, 2)
    error = 0.1 / t.ppf(0.975, 39)
    assert agreement.sigma_k(2) == pytest.approx(error * 200**0.5)
    assert Agreement.of_pilot(Undefined(Reason.NO_VARIATION), 2) is None
    bare = Estimate(0.5, None, None, 0.95, "none", n=2, units=1)
    assert Agreement.of_pilot(bare, None) == Agreement(0.5)
    assert Agreement(-3.0).sigma_k(2) == pytest.approx(normal_sigma(0, 2) * 1.02)
    assert Agreement(1.0, sigma=0.0).sigma_k(3) == 0


# Properties


plans = st.builds(
    Plan,
    prompts=st.integers(1, 2000),
    models=st.integers(2, 20),
    raters_per_item=st.integers(2, 5),
    raters=st.integers(6, 60),
    components=st.builds(
        Components,
        prompt=st.floats(0, 1),
        prompt_model=st.floats(0, 1),
        rater=st.floats(0, 1),
        residual=st.floats(0.01, 1),
    ),
    assignment=st.sampled_from(["scattered", "side_by_side", "random"]),
)


@settings(max_examples=80)
@given(plans, st.floats(0.02, 0.5), st.sampled_from(FIGURES))
def test_what_it_takes_is_enough_and_one_less_is_not(plan, wanted, figure):
    from dataclasses import replace

    for found, change in (
        (plan.prompts_for(wanted, figure), "prompts"),
        (plan.raters_per_item_for(wanted, figure), "raters_per_item"),
    ):
        if isinstance(found, Undefined):
            assert found.reason == Reason.NOT_ENOUGH
            continue
        assert replace(plan, **{change: found}).half_width(figure) <= wanted * 1.000001
        if found > 1:
            less = replace(plan, **{change: found - 1}).half_width(figure)
            assert isinstance(less, Undefined) or less > wanted


@settings(max_examples=80)
@given(plans)
def test_more_of_anything_never_hurts(plan):
    for change in changes(plan):
        for figure in FIGURES:
            # Of more raters for as many ratings, fewer rate both models: only a scale for other raters gains
            if change.name != "more_raters" or figure == "mean_other_raters":
                assert change.narrower[figure] >= -1e-9
    assert plan.half_width("mean_other_raters") >= plan.half_width("mean")
    assert plan.ratings == plan.items * plan.raters_per_item


# What cannot be


def test_figures_that_a_plan_does_not_give_say_why():
    assert Plan(10, 5, 1, 3).half_width("alpha") == Undefined(Reason.SINGLE_RATINGS, 50)
    assert Plan(10, 1, 2, 3).half_width("difference") == Undefined(Reason.ONE_MODEL, 10)
    assert Plan(10, 1, 2, 3).prompts_for(0.1, "difference") == Undefined(Reason.ONE_MODEL, 10)
    assert Plan(10, 1, 2, 3).raters_per_item_for(0.1, "difference") == Undefined(Reason.ONE_MODEL, 10)
    assert Plan(10, 5, 1, 3).raters_per_item_for(0.4, "alpha") == 2
    few = Plan(100, 5, 2, 3, components=Components(0, 0, 1, 0.1))
    assert few.prompts_for(0.1, "mean_other_raters") == Undefined(Reason.NOT_ENOUGH, 500)


def test_plans_that_make_no_sense_are_refused():
    for bad, words in [
        ({"prompts": 0}, "at least"),
        ({"raters_per_item": 4, "raters": 3}, "cannot come from 3"),
        ({"level": 1.0}, "between 0 and 1"),
    ]:
        with pytest.raises(ValueError, match=words):
            Plan(**{"prompts": 5, "models": 2, "raters_per_item": 2, "raters": 3, **bad})
    with pytest.raises(ValueError, match="more than 0"):
        Plan(5, 2, 2, 3).prompts_for(0, "mean")
    with pytest.raises(ValueError, match="1 at most"):
        Agreement(2.0)
