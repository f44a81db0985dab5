"""Length, style and family: against the reference figures, statsmodels and what was planted."""

from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from stats.agreement import Interval
from stats.estimate import Estimate, Reason, Undefined
from stats.judges.bias import length_bias
from stats.judges.family import own_family
from stats.judges.grid import Grid, Ratings
from stats.judges.length_control import length_controlled_win_rate, logistic
from stats.judges.others import mean_of_others
from stats.judges.regression import StandardError, least_squares, partial_correlation
from stats.judges.style import style

FEW_DRAWS = Interval(replicates=300, fewest=2)


def rng():
    return np.random.default_rng(1)


def study(seed=0, prompts=80, models=6, raters=3, liking=0.0, people_like=0.0, missing=0.0):
    """Scores that owe `liking` (the judge) and `people_like` points to a doubling of length."""
    chance = np.random.default_rng(seed)
    quality = chance.normal(3, 1, (prompts, models))
    length = np.exp(6 + chance.normal(0, 0.7, (prompts, models)) + 0.3 * chance.normal(size=(prompts, 1)))
    doublings = np.log2(length)
    given = (
        quality[..., None]
        + people_like * doublings[..., None]
        + chance.normal(0, 0.5, (prompts, models, raters))
    )
    judge = (
        quality
        + liking * doublings
        + chance.normal(0, 0.5, (prompts, models))
        + chance.normal(size=(prompts, 1))
    )
    judge[chance.random(judge.shape) < missing] = np.nan
    row, model, rater = np.indices(given.shape).reshape(3, -1)
    grid = Grid.of(given.mean(axis=2), judge)
    return replace(grid, ratings=Ratings(row, model, rater, given.ravel()), length=length)


# Least squares


def test_the_published_length_regression(vectors):
    entry = vectors["judge/bias-error-length"]
    human, judge, length = (np.array(entry["inputs"][name]) for name in ("human", "judge", "length"))
    fit = least_squares(judge, {"human": human, "ln_length": np.log(length)})
    wanted = entry["expected"]
    for i, name in enumerate(["intercept", "human", "ln_length"]):
        found = fit.coefficients[name]
        assert found.value == pytest.approx(wanted["length_beta"][i], abs=1e-9)
        half = 2.0796138447276844 * wanted["length_se"][i]  # t, 21 degrees of freedom
        assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half), abs=1e-8)
        assert fit.p[name] == pytest.approx(wanted["length_p"][i], abs=1e-9)
        assert (found.method, found.n) == (StandardError.CLASSICAL, 24)
    grid = replace(Grid.of(human.reshape(6, 4), judge.reshape(6, 4)), length=length.reshape(6, 4))
    bias = length_bias(grid, prompt_effects=False, interval=FEW_DRAWS, rng=rng()).judge
    assert bias.per_doubling.value == pytest.approx(wanted["length_beta"][2] * np.log(2))
    assert bias.coefficients["human"].value == pytest.approx(wanted["length_beta"][1])


def test_statsmodels_has_the_same_clustered_errors():
    chance = np.random.default_rng(3)
    x, y = chance.normal(size=(200, 2)), chance.normal(size=200)
    cluster = chance.integers(20, size=200)
    y += x[:, 0] + chance.normal(size=20)[cluster]
    wanted = sm.OLS(y, sm.add_constant(x)).fit(cov_type="cluster", cov_kwds={"groups": cluster}, use_t=True)
    fit = least_squares(y, {"a": x[:, 0], "b": x[:, 1]}, cluster=cluster)
    assert [each.value for each in fit.coefficients.values()] == pytest.approx(wanted.params)
    assert np.array([(e.low, e.high) for e in fit.coefficients.values()]) == pytest.approx(wanted.conf_int())
    assert list(fit.p.values()) == pytest.approx(wanted.pvalues)
    assert {(each.method, each.units) for each in fit.coefficients.values()} == {
        (StandardError.CLUSTERED, 20)
    }


def test_effects_are_dummies():
    chance = np.random.default_rng(4)
    group = np.append(np.repeat(np.arange(30), 4), 99)  # a group of one row says nothing
    x, y = chance.normal(size=121), chance.normal(size=121)
    y += 0.5 * x + chance.normal(size=100)[group]
    dummies = (group[:120, None] == np.arange(30)).astype(float)
    wanted = sm.OLS(y[:120], np.column_stack([x[:120], dummies])).fit()
    found = least_squares(y, {"x": x}, effects=group, cluster=group).coefficients["x"]
    assert found.value == pytest.approx(wanted.params[0])
    assert (found.n, found.units) == (120, 30)


