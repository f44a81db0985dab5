"""Correlation of a judge with people at four levels."""

import warnings

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from stats.estimate import Estimate, Reason, Undefined
from stats.judges.grid import Grid
from stats.judges.levels import LEVELS, at_level, correlations
from stats.resampling import resamples
from tests.stats.comparisons import FEW, POINT, drawn_by_index, over_groups, rng, study, value


def pearson(x, y):
    return scipy.stats.pearsonr(x, y)[0]


def spearman(x, y):
    return scipy.stats.spearmanr(x, y)[0]


def kendall(x, y):
    return scipy.stats.kendalltau(x, y)[0]


SECOND = {"pearson": pearson, "spearman": spearman, "kendall": kendall}


@pytest.fixture(autouse=True)
def _constant_groups_are_no_news():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def found(grid: Grid, level: str):
    return correlations(grid, level, interval=POINT, rng=rng())


@pytest.mark.parametrize("judge", ["A", "B"])
@pytest.mark.parametrize("level", LEVELS)
def test_judges_of_the_reference_implementation(vectors, judge, level):
    vector = vectors["meta/judges-A-and-B"]
    inputs, expected = vector["inputs"], vector["expected"][judge][level]
    grid = Grid.of(np.array(inputs["systems_x_items_human"]).T, np.array(inputs[f"judge_{judge}"]).T)
    of = found(grid, level)
    assert value(of.pearson) == pytest.approx(expected["pearson"], abs=vector["tolerance"])
    assert value(of.spearman) == pytest.approx(expected["spearman"], abs=vector["tolerance"])
    assert value(of.kendall) == pytest.approx(expected["kendall_b"], abs=vector["tolerance"])
    assert (of.groups, of.dropped) == (expected.get("groups", 1), 0)


@pytest.mark.parametrize("level", ["none", "item", "sys"])
def test_a_judge_with_many_values_of_the_reference_implementation(vectors, level):
    vector = vectors["meta/tie-calibration-continuous-judge"]
    inputs, expected = vector["inputs"], vector["expected"][level]
    of = found(Grid.of(np.array(inputs["systems_x_items_human"]).T, np.array(inputs["judge_C"]).T), level)
    assert value(of.pearson) == pytest.approx(expected["pearson"], abs=vector["tolerance"])
    assert value(of.kendall) == pytest.approx(expected["kendall_b"], abs=vector["tolerance"])


def test_missing_cells_are_missing_on_both_sides(vectors):
    vector = vectors["meta/tie-calibration-continuous-judge"]
    inputs, expected = vector["inputs"], vector["expected"]["with_missing"]
    human = np.array(inputs["systems_x_items_human"])
    human.ravel()[expected["missing_positions"]] = np.nan
    grid = Grid.of(human.T, np.array(inputs["judge_C"]).T)
    tolerance = vector["tolerance"]
    assert value(found(grid, "none").pearson) == pytest.approx(expected["pearson_none"], abs=tolerance)
    assert value(found(grid, "item").pearson) == pytest.approx(expected["pearson_item"], abs=tolerance)
    assert value(found(grid, "item").kendall) == pytest.approx(expected["kendall_item"], abs=tolerance)


def test_a_prompt_without_variation_is_dropped_and_counted(vectors):
    vector = vectors["meta/tie-calibration-continuous-judge"]
    inputs, expected = vector["inputs"], vector["expected"]["constant_item"]
    human, judge = np.array(inputs["systems_x_items_human"]), np.array(inputs["judge_C"])
    values = []
    for item in range(
        human.shape[1]
    ):  # which one was made constant, and on which side, the vector does not say
        for side in (0, 1):
            tables = [human.copy(), judge.copy()]
            tables[side][:, item] = 3.0
            of = found(Grid.of(tables[0].T, tables[1].T), "item")
            assert (of.groups, of.dropped) == (expected["n_groups"], 1)
            values.append(value(of.kendall))
    assert min(abs(v - expected["kendall_item_nan_dropped"]) for v in values) < vector["tolerance"]


@pytest.mark.parametrize("missing", [0, 0.3])
@pytest.mark.parametrize("judge", ["points", "anything"])
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", SECOND)
def test_scipy_says_the_same(name, level, judge, missing):
    grid = study(judge=judge, missing=missing)
    expected = over_groups(grid, level, SECOND[name])
    assert value(getattr(found(grid, level), name)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("prompts", "models"), [(12, 4), (5, 9), (40, 2)])
