"""How far a judge is off: bias, error, line, steps, confusion, kappa."""

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from stats.agreement.pairs import pair_table, quadratic_kappa
from stats.estimate import Estimate, Reason, Undefined
from stats.judges.error import Confusion, Isotonic, confusion, error_figures, errors, isotonic_map
from stats.judges.grid import Grid, Ratings
from stats.judges.kappa import kappa_figures, kappas
from stats.resampling import resamples
from tests.stats.comparisons import FEW, POINT, drawn_by_index, rng, study, value


def test_errors_of_the_reference_data(vectors):
    vector = vectors["judge/bias-error-length"]
    inputs, expected = vector["inputs"], vector["expected"]
    human, judge = (np.array(inputs[side])[:, None] for side in ("human", "judge"))
    of = errors(Grid.of(human, judge), interval=FEW, rng=rng())
    found = {
        "bias": of.bias,
        "mae": of.mae,
        "rmse": of.rmse,
        "ccc": of.concordance,
        "calibration_slope": of.slope,
        "calibration_intercept": of.intercept,
    }
    for name, figure in found.items():
        assert value(figure) == pytest.approx(expected[name], abs=vector["tolerance"])
        assert figure.low < figure.value < figure.high
    off = judge - human
    assert of.bias.value / (off.std(ddof=1) / len(off) ** 0.5) == pytest.approx(expected["paired_t"])


@pytest.mark.parametrize("missing", [0, 0.3])
def test_every_error_in_every_resample_is_that_of_prompts_written_out(missing):
    grid = study(prompts=9, missing=missing, judge="anything").shared()
    weights = np.vstack([np.ones(len(grid.human)), resamples(grid.prompt, 5, rng())])
    sets = error_figures(grid)
    names = [name for one in sets for name in one.names]
    for row, figures in zip(weights, np.concatenate([one.of(weights) for one in sets], axis=1), strict=True):
        copy = drawn_by_index(grid, row)
        h, j = copy.human[copy.both], copy.judge[copy.both]
        model = np.nonzero(copy.both)[1]
        expected = {
            "bias": np.mean(j - h),
            "mae": sklearn.metrics.mean_absolute_error(h, j),
            "rmse": sklearn.metrics.root_mean_squared_error(h, j),
            "slope": np.polyfit(h, j, 1)[0],
            "intercept": np.polyfit(h, j, 1)[1],
            "concordance": 2 * np.cov(h, j, ddof=0)[0, 1] / (h.var() + j.var() + (h.mean() - j.mean()) ** 2),
        }
        for m in range(4):
            expected[f"bias.model.{m}"] = np.mean((j - h)[model == m])
        for i, point in enumerate(grid.values):
            near = (h >= point - 0.5) & (h < point + 0.5)
            expected[f"bias.bin.{i}"] = np.mean((j - h)[near]) if near.any() else np.nan
        assert dict(zip(names, figures, strict=True)) == pytest.approx(expected, nan_ok=True)


def test_bins_say_from_where_to_where_and_what_is_empty():
    of = errors(Grid.of([[1.5], [2.0], [4.5]], [[2.0], [3.0], [4.0]]), interval=POINT, rng=rng())
    assert [(b.point, b.low, b.high) for b in of.bias_per_bin][:2] == [(1, -np.inf, 1.5), (2, 1.5, 2.5)]
    assert of.bias_per_bin[0].bias == Undefined(Reason.NOTHING_SHARED, 0)
    assert value(of.bias_per_bin[1].bias) == pytest.approx(0.75)
    assert value(of.bias_per_bin[4].bias) == -0.5
    assert of.bias_per_bin[4].bias.n == 1


def test_a_mean_that_rounding_put_beside_an_edge_is_on_it():
    third = (0.1 + 0.2) * 25 / 3  # 2.5000000000000004
    of = errors(Grid.of([[2.4999999999999996], [third]], [[3], [3]]), interval=POINT, rng=rng())
    assert of.bias_per_bin[2].bias.n == 2