@pytest.mark.parametrize(
    ("y", "columns", "reason"),
    [
        (np.arange(5.0), {"x": np.ones(5)}, Reason.CONSTANT),
        (np.arange(5.0), {"x": np.arange(5.0), "twice": 2 * np.arange(5.0)}, Reason.CONSTANT),
        (np.arange(2.0), {"x": np.arange(2.0)}, Reason.NOT_ENOUGH),
        (np.empty(0), {"x": np.empty(0)}, Reason.NOT_ENOUGH),
    ],
)
def test_a_regression_that_cannot_be_done_says_why(y, columns, reason):
    fit = least_squares(y, columns)
    assert set(fit.coefficients.values()) == {Undefined(reason, len(y))}
    assert set(fit.p.values()) == {None}


def test_one_cluster_has_no_error():
    found = least_squares(np.array([1.0, 3, 2]), {"x": np.arange(3.0)}, cluster=np.zeros(3)).coefficients["x"]
    assert (found.value, found.low, found.no_interval) == (pytest.approx(0.5), None, Reason.ONE_UNIT)


def test_a_partial_correlation_is_that_of_residuals():
    chance = np.random.default_rng(5)
    x, y, z = chance.normal(size=(3, 60))
    x, y = x + z, y + 2 * z
    row = np.repeat(np.arange(20), 3)
    weights = chance.integers(0, 3, size=(4, 20)).astype(float)
    pooled = partial_correlation(x, y, [z], row=row, rows=20, effects=False)(weights)
    within = partial_correlation(x, y, [z], row=row, rows=20, effects=True)(weights)
    dummies = (row[:, None] == np.arange(20)).astype(float)
    for of, effects in [(pooled, np.ones((60, 1))), (within, dummies)]:
        for w, got in zip(weights, of, strict=True):
            drawn = np.repeat(np.arange(60), w[row].astype(int))
            design = np.column_stack([effects, z])[drawn]
            a, b = (side[drawn] - design @ np.linalg.lstsq(design, side[drawn])[0] for side in (x, y))
            assert got[0] == pytest.approx(a @ b / np.sqrt((a @ a) * (b @ b)))


def test_nothing_held_fixed_is_pearson():
    x, y = np.random.default_rng(6).normal(size=(2, 30))
    of = partial_correlation(x, y, [], row=np.arange(30), rows=30, effects=False)
    assert of(np.ones((1, 30)))[0, 0] == pytest.approx(np.corrcoef(x, y)[0, 1])


# Length and style


def test_what_was_planted_is_found():
    found = length_bias(study(prompts=300, liking=0.3), interval=FEW_DRAWS, rng=rng())
    assert found.judge.per_doubling.low < 0.3 < found.judge.per_doubling.high
    assert found.excess.low < 0.3 < found.excess.high
    assert found.person.per_doubling.low < 0 < found.person.per_doubling.high
    assert found.judge.p < 1e-6
    assert found.judge.partial_correlation.value > 0.2
    assert (found.judge.n, found.person.n, found.judge.per_doubling.units) == (1800, 5400, 300)


def test_a_liking_that_people_share_is_no_excess():
    """At equal human score, length that earns people's points looks like a bias of the judge, and is not."""
    found = length_bias(study(prompts=300, liking=0.5, people_like=0.5), interval=FEW_DRAWS, rng=rng())
    assert found.excess.low < 0 < found.excess.high
    assert found.judge_on_rest.per_doubling.value == pytest.approx(found.person.per_doubling.value, abs=0.05)
    assert found.person.per_doubling.low > 0  # people's own, since a mean of two is a noisy measure


def test_the_excess_is_the_difference_of_the_two_regressions():
    found = length_bias(study(seed=4, missing=0.1), interval=FEW_DRAWS, rng=rng())
    apart = found.judge_on_rest.per_doubling.value - found.person.per_doubling.value
    assert found.excess.value == pytest.approx(apart)
    assert found.judge_on_rest.n == found.person.n == found.excess.n


