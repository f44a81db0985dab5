"""The panel on projects with planted raters: LLM-jp's size, 484 prompts, 10 models, 53 raters, two an item."""

import numpy as np
import pytest

from stats.estimate import Estimate, Reason, Undefined
from stats.raters import Flag, Scored, Sheet, Twice, item_means, rater_panel, severity
from tests.stats.raters import simulate


@pytest.fixture(scope="module")
def study():
    return simulate(np.random.default_rng(0))


@pytest.fixture(scope="module")
def panel(study):
    return rater_panel(study.sheet)


def said_of(panel, rater) -> set[Flag]:
    return {raised.flag for raised in panel.raters[rater].flags}


def test_severities_correlate_with_the_true_ones(study, panel):
    for axis in range(2):
        found = [panel.raters[r].axes[axis].severity.value for r in study.good]
        assert np.corrcoef(found, study.severity[5:])[0, 1] > 0.95


def test_leave_one_out_correlation_separates_clickers_and_straight_liners_from_all_others(study, panel):
    for r in [*study.clickers, *study.straight]:
        assert all(axis.pearson.value < 0.2 for axis in panel.raters[r].axes)
        assert Flag.INCONSISTENT in said_of(panel, r)
    for r in study.good:
        assert all(axis.pearson.value > 0.2 for axis in panel.raters[r].axes)


def test_straight_liners_stand_out_by_entropy_equal_axes_and_pace(study, panel):
    for r in study.straight:
        assert {Flag.FEW_POINTS, Flag.EQUAL_AXES, Flag.FAST, Flag.BELOW_FLOOR} <= said_of(panel, r)
    for r in [*study.clickers, *study.good]:
        assert not {Flag.FEW_POINTS, Flag.EQUAL_AXES, Flag.FAST, Flag.LONG_RUN} & said_of(panel, r)


def test_only_careless_raters_are_in_doubt(study, panel):
    assert panel.in_doubt == (*study.clickers, *study.straight)
    assert all(axis.means.left_out == panel.in_doubt for axis in panel.axes)


def test_good_raters_are_flagged_for_severity_of_size_alone(study, panel):
    for r in study.good:
        assert said_of(panel, r) <= {Flag.LENIENT, Flag.SEVERE}
        for raised in panel.raters[r].flags:
            assert abs(raised.value) > 0.5
            assert np.sign(raised.value) == (1 if raised.flag is Flag.LENIENT else -1)


def test_taking_severity_and_bad_raters_out_brings_item_means_nearer_to_the_truth(study):
    scored = study.sheet.axis(0)
    truth = study.quality[:, 0]
    rest = scored.kept(scored.rater >= 5)

    def near(means):
        known = ~np.isnan(means.value)
        return np.corrcoef(means.value[known], truth[: means.value.size][known])[0, 1]

    steps = [
        near(item_means(scored)),
        near(item_means(scored, severity(scored))),
        near(item_means(rest)),
        near(item_means(rest, severity(rest))),
    ]
    assert steps == sorted(steps)
    assert steps[3] - steps[0] > 0.03


def test_every_figure_of_a_full_study_has_an_interval_or_a_reason(panel):
    def check(figure):
        if isinstance(figure, Undefined):
            assert figure.reason in Reason
        else:
            assert np.isfinite(figure.value)
            assert (figure.low is None) == (figure.no_interval is not None)
            if figure.low is not None:
                assert figure.low <= figure.value <= figure.high

    for one in panel.raters:
        for name in ("equal_axes", "halo", "seconds", "pace", "below_floor"):
            check(getattr(one, name))
        for axis in one.axes:
            for name in [
                "severity",
                "deviation",
                "pearson",
                "spearman",
                "residual_sd",
                "entropy",
                "modal_share",
                "longest_run",
                "drift",
                "drift_slope",
                "gold",
                "retest",
            ]:
                check(getattr(axis, name))
    for axis in panel.axes:
        for name in ("plain", "adjusted", "plain_without", "adjusted_without"):
            for figure in getattr(axis.means, name):
                check(figure)
                assert isinstance(figure, Estimate)


