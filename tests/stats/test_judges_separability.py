"""Separability, agreement with confidence and pair-rank Brier, against Arena-Hard's notebook and loops."""

from dataclasses import replace
from itertools import combinations
from math import erf, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stats.agreement import Interval
from stats.estimate import Estimate, Reason, Undefined
from stats.judges.clustered_means import ClusteredMeans
from stats.judges.comparing import compare_judges
from stats.judges.grid import Grid
from stats.judges.separability import FIGURES, Side, compare_sides, separability, separability_figures

FEW_DRAWS = Interval(replicates=400, fewest=2)


@pytest.fixture(scope="module")
def arena(vectors):
    return vectors["arena/separability-agreement-brier"]


def people(entry):
    side = entry["inputs"]["human"]
    return Side(*(np.array(side[name]) for name in ("rating", "rating_q025", "rating_q975", "variance")))


def judge_of(entry, name):
    return Side(*(np.array(entry["inputs"][name][column]) for column in ("score", "lower", "upper", "var")))


@pytest.mark.parametrize("name", ["judge_good", "judge_bad"])
def test_the_published_figures(arena, name):
    wanted = arena["expected"][name]
    found = compare_sides(people(arena), judge_of(arena, name), n=50, units=5)
    overlap, pairs = arena["expected"]["human_overlap"]
    assert found.pairs == pairs
    assert found.human.value == pytest.approx(1 - overlap / pairs)
    assert found.judge.value == pytest.approx(wanted["separability"], abs=1e-9)
    assert found.agreement.value == pytest.approx(wanted["agreement_human_separable_pairs"][2], abs=1e-9)
    assert found.agreement_a.value == pytest.approx(wanted["agreement_paper_all_pairs"][2], abs=1e-9)
    assert found.agreement_c.value == pytest.approx(wanted["agreement_notebook_1_half_0"][2], abs=1e-9)
    assert found.brier.value == pytest.approx(wanted["brier"], abs=1e-9)
    assert found.brier_soft.value == pytest.approx(wanted["brier_soft"], abs=1e-9)
    assert (found.brier.n, found.brier.no_interval) == (50, Reason.NOT_ASKED)
    assert found.human_paired == Undefined(Reason.NO_DATA, 50)


def test_the_published_probabilities_of_each_pair(arena):
    names = arena["inputs"]["human"]["index"]
    judge, human = judge_of(arena, "judge_good").better, people(arena).better
    for a, b, by_judge, by_people, first in arena["expected"]["judge_good"]["pairs"]:
        i, j = names.index(a), names.index(b)
        assert judge[j, i] == pytest.approx(by_judge, abs=1e-9)
        assert human[j, i] == pytest.approx(by_people, abs=1e-9)
        assert first == (people(arena).score[i] < people(arena).score[j])


def side(*intervals):
    low, high = np.array(intervals, dtype=float).T
    middle = (low + high) / 2
    return Side(middle, low, high, ((high - low) / 4) ** 2)


def test_pairs_with_identical_intervals_count_each():
    """Trap: the notebook drops pairs that have the same intervals as another pair."""
    twins = side((1, 2), (1, 2), (3, 4), (3, 4))
    found = compare_sides(twins, twins)
    assert (found.pairs, found.human.value, found.agreement_a.value) == (6, 4 / 6, 4 / 6)
    assert (found.agreement.value, found.agreement_c.value) == (1.0, 1.0)


def test_a_90_percent_interval_separates_more_and_says_that_it_is_one():
    """Trap: a later version prints 5 % and 95 % quantiles without saying so."""
    drawn = np.random.default_rng(1).normal([0, 0.35, 0.7], 0.1, size=(4000, 3))
    sides = {level: Side.of_draws(drawn.mean(axis=0), drawn, level=level) for level in (0.9, 0.95)}
    assert sides[0.9].high[0] == pytest.approx(np.quantile(drawn[:, 0], 0.95))
    assert sides[0.95].high[0] == pytest.approx(np.quantile(drawn[:, 0], 0.975))
    found = {level: compare_sides(each, each) for level, each in sides.items()}
    assert found[0.9].human.value > found[0.95].human.value
    assert (found[0.9].level, found[0.9].human.level) == (0.9, 0.9)


def test_agreement_a_is_no_more_than_what_people_separate():
    human, judge = side((1, 2), (1.5, 2.5), (4, 5)), side((1, 1.1), (2, 2.1), (3, 3.1))
    found = compare_sides(human, judge)
    assert found.judge.value == 1.0
    assert found.agreement_a.value == pytest.approx(found.human.value) == pytest.approx(2 / 3)
    assert found.agreement.value == 1.0


def test_intervals_that_touch_overlap():
    assert compare_sides(side((1, 2), (2, 3)), side((1, 2), (2, 3))).human.value == 0