def test_statsmodels_says_the_same_of_the_whole_regression():
    grid = study(seed=5, liking=0.2, missing=0.2)
    marks = {"headers": np.random.default_rng(2).poisson(2, grid.human.shape).astype(float)}
    found = length_bias(grid, style=marks, interval=FEW_DRAWS, rng=rng()).judge
    row, model = np.nonzero(grid.both)
    dummies = (row[:, None] == np.arange(80)).astype(float)
    x = np.column_stack(
        [grid.human[row, model], np.log(grid.length[row, model]), marks["headers"][row, model]]
    )
    wanted = sm.OLS(grid.judge[row, model], np.column_stack([x, dummies])).fit()
    values = [found.coefficients[name].value for name in ("human", "ln_length", "headers")]
    assert values == pytest.approx(wanted.params[:3])
    t = wanted.tvalues[1]
    assert found.partial_correlation.value == pytest.approx(t / np.sqrt(t**2 + wanted.df_resid))


def test_marks_of_style_share_the_regression():
    grid = study(prompts=200, seed=6)
    bold = np.random.default_rng(2).poisson(3, grid.human.shape).astype(float)
    fond = replace(grid, judge=grid.judge + 0.2 * bold)
    found = length_bias(fond, style={"bold": bold}, interval=FEW_DRAWS, rng=rng())
    assert found.judge.coefficients["bold"].low < 0.2 < found.judge.coefficients["bold"].high
    assert found.person.coefficients["bold"].low < 0 < found.person.coefficients["bold"].high


def test_marks_of_style_must_fit():
    grid = study()
    with pytest.raises(ValueError, match="one entry"):
        length_bias(grid, style={"bold": np.ones(3)}, rng=rng())
    with pytest.raises(ValueError, match="name of another"):
        length_bias(grid, style={"human": grid.human}, rng=rng())


def test_empty_answers_have_no_logarithm_and_are_counted():
    grid = study()
    grid.length[0, 0], grid.length[1, 1] = 0, np.nan
    found = length_bias(grid, interval=FEW_DRAWS, rng=rng())
    assert (found.left_out, found.judge.n) == (2, 478)


def test_anonymous_raters_are_people_all_the_same():
    grid = study()
    nameless = replace(grid, ratings=replace(grid.ratings, rater=np.full_like(grid.ratings.rater, -1)))
    one, other = (length_bias(each, interval=FEW_DRAWS, rng=rng()) for each in (grid, nameless))
    assert one == other


def test_the_rest_are_the_others():
    ratings = Ratings(
        *np.array([(0, 0, 7), (0, 0, 8), (0, 0, 9), (0, 1, 7), (0, 0, 7)]).T, np.array([1.0, 2, 5, 4, 3])
    )
    mean, others = mean_of_others(ratings, 2)
    assert others.tolist() == [2, 3, 3, 0, 2]
    assert mean == pytest.approx([3.5, 3, 2, np.nan, 3.5], nan_ok=True)


def test_a_judge_that_says_what_people_say_owes_nothing_to_length():
    grid = study()
    found = length_bias(replace(grid, judge=grid.human), interval=FEW_DRAWS, rng=rng()).judge
    assert found.per_doubling.value == pytest.approx(0, abs=1e-9)
    assert found.per_doubling.no_interval is Reason.NO_SPREAD
    assert found.coefficients["human"].value == pytest.approx(1)
    assert isinstance(found.partial_correlation, Undefined)


def test_a_constant_judge_owes_nothing_to_length():
    grid = study()
    found = length_bias(replace(grid, judge=np.full_like(grid.human, 3)), interval=FEW_DRAWS, rng=rng()).judge
    assert (found.per_doubling.value, found.per_doubling.no_interval) == (0.0, Reason.NO_SPREAD)
    assert found.partial_correlation == Undefined(Reason.CONSTANT, 480)


@pytest.mark.parametrize(
    ("change", "judge", "person"),
    [
        (lambda g: replace(g, length=None), Reason.NO_DATA, Reason.NO_DATA),
        (lambda g: replace(g, length=np.zeros_like(g.length)), Reason.NO_DATA, Reason.SINGLE_RATINGS),
        (lambda g: replace(g, judge=g.judge * np.nan), Reason.NOTHING_SHARED, Reason.NOTHING_SHARED),
        (lambda g: replace(g, length=np.full_like(g.length, 90)), Reason.CONSTANT, Reason.CONSTANT),
        (lambda g: replace(g, judge=np.where(np.arange(6) == np.arange(80)[:, None] % 6, g.judge, np.nan)), Reason.NOT_ENOUGH, Reason.CONSTANT),
        (lambda g: replace(g, judge=np.where([[1, 0, 0, 0, 0, 0]], g.judge, np.nan)), Reason.ONE_MODEL, Reason.ONE_MODEL),
    ],
)  # fmt: skip
def test_what_cannot_be_regressed_says_why(change, judge, person):
    found = length_bias(change(study()), interval=FEW_DRAWS, rng=rng())
    assert found.judge.per_doubling.reason is judge
    assert found.judge.partial_correlation.reason is judge
    assert found.person.per_doubling.reason is person
    assert found.excess.reason is person


