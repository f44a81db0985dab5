"""Intervals: what they resample, when there is none, and how they behave at size."""

from statistics import NormalDist

import numpy as np
import pytest

from stats.agreement import (
    EXACT,
    ITEM_JACKKNIFE,
    Interval,
    Method,
    PatternHistogram,
    alpha,
    estimate,
    estimate_all,
    gwet,
    panel,
)
from stats.agreement import sums as sums_of
from stats.estimate import Estimate, Reason, Undefined

POINTS = [1, 2, 3, 4, 5]


def study(items: int, *, per_prompt: int = 1, raters: int = 2, seed: int = 0, prompt_effect: float = 0.0):
    """Scores (items, raters) and the prompt of each item, of a made-up study."""
    rng = np.random.default_rng(seed)
    prompt = np.arange(items) // per_prompt
    quality = rng.normal(size=items) + prompt_effect * rng.normal(size=prompt.max() + 1)[prompt]
    scores = np.clip(np.round(3.3 + 0.8 * quality[:, None] + 0.8 * rng.normal(size=(items, raters))), 1, 5)
    return scores, prompt


def histogram(items: int = 300, **options) -> PatternHistogram:
    scores, prompt = study(items, **options)
    return PatternHistogram.from_scores(scores, values=POINTS, cluster=prompt)


def width(result) -> float:
    assert isinstance(result, Estimate)
    assert result.low is not None
    assert result.high is not None
    return result.high - result.low


def by_hand(scores, groups) -> np.ndarray:
    """Ordinal alpha without each of the groups of items."""
    values = []
    for group in np.unique(groups):
        rest = PatternHistogram.from_scores(scores[groups != group], values=POINTS)
        found = estimate(rest, alpha("ordinal"), interval=Interval(Method.NONE))
        values.append(found.value)
    return np.array(values)


@pytest.mark.parametrize(
    ("method", "per_prompt"), [(Method.ITEM_JACKKNIFE, 1), (Method.CLUSTER_JACKKNIFE, 6)]
)
def test_the_jackknife_leaves_out_one_unit_after_the_other(method, per_prompt):
    scores, prompt = study(60, per_prompt=per_prompt)
    values = by_hand(scores, prompt)
    n = len(values)
    error = np.sqrt((n - 1) / n * np.sum((values - values.mean()) ** 2))
    t = {60: 2.000995, 10: 2.262157}[n]

    found = estimate(
        PatternHistogram.from_scores(scores, values=POINTS, cluster=prompt),
        alpha("ordinal"),
        interval=Interval(method),
    )

    assert isinstance(found, Estimate)
    assert found.units == n
    assert width(found) == pytest.approx(2 * t * error, abs=1e-5)


@pytest.mark.parametrize("method", [Method.ITEM_BOOTSTRAP, Method.CLUSTER_BOOTSTRAP])
def test_a_bootstrap_draws_whole_units_with_replacement(method):
    """Against drawing them one by one, in the plainest way."""
    scores, prompt = study(80, per_prompt=4, prompt_effect=1.0)
    groups = prompt if method.over_clusters else np.arange(80)
    rng = np.random.default_rng(3)
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    values = []
    for _ in range(1500):
        items = np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])
        again = PatternHistogram.from_scores(scores[items], values=POINTS)
        values.append(sums_of_alpha(again))
    tail = {20: 0.0158, 80: 0.0226}[len(members)]  # of the expanded percentile interval
    low, high = np.quantile(values, [tail, 1 - tail])

    found = estimate(
        PatternHistogram.from_scores(scores, values=POINTS, cluster=prompt),
        alpha("ordinal"),
        interval=Interval(method, replicates=20_000),
        rng=rng,
    )

    assert isinstance(found, Estimate)
    assert [found.low, found.high] == pytest.approx([low, high], abs=0.02)


def test_the_tails_of_a_bootstrap_make_up_for_few_units():
    from stats.tails import tail

    for n, t in [(5, 2.776445), (10, 2.262157), (20, 2.093024), (1000, 1.962341)]:
        assert tail(0.95, n) == pytest.approx(NormalDist().cdf(-t * np.sqrt(n / (n - 1))), abs=1e-6)
    assert tail(0.95, 10**7) == pytest.approx(0.025, abs=1e-6)


@pytest.mark.parametrize(
    ("prompts", "method"), [(4, Method.CLUSTER_JACKKNIFE), (6, Method.CLUSTER_BOOTSTRAP)]
)
def test_with_a_handful_of_prompts_the_jackknife_takes_over(prompts, method):
    found = estimate(
        histogram(prompts * 5, per_prompt=5),
        alpha("ordinal"),
        interval=Interval(),
        rng=np.random.default_rng(1),
    )
    assert isinstance(found, Estimate)
    assert (found.method, found.units) == (method, prompts)


