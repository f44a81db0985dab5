"""Variance components of pilots: unbiased in sparse designs, the analysis of variance in complete ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2, t

from stats.design import balanced_assignment
from stats.design.components import ANONYMOUS, DEFAULTS, Components, named, variance_components
from stats.estimate import Estimate, Reason, Undefined

TRUTH = Components(prompt=0.25, prompt_model=0.30, rater=0.12, residual=0.45, model=0.10)


def pilot(seed, *, prompts=60, models=6, raters=12, per_item=2, truth=TRUTH):
    """Scores of a scattered design, some of them missing."""
    rng = np.random.default_rng(seed)
    seats = balanced_assignment(
        item_models=np.tile(np.arange(models), prompts), raters_per_item=per_item, n_raters=raters, rng=rng
    )
    item, rater = np.repeat(np.arange(prompts * models), per_item), seats.ravel()
    keep = rng.random(item.size) < 0.9
    item, rater = item[keep], rater[keep]
    prompt, model = item // models, item % models
    value = (
        3
        + rng.normal(0, truth.prompt**0.5, prompts)[prompt]
        + rng.normal(0, truth.model**0.5, models)[model]
        + rng.normal(0, truth.prompt_model**0.5, prompts * models)[item]
        + rng.normal(0, truth.rater**0.5, raters)[rater]
        + rng.normal(0, truth.residual**0.5, item.size)
    )
    return {"prompt": prompt, "model": model, "rater": rater, "value": value}


def values(found) -> dict[str, float]:
    return {name: result.value for name, result in named(found)}


def test_components_of_sparse_pilots_are_right_on_average():
    estimates = [values(variance_components(**pilot(seed))) for seed in range(50)]
    for name in ("prompt", "prompt_model", "rater", "residual", "model"):
        drawn = np.array([found[name] for found in estimates])
        error = drawn.std(ddof=1) / len(drawn) ** 0.5
        assert abs(drawn.mean() - getattr(TRUTH, name)) < 3 * error, name


def test_intervals_cover_the_truth():
    """Those of prompts' components hold for these models and raters; the residual's truth is the same for all."""
    held = dict.fromkeys(("prompt", "prompt_model", "rater", "residual"), 0)
    for seed in range(60):
        found = variance_components(**pilot(seed, raters=25))
        for name in held:
            result = getattr(found, name)
            held[name] += result.low <= getattr(TRUTH, name) <= result.high
    # prompt and prompt x model swing with which six models there are; raters' variance is skewed with 25 of them
    assert held["residual"] >= 52
    assert held["prompt_model"] >= 50
    assert held["prompt"] >= 50
    assert held["rater"] >= 53


def test_a_complete_design_gives_the_analysis_of_variance():
    p, m, k = 15, 4, 3
    rng = np.random.default_rng(5)
    table = rng.normal(size=(p, 1, 1)) + rng.normal(size=(1, m, 1)) + rng.normal(size=(p, m, 1))
    table = table + rng.normal(size=(p, m, k))
    prompt, model, _ = (index.ravel() for index in np.indices(table.shape))
    found = variance_components(
        prompt=prompt, model=model, rater=np.full(table.size, ANONYMOUS), value=table.ravel()
    )
    grand, cell = table.mean(), table.mean(axis=2)
    by_prompt, by_model = table.mean(axis=(1, 2)), table.mean(axis=(0, 2))
    ms_p = m * k * ((by_prompt - grand) ** 2).sum() / (p - 1)
    ms_m = p * k * ((by_model - grand) ** 2).sum() / (m - 1)
    inter = cell - by_prompt[:, None] - by_model + grand
    ms_pm = k * (inter**2).sum() / ((p - 1) * (m - 1))
    ms_e = ((table - cell[:, :, None]) ** 2).sum() / (p * m * (k - 1))
    assert found.residual.value == pytest.approx(ms_e)
    assert found.prompt_model.value == pytest.approx((ms_pm - ms_e) / k)
    assert found.prompt.value == pytest.approx((ms_p - ms_pm) / (m * k))
    assert found.model.value == pytest.approx((ms_m - ms_pm) / (p * k))
    assert found.rater == Undefined(Reason.ANONYMOUS, table.size)
    assert found.n_raters is None
    assert found.components().rater == 0  # it is in the residual, and must not be counted twice


def test_components_are_means_over_pairs_of_scores():
    """By the definition, pair after pair."""
    data = pilot(3, prompts=7, models=3, raters=5)
    p, m, r, y = (data[name] for name in ("prompt", "model", "rater", "value"))
    i, j = np.triu_indices(y.size, 1)
    half = (y[i] - y[j]) ** 2 / 2
    same = np.stack([p[i] == p[j], m[i] == m[j], r[i] == r[j]], axis=1)

    def g(*pattern):
        return half[(same == pattern).all(axis=1)].mean()

    total, rater = g(False, False, False), g(False, False, False) - g(False, False, True)
    found = values(variance_components(**data))
    assert found["total"] == pytest.approx(total)
    assert found["rater"] == pytest.approx(rater)
    assert found["prompt"] == pytest.approx(total - g(True, False, False))
    assert found["model"] == pytest.approx(total - g(False, True, False))
    assert found["residual"] == pytest.approx(g(True, True, False) - rater)


def test_the_jackknife_leaves_out_one_prompt_or_rater_after_the_other():
    data = pilot(4, prompts=12, models=3, raters=6)
    found = variance_components(**data)
    for name, over in (("prompt", "prompt"), ("residual", "prompt"), ("rater", "rater")):
        units = np.unique(data[over])
        without = np.array(
            [
                values(variance_components(**{key: of[data[over] != unit] for key, of in data.items()}))[name]
                for unit in units
            ]
        )
        error = np.sqrt((units.size - 1) / units.size * ((without - without.mean()) ** 2).sum())
        result = getattr(found, name)
        high = result.value + t.ppf(0.975, units.size - 1) * error
        if name == "rater":
            df = 2 * (result.value / error) ** 2
            high = max(high, df * result.value / chi2.ppf(0.025, df))
        assert result.high == pytest.approx(high)
        assert result.units == units.size
    assert found.rater.method == "rater_jackknife"


def test_turns_of_a_conversation_are_left_out_together():
    data = pilot(6, prompts=20, models=3, raters=6)
    one, two = (variance_components(**data, cluster=cluster) for cluster in (None, data["prompt"] // 2))
    assert values(one) == values(two)
    assert (one.prompt.units, two.prompt.units, two.rater.units) == (20, 10, 6)
    assert one.residual.low != two.residual.low


@settings(max_examples=40)
@given(st.integers(0, 999), st.floats(0.1, 10), st.floats(-5, 5))
def test_units_and_names_of_things_do_not_matter(seed, scale, shift):
    data = pilot(seed, prompts=8, models=3, raters=5)
    found = values(variance_components(**data))
    order = np.random.default_rng(seed).permutation(data["value"].size)
    again = variance_components(
        prompt=100 - data["prompt"][order],
        model=data["model"][order] * 7,
        rater=data["rater"][order] + 3,
        value=shift + scale * data["value"][order],
    )
    for name, value in values(again).items():
        assert value == pytest.approx(scale**2 * found[name], abs=1e-8 * scale**2)
    assert sum(found[name] for name in found if name != "total") == pytest.approx(found["total"])


def test_scores_that_never_vary_have_no_components_and_no_intervals():
    data = pilot(1)
    found = variance_components(**{**data, "value": np.full(data["value"].size, 4.0)})
    for _, result in named(found):
        assert result.value == pytest.approx(0)
        assert result.no_interval == Reason.NO_SPREAD


def test_estimates_below_0_are_shown_and_planned_with_as_0():
    data = pilot(2, truth=Components(0, 0, 0, 1.0, 0), prompts=10, models=3)
    found = variance_components(**data)
    assert min(values(found).values()) < 0
    planned = found.components()
    assert min(planned.prompt, planned.prompt_model, planned.rater, planned.model) >= 0


@pytest.mark.parametrize(
    ("leave", "reason"),
    [
        ({"prompt": 0}, Reason.ONE_PROMPT),
        ({"model": 0}, Reason.ONE_MODEL),
    ],
)
def test_one_prompt_or_one_model_tells_no_components(leave, reason):
    data = pilot(1)
    [(name, kept)] = leave.items()
    rows = data[name] == kept
    found = variance_components(**{key: of[rows] for key, of in data.items()})
    assert found.prompt_model == Undefined(reason, rows.sum())
    assert found.components() == DEFAULTS


def test_one_rating_per_item_leaves_the_residual_to_the_defaults():
    data = pilot(1, per_item=1)
    found = variance_components(**data)
    assert found.residual.reason == found.prompt_model.reason == Reason.SINGLE_RATINGS
    assert isinstance(found.prompt, Estimate)
    assert found.components().residual == DEFAULTS.residual


def test_one_rater_nothing_and_repeats():
    data = pilot(1)
    rows = data["rater"] == 0
    one = variance_components(**{key: of[rows] for key, of in data.items()})
    assert one.rater == Undefined(Reason.NOT_ENOUGH, rows.sum())
    nothing = np.array([])
    none = variance_components(prompt=nothing, model=nothing, rater=nothing, value=nothing)
    assert {result for _, result in named(none)} == {Undefined(Reason.NO_SCORES)}
    with pytest.raises(ValueError, match="twice"):
        variance_components(prompt=[1, 1, 2], model=[1, 1, 2], rater=[5, 5, 5], value=[1, 2, 3])
    with pytest.raises(ValueError, match="a prompt, a model and a rater"):
        variance_components(prompt=[1], model=[1, 2], rater=[1, 2], value=[1, 2])
    with pytest.raises(ValueError, match="0 or more"):
        Components(-1, 0, 0, 0)