def test_without_single_scores_there_is_only_the_judge():
    found = length_bias(replace(study(), ratings=None), interval=FEW_DRAWS, rng=rng())
    assert isinstance(found.judge.per_doubling, Estimate)
    assert found.person.per_doubling.reason is found.excess.reason is Reason.NO_DATA


def test_one_prompt_has_a_slope_and_no_interval():
    found = length_bias(study(prompts=1), interval=FEW_DRAWS, rng=rng()).judge
    assert found.per_doubling.no_interval is found.partial_correlation.no_interval is Reason.ONE_UNIT


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.floats(0.1, 50))
def test_neither_order_nor_units_of_length_matter(seed, unit):
    grid = study(seed, prompts=15, models=4, missing=0.1)
    one = length_bias(grid, interval=Interval(replicates=2, fewest=2), rng=rng())
    order, names = np.random.default_rng(seed).permutation(15), np.random.default_rng(seed).permutation(4)
    where, column = np.argsort(order), np.argsort(names)
    ratings = replace(grid.ratings, row=where[grid.ratings.row], model=column[grid.ratings.model])
    shuffled = Grid(
        grid.human[order][:, names],
        grid.judge[order][:, names],
        grid.prompt[order],
        grid.values,
        ratings,
        length=unit * grid.length[order][:, names],
    )
    other = length_bias(shuffled, interval=Interval(replicates=2, fewest=2), rng=rng())
    for name in ("judge", "person", "judge_on_rest"):
        a, b = getattr(one, name), getattr(other, name)
        assert b.per_doubling.value == pytest.approx(a.per_doubling.value, abs=1e-8)
        assert b.per_doubling.low == pytest.approx(a.per_doubling.low, abs=1e-8)
        assert b.partial_correlation.value == pytest.approx(a.partial_correlation.value, abs=1e-8)


def test_marks_of_markdown_are_counted_outside_code():
    text = "# 見出し\n\n1. **太字** と __これも__\n2) 次\n* 点\n```\n# not a header\n- not an item\n```\n## 二\n2 * 3 ** 4\n"
    assert style(text) == (2, 3, 2)
    assert style("") == (0, 0, 0)
    assert style("```\n# open to the end\n") == (0, 0, 0)


# Own family


def test_a_planted_preference_for_the_own_family_is_found():
    grid = study(prompts=200)
    families = ["a", "b", "b", "c", "c", "c"]
    grid.judge[:, 1:3] += 0.5
    grid.human[:, 1] += 1  # people like one of them, too
    grid.judge[:, 1] += 1
    found = own_family(grid, families, "b", interval=FEW_DRAWS, rng=rng())
    others = [0, 3, 4, 5]
    for side, result in [(grid.judge, found.judge), (grid.human, found.people)]:
        assert result.value == pytest.approx(side[:, 1:3].mean() - side[:, others].mean())
        assert result.low < result.value < result.high
    assert found.excess.value == pytest.approx(found.judge.value - found.people.value)
    assert found.excess.low < 0.5 < found.excess.high
    assert found.at_equal_scores.low < 0.5 < found.at_equal_scores.high
    assert (found.own, found.others) == (2, 4)


def test_a_judge_that_says_what_people_say_has_no_family():
    grid = study()
    found = own_family(replace(grid, judge=grid.human), list("aabbcc"), "a", interval=FEW_DRAWS, rng=rng())
    assert (found.excess.value, found.excess.no_interval) == (0.0, Reason.NO_SPREAD)
    assert found.judge.value == found.people.value


@pytest.mark.parametrize("families", ["bbbbbb", "aaaaaa"])
def test_a_judge_without_models_inside_or_outside_its_family_prefers_none(families):
    found = own_family(study(), list(families), "a", interval=FEW_DRAWS, rng=rng())
    assert found.excess == found.judge == found.at_equal_scores == Undefined(Reason.NO_DATA, 480)


