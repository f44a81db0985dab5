"""Means with severity taken out."""

import numpy as np
import pytest
import statsmodels.api as sm

from stats.estimate import Reason, Undefined
from stats.raters import Scored, item_means, means_with_and_without, model_means, severity
from tests.stats.test_raters_severity import random_ratings, scored_from


def with_models(seed=0, models=4, prompts=15, raters=6, per_item=2):
    rng = np.random.default_rng(seed)
    item = np.repeat(np.arange(models * prompts), per_item)
    rater = np.array([rng.choice(raters, per_item, replace=False) for _ in range(models * prompts)]).ravel()
    value = rng.normal(0, 1, models * prompts)[item] + rng.normal(0, 0.5, raters)[rater]
    return {
        "item": item,
        "rater": rater,
        "value": value + rng.normal(0, 0.5, item.size),
        "prompt": item // models,
        "model": item % models,
    }


def test_adjusted_items_of_the_vector(vectors):
    vector = vectors["raters/severity-and-loo"]
    scored = scored_from(vector["inputs"]["ratings_item_rater_score"])
    found = item_means(scored, severity(scored))
    expected = vector["expected"]["item_adjusted"]
    assert found.value == pytest.approx(list(expected.values()), abs=vector["tolerance"])
    assert (found.low < found.value).all()
    assert list(found.n) == [2, 2, 2, 2, 2, 2, 3]


def test_plain_means_of_models_are_means_of_item_means():
    data = with_models()
    found = model_means(Scored.of(**data))
    for model, one in enumerate(found):
        rows = data["model"] == model
        assert one.value == pytest.approx(data["value"][rows].mean())
        assert (one.n, one.units) == (15, 15)


def test_errors_of_plain_means_are_those_of_statsmodels():
    """A regression on the model alone, over item means, with errors clustered by prompt."""
    data = with_models()
    scored = Scored.of(**data)
    means = item_means(scored).value
    model, prompt = np.arange(60) % 4, np.arange(60) // 4
    fitted = sm.OLS(means, (model[:, None] == np.arange(4)).astype(float)).fit(
        cov_type="cluster", cov_kwds={"groups": prompt, "use_correction": False}
    )
    t = sm.stats.stattools.stats.t.ppf(0.975, 14)
    for one, error in zip(model_means(scored), fitted.bse, strict=True):
        assert (one.high - one.low) / 2 == pytest.approx(t * error * np.sqrt(15 / 14))


def test_errors_of_adjusted_means_are_about_those_of_leaving_out_prompts():
    """Severities are estimated from the same prompts, and that is part of the error."""
    data = with_models(prompts=40, raters=8)
    # Two raters have most of the first model's items: its mean hangs on how severe these two are.
    rng = np.random.default_rng(9)
    likely = np.where(np.arange(4)[:, None] == 0, [12, 12, 1, 1, 1, 1, 1, 1], np.ones(8))
    data["rater"] = np.array(
        [rng.choice(8, 2, replace=False, p=likely[i % 4] / likely[i % 4].sum()) for i in range(160)]
    ).ravel()
    data["value"] = data["value"] + rng.normal(0, 1, data["value"].size)

    def adjusted(keep):
        scored = Scored.of(**{name: column[keep] for name, column in data.items()}, n_raters=8)
        return [one.value for one in model_means(scored, severity(scored))]

    without = np.array([adjusted(data["prompt"] != prompt) for prompt in range(40)])
    errors = np.sqrt(39 / 40 * ((without - without.mean(axis=0)) ** 2).sum(axis=0))
    scored = Scored.of(**data)
    t = sm.stats.stattools.stats.t.ppf(0.975, 39)
    for one, error in zip(model_means(scored, severity(scored)), errors, strict=True):
        assert (one.high - one.low) / 2 / t == pytest.approx(error, rel=0.05)


def test_severity_that_falls_on_one_model_is_taken_out():
    rng = np.random.default_rng(1)
    # Two models that are equally good; the severe rater has three quarters of the first one's items.
    item = np.repeat(np.arange(400), 2)
    model = item % 2
    severe = (np.arange(400) % 8 < 6) & (np.arange(400) % 2 == 0) | (np.arange(400) % 8 == 1)
    rater = np.column_stack([np.where(severe, 0, 1), np.full(400, 2)]).ravel()
    value = rng.normal(3, 0.5, 400)[item] - 1.0 * (rater == 0) + rng.normal(0, 0.3, item.size)
    scored = Scored.of(item=item, rater=rater, value=value, model=model)
    found = means_with_and_without(scored, [0])
    plain = found.plain[0].value - found.plain[1].value
    adjusted = found.adjusted[0].value - found.adjusted[1].value
    assert plain < -0.2
    assert abs(adjusted) < 0.15
    assert found.left_out == (0,)
    assert abs(found.plain_without[0].value - found.plain_without[1].value) < 0.25


def test_nobody_left_out_changes_nothing():
    found = means_with_and_without(Scored.of(**with_models()), [])
    assert found.plain_without == found.plain
    assert found.adjusted_without == found.adjusted


def test_everybody_left_out_leaves_no_scores():
    found = means_with_and_without(Scored.of(**with_models()), range(6))
    assert found.plain_without == [Undefined(Reason.NO_SCORES, 0)] * 4
    assert found.adjusted_without == [Undefined(Reason.NO_SCORES, 0)] * 4


def test_groups_without_a_common_item_have_no_adjusted_means():
    scored = Scored.of(
        item=[0, 0, 1, 1], rater=[0, 1, 2, 3], value=[1, 2, 4, 5], model=[0, 0, 1, 1], prompt=[0, 0, 0, 0]
    )
    of = severity(scored)
    assert model_means(scored, of) == [Undefined(Reason.NOT_CONNECTED, 1)] * 2
    with pytest.raises(ValueError, match="groups that share no item"):
        item_means(scored, of)
    assert [one.value for one in model_means(scored)] == [1.5, 4.5]


def test_one_prompt_has_means_without_intervals():
    scored = Scored.of(
        item=[0, 0, 1, 1], rater=[0, 1, 0, 1], value=[1, 2, 3, 4], model=[0, 0, 1, 1], prompt=[0] * 4
    )
    for found in (model_means(scored), model_means(scored, severity(scored))):
        assert [one.value for one in found] == [1.5, 3.5]
        assert {one.no_interval for one in found} == {Reason.ONE_UNIT}


def test_scores_of_raters_who_share_nothing_are_left_out_of_adjusted_means():
    data = random_ratings(np.random.default_rng(5))
    new = int(data["item"].max()) + 1
    more = {
        "item": np.append(data["item"], new),
        "rater": np.append(data["rater"], 6),
        "value": np.append(data["value"], 100),
        "prompt": np.append(data["prompt"], 0),
    }
    scored = Scored.of(**more)
    assert np.isnan(item_means(scored, severity(scored)).value[new])
    assert item_means(scored).value[new] == 100


def test_means_of_models_need_models():
    with pytest.raises(ValueError, match="the model of each score"):
        model_means(Scored.of(item=[0], rater=[0], value=[1]))