@pytest.mark.parametrize("prompts", [6, 12, 30])
def test_intervals_over_few_prompts_cover_the_truth_as_often_as_they_say(prompts):
    """A bootstrap with plain percentiles covers 88 % with six prompts, and fails this."""
    rng = np.random.default_rng(prompts)

    def draw(number: int) -> PatternHistogram:
        prompt = np.repeat(np.arange(number), 4)
        quality = 0.5 * rng.normal(size=number)[prompt] + 0.8 * rng.normal(size=prompt.size)
        scores = np.clip(np.round(3.4 + quality[:, None] + 0.7 * rng.normal(size=(prompt.size, 2))), 1, 5)
        return PatternHistogram.from_scores(scores, values=POINTS, cluster=prompt)

    truth = sums_of_alpha(draw(100_000))
    covered = 0
    for _ in range(400):
        found = estimate(
            draw(prompts), alpha("ordinal"), interval=Interval(replicates=1000, fewest=1000), rng=rng
        )
        assert isinstance(found, Estimate)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= truth <= found.high
    assert 0.92 <= covered / 400 <= 0.985


def sums_of_alpha(of: PatternHistogram) -> float:
    return float(alpha("ordinal").of(sums_of.items(of).total())[0])


def test_both_ways_of_drawing_have_the_same_moments():
    """Counts from a multinomial, and from drawing units one by one."""
    from stats.agreement import intervals

    units = sums_of.items(histogram(4000))
    assert len(units) * 15 < units.n
    many = intervals._draw(units, 4000, np.random.default_rng(1))
    slowly = np.stack(
        [
            np.bincount(
                np.repeat(np.arange(len(units)), units.multiplicity)[
                    np.random.default_rng(seed).integers(units.n, size=units.n)
                ],
                minlength=len(units),
            )
            for seed in range(1500)
        ]
    )
    assert (many.sum(axis=1) == units.n).all()
    np.testing.assert_allclose(many.mean(axis=0), slowly.mean(axis=0), rtol=0.03)
    np.testing.assert_allclose(many.std(axis=0), slowly.std(axis=0), rtol=0.1)


def test_prompts_that_pull_together_widen_the_interval():
    data = histogram(2000, per_prompt=20, prompt_effect=1.5)
    by_item, by_prompt = (
        estimate(data, alpha("ordinal"), interval=Interval(method))
        for method in [Method.ITEM_JACKKNIFE, Method.CLUSTER_JACKKNIFE]
    )
    assert width(by_prompt) > 1.5 * width(by_item)


def test_bootstrap_and_jackknife_agree_from_a_hundred_units_on():
    data = histogram(2000, per_prompt=10, prompt_effect=0.5)
    rng = np.random.default_rng(5)
    for units in ["ITEM", "CLUSTER"]:
        jackknife = estimate(data, alpha("ordinal"), interval=Interval(Method[f"{units}_JACKKNIFE"]))
        bootstrap = estimate(data, alpha("ordinal"), interval=Interval(Method[f"{units}_BOOTSTRAP"]), rng=rng)
        assert width(bootstrap) == pytest.approx(width(jackknife), rel=0.1)


def test_clusters_that_are_alike_are_put_together_without_changing_a_digit():
    scores, _ = study(4000)
    alone = PatternHistogram.from_scores(scores, values=POINTS, cluster=np.arange(4000))
    units = sums_of.clusters(alone)
    assert len(units) <= 15
    assert units.n == 4000
    by_item, by_cluster = (
        estimate(alone, alpha("ordinal"), interval=Interval(method))
        for method in [Method.ITEM_JACKKNIFE, Method.CLUSTER_JACKKNIFE]
    )
    assert isinstance(by_item, Estimate)
    assert isinstance(by_cluster, Estimate)
    assert (by_cluster.low, by_cluster.high) == pytest.approx((by_item.low, by_item.high), abs=1e-12)


def test_a_seed_gives_the_same_interval_again():
    data = histogram(per_prompt=5)
    one, two, other = (
        estimate(data, alpha("ordinal"), interval=Interval(), rng=np.random.default_rng(seed))
        for seed in [1, 1, 2]
    )
    assert one == two
    assert one != other