def test_every_model_has_a_family():
    with pytest.raises(ValueError, match="2 families for 6 models"):
        own_family(study(), ["a", "b"], "a", rng=rng())


# Length-controlled win rate


def duel(seed=0, prompts=400, models=4, phi=1.0, theta=0.0):
    """The first model is longer, and wins by its length alone; the last is the baseline."""
    chance = np.random.default_rng(seed)
    length = np.exp(6 + chance.normal(0, 0.5, (prompts, models)))
    length[:, 0] *= 1.6
    longer = length - length[:, [-1]]
    p = 1 / (1 + np.exp(-(theta + phi * np.tanh(longer / longer.std(axis=0).clip(min=1)))))
    score = np.where(chance.random(p.shape) < p, 4.0, 2.0)
    score[:, -1] = 3.0
    return score, length


def controlled(score, length, **options):
    return length_controlled_win_rate(
        score,
        length,
        np.arange(len(score)),
        **({"model": 0, "baseline": 3, "interval": FEW_DRAWS, "rng": rng()} | options),
    )


def test_a_model_that_wins_by_length_alone_does_not_win_at_equal_length():
    found = controlled(*duel())
    assert found.plain.low > 0.54
    assert found.controlled.low < 0.5 < found.controlled.high
    assert found.length.low > 0
    assert (found.controlled.n, found.controlled.units) == (400, 400)


def test_statsmodels_fits_the_same_coefficients():
    chance = np.random.default_rng(2)
    x = np.column_stack([np.ones(120), chance.normal(size=(120, 2))])
    y = (chance.random(120) < 0.5).astype(float)
    weights = np.array([np.ones(120), chance.integers(0, 3, 120)])
    for w, found in zip(weights, logistic(x, y, weights), strict=True):
        wanted = sm.Logit(np.repeat(y, w.astype(int)), np.repeat(x, w.astype(int), axis=0)).fit(disp=0)
        assert found == pytest.approx(wanted.params, abs=1e-6)


def test_the_length_term_is_set_to_zero_and_the_rest_averaged():
    score, length = duel(3)
    score[::5, 0] = 3.0
    longer = length[:, 0] - length[:, 3]
    y = (np.sign(score[:, 0] - 3) + 1) / 2
    others = (np.sign(score[:, 1:3] - 3) + 1).sum(axis=1) / 2
    gamma = np.log((others + 0.5) / (2 - others + 0.5))
    x = np.column_stack([np.ones(400), np.tanh(longer / longer.std()), gamma])
    wanted = sm.GLM(y, x, family=sm.families.Binomial()).fit().params
    found = controlled(score, length)
    assert found.length.value == pytest.approx(wanted[1], abs=1e-6)
    assert found.controlled.value == pytest.approx(np.mean(1 / (1 + np.exp(-wanted[0] - wanted[2] * gamma))))
    assert (found.plain.value, found.ties) == (pytest.approx(y.mean()), pytest.approx(0.2))


def test_without_other_models_there_is_no_difficulty():
    score, length = duel()
    found = controlled(score[:, [0, 3]], length[:, [0, 3]], baseline=1)
    assert isinstance(found.controlled, Estimate)


def test_answers_of_one_length_leave_the_win_rate_as_it_is():
    score, length = duel(models=2)
    found = controlled(score, np.full_like(length, 9), baseline=1)
    assert found.controlled.value == pytest.approx(found.plain.value)
    assert found.length == Undefined(Reason.CONSTANT, 400)


def test_a_model_that_always_wins_has_no_finite_odds():
    score, length = duel()
    score[:, 0] = 5
    found = controlled(score, length)
    assert found.plain.value == 1.0
    assert found.controlled == Undefined(Reason.SEPARATED, 400)


def test_wins_that_length_explains_entirely_have_no_finite_odds():
    score, length = duel()
    score[:, 0] = np.where(length[:, 0] > length[:, 3], 5, 1)
    assert controlled(score, length).controlled == Undefined(Reason.SEPARATED, 400)


def test_nothing_shared_has_no_win_rate():
    score, length = duel()
    score[:, 0] = np.nan
    found = controlled(score, length)
    assert found.plain == found.controlled == Undefined(Reason.NOTHING_SHARED)


def test_malformed_duels_are_refused():
    score, length = duel()
    with pytest.raises(ValueError, match="own baseline"):
        controlled(score, length, model=3)
    with pytest.raises(ValueError, match="rows"):
        controlled(score, length[:, :2])
