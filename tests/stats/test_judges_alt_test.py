"""The alternative annotator test: against the authors' figures, SciPy and loops."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from stats.agreement import Interval
from stats.estimate import Estimate, Reason, Undefined
from stats.judges.alt_test import (
    Few,
    Scoring,
    Setting,
    advantage_figures,
    alt_test,
    alt_tests,
    signed_rank_p,
    t_test_p,
)
from stats.judges.comparing import compare_judges
from stats.judges.grid import Grid, Ratings

FEW_DRAWS = Interval(replicates=200, fewest=2)


def grid_of(scores, judge, *, prompt=None):
    """`scores` (items, raters), NaN where a rater gave none; `judge` (items,). Each item is a row with one model."""
    scores = np.asarray(scores, dtype=float)
    item, rater = np.nonzero(~np.isnan(scores))
    ratings = Ratings(item, np.zeros_like(item), rater, scores[item, rater])
    n = np.sum(~np.isnan(scores), axis=1)
    human = np.where(n > 0, np.nansum(scores, axis=1) / np.maximum(n, 1), np.nan)
    return Grid(
        human[:, None],
        np.asarray(judge, dtype=float)[:, None],
        np.arange(len(scores)) if prompt is None else np.asarray(prompt),
        np.arange(1.0, 6.0),
        ratings=ratings,
    )


def run(grid, **setting):
    return alt_test(grid, Setting(**setting), interval=FEW_DRAWS, rng=np.random.default_rng(1))


def by_loops(scores, judge, scoring):
    """As the authors write it down: rater -> (W_f, W_r), each a list over items."""

    def near(x, others):
        if scoring == Scoring.ACCURACY:
            return np.mean([x == other for other in others])
        return -np.sqrt(np.mean([(x - other) ** 2 for other in others]))

    found = {}
    for r in range(scores.shape[1]):
        judge_wins, human_wins = [], []
        for i in range(len(scores)):
            others = [s for s in np.delete(scores[i], r) if not np.isnan(s)]
            if np.isnan(scores[i, r]) or np.isnan(judge[i]) or not others:
                continue
            f, h = near(judge[i], others), near(scores[i, r], others)
            judge_wins.append(int(f >= h - 1e-12))
            human_wins.append(int(h >= f - 1e-12))
        found[r] = (np.array(judge_wins), np.array(human_wins))
    return found


@pytest.fixture(scope="module")
def published(vectors):
    entry = vectors["judge/alt-test"]
    humans, judge = entry["inputs"]["humans"], entry["inputs"]["llm"]
    items = sorted(judge, key=int)
    scores = [[humans[rater].get(item, np.nan) for rater in ("r1", "r2", "r3")] for item in items]
    return scores, [judge[item] for item in items], entry["expected"]


@pytest.mark.parametrize("scoring", list(Scoring))
@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.15, 0.2])
def test_the_authors_program_says_the_same(published, scoring, epsilon):
    scores, judge, expected = published
    wanted = expected[f"{scoring}|{epsilon}"]
    found = run(grid_of(scores, judge), scoring=scoring, epsilon=epsilon)
    assert found.winning_rate.value == wanted["winning_rate"]
    assert found.passed is (wanted["winning_rate"] >= 0.5)
    assert found.advantage.value == pytest.approx(wanted["advantage_prob"], abs=1e-9)
    assert (found.advantage.n, found.winning_rate.units) == (40, 3)
    for name, annotator in zip(("r1", "r2", "r3"), found.annotators, strict=True):
        figures = wanted["per_annotator"][name]
        assert annotator.n == figures["n"]
        assert annotator.judge.value == pytest.approx(figures["rho_llm"], abs=1e-9)
        assert annotator.human.value == pytest.approx(figures["rho_human"], abs=1e-9)
        assert annotator.difference.value == pytest.approx(figures["mean_diff"], abs=1e-9)
        assert annotator.p == pytest.approx(figures["p"], abs=1e-9)


def test_the_curve_marks_the_eps_that_was_fixed_beforehand(published):
    scores, judge, expected = published
    found = run(grid_of(scores, judge), epsilon=0.15)
    assert [point.epsilon for point in found.curve if point.registered] == [0.15]
    assert [found.curve[0].epsilon, found.curve[-1].epsilon, len(found.curve)] == [0.0, 0.3, 31]
    rates = [point.winning_rate.value for point in found.curve]
    assert rates == sorted(rates)
    for epsilon in (0.0, 0.1, 0.15, 0.2):
        [at] = [point for point in found.curve if point.epsilon == epsilon]
        assert at.winning_rate.value == expected[f"neg_rmse|{epsilon}"]["winning_rate"]


def test_an_eps_off_the_curve_is_on_it_all_the_same(published):
    found = run(grid_of(*published[:2]), epsilon=0.125)
    assert [point.epsilon for point in found.curve if point.registered] == [0.125]
    assert len(found.curve) == 32


def sparse(seed, items=160, raters=9, each=2, noise=1.0):
    rng = np.random.default_rng(seed)
    truth = rng.normal(3, 1, items)
    scores = np.full((items, raters), np.nan)
    for i in range(items):
        who = rng.choice(raters, each, replace=False)
        scores[i, who] = np.clip(np.round(truth[i] + rng.normal(0, noise, each)), 1, 5)
    judge = np.clip(np.round(truth + rng.normal(0, noise, items)), 1, 5)
    return scores, judge


@pytest.mark.parametrize("scoring", list(Scoring))
@pytest.mark.parametrize("each", [2, 3])
def test_loops_and_scipy_agree_on_a_sparse_design(scoring, each):
    scores, judge = sparse(3, each=each)
    judge[::7] = np.nan
    found = run(grid_of(scores, judge), scoring=scoring, epsilon=0.1, min_items=20)
    wanted = {r: wins for r, wins in by_loops(scores, judge, scoring).items() if len(wins[0]) >= 20}
    assert found.left_out == 9 - len(wanted)
    assert [annotator.rater for annotator in found.annotators] == list(wanted)
    p = [scipy_stats.ttest_1samp(h - f, 0.1, alternative="less").pvalue for f, h in wanted.values()]
    assert [annotator.p for annotator in found.annotators] == pytest.approx(p)
    adjusted = scipy_stats.false_discovery_control(p, method="by")
    assert [annotator.adjusted_p for annotator in found.annotators] == pytest.approx(adjusted)
    assert found.winning_rate.value == pytest.approx(np.mean(adjusted <= 0.05))
    assert found.advantage.value == pytest.approx(np.mean([f.mean() for f, _ in wanted.values()]))
    assert found.advantage.low < found.advantage.value < found.advantage.high


def test_two_raters_per_item_are_worth_a_warning():
    assert run(grid_of(*sparse(1, each=2)), min_items=5).thin
    assert not run(grid_of(*sparse(1, each=3)), min_items=5).thin


def test_axes_share_one_rate_of_false_discoveries():
    one, other = grid_of(*sparse(4, each=3)), grid_of(*sparse(5, each=3, noise=0.5))
    setting = Setting(epsilon=0.2, min_items=10)
    found = alt_tests([one, other], setting, interval=FEW_DRAWS, rng=np.random.default_rng(1))
    p = [annotator.p for axis in found for annotator in axis.annotators]
    adjusted = [annotator.adjusted_p for axis in found for annotator in axis.annotators]
    assert adjusted == pytest.approx(scipy_stats.false_discovery_control(p, method="by"))
    alone = alt_test(one, setting, interval=FEW_DRAWS, rng=np.random.default_rng(1))
    assert [a.adjusted_p for a in alone.annotators] != pytest.approx(adjusted[: len(alone.annotators)])


def test_an_axis_without_annotators_does_not_trouble_the_others():
    few, many = grid_of(*sparse(4, items=20)), grid_of(*sparse(5, each=3))
    found = alt_tests([few, many], Setting(), interval=FEW_DRAWS, rng=np.random.default_rng(1))
    assert found[0].winning_rate == Undefined(Reason.NOT_ENOUGH, 20)
    assert found[0].passed is None
    assert found[0].left_out == 9
    assert isinstance(found[1].winning_rate, Estimate)


def test_no_axes_have_no_outcome():
    assert alt_tests([], rng=np.random.default_rng(1)) == []


def test_annotators_with_few_items_are_left_out_or_tested_by_ranks():
    scores, judge = sparse(6, items=60, raters=6)
    out = run(grid_of(scores, judge))
    assert (out.winning_rate, out.left_out) == (Undefined(Reason.NOT_ENOUGH, 60), 6)
    ranked = run(grid_of(scores, judge), few=Few.WILCOXON, epsilon=0.2)
    assert ranked.left_out == 0
    for annotator, (f, h) in zip(
        ranked.annotators, by_loops(scores, judge, Scoring.NEGATIVE_RMSE).values(), strict=True
    ):
        counts = np.bincount(h - f + 1, minlength=3)
        assert annotator.p == signed_rank_p(counts, 0.2)


def test_thirty_items_are_enough_and_twenty_nine_are_not():
    scores, judge = sparse(6, items=30, raters=2)
    assert len(run(grid_of(scores, judge)).annotators) == 2
    assert run(grid_of(scores[:29], judge[:29])).winning_rate == Undefined(Reason.NOT_ENOUGH, 29)


@pytest.mark.parametrize("counts", [(3, 4, 2), (0, 5, 3), (6, 0, 2), (1, 1, 7), (4, 4, 0)])
@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.5])
def test_signed_ranks_are_those_of_every_flip_of_signs(counts, epsilon):
    differences = np.repeat([-1.0, 0.0, 1.0], counts) - epsilon
    left = differences[np.abs(differences) > 1e-9]
    ranks = scipy_stats.rankdata(np.abs(left).round(9))
    flips = np.array(np.meshgrid(*[[0, 1]] * left.size)).reshape(left.size, -1)
    wanted = np.mean(ranks @ flips <= ranks[left > 0].sum() + 1e-9)
    assert signed_rank_p(np.array(counts), epsilon) == pytest.approx(wanted)


def test_signed_ranks_are_close_to_scipys_approximation():
    counts = np.array([9, 12, 5])
    differences = np.repeat([-1.0, 0.0, 1.0], counts) - 0.15
    wanted = scipy_stats.wilcoxon(differences, alternative="less", method="approx").pvalue
    assert signed_rank_p(counts, 0.15) == pytest.approx(wanted, abs=0.02)


def test_differences_that_are_all_the_same_have_a_probability_all_the_same():
    """Where t is infinite or 0 / 0: a tie on each of n items was improbable, if the mean is eps or more."""
    ties = np.array([0, 40, 0])
    assert t_test_p(ties, 0.0) == 1.0
    assert t_test_p(ties, 0.1) == pytest.approx(0.9**40)
    assert t_test_p(np.array([40, 0, 0]), 0.0) == pytest.approx(0.5**40)
    assert t_test_p(np.array([0, 0, 40]), 0.2) == 1.0
    p = [t_test_p(ties, epsilon) for epsilon in np.linspace(0, 0.3, 31)]
    assert p == sorted(p, reverse=True)


def test_a_judge_that_copies_an_annotator_ties_with_them_everywhere():
    scores = sparse(8, items=60, raters=2, each=2)[0]
    found = run(grid_of(scores, scores[:, 0]), epsilon=0.1)
    first, second = found.annotators
    assert (first.judge.value, first.human.value, first.difference.value) == (1.0, 1.0, 0.0)
    assert first.p == pytest.approx(0.9**60)
    assert second.judge.value == 1.0  # it says what the one other said


def test_a_judge_that_knows_what_the_others_say_beats_everyone():
    scores = sparse(9, items=100, raters=3, each=3)[0]
    scores[:, 1] = scores[:, 2] = scores[:, 0]
    found = run(grid_of(scores, scores[:, 0]), epsilon=0.1)
    assert (found.winning_rate.value, found.advantage.value) == (1.0, 1.0)
    assert found.advantage.no_interval is Reason.NO_SPREAD


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda grid: Grid(grid.human, grid.judge, grid.prompt, grid.values), Reason.NO_DATA),
        (
            lambda grid: Grid(
                grid.human,
                grid.judge,
                grid.prompt,
                grid.values,
                Ratings(
                    grid.ratings.row,
                    grid.ratings.model,
                    -np.ones_like(grid.ratings.rater),
                    grid.ratings.value,
                ),
            ),
            Reason.ANONYMOUS,
        ),
        (
            lambda grid: Grid(grid.human, grid.judge * np.nan, grid.prompt, grid.values, grid.ratings),
            Reason.NOTHING_SHARED,
        ),
        (
            lambda grid: Grid(
                grid.human,
                grid.judge,
                grid.prompt,
                grid.values,
                Ratings(*(column[:1] for column in vars(grid.ratings).values())),
            ),
            Reason.SINGLE_RATINGS,
        ),
    ],
)
def test_what_cannot_be_tested_says_why(change, reason):
    found = run(change(grid_of(*sparse(1))))
    assert found.winning_rate == found.advantage == Undefined(reason, 0)
    assert all(point.winning_rate == Undefined(reason, 0) for point in found.curve)


def test_one_prompt_has_no_interval():
    scores, judge = sparse(2, each=3)
    found = run(grid_of(scores, judge, prompt=np.zeros(160)))
    assert found.advantage.no_interval is Reason.ONE_UNIT


def test_a_second_rating_by_the_same_person_is_not_another_person():
    scores, judge = sparse(11, items=80, raters=3, each=3)
    grid = grid_of(scores, judge)
    ratings = grid.ratings
    again = ratings.rater == 0
    doubled = Ratings(
        np.append(ratings.row, ratings.row[again]),
        np.append(ratings.model, ratings.model[again]),
        np.append(ratings.rater, ratings.rater[again]),
        np.append(ratings.value, ratings.value[again]),
    )
    for scoring in Scoring:
        once = run(grid, scoring=scoring).annotators[0]
        twice = run(
            Grid(grid.human, grid.judge, grid.prompt, grid.values, doubled), scoring=scoring
        ).annotators[0]
        assert twice.judge.value == pytest.approx(once.judge.value)
        assert twice.n == 2 * once.n


def test_judges_are_ranked_by_their_advantage():
    scores, judge = sparse(12, items=200, raters=4, each=3)
    random = np.random.default_rng(1).integers(1, 6, 200)
    setting = Setting(min_items=10)
    grids = {"good": grid_of(scores, judge), "random": grid_of(scores, random)}
    found = compare_judges(
        {name: [advantage_figures(grid, setting)] for name, grid in grids.items()},
        np.arange(200),
        interval=FEW_DRAWS,
        rng=np.random.default_rng(1),
    )
    [difference] = found.differences
    rho = {name: run(grid, min_items=10).advantage.value for name, grid in grids.items()}
    assert difference.difference.value == pytest.approx(rho["good"] - rho["random"])
    assert found.top == {"alt_test.rho": ("good",)}
    nobody = advantage_figures(replace(grids["good"], ratings=None))
    assert (nobody.why, np.isnan(nobody.of(np.ones((2, 200)))).all()) == ((Reason.NO_DATA,), True)


def test_more_raters_per_item_let_a_judge_as_good_as_any_rater_win_more():
    """The others' mean is nearer to the truth, and the judge is as near to it as the rater."""
    rates = []
    for each in (2, 3):
        scores, judge = sparse(13, items=1500, raters=12, each=each, noise=0.7)
        rates.append(run(grid_of(scores, judge), epsilon=0.1).winning_rate.value)
    assert rates[0] < rates[1]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(list(Scoring)))
def test_neither_the_order_of_ratings_nor_names_of_raters_matter(seed, scoring):
    rng = np.random.default_rng(seed)
    scores, judge = sparse(seed, items=50, raters=4, each=3)
    grid = grid_of(scores, judge)
    order, names = rng.permutation(grid.ratings.row.size), rng.permutation(4)
    shuffled = Ratings(*(column[order] for column in vars(grid.ratings).values()))
    renamed = Ratings(shuffled.row, shuffled.model, names[shuffled.rater], shuffled.value)
    setting = Setting(scoring=scoring, min_items=10)
    one = alt_test(grid, setting, interval=FEW_DRAWS, rng=np.random.default_rng(1))
    other = alt_test(
        Grid(grid.human, grid.judge, grid.prompt, grid.values, renamed),
        setting,
        interval=FEW_DRAWS,
        rng=np.random.default_rng(1),
    )
    assert other.winning_rate == one.winning_rate
    assert other.advantage.value == pytest.approx(one.advantage.value)
    assert {names[a.rater]: a.p for a in one.annotators} == pytest.approx(
        {a.rater: a.p for a in other.annotators}
    )