def test_ac2_resamples_all_scored_items_and_alpha_only_what_can_be_compared():
    scores, _ = study(50)
    scores[:20, 1] = np.nan
    found = estimate_all(
        PatternHistogram.from_scores(scores, values=POINTS), [alpha("ordinal"), gwet("quadratic"), EXACT]
    )
    assert [(f.n, f.units) for f in found] == [(30, 30), (50, 50), (30, 30)]

    without = []
    for left_out in range(50):
        rest = PatternHistogram.from_scores(np.delete(scores, left_out, axis=0), values=POINTS)
        without.append(gwet("quadratic").of(sums_of.items(rest).total())[0])
    error = np.sqrt(49 / 50 * np.sum((np.array(without) - np.mean(without)) ** 2))
    assert width(found[1]) == pytest.approx(2 * 2.0095752 * error, abs=1e-6)


# No interval, and why


def test_a_single_item_has_a_figure_and_no_interval():
    one = PatternHistogram.from_scores([[4, 5]], values=POINTS)
    found = estimate(one, EXACT)
    assert isinstance(found, Estimate)
    assert (found.value, found.low, found.high, found.no_interval) == (0, None, None, Reason.ONE_UNIT)


def test_a_single_prompt_has_a_figure_and_no_interval():
    scores, _ = study(30)
    one = PatternHistogram.from_scores(scores, values=POINTS, cluster=np.zeros(30, int))
    found = estimate(one, alpha("ordinal"), interval=Interval(), rng=np.random.default_rng(1))
    assert isinstance(found, Estimate)
    assert found.no_interval == Reason.ONE_UNIT
    assert found.n == 30


def test_raters_who_always_agree_get_no_interval_of_no_width():
    scores = np.repeat(np.arange(1, 6), 2).reshape(-1, 2).repeat(10, axis=0)
    found = estimate(PatternHistogram.from_scores(scores, values=POINTS), alpha("ordinal"))
    assert isinstance(found, Estimate)
    assert (found.value, found.low, found.no_interval) == (1, None, Reason.NO_SPREAD)


@pytest.mark.parametrize("method", [Method.ITEM_BOOTSTRAP, Method.ITEM_JACKKNIFE])
def test_no_interval_when_it_hangs_on_one_item(method):
    scores = np.full((12, 2), 5.0)
    scores[0] = 3, 4
    data = PatternHistogram.from_scores(scores, values=POINTS)
    found = estimate(data, alpha("ordinal"), interval=Interval(method), rng=np.random.default_rng(1))
    assert isinstance(found, Estimate)
    assert found.no_interval == Reason.UNDEFINED_RESAMPLES
    if method.draws:  # the item is missing in (11/12)^12 = 35 % of resamples
        assert found.undefined_replicates == pytest.approx(0.352 * 2000, rel=0.1)


def test_the_reasons_for_no_figure():
    none = PatternHistogram.from_scores(np.full((3, 2), np.nan), values=POINTS)
    assert estimate(none, alpha("ordinal")) == Undefined(Reason.NO_SCORES, 0)
    single = PatternHistogram.from_scores([[1, np.nan], [2, np.nan]], values=POINTS)
    assert estimate(single, alpha("ordinal")) == Undefined(Reason.NO_ITEM_WITH_TWO_SCORES, 0)
    assert estimate(single, gwet("quadratic")) == Undefined(Reason.NO_ITEM_WITH_TWO_SCORES, 2)
    one = panel(PatternHistogram.from_scores([[1, 2]], values=POINTS))
    assert one.icc_1_1 == Undefined(Reason.ONE_ITEM, 1)
    same_means = panel(PatternHistogram.from_scores([[1, 5], [2, 4]], values=POINTS))
    assert same_means.icc_1_k == Undefined(Reason.NO_VARIATION_BETWEEN_ITEMS, 2)
    below = PatternHistogram.from_scores([[-1, 1], [0, 1]], values=[-1, 0, 1])
    assert estimate(below, alpha("ratio")) == Undefined(Reason.NEGATIVE_VALUES, 2)


def test_an_axis_without_order_has_only_what_needs_none():
    found = panel(histogram(), kind="nominal")
    assert found.headline == "nominal"
    assert isinstance(found.alpha["nominal"], Estimate)
    for figure in [found.alpha["ordinal"], found.within_one, found.ac2, found.icc_1_1]:
        assert figure == Undefined(Reason.NOT_ORDERED, 300)
    assert found.mean is None


def test_on_two_points_there_is_one_alpha_and_everything_is_within_one():
    scores, _ = study(100)
    binary = PatternHistogram.from_scores((scores > 3).astype(float), values=[0, 1])
    found = panel(binary, kind="binary")
    assert found.headline == "nominal"
    assert isinstance(found.alpha["ordinal"], Estimate)
    assert len({round(figure.value, 12) for figure in found.alpha.values()}) == 1
    assert found.within_one == Undefined(Reason.TWO_POINTS, 100)