def test_people_who_separate_nothing_leave_b_and_c_undefined():
    same = side((1, 2), (1, 2), (1.5, 2.5))
    found = compare_sides(same, side((1, 2), (3, 4), (5, 6)), n=9)
    assert found.agreement == found.agreement_c == Undefined(Reason.NO_SEPARATED_PAIR, 9)
    assert (found.human.value, found.agreement_a.value) == (0.0, 0.0)


def test_models_without_variance_are_better_or_worse_or_equal():
    fixed = Side(np.array([1.0, 2.0, 2.0]), *[np.array([1.0, 2.0, 2.0])] * 2, np.zeros(3))
    assert fixed.better.tolist() == [[0.5, 0, 0], [1, 0.5, 0.5], [1, 0.5, 0.5]]
    assert compare_sides(fixed, fixed).brier.value == 0


def test_sides_must_be_of_the_same_models():
    with pytest.raises(ValueError, match="same models"):
        compare_sides(side((1, 2), (2, 3)), side((1, 2)))
    with pytest.raises(ValueError, match="models"):
        Side(np.zeros(2), np.zeros(3), np.zeros(2), np.zeros(2))


def test_tables_that_were_sorted_know_no_differences():
    drawn = np.sort(np.random.default_rng(1).normal(size=(100, 3)), axis=0)
    unpaired = Side.of_draws(drawn.mean(axis=0), drawn, paired=False)
    assert unpaired.paired is None
    assert compare_sides(unpaired, unpaired, n=3).judge_paired == Undefined(Reason.NO_DATA, 3)


# From scores


def scores(seed=0, prompts=120, models=5, gap=0.15, noise=0.6):
    rng = np.random.default_rng(seed)
    hard = rng.normal(0, 1, (prompts, 1))
    means = np.arange(models) * gap
    return means + hard + rng.normal(0, noise, (prompts, models)), rng


def by_loops(human, judge, level, rng, replicates=3000):
    prompts, m = human.shape
    drawn = [[], []]
    for _ in range(replicates):
        rows = rng.integers(prompts, size=prompts)
        for into, table in zip(drawn, (human, judge), strict=True):
            into.append(np.nanmean(table[rows], axis=0))
    tail = (1 - level) / 2
    result = dict.fromkeys(("human", "judge", "human_paired", "judge_paired", "a", "n", "brier"), 0.0)
    draws = [np.array(of) for of in drawn]
    means = [np.nanmean(table, axis=0) for table in (human, judge)]
    for i, j in combinations(range(m), 2):
        separated = []
        for name, of in zip(("human", "judge"), draws, strict=True):
            (low, low_other), (high, high_other) = np.quantile(of[:, [i, j]], [tail, 1 - tail], axis=0)
            separated.append(bool(low > high_other or low_other > high))
            result[name] += separated[-1]
            low, high = np.quantile(of[:, i] - of[:, j], [tail, 1 - tail])
            result[f"{name}_paired"] += bool(low > 0 or high < 0)
        agree = np.sign(means[0][i] - means[0][j]) == np.sign(means[1][i] - means[1][j])
        result["a"] += all(separated) * (1 if agree else -1)
        z = (means[1][i] - means[1][j]) / sqrt(draws[1][:, i].var() + draws[1][:, j].var())
        result["brier"] += ((1 + erf(z / sqrt(2))) / 2 - (means[0][i] > means[0][j])) ** 2
    return {name: value / (m * (m - 1) / 2) for name, value in result.items()}


def test_loops_over_resamples_say_the_same():
    human, rng = scores(3)
    judge = human + rng.normal(0, 0.5, human.shape)
    human[rng.random(human.shape) < 0.1] = np.nan
    judge[np.isnan(human)] = np.nan
    found = separability(Grid.of(human, judge), rng=np.random.default_rng(1))
    wanted = by_loops(human, judge, 0.95, rng)
    assert found.human.value == pytest.approx(wanted["human"], abs=0.1)
    assert found.judge.value == pytest.approx(wanted["judge"], abs=0.1)
    assert found.human_paired.value == pytest.approx(wanted["human_paired"], abs=0.1)
    assert found.judge_paired.value == pytest.approx(wanted["judge_paired"], abs=0.1)
    assert found.agreement_a.value == pytest.approx(wanted["a"], abs=0.1)
    assert found.brier.value == pytest.approx(wanted["brier"], abs=0.01)
    assert found.brier.low < found.brier.high
    assert (found.brier.n, found.brier.units) == (np.isfinite(human).sum(), 120)


def test_differences_separate_what_marginal_intervals_do_not():
    """Models answer the same prompts: intervals of their means overlap where their difference is clear."""
    human, _ = scores(1)
    found = separability(Grid.of(human, human), interval=FEW_DRAWS, rng=np.random.default_rng(1))
    assert found.human_paired.value > found.human.value + 0.3


