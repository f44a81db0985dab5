"""All figures of a judge at once."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stats.agreement import Interval
from stats.estimate import Estimate, Reason, Undefined
from stats.judges.figures import FigureSet, measure
from stats.judges.grid import Grid, Ratings
from stats.judges.levels import correlations
from stats.judges.panel import JudgePanel, judge_panel
from stats.resampling import resamples
from stats.tails import tail
from tests.stats.comparisons import FEW, POINT, drawn_by_index, rng, study, value


def results(of, name: str = "") -> dict[str, Estimate | Undefined]:
    """Every figure in it, however deep, by where it is."""
    if isinstance(of, Estimate | Undefined):
        return {name: of}
    if dataclasses.is_dataclass(of):
        parts = {f.name: getattr(of, f.name) for f in dataclasses.fields(of)}
    elif isinstance(of, dict):
        parts = of
    elif isinstance(of, tuple):
        parts = dict(enumerate(of))
    else:
        return {}
    found: dict[str, Estimate | Undefined] = {}
    for key, part in parts.items():
        found |= results(part, f"{name}.{key}")
    return found


def test_every_figure_of_a_study_has_an_interval_around_it():
    panel = judge_panel(
        study(prompts=60, raters=4, missing=0.05), interval=Interval(replicates=200, fewest=2), rng=rng()
    )
    figures = results(panel)
    assert len(figures) > 60
    ends = {f".error.bias_per_bin.{i}.bias" for i in (0, 4)}  # few responses, or none
    for name, figure in figures.items():
        if name not in ends:
            assert figure.low is not None, name
            if ".bias_per_" in name:  # with prompts of their own
                assert figure.units <= 60
            else:
                assert figure.units == 60
            assert figure.replicates == 200
            if not name.startswith(".ties.acc_eq"):
                assert figure.low <= figure.value <= figure.high, name
    assert (panel.n_items, panel.n_prompts, panel.n_models) == (panel.n_items, 60, 4)
    assert panel.pairwise_accuracy is panel.pairs["system"].acc23
    assert [panel.pooled.level, panel.item.level, panel.sys.level, panel.system.level] == [
        "none",
        "item",
        "sys",
        "system",
    ]


def test_intervals_are_percentiles_over_prompts_drawn_with_the_same_draws():
    grid = study(prompts=20)
    interval = Interval(replicates=100, fewest=2)
    found = correlations(grid, "none", interval=interval, rng=rng(9)).pearson
    weights = resamples(grid.prompt, 100, rng(9))
    slow = []
    for row in weights:
        copy = drawn_by_index(grid, row)
        slow.append(np.corrcoef(copy.human.ravel(), copy.judge.ravel())[0, 1])
    beyond = tail(0.95, 20)
    assert (found.low, found.high) == pytest.approx(np.quantile(slow, [beyond, 1 - beyond]))


def test_the_same_chance_draws_the_same_prompts_for_another_judge():
    grid = study(prompts=15)
    other = Grid(grid.human, 6 - grid.judge, grid.prompt, grid.values, grid.ratings)
    interval = Interval(replicates=200, fewest=2)
    one, two = (judge_panel(g, interval=interval, rng=rng(4)) for g in (grid, other))
    assert one.pooled.pearson.low == pytest.approx(-two.pooled.pearson.high)
    assert results(one) == results(judge_panel(grid, interval=interval, rng=rng(4)))


def test_models_and_prompts_in_another_order_change_no_figure():
    grid = study(prompts=10, raters=3)
    rows, columns = rng().permutation(10), rng().permutation(4)
    of = grid.ratings
    moved = Ratings(np.argsort(rows)[of.row], np.argsort(columns)[of.model], of.rater, of.value)
    other = Grid(grid.human[rows][:, columns], grid.judge[rows][:, columns], grid.prompt, grid.values, moved)
    one, two = (results(judge_panel(g, interval=POINT, rng=rng())) for g in (grid, other))
    for name, figure in one.items():
        if not any(part in name for part in ("per_model", "held_out", "spa")):
            other_figure = two[name]
            if isinstance(figure, Estimate):
                assert value(other_figure) == pytest.approx(figure.value), name
            else:
                assert figure == other_figure


def test_the_judge_panel_of_nothing_gives_reasons():
    for shape in ((0, 0), (0, 3), (3, 0), (2, 2)):
        panel = judge_panel(Grid.of(np.full(shape, np.nan), np.full(shape, 3.0)), interval=FEW, rng=rng())
        assert isinstance(panel, JudgePanel)
        assert (panel.n_items, panel.n_prompts, panel.n_models) == (0, 0, 0)
        reasons = {figure.reason for figure in results(panel).values()}
        assert reasons <= {Reason.NOTHING_SHARED, Reason.NO_DATA}


@pytest.mark.parametrize("constant", ["human", "judge", "both"])
def test_all_ties_give_figures_or_reasons(constant):
    grid = study(prompts=8)
    human = np.full(grid.human.shape, 3.0) if constant != "judge" else grid.human
    judge = np.full(grid.judge.shape, 3.0) if constant != "human" else grid.judge
    panel = judge_panel(Grid(human, judge, grid.prompt, grid.values, grid.ratings), interval=FEW, rng=rng())
    for level in (panel.pooled, panel.item, panel.sys, panel.system):
        assert level.pearson == Undefined(Reason.CONSTANT, 32)
        assert level.groups == 0


cells = st.integers(1, 5) | st.none()
studies = st.tuples(st.integers(1, 4), st.integers(1, 3), st.booleans()).flatmap(
    lambda shape: st.tuples(
        st.just(shape[2]),
        st.lists(
            st.lists(
                st.tuples(cells, st.lists(st.tuples(st.integers(0, 2), st.integers(1, 5)), max_size=3)),
                min_size=shape[1],
                max_size=shape[1],
            ),
            min_size=shape[0],
            max_size=shape[0],
        ),
    )
)


@settings(max_examples=40, deadline=None)
@given(studies)
def test_whatever_the_study_every_figure_is_a_number_or_a_reason(drawn):
    anonymous, table = drawn
    human = np.array(
        [[np.mean([v for _, v in given]) if given else np.nan for _, given in row] for row in table]
    )
    judge = np.array([[np.nan if j is None else float(j) for j, _ in row] for row in table])
    single = [
        (p, m, -1 if anonymous else rater, v)
        for p, row in enumerate(table)
        for m, (_, given) in enumerate(row)
        for rater, v in dict(given).items()
    ]
    columns = np.array(single, dtype=np.int64).reshape(-1, 4).T
    ratings = Ratings(columns[0], columns[1], columns[2], columns[3].astype(float))
    grid = Grid(human, judge, np.arange(len(human)) // 2, np.arange(1, 6.0), ratings)
    for figure in results(judge_panel(grid, interval=FEW, rng=rng())).values():
        if isinstance(figure, Estimate):
            assert np.isfinite(figure.value)
            assert figure.low is None or np.isfinite([figure.low, figure.high]).all()
        else:
            assert isinstance(figure.reason, Reason)


def test_without_an_interval_nothing_is_drawn():
    chance = rng()
    found = correlations(study(), "none", interval=POINT, rng=chance).pearson
    assert (found.low, found.no_interval, found.replicates) == (None, Reason.NOT_ASKED, 0)
    assert chance.random() == rng().random()


def test_figures_of_one_name_and_sets_that_do_not_fit_are_refused():
    one = FigureSet(("a",), lambda weights: weights[:, :1], (1,), (Reason.CONSTANT,))
    with pytest.raises(ValueError, match="one name"):
        measure([one, one], np.arange(3), rng=rng())
    with pytest.raises(ValueError, match="2 names"):
        FigureSet(("a", "b"), one.of, (1,), (Reason.CONSTANT,))
    assert measure([], np.arange(3), rng=rng()) == {}


def test_blocks_change_nothing_but_memory(monkeypatch):
    grid = study(prompts=12)
    whole = results(judge_panel(grid, interval=FEW, rng=rng()))
    monkeypatch.setattr("stats.judges.figures._CELLS", 40)
    for name, figure in results(judge_panel(grid, interval=FEW, rng=rng())).items():
        if isinstance(figure, Estimate) and figure.low is not None:
            assert (figure.low, figure.high) == pytest.approx((whole[name].low, whole[name].high)), name


def test_rows_that_nobody_shares_are_not_drawn():
    grid = study(prompts=12)
    judge = grid.judge.copy()
    judge[5:] = np.nan
    found = judge_panel(
        Grid(grid.human, judge, grid.prompt, grid.values, grid.ratings), interval=FEW, rng=rng()
    )
    few = Grid(grid.human[:5], judge[:5], grid.prompt[:5], grid.values)
    assert found.pooled == judge_panel(few, interval=FEW, rng=rng()).pooled