def test_a_perfect_and_a_constant_judge():
    grid = study()
    perfect = errors(Grid(grid.human, grid.human.copy(), grid.prompt, grid.values), interval=POINT, rng=rng())
    assert [value(f) for f in (perfect.bias, perfect.mae, perfect.rmse)] == [0, 0, 0]
    assert [value(f) for f in (perfect.slope, perfect.concordance)] == pytest.approx([1, 1])
    assert value(perfect.intercept) == pytest.approx(0)
    judge = np.full(grid.human.shape, 4.0)
    constant = errors(Grid(grid.human, judge, grid.prompt, grid.values), interval=POINT, rng=rng())
    assert [value(f) for f in (constant.slope, constant.concordance)] == pytest.approx([0, 0], abs=1e-12)
    assert value(constant.bias) == pytest.approx(4 - grid.human.mean())


def test_people_who_say_one_thing_have_no_line():
    of = errors(Grid.of([[3.0], [3.0]], [[2.0], [4.0]]), interval=POINT, rng=rng())
    assert of.slope == of.intercept == Undefined(Reason.CONSTANT, 2)
    assert value(of.concordance) == 0
    same = errors(Grid.of([[3.0], [3.0]], [[3.0], [3.0]]), interval=POINT, rng=rng())
    assert same.concordance == Undefined(Reason.CONSTANT, 2)


def test_nothing_shared():
    of = errors(Grid.of([[np.nan, 1]], [[2, np.nan]]), interval=POINT, rng=rng())
    nothing = Undefined(Reason.NOTHING_SHARED)
    figures = [of.bias, of.mae, of.rmse, of.slope, of.intercept, of.concordance, *of.bias_per_model]
    assert all(f == nothing for f in figures)
    assert isotonic_map(Grid.of([[np.nan]], [[2]])) == nothing


def test_the_map_is_that_of_scikit_learn():
    grid = study(prompts=40, judge="anything", missing=0.1)
    found = isotonic_map(grid)
    assert isinstance(found, Isotonic)
    other = IsotonicRegression().fit(grid.human[grid.both], grid.judge[grid.both])
    assert found.judge == pytest.approx(other.predict(found.human))
    assert (np.diff(found.judge) >= 0).all()
    assert found.n.sum() == grid.n_items


# Single ratings