def test_standard_errors_and_resamples_separate_the_same_pairs():
    human, rng = scores(5, prompts=200, gap=0.22)
    judge = human + rng.normal(0, 0.4, human.shape)
    human[3, 1] = np.nan
    grid = replace(Grid.of(human, judge), prompt=np.arange(200) // 2).shared()
    found = separability(grid, interval=Interval(replicates=3000), rng=np.random.default_rng(2))
    closed = dict(zip(FIGURES, separability_figures(grid).of(np.ones((1, 200)))[0], strict=True))
    assert closed["separability.human"] == pytest.approx(found.human.value, abs=0.1)
    assert closed["separability.judge_paired"] == pytest.approx(found.judge_paired.value, abs=0.1)
    assert closed["pair_rank_brier"] == pytest.approx(found.brier.value, abs=0.005)
    assert closed["pair_rank_brier.soft"] == pytest.approx(found.brier_soft.value, abs=0.005)


def test_standard_errors_are_those_of_a_mean_and_of_a_paired_difference():
    from scipy import stats as scipy_stats

    human, _ = scores(7, prompts=30, models=3)
    for i, j in combinations(range(3), 2):
        pair = human[:, [i, j]]
        for level in (0.5, 0.8, 0.9, 0.99):
            got = separability_figures(Grid.of(pair, pair), level=level).of(np.ones((1, 30)))[0]
            ends = [scipy_stats.ttest_1samp(column, 0).confidence_interval(level) for column in pair.T]
            apart = max(end.low for end in ends) > min(end.high for end in ends)
            assert got[0] == apart
            difference = scipy_stats.ttest_rel(*pair.T).confidence_interval(level)
            assert got[2] == (difference.low > 0 or difference.high < 0)


def test_turns_of_one_prompt_are_one_unit():
    human, rng = scores(9, prompts=40)
    judge = human + rng.normal(size=human.shape)
    once = separability_figures(Grid.of(human, judge)).of(np.ones((1, 40)))
    doubled = replace(
        Grid.of(np.repeat(human, 2, 0), np.repeat(judge, 2, 0)), prompt=np.repeat(np.arange(40), 2)
    )
    assert separability_figures(doubled).of(np.ones((1, 80))) == pytest.approx(once, nan_ok=True)


def test_missing_turns_are_counted_in_their_prompt():
    """The variance of a mean over clusters of unequal sizes, by hand."""
    human, chance = scores(9, prompts=40, models=2)
    human[chance.random(40) < 0.3, 1] = np.nan
    prompt = chance.integers(12, size=40)
    grid = replace(Grid.of(human, human), prompt=prompt)
    variances = []
    for column in human.T:
        known = ~np.isnan(column)
        left = column[known] - column[known].mean()
        sums = [left[prompt[known] == c].sum() for c in np.unique(prompt)]
        units = np.unique(prompt).size
        variances.append(units / (units - 1) * np.square(sums).sum() / known.sum() ** 2)
    z = (np.nanmean(human[:, 0]) - np.nanmean(human[:, 1])) / sqrt(sum(variances))
    wanted = ((1 + erf(z / sqrt(2))) / 2 - (z > 0)) ** 2
    found = dict(zip(FIGURES, separability_figures(grid).of(np.ones((1, 40)))[0], strict=True))
    assert found["pair_rank_brier"] == pytest.approx(wanted)


def test_covariances_of_means_are_those_by_hand():
    human, chance = scores(9, prompts=40, models=3)
    human[chance.random(human.shape) < 0.3] = np.nan
    prompt, weights = chance.integers(12, size=40), chance.integers(0, 3, size=12).astype(float)
    known = ~np.isnan(human)
    often = weights[prompt][:, None] * known
    left = np.where(known, human - np.nansum(often * human, axis=0) / often.sum(axis=0), 0) / often.sum(
        axis=0
    )
    sums = np.array([left[prompt == c].sum(axis=0) for c in range(12)])
    wanted = weights.sum() / (weights.sum() - 1) * (sums * weights[:, None]).T @ sums
    variance, covariance, units = ClusteredMeans.of(human, known, prompt).covariances(weights[prompt][None])
    assert variance[0] == pytest.approx(np.diag(wanted))
    assert covariance[0] == pytest.approx(wanted[np.triu_indices(3, 1)])
    assert units[0, 0] == weights.sum()


def test_a_difference_turned_round_has_its_interval_turned_round():
    drawn = np.random.default_rng(1).normal([0, 1, 3], 1, size=(500, 3))
    side = Side.of_draws(drawn.mean(axis=0), drawn)
    assert side.difference_low.tolist() == (-side.difference_high.T).tolist()
    ends = np.quantile(drawn[:, 0] - drawn[:, 2], [0.025, 0.975])
    assert [side.difference_low[0, 2], side.difference_high[0, 2]] == pytest.approx(ends)


def test_judges_are_compared_by_how_they_separate():
    human, chance = scores(4, prompts=200)
    good, bad = human + chance.normal(0, 0.1, human.shape), chance.normal(size=human.shape)
    judges = {
        name: [separability_figures(Grid.of(human, judge))] for name, judge in [("good", good), ("bad", bad)]
    }
    found = compare_judges(
        judges,
        np.arange(200),
        lower_is_better=("pair_rank_brier", "pair_rank_brier.soft"),
        interval=FEW_DRAWS,
        rng=np.random.default_rng(1),
    )
    assert found.top["separability.human"] == ("good", "bad")  # people are the same people
    assert found.top["pair_rank_brier"] == ("good",)


def test_a_perfect_judge_agrees_with_all_that_people_separate():
    human, _ = scores(2)
    found = separability(Grid.of(human, 2 * human + 1), interval=FEW_DRAWS, rng=np.random.default_rng(1))
    assert found.agreement.value == found.agreement_c.value == found.agreement_paired.value == 1.0
    assert found.agreement_a.value == found.human.value == found.judge.value
    assert found.agreement.no_interval is Reason.NO_SPREAD


def test_a_reversed_judge_disagrees_with_all():
    human, _ = scores(2)
    found = separability(Grid.of(human, -human), interval=FEW_DRAWS, rng=np.random.default_rng(1))
    assert (found.agreement.value, found.agreement_c.value) == (-1.0, 0.0)


def test_a_constant_judge_separates_nothing():
    human, _ = scores(2)
    found = separability(
        Grid.of(human, np.full_like(human, 3)), interval=FEW_DRAWS, rng=np.random.default_rng(1)
    )
    assert (found.judge.value, found.judge_paired.value, found.agreement.value) == (0.0, 0.0, 0.0)
    assert found.brier.value == 0.25  # it is undecided on every pair


@pytest.mark.parametrize(
    ("human", "judge", "reason"),
    [
        (np.ones((9, 1)), np.ones((9, 1)), Reason.ONE_MODEL),
        (np.ones((1, 4)), np.ones((1, 4)), Reason.ONE_PROMPT),
        (np.ones((3, 4)), np.full((3, 4), np.nan), Reason.NOTHING_SHARED),
        (np.empty((0, 4)), np.empty((0, 4)), Reason.NOTHING_SHARED),
    ],
)
def test_what_cannot_be_compared_says_why(human, judge, reason):
    found = separability(Grid.of(human, judge), rng=np.random.default_rng(1))
    assert found.human.reason is found.agreement.reason is found.brier.reason is reason


def test_a_model_that_answered_one_prompt_is_left_out():
    human, _ = scores(2)
    human[1:, 0] = np.nan
    human[::2, 1] = np.nan
    found = separability(Grid.of(human, human), interval=FEW_DRAWS, rng=np.random.default_rng(1))
    assert (found.left_out, found.pairs) == (1, 6)
    without = separability(
        Grid.of(human[:, 1:], human[:, 1:]), interval=FEW_DRAWS, rng=np.random.default_rng(1)
    )
    assert found == replace(without, left_out=1)


def test_models_that_never_met_are_left_out_rather_than_failing():
    human = np.where(np.eye(30, dtype=bool), 3.0, np.nan)
    found = separability(Grid.of(human, human), interval=FEW_DRAWS, rng=np.random.default_rng(1))
    assert (found.left_out, found.brier) == (30, Undefined(Reason.NOTHING_SHARED, 0))


def test_resamples_may_miss_a_model_now_and_then():
    human, _ = scores(2)
    human[5:, 0] = np.nan
    found = separability(Grid.of(human, human), interval=FEW_DRAWS, rng=np.random.default_rng(1))
    assert found.left_out == 0
    assert 0 < found.brier.undefined_replicates < 20


def test_two_prompts_have_figures_and_no_intervals():
    human, _ = scores(2, prompts=2)
    found = separability(Grid.of(human, human), interval=FEW_DRAWS, rng=np.random.default_rng(1))
    assert isinstance(found.human, Estimate)
    assert found.human.low is None


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(2, 30))
def test_neither_names_of_models_nor_the_order_of_prompts_matter(seed, models, prompts):
    human, rng = scores(seed, prompts=prompts, models=models)
    judge = human + rng.normal(size=human.shape)
    human[rng.random(human.shape) < 0.1] = np.nan
    names, order = rng.permutation(models), rng.permutation(prompts)
    one = Grid.of(human, judge)
    other = Grid.of(human[order][:, names], judge[order][:, names])
    weights = rng.integers(0, 3, size=(4, prompts)).astype(float)
    assert separability_figures(other).of(weights[:, order]) == pytest.approx(
        separability_figures(one).of(weights), nan_ok=True
    )