def test_the_design_is_as_health_has_it(panel):
    assert panel.health.connected
    assert panel.health.connectivity > 0.95
    assert panel.health.n_raters == 53
    assert [axis.n_components for axis in panel.axes] == [1, 1]


def test_few_items_raise_no_flag():
    small = simulate(np.random.default_rng(1), prompts=10, models=4, raters=8)
    assert rater_panel(small.sheet).flagged == ()


def test_gold_and_repeats_are_per_axis():
    small = simulate(np.random.default_rng(2), prompts=20, models=4, raters=6)
    rng = np.random.default_rng(3)
    gold = Twice.of([0] * 40, [1, 2, 4, 5] * 10, [1, 2, 4, 5] * 10)
    again = Twice.of([5] * 40, rng.integers(1, 6, 40), rng.integers(1, 6, 40))
    found = rater_panel(small.sheet, gold=[gold, None], repeats=[None, again])
    assert found.raters[0].axes[0].gold.value == 1
    assert found.raters[0].axes[1].gold == Undefined(Reason.NO_DATA)
    assert Flag.UNSTABLE in said_of(found, 5)
    assert 5 in found.in_doubt


def test_a_scale_of_hundred_points_has_thresholds_of_its_own_size():
    small = simulate(np.random.default_rng(4), prompts=60, models=4, raters=6, clickers=0, straight=0, axes=1)
    wide = dict(small.columns, score=(small.columns["score"] - 1) * 25, points=[np.arange(0, 101, 25)])
    narrow, found = rater_panel(small.sheet), rater_panel(Sheet.of(**wide))
    assert [[f.flag for f in one.flags] for one in narrow.raters] == [
        [f.flag for f in one.flags] for one in found.raters
    ]
    assert found.raters[0].axes[0].severity.value == pytest.approx(
        25 * narrow.raters[0].axes[0].severity.value
    )


def test_axes_without_an_order_have_scale_use_alone():
    found = rater_panel(
        Sheet.of(
            item=[0, 0, 1, 1],
            rater=[0, 1, 0, 1],
            score=[[1], [2], [3], [1]],
            ordered=[False],
            model=[0, 0, 1, 1],
        )
    )
    axis = found.raters[0].axes[0]
    assert axis.severity == axis.pearson == Undefined(Reason.NOT_ORDERED, 2)
    assert axis.entropy.value == 1
    assert found.axes[0].means is None


def test_positions_are_refused():
    assert rater_panel(Sheet.of(item=[0, 0, 1], rater=[-1, -1, -1], score=[1.0, 2, 3])) == Undefined(
        Reason.ANONYMOUS, 2
    )


def test_nothing_is_no_panel():
    assert rater_panel(Sheet.of(item=[], rater=[], score=np.empty((0, 2)))) == Undefined(Reason.NO_SCORES)


def test_a_rater_who_never_scored_an_axis_is_there_all_the_same():
    found = rater_panel(
        Sheet.of(
            item=[0, 0, 1], rater=[0, 1, 1], score=[[1, np.nan], [2, 3], [4, 5]], na=[[0, 1], [0, 0], [0, 0]]
        )
    )
    assert found.raters[0].axes[1].n == 0
    assert found.raters[0].axes[1].n_na == 1
    assert found.raters[0].axes[1].entropy == Undefined(Reason.NO_SCORES, 0)


def test_single_scores_alone_compare_nobody():
    scored = Scored.of(item=[0, 1, 2], rater=[0, 1, 2], value=[1, 3, 5])
    assert {one.reason for one in severity(scored).estimates} == {Reason.NOTHING_SHARED}
    found = rater_panel(Sheet.of(item=[0, 1, 2], rater=[0, 1, 2], score=[1.0, 3, 5]))
    assert found.health.components == 3


def test_wrong_shapes_are_malformed():
    for options in (
        {"points": [[1, 2], [1, 2]]},
        {"ordered": [True, False]},
        {"seconds": [1, 2, 3]},
        {"rater": [0, 1, 2]},
    ):
        with pytest.raises(ValueError, match=r"rows of scores|axes and"):
            Sheet.of(**({"item": [0, 1], "rater": [0, 1], "score": [1.0, 2.0]} | options))