def ratings_and_judge(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    of = grid.ratings
    judge = grid.judge[of.row, of.model]
    return of.value[~np.isnan(judge)], judge[~np.isnan(judge)]


def test_confusion_is_with_each_rating():
    grid = study(missing=0.2)
    found = confusion(grid)
    human, judge = ratings_and_judge(grid)
    assert isinstance(found, Confusion)
    expected = sklearn.metrics.confusion_matrix(human, judge, labels=[1, 2, 3, 4, 5])
    assert np.array_equal(found.counts, expected)
    assert (found.moved, found.left_out) == (0, 0)
    assert found.counts.sum() == human.size == 2 * grid.n_items


def test_what_lies_between_points_is_left_out_or_moved_and_either_is_said():
    human = np.array([[4.0, 3.0, 2.0]])
    ratings = Ratings(np.array([0, 0, 0]), np.array([0, 1, 2]), np.array([0, 0, 0]), human[0])
    grid = Grid(human, np.array([[3.5, 3.2, 2.0]]), np.array([0]), np.arange(1, 6.0), ratings)
    out, moved = confusion(grid), confusion(grid, rounding="nearest")
    assert (out.counts.sum(), out.left_out, out.moved) == (1, 2, 0)
    assert (moved.counts.sum(), moved.left_out, moved.moved) == (3, 0, 2)
    assert moved.counts[3, 3] == moved.counts[2, 2] == moved.counts[1, 1] == 1  # 3.5 goes up


def test_no_single_ratings_no_confusion():
    assert confusion(Grid.of([[1.0]], [[1.0]])) == Undefined(Reason.NO_DATA)
    grid = study()
    nothing = Grid(grid.human, np.full(grid.human.shape, np.nan), grid.prompt, grid.values, grid.ratings)
    assert confusion(nothing) == Undefined(Reason.NOTHING_SHARED)


def test_kappa_with_each_human_of_the_reference_data(vectors):
    expected, grid = vectors["judge/ceiling"]["expected"], alt_test_grid(vectors)
    of = kappas(grid, interval=POINT, rng=rng())
    assert of.raters == 3
    assert value(of.judge) == pytest.approx(np.mean(expected["qwk_judge_vs_each_human"]), abs=1e-9)
    labels = [1, 2, 3, 4, 5]
    columns = grid.ratings.value.reshape(-1, 3).T
    pairs = [
        sklearn.metrics.cohen_kappa_score(columns[a], columns[b], labels=labels, weights="quadratic")
        for a, b in ((0, 1), (0, 2), (1, 2))
    ]
    assert of.pairs == 3
    assert value(of.people) == pytest.approx(np.mean(pairs))


def alt_test_grid(vectors) -> Grid:
    inputs = vectors["judge/alt-test"]["inputs"]
    items = sorted(inputs["llm"], key=int)
    humans = np.array(
        [[inputs["humans"][r][i] for i in items] for r in sorted(inputs["humans"])], dtype=float
    )
    n = len(items)
    return Grid(
        humans.mean(axis=0)[:, None],
        np.array([inputs["llm"][i] for i in items], dtype=float)[:, None],
        np.arange(n),
        np.arange(1, 6.0),
        Ratings(np.repeat(np.arange(n), 3), np.zeros(3 * n, int), np.tile(np.arange(3), n), humans.T.ravel()),
    )


@pytest.mark.parametrize("judge", ["points", "anything"])
def test_kappas_of_resamples_are_those_of_prompts_written_out(judge):
    grid = study(prompts=40, raters=4, missing=0.1, judge=judge).shared()
    assert kappa_figures(grid, fewest=10_000)[1] == kappa_figures(grid, fewest_of_pair=10_000)[2] == 0
    sets, raters, _pairs = kappa_figures(grid)
    assert raters == 4
    weights = np.vstack([np.ones(len(grid.human)), resamples(grid.prompt, 3, rng())])
    found = np.concatenate([one.of(weights) for one in sets], axis=1)
    for row, figures in zip(weights, found, strict=True):
        copy = drawn_by_index(grid, row)
        of, labels = copy.ratings, [1, 2, 3, 4, 5]
        said = copy.judge[of.row, of.model]
        use = ~np.isnan(said)
        assert figures[2] == pytest.approx(lin(of.value[use], said[use]))
        by_rater = [(of.value[use & (of.rater == r)], said[use & (of.rater == r)]) for r in range(4)]
        assert figures[0] == pytest.approx(np.mean([lin(*two) for two in by_rater]))
        if judge == "points":
            scikit = [
                sklearn.metrics.cohen_kappa_score(*two, labels=labels, weights="quadratic")
                for two in by_rater
            ]
            ours = [quadratic_kappa(pair_table(*two, labels)) for two in by_rater]
            assert figures[0] == pytest.approx(np.mean(scikit))
            assert figures[0] == pytest.approx(np.mean(ours))


def lin(x, y) -> float:
    return 2 * np.cov(x, y, ddof=0)[0, 1] / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)


def test_positions_in_a_list_are_not_persons():
    grid = study()
    of = grid.ratings
    positions = Ratings(of.row, of.model, np.full(of.row.size, -1), of.value)
    found = kappas(
        Grid(grid.human, grid.judge, grid.prompt, grid.values, positions), interval=POINT, rng=rng()
    )
    assert found.judge.reason is found.people.reason is Reason.ANONYMOUS
    assert isinstance(found.pooled, Estimate)
    assert found.headline is found.pooled


def test_why_there_is_no_kappa():
    bare = kappas(Grid.of([[1.0, 2.0]], [[1.0, 2.0]]), interval=POINT, rng=rng())
    assert {bare.judge, bare.people, bare.pooled} == {Undefined(Reason.NO_DATA)}
    few = kappas(study(prompts=2, models=2), interval=POINT, rng=rng())
    assert few.judge == Undefined(Reason.NOT_ENOUGH)
    single = kappas(study(per_item=1), interval=POINT, rng=rng())
    assert isinstance(single.judge, Estimate)
    assert single.people == Undefined(Reason.SINGLE_RATINGS)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=1, max_size=12))
def test_the_concordance_is_quadratic_kappa(pairs):
    human, judge = np.array(pairs, dtype=float).T
    found = errors(Grid.of(human[:, None], judge[:, None]), interval=POINT, rng=rng()).concordance
    expected = quadratic_kappa(pair_table(human, judge, [1, 2, 3, 4, 5]))
    if np.isnan(expected):
        assert found == Undefined(Reason.CONSTANT if len(pairs) > 1 else Reason.ONE_ITEM, len(pairs))
    else:
        assert value(found) == pytest.approx(float(expected), abs=1e-9)