@pytest.mark.parametrize("judge", ["points", "anything"])
@pytest.mark.parametrize("level", LEVELS)
def test_each_resample_is_that_of_prompts_written_out(level, judge, prompts, models):
    """More cells than rows, and fewer: both ways of counting pairs."""
    grid = study(prompts=prompts, models=models, judge=judge, missing=0.15).shared()
    weights = resamples(grid.prompt, 8, rng(8))
    of = at_level(grid, level).figures.of(weights)
    for row, figures in zip(weights, of, strict=True):
        copy = drawn_by_index(grid, row)
        expected = [over_groups(copy, level, figure) for figure in SECOND.values()]
        assert figures[:3] == pytest.approx(expected, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("level", LEVELS)
def test_turns_of_a_conversation_are_drawn_together(level):
    grid = study(prompts=9, turns=2)
    weights = resamples(grid.prompt, 5, rng())
    of = at_level(grid, level).figures.of(weights)
    for row, figures in zip(weights, of, strict=True):
        assert figures[0] == pytest.approx(over_groups(drawn_by_index(grid, row), level, pearson))
    assert correlations(grid, level, interval=FEW, rng=rng()).pearson.units == 9


@pytest.mark.parametrize("level", LEVELS)
def test_a_perfect_judge(level):
    grid = study()
    of = found(Grid(grid.human, grid.human.copy(), grid.prompt, grid.values), level)
    assert [value(of.pearson), value(of.spearman), value(of.kendall)] == pytest.approx([1, 1, 1])


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("constant", [3.0, 0.1, 1e6 / 3])
def test_a_constant_judge_has_no_correlation(level, constant):
    grid = study()
    of = found(Grid(grid.human, np.full(grid.human.shape, constant), grid.prompt, grid.values), level)
    assert of.pearson == of.spearman == of.kendall == Undefined(Reason.CONSTANT, grid.n_items)
    assert of.groups == 0
    assert of.dropped == {"none": 1, "item": 30, "sys": 4, "system": 1}[level]


@pytest.mark.parametrize(
    ("shape", "level", "reason"),
    [
        ((0, 3), "none", Reason.NOTHING_SHARED),
        ((5, 0), "system", Reason.NOTHING_SHARED),
        ((1, 1), "none", Reason.ONE_ITEM),
        ((5, 1), "item", Reason.ONE_MODEL),
        ((5, 1), "system", Reason.ONE_MODEL),
        ((1, 5), "sys", Reason.ONE_PROMPT),
    ],
)
def test_what_is_too_small_says_why(shape, level, reason):
    table = np.arange(float(np.prod(shape))).reshape(shape)
    of = found(Grid.of(table, table), level)
    assert {of.pearson, of.spearman, of.kendall} == {Undefined(reason, table.size)}


def test_nothing_shared_is_said():
    human, judge = np.full((4, 3), np.nan), np.full((4, 3), 2.0)
    for level in LEVELS:
        assert found(Grid.of(human, judge), level).pearson == Undefined(Reason.NOTHING_SHARED)


def test_one_prompt_has_figures_and_no_interval():
    grid = Grid.of([[1, 2, 3, 4]], [[1, 3, 2, 4]])
    of = correlations(grid, "item", interval=FEW, rng=rng())
    assert isinstance(of.pearson, Estimate)
    assert of.pearson.no_interval is Reason.ONE_UNIT


def test_means_that_differ_by_rounding_alone_are_tied():
    human = np.array([[0.1, 0.3], [0.2, 0.2], [0.3, 0.1]])  # 0.1 + 0.2 + 0.3 > 0.3 + 0.2 + 0.1
    judge = np.array([[1.0, 2.0], [2.0, 2.0], [3.0, 3.0]])
    of = found(Grid.of(human, judge), "system")
    assert of.pearson == of.spearman == of.kendall == Undefined(Reason.CONSTANT, 6)
    means = np.array([[0.6, 0.6000000000000001, 0.6]])
    of = found(Grid.of(means, [[1, 2, 3]]), "item")
    assert of.pearson == of.spearman == of.kendall == Undefined(Reason.CONSTANT, 3)


@pytest.mark.parametrize("level", ["none", "sys"])
def test_a_resample_in_which_the_judge_is_constant_is_undefined_and_not_what_rounding_leaves(level):
    judge = np.full((6, 3), 0.1)
    judge[0] = [0.2, 0.7, 0.9]
    grid = Grid.of(np.arange(18.0).reshape(6, 3) / 7, judge)
    weights = resamples(grid.prompt, 200, rng())
    weights[:, 0] = 0
    with np.errstate(invalid="ignore"):
        assert np.isnan(at_level(grid, level).figures.of(weights)[:, :3]).all()


scores = st.integers(1, 5) | st.none()
tables = st.integers(1, 6).flatmap(
    lambda models: st.lists(
        st.lists(st.tuples(scores, scores), min_size=models, max_size=models), min_size=1, max_size=8
    )
)


def as_grid(table) -> Grid:
    cells = np.array([[[np.nan if s is None else s for s in cell] for cell in row] for row in table])
    return Grid.of(cells[:, :, 0], cells[:, :, 1])


def figures_of(grid: Grid) -> list[float]:
    found = []
    for level in LEVELS:
        of = correlations(grid, level, interval=POINT, rng=rng())
        found += [
            of.value if isinstance(of, Estimate) else float("nan")
            for of in (of.pearson, of.spearman, of.kendall)
        ]
    return found


@settings(max_examples=60, deadline=None)
@given(tables)
def test_any_table_gives_what_scipy_gives_or_a_reason(table):
    grid = as_grid(table)
    expected = [over_groups(grid, level, figure) for level in LEVELS for figure in SECOND.values()]
    assert figures_of(grid) == pytest.approx(expected, abs=1e-9, nan_ok=True)


@settings(max_examples=30, deadline=None)
@given(tables, st.randoms(use_true_random=False))
def test_the_order_of_prompts_and_models_says_nothing(table, random):
    grid = as_grid(table)
    rows, columns = list(range(len(grid.human))), list(range(grid.human.shape[1]))
    random.shuffle(rows)
    random.shuffle(columns)
    other = Grid.of(grid.human[rows][:, columns], grid.judge[rows][:, columns])
    assert figures_of(other) == pytest.approx(figures_of(grid), abs=1e-9, nan_ok=True)


@settings(max_examples=30, deadline=None)
@given(tables)
def test_a_judge_on_another_scale_has_the_same_ranks(table):
    grid = as_grid(table)
    other = Grid.of(grid.human, np.exp(grid.judge))
    for level in ("none", "item", "sys"):
        one, two = (correlations(g, level, interval=POINT, rng=rng()) for g in (grid, other))
        for a, b in ((one.spearman, two.spearman), (one.kendall, two.kendall)):
            assert type(a) is type(b)
            if isinstance(a, Estimate):
                assert a.value == pytest.approx(b.value, abs=1e-9)
