"""Pairs in the same order: acc23, acc-eq with its eps, soft pairwise accuracy, pairwise differences."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stats.estimate import Estimate, Reason, Undefined
from stats.judges.grid import Grid
from stats.judges.levels import LEVELS, at_level
from stats.judges.pairs import difference_figures, pair_accuracy, pairwise_difference
from stats.judges.soft import permutation_p, soft_figures, soft_pairwise_accuracy
from stats.judges.ties import tie_calibration, tie_curve, tie_figures
from stats.resampling import resamples
from tests.stats.comparisons import FEW, POINT, drawn_by_index, over_groups, rng, study, value


def vector_grid(vectors, name: str, judge: str) -> Grid:
    inputs = vectors[name]["inputs"]
    return Grid.of(np.array(inputs["systems_x_items_human"]).T, np.array(inputs[f"judge_{judge}"]).T)


def acc23(x, y, eps: float = 0) -> float:
    """The slow way: each pair of a group."""
    right = [
        (a[0] == b[0]) if abs(a[1] - b[1]) <= eps + 1e-12 else np.sign(a[0] - b[0]) == np.sign(a[1] - b[1])
        for a, b in itertools.combinations(zip(x, y, strict=True), 2)
    ]
    return float(np.mean(right)) if right else float("nan")


AB = pytest.mark.parametrize("judge", ["A", "B"])


@AB
@pytest.mark.parametrize("level", ["none", "item", "sys"])
def test_accuracy_of_the_reference_implementation(vectors, judge, level):
    vector = vectors["meta/judges-A-and-B"]
    expected, tolerance = vector["expected"][judge][level], vector["tolerance"]
    grid = vector_grid(vectors, "meta/judges-A-and-B", judge)
    of = pair_accuracy(grid, level, interval=POINT, rng=rng())
    assert value(of.acc23) == pytest.approx(expected["acc23"], abs=tolerance)
    assert value(of.tau23) == pytest.approx(expected["tau23"], abs=tolerance)
    curve = tie_curve(grid, level)
    assert curve.eps == pytest.approx(expected["thresholds"])
    assert curve.acc23 == pytest.approx(expected["accs"], abs=tolerance)
    assert curve.best == pytest.approx((expected["acc_eq_threshold"], expected["acc_eq"]), abs=tolerance)
    assert curve.at(0.5) == pytest.approx(expected["acc23_eps0.5"], abs=tolerance)
    assert curve.at(1) == pytest.approx(expected["acc23_eps1"], abs=tolerance)


@AB
def test_pairs_of_models_in_the_same_order(vectors, judge):
    vector = vectors["meta/judges-A-and-B"]
    agreements, pairs = vector["expected"][judge]["pairwise_agreements_and_pairs"]
    grid = vector_grid(vectors, "meta/judges-A-and-B", judge)
    of = pair_accuracy(grid, "system", interval=POINT, rng=rng())
    assert value(of.acc23) == pytest.approx(agreements / pairs)
    assert of.counts.pairs == pairs
    assert of.counts.concordant + of.counts.tied_both == agreements


@AB
def test_pairwise_difference_of_the_reference_implementation(vectors, judge):
    grid = vector_grid(vectors, "meta/judges-A-and-B", judge)
    expected = vectors["meta/judges-A-and-B"]["expected"][judge]["pdp_item"]
    assert value(pairwise_difference(grid, interval=POINT, rng=rng())) == pytest.approx(expected, abs=1e-9)


@AB
def test_soft_accuracy_is_the_exact_one_where_all_permutations_are_few(vectors, judge):
    expected = vectors["meta/judges-A-and-B"]["expected"][judge]
    grid = vector_grid(vectors, "meta/judges-A-and-B", judge)
    exact = soft_pairwise_accuracy(grid, interval=POINT, rng=rng())
    assert value(exact) == pytest.approx(expected["spa_exact"], abs=1e-9)
    drawn = soft_pairwise_accuracy(grid, permutations=60, interval=POINT, rng=rng())  # 2^6 = 64 would be all
    assert value(drawn) == pytest.approx(expected["spa_exact"], abs=0.1)
    assert value(exact) == pytest.approx(expected["spa"], abs=0.03)  # the reference drew 1,000


@AB
def test_exact_p_values_of_the_reference_data(vectors, judge):
    expected = vectors["meta/judges-A-and-B"]["expected"][judge]
    grid = vector_grid(vectors, "meta/judges-A-and-B", judge)
    first, second = np.triu_indices(4, 1)
    human, scores = (t[:, first] - t[:, second] for t in (grid.human, grid.judge))
    p_h, p_j = permutation_p((human, scores), rng=rng())
    assert p_h == pytest.approx(expected["p_h_exact"])
    assert p_j == pytest.approx(expected["p_m_exact"])


def test_p_values_of_the_reference_with_its_permutations(vectors):
    expected = vectors["meta/judges-A-and-B"]["expected"]["B"]
    grid = vector_grid(vectors, "meta/judges-A-and-B", "B")
    first, second = np.triu_indices(4, 1)
    tables = [t[:, first] - t[:, second] for t in (grid.human, grid.judge)]
    for p, name in zip(permutation_p(tables, rng=rng()), ("p_h", "p_m"), strict=True):
        reference = np.array(expected[f"reference_seed4_{name}"], dtype=float)[first, second]
        assert p == pytest.approx(reference, abs=0.03)


@pytest.mark.parametrize("level", ["none", "item", "sys"])
def test_ties_of_a_judge_with_many_values(vectors, level):
    vector = vectors["meta/tie-calibration-continuous-judge"]
    expected, tolerance = vector["expected"][level], vector["tolerance"]
    curve = tie_curve(vector_grid(vectors, "meta/tie-calibration-continuous-judge", "C"), level)
    assert curve.best == pytest.approx((expected["eps_star"], expected["acc_eq"]), abs=tolerance)
    assert curve.at(0) == pytest.approx(expected["acc23_eps0"], abs=tolerance)
    assert curve.at(0.2) == pytest.approx(expected["acc23_eps0.2"], abs=tolerance)


def test_accuracy_keeps_prompts_that_correlation_drops(vectors):
    vector = vectors["meta/tie-calibration-continuous-judge"]
    inputs, expected = vector["inputs"], vector["expected"]
    human, judge = np.array(inputs["systems_x_items_human"]), np.array(inputs["judge_C"])
    missing = human.copy()
    missing.ravel()[expected["with_missing"]["missing_positions"]] = np.nan
    of = pair_accuracy(Grid.of(missing.T, judge.T), "item", interval=POINT, rng=rng())
    assert value(of.acc23) == pytest.approx(expected["with_missing"]["acc23_item"], abs=1e-9)
    found = []
    for item in range(human.shape[1]):
        for side in (0, 1):
            tables = [human.copy(), judge.copy()]
            tables[side][:, item] = 3.0
            grid = Grid.of(tables[0].T, tables[1].T)
            found.append(value(pair_accuracy(grid, "item", interval=POINT, rng=rng()).acc23))
    assert min(abs(f - expected["constant_item"]["acc23_item"]) for f in found) < vector["tolerance"]


@pytest.mark.parametrize("judge", ["points", "anything"])
@pytest.mark.parametrize("level", LEVELS)
def test_accuracy_is_that_of_going_through_all_pairs(level, judge):
    """A prompt that is drawn twice makes no pair with itself."""
    grid = study(prompts=9, judge=judge, missing=0.2, turns=2).shared()
    of = at_level(grid, level)
    weights = np.vstack([np.ones(len(grid.human)), resamples(grid.prompt, 6, rng())])
    for row, figures in zip(weights, of.figures.of(weights), strict=True):
        if level in ("item", "system"):
            expected = over_groups(drawn_by_index(grid, row), level, acc23)
        else:
            groups = [range(4)] if level == "none" else [[m] for m in range(4)]
            expected = np.mean([weighted_acc23(grid, row, models) for models in groups])
        assert figures[3:] == pytest.approx([expected, 2 * expected - 1])


def weighted_acc23(grid: Grid, weights: np.ndarray, models) -> float:
    right = pairs = 0.0
    cells = [(p, m) for p in range(len(grid.human)) for m in models if grid.both[p, m]]
    for a, b in itertools.combinations(cells, 2):
        weight = weights[a[0]] * weights[b[0]]
        pairs += weight
        right += weight * (np.sign(grid.human[a] - grid.human[b]) == np.sign(grid.judge[a] - grid.judge[b]))
    return right / pairs


@pytest.mark.parametrize("level", ["none", "item", "sys"])
def test_the_curve_is_that_of_going_through_all_pairs(level):
    grid = study(prompts=7, judge="anything", missing=0.2)
    curve = tie_curve(grid, level)
    for eps in (0, 0.1, float(curve.eps[3]), 0.5, 2, 50):
        expected = over_groups(grid, level, lambda x, y, e=eps: acc23(x, y, e))
        assert curve.at(eps) == pytest.approx(expected)
    assert curve.best[1] == curve.acc23.max()


@pytest.mark.parametrize("judge", ["points", "anything"])
def test_each_resample_finds_its_own_eps(judge):
    grid = study(prompts=8, judge=judge, missing=0.1).shared()
    figures, halves = tie_figures(grid, rng=rng())
    weights = resamples(grid.prompt, 20, rng())
    for row, best in zip(weights, figures[0].of(weights), strict=True):
        assert best[0] == pytest.approx(tie_curve(drawn_by_index(grid, row), "item").best[1])
    assert all(eps >= 0 for eps in halves)


def test_what_fits_one_half_best_is_scored_on_the_other():
    grid = study(prompts=40, judge="anything").shared()
    of = tie_calibration(grid, interval=FEW, rng=rng())
    curve = tie_curve(grid, "item")
    assert of.eps == curve.best[0]
    assert value(of.acc_eq) == pytest.approx(curve.best[1])
    assert value(of.held_out) <= value(of.acc_eq) + 1e-12


def test_where_the_judge_means_ties_but_never_says_so_either_half_finds_it():
    grid = study(prompts=40)
    judge = grid.human + rng().normal(size=grid.human.shape) * 0.02
    of = tie_calibration(Grid.of(grid.human, judge), interval=POINT, rng=rng())
    assert 0.02 < of.eps < 0.3
    assert value(of.held_out) > 0.97
    assert tie_curve(Grid.of(grid.human, judge), "item").at(0) < 0.9


def test_an_integer_judge_usually_needs_no_eps():
    of = tie_calibration(study(prompts=60), interval=POINT, rng=rng())
    assert of.eps == 0
    assert value(of.acc_eq) == pytest.approx(value(of.held_out))


def test_one_prompt_cannot_be_split():
    of = tie_calibration(Grid.of([[1, 2, 2]], [[1, 2, 3]]), interval=POINT, rng=rng())
    assert isinstance(of.acc_eq, Estimate)
    assert of.held_out == Undefined(Reason.ONE_PROMPT, 3)


def test_differences_of_floats_get_a_slack():
    curve = tie_curve(Grid.of([[3, 3]], [[4.3, 4.4]]), "item")  # 4.4 - 4.3 > 0.1
    assert curve.at(0.1) == 1
    assert curve.at(0.09) == 0


def test_no_level_has_pairs_with_one_model_and_one_prompt():
    grid = Grid.of([[3.0]], [[4.0]])
    for level, reason in zip(
        LEVELS, [Reason.ONE_ITEM, Reason.ONE_MODEL, Reason.ONE_PROMPT, Reason.ONE_MODEL], strict=True
    ):
        assert pair_accuracy(grid, level, interval=POINT, rng=rng()).acc23 == Undefined(reason, 1)
    of = tie_calibration(grid, interval=POINT, rng=rng())
    assert (of.eps, of.acc_eq, of.eps_of_halves) == (None, Undefined(Reason.ONE_MODEL, 1), (None, None))
    assert soft_pairwise_accuracy(grid, interval=POINT, rng=rng()) == Undefined(Reason.ONE_MODEL, 1)
    assert pairwise_difference(grid, interval=POINT, rng=rng()) == Undefined(Reason.ONE_MODEL, 1)


def test_all_ties_are_all_right_and_correlate_nothing():
    grid = Grid.of(np.full((5, 3), 2.0), np.full((5, 3), 4.0))
    for level in LEVELS:
        assert value(pair_accuracy(grid, level, interval=POINT, rng=rng()).acc23) == 1
    assert pairwise_difference(grid, interval=POINT, rng=rng()) == Undefined(Reason.CONSTANT, 15)
    assert value(soft_pairwise_accuracy(grid, interval=POINT, rng=rng())) == 1


@pytest.mark.parametrize("missing", [0, 0.3])
def test_differences_are_those_of_every_ordered_pair(missing):
    grid = study(prompts=8, missing=missing).shared()
    weights = np.vstack([np.ones(len(grid.human)), resamples(grid.prompt, 4, rng())])
    for row, found in zip(weights, difference_figures(grid).of(weights), strict=True):
        copy, pairs = drawn_by_index(grid, row), []
        for p, (a, b) in itertools.product(range(len(copy.human)), itertools.permutations(range(4), 2)):
            if copy.both[p, a] and copy.both[p, b]:
                pairs.append([copy.human[p, a] - copy.human[p, b], copy.judge[p, a] - copy.judge[p, b]])
        assert found[0] == pytest.approx(np.corrcoef(np.array(pairs).T)[0, 1])


def test_permutations_drawn_are_near_all_permutations():
    differences = np.random.default_rng(2).integers(-3, 4, size=(12, 5)).astype(float)
    [exact] = permutation_p([differences], permutations=2**12, rng=rng())
    [drawn] = permutation_p([differences], permutations=4000, rng=rng())
    assert drawn == pytest.approx(exact, abs=0.03)
    slow = [
        np.mean([(np.array(f) * d).sum() >= d.sum() for f in itertools.product([1, -1], repeat=12)])
        for d in differences.T
    ]
    assert exact == pytest.approx(slow)


def test_soft_accuracy_of_resamples_is_near_that_of_their_permutations():
    grid = study(prompts=60, missing=0.1).shared()
    weights = resamples(grid.prompt, 5, rng())
    approximate = soft_figures(grid, rng=rng()).of(weights)[:, 0]
    exact = [
        value(soft_pairwise_accuracy(drawn_by_index(grid, row), interval=POINT, rng=rng())) for row in weights
    ]
    assert approximate == pytest.approx(exact, abs=0.04)


def test_turns_are_flipped_together():
    grid = study(prompts=6, turns=2, seed=3)
    turns = grid.human.reshape(6, 2, 4), grid.judge.reshape(6, 2, 4)
    summed = Grid.of(turns[0].sum(axis=1), turns[1].sum(axis=1))
    one, other = (value(soft_pairwise_accuracy(g, interval=POINT, rng=rng())) for g in (grid, summed))
    assert one == pytest.approx(other)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), min_size=3, max_size=3),
        min_size=1,
        max_size=6,
    )
)
def test_a_perfect_judge_is_right_on_every_pair_and_a_turned_one_on_ties_alone(table):
    cells = np.array(table, dtype=float)
    grid = Grid.of(cells[:, :, 0], cells[:, :, 0])
    turned = Grid.of(cells[:, :, 0], -cells[:, :, 0])
    for level in LEVELS:
        of = pair_accuracy(grid, level, interval=POINT, rng=rng())
        if isinstance(of.acc23, Estimate):
            assert of.acc23.value == pytest.approx(1)
        counts = pair_accuracy(turned, level, interval=POINT, rng=rng()).counts
        assert (counts.concordant, counts.tied_human, counts.tied_judge) == (0, 0, 0)
        assert counts.tied_both == of.counts.tied_both
    assert value(soft_pairwise_accuracy(grid, interval=POINT, rng=rng())) == pytest.approx(1)