def test_an_axis_that_nobody_rated_has_reasons_only():
    found = panel(PatternHistogram.empty(POINTS), interval=Interval(), rng=np.random.default_rng(0))
    assert (found.n_items, found.n_pairs, found.mean, found.na_rate) == (0, 0, None, None)
    for figure in [*found.alpha.values(), found.exact, found.ac1, found.ac2, found.icc_1_1]:
        assert figure == Undefined(Reason.NO_SCORES, 0)


def test_agreement_on_cannot_judge_is_told_apart_from_agreement_on_scores():
    ranks = np.array([[1, 2], [3, -1], [-1, -1], [4, 4], [5, 0], [-1, 0]])
    data = PatternHistogram.from_ratings(values=POINTS, item=np.arange(6).repeat(2), rank=ranks.ravel())
    found = panel(data)
    assert (found.n_items, found.n_scored, found.n_pairable, found.n_conflicts) == (6, 4, 2, 1)
    assert (found.n_ratings, found.n_na, found.na_rate) == (6, 4, 0.4)
    assert isinstance(found.na_exact, Estimate)
    assert found.na_exact.value == 0.75  # of the four items that two looked at
    assert found.na_exact.n == 4
    assert panel(histogram()).na_exact == Undefined(Reason.NO_NA, 300)


# Misuse


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="outside"):
        PatternHistogram.from_ratings(values=POINTS, item=[0, 0], rank=[1, 6])
    with pytest.raises(ValueError, match="not a point"):
        PatternHistogram.from_scores([[1, 2.5]], values=POINTS)
    with pytest.raises(ValueError, match="two clusters"):
        PatternHistogram.from_ratings(values=POINTS, item=[0, 0], rank=[1, 2], cluster=[1, 2])
    with pytest.raises(ValueError, match="ascending"):
        PatternHistogram.from_scores([[1, 2]], values=[2, 1])
    with pytest.raises(ValueError, match="two points"):
        PatternHistogram.from_scores([[1, 1]], values=[1])
    with pytest.raises(ValueError, match="2 items and 3 ranks"):
        PatternHistogram.from_ratings(values=POINTS, item=[0, 1], rank=[1, 2, 3])
    with pytest.raises(ValueError, match="different points"):
        _ = histogram() + PatternHistogram.from_scores([[1, 2]], values=[1, 2])
    with pytest.raises(ValueError, match="random generator"):
        estimate(histogram(), EXACT, interval=Interval())
    with pytest.raises(ValueError, match="belong together"):
        estimate(
            PatternHistogram.from_scores([[1, 2]], values=POINTS),
            EXACT,
            interval=Interval(Method.CLUSTER_JACKKNIFE),
        )
    with pytest.raises(ValueError, match="level"):
        Interval(level=95)


# Size


def test_past_the_budget_fewer_resamples_then_the_jackknife_and_it_says_so():
    data = histogram(3000, per_prompt=3, prompt_effect=1)
    for budget, method, replicates in [
        (10**7, Method.CLUSTER_BOOTSTRAP, 2000),
        (1_500_000, Method.CLUSTER_BOOTSTRAP, 1500),
        (900_000, Method.CLUSTER_JACKKNIFE, 0),
    ]:
        found = estimate(
            data, alpha("ordinal"), interval=Interval(budget=budget), rng=np.random.default_rng(1)
        )
        assert isinstance(found, Estimate)
        assert (found.method, found.replicates) == (method, replicates)


def test_a_long_scale_with_many_raters_is_no_other_case():
    rng = np.random.default_rng(0)
    quality = rng.uniform(10, 90, size=(400, 1))
    scores = np.clip(np.round(quality + rng.normal(scale=8, size=(400, 30))), 0, 100)
    scores[rng.random(scores.shape) < 0.3] = np.nan
    data = PatternHistogram.from_scores(scores, values=np.arange(101), cluster=np.arange(400) // 4)
    for interval in [ITEM_JACKKNIFE, Interval(replicates=1000)]:
        found = panel(data, interval=interval, rng=rng)
        assert isinstance(found.alpha["interval"], Estimate)
        assert found.alpha["interval"].value == pytest.approx(0.9, abs=0.04)
        assert 0 < width(found.alpha["ordinal"]) < 0.1


def test_a_million_ratings_become_a_handful_of_patterns():
    rng = np.random.default_rng(0)
    item = np.repeat(np.arange(500_000), 2)
    data = PatternHistogram.from_ratings(values=POINTS, item=item, rank=rng.integers(1, 6, item.size))
    assert len(data.counts) == 15
    assert data.n_ratings == 1_000_000
