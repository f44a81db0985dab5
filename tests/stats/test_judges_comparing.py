"""Two judges on the same items: paired bootstrap, PERM-BOTH, Williams' test, top cluster."""

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from stats.agreement import Interval
from stats.estimate import Estimate, Reason, Undefined
from stats.judges.comparing import (
    Significance,
    compare_judges,
    on_shared_cells,
    pearson_with,
    perm_both,
    williams,
    williams_test,
)
from stats.judges.grid import Grid
from stats.resampling import resamples

FEW_DRAWS = Interval(replicates=400, fewest=2)


@dataclass(frozen=True)
class Mean:
    """The mean of numbers on rows, as a figure."""

    values: np.ndarray
    names: tuple = ("mean",)
    why: tuple = (Reason.NO_DATA,)

    @property
    def n(self):
        return (int(np.isfinite(self.values).sum()),)

    def of(self, weights):
        known = np.isfinite(self.values)
        return (weights @ np.where(known, self.values, 0) / (weights @ known))[:, None]


def study(seed=0, prompts=60, models=5):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(prompts, models)) + rng.normal(size=(prompts, 1))
    return truth, rng


def compared(judges, prompt=None, seed=1, **options):
    rows = len(next(iter(judges.values())).values)
    return compare_judges(
        {name: [mean] for name, mean in judges.items()},
        np.arange(rows) if prompt is None else prompt,
        interval=options.pop("interval", FEW_DRAWS),
        rng=np.random.default_rng(seed),
        **options,
    )


def test_judges_are_compared_on_the_same_resamples():
    """Trap: two bootstraps drawn apart give intervals far too wide, for a hard prompt is hard for both judges."""
    rng = np.random.default_rng(3)
    hard = rng.normal(0, 1, 200)
    a, b = hard + rng.normal(0.1, 0.1, 200), hard + rng.normal(0, 0.1, 200)
    [found] = compared({"a": Mean(a), "b": Mean(b)}).differences
    paired = scipy_stats.ttest_rel(a, b).confidence_interval()
    apart = scipy_stats.ttest_ind(a, b).confidence_interval()
    width = found.difference.high - found.difference.low
    assert width == pytest.approx(paired.high - paired.low, rel=0.15)
    assert width < 0.3 * (apart.high - apart.low)
    drawn = resamples(np.arange(200), 400, np.random.default_rng(1)) / 200
    assert found.difference.low == pytest.approx(np.quantile(drawn @ (a - b), 0.0244), abs=0.003)


@pytest.mark.parametrize("shift", [0.0, 0.05, 0.12, -0.12])
@pytest.mark.parametrize("n", [12, 150])
def test_the_p_of_a_mean_is_that_of_students_t(shift, n):
    rng = np.random.default_rng(7)
    a = rng.normal(shift * (150 / n) ** 0.5, 0.6, n)
    interval = Interval(replicates=20_000)
    [found] = compared({"a": Mean(a), "b": Mean(np.zeros(n))}, interval=interval).differences
    assert found.p == pytest.approx(scipy_stats.ttest_1samp(a, 0).pvalue, abs=0.02)
    assert (found.p < 0.05) == (found.difference.low > 0 or found.difference.high < 0)


def test_p_values_are_adjusted_over_all_pairs_of_judges_and_all_axes():
    rng = np.random.default_rng(5)
    judges = {
        name: [replace(Mean(rng.normal(mean, 1, 80)), names=(axis,)) for axis in ("fluency", "detail")]
        for name, mean in [("a", 0.0), ("b", 0.3), ("c", 0.6)]
    }
    found = compare_judges(judges, np.arange(80), interval=FEW_DRAWS, rng=np.random.default_rng(1))
    assert len(found.differences) == 6
    wanted = scipy_stats.false_discovery_control([one.p for one in found.differences])
    assert [one.adjusted_p for one in found.differences] == pytest.approx(wanted)
    assert set(found.top) == {"fluency", "detail"}


def test_the_top_cluster_holds_whom_nobody_beats():
    rng = np.random.default_rng(6)
    base = rng.normal(size=300)
    judges = {name: Mean(base + rng.normal(mean, 0.5, 300)) for name, mean in [("a", 0), ("b", 1), ("c", 1)]}
    assert compared(judges).top == {"mean": ("b", "c")}
    assert compared(judges, lower_is_better=("mean",)).top == {"mean": ("a",)}


def test_a_judge_is_no_better_than_itself():
    one = Mean(np.random.default_rng(1).normal(size=40))
    [found] = compared({"a": one, "again": one}).differences
    assert (found.difference.value, found.difference.no_interval, found.p) == (0.0, Reason.NO_SPREAD, 1.0)


def test_a_figure_that_a_judge_lacks_has_no_difference():
    known, unknown = Mean(np.arange(9.0)), replace(Mean(np.full(9, np.nan)), why=(Reason.NOTHING_SHARED,))
    for judges in ({"a": known, "b": unknown}, {"b": unknown, "a": known}):
        found = compared(judges)
        [one] = found.differences
        assert one.difference == Undefined(Reason.NOTHING_SHARED, 0)
        assert (one.p, one.adjusted_p, found.top) == (None, None, {"mean": ("a",)})


def test_one_prompt_tells_no_judges_apart():
    [found] = compared({"a": Mean(np.ones(4)), "b": Mean(np.zeros(4))}, prompt=np.zeros(4)).differences
    assert isinstance(found.difference, Estimate)
    assert (found.difference.no_interval, found.p) == (Reason.ONE_UNIT, None)


def test_no_judges_and_one_judge_compare_with_nobody():
    nobody = compared({"a": Mean(np.empty(0)), "b": Mean(np.empty(0))}).differences
    assert [one.difference for one in nobody] == [Undefined(Reason.NO_DATA, 0)]
    assert on_shared_cells([]) == []
    assert compare_judges({}, np.arange(3), rng=np.random.default_rng(1)).differences == ()
    assert compared({"a": Mean(np.arange(5.0))}).top == {"mean": ("a",)}


def test_judges_must_bring_the_same_figures():
    with pytest.raises(ValueError, match="same figures"):
        compared({"a": Mean(np.ones(3)), "b": replace(Mean(np.ones(3)), names=("other",))})


def test_judges_are_compared_where_all_of_them_have_scores():
    truth, rng = study()
    repeats = rng.normal(size=(60, 5, 2))
    one, other = Grid.of(truth, truth + 1), replace(Grid.of(truth, truth), repeats=repeats)
    one.judge[3, 1] = other.judge[4, 2] = np.nan
    one.judge[9] = np.nan
    a, b = on_shared_cells([one, other])
    assert a.n_items == b.n_items == 293
    assert np.array_equal(a.both, b.both)
    assert (len(a.prompt), a.n_prompts) == (59, 59)
    assert np.isnan(b.repeats[3, 1]).all()


# PERM-BOTH and Williams


@pytest.fixture(scope="module")
def judges(vectors):
    inputs = vectors["meta/judges-A-and-B"]["inputs"]
    return [np.array(inputs[name], float).T for name in ("systems_x_items_human", "judge_A", "judge_B")]


def test_the_published_williams_tests(vectors, judges):
    expected = vectors["meta/williams-and-permutation"]["expected"]
    wanted = expected["williams"]
    for found in (williams(*(wanted[r] for r in ("r12", "r13", "r23")), 24), williams_test(*judges)):
        assert found.p == pytest.approx(wanted["p_one"], abs=1e-9)
        assert 2 * found.p == pytest.approx(wanted["p_two"], abs=1e-9)
        assert found.n == 24
    for case in expected["williams_numeric"]:
        found = williams(case["r12"], case["r13"], case["r23"], case["n"])
        assert found.p == pytest.approx(case["p_one_sided"], abs=1e-9)


def test_the_published_permutation_test(vectors, judges):
    wanted = vectors["meta/williams-and-permutation"]["expected"]["perm_both_10000"]
    human, a, b = judges
    found = perm_both(a, b, pearson_with(human, "none"), permutations=10_000, rng=np.random.default_rng(1))
    assert found.statistic == pytest.approx(wanted["delta"], abs=1e-9)
    assert found.p == pytest.approx(wanted["p"], abs=5e-4)
    assert (found.n, found.draws) == (24, 10_000)


def test_permutations_are_close_to_all_of_them():
    rng = np.random.default_rng(2)
    human, a, b = rng.normal(size=(3, 3, 3))
    a += human
    z_a, z_b = ((side - side.mean()) / side.std() for side in (a, b))
    deltas = []
    for swap in product([False, True], repeat=9):
        swapped = np.array(swap).reshape(3, 3)
        x, y = np.where(swapped, z_b, z_a).ravel(), np.where(swapped, z_a, z_b).ravel()
        deltas.append(np.corrcoef(human.ravel(), x)[0, 1] - np.corrcoef(human.ravel(), y)[0, 1])
    wanted = np.mean(np.array(deltas) >= deltas[0] - 1e-12)
    found = perm_both(a, b, pearson_with(human, "none"), rng=rng)
    assert found.p == pytest.approx(wanted, abs=0.02)


def test_a_difference_as_large_as_the_one_observed_counts():
    human = np.arange(12.0).reshape(6, 2)
    a, b = human.copy(), human.copy()
    b[0, 0], b[5, 1] = 11, 0  # the judges differ in two cells: one swap in four is none at all
    found = perm_both(a, b, pearson_with(human, "none"), rng=np.random.default_rng(1))
    assert found.p == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize("level", ["none", "item", "sys", "system"])
def test_sums_of_rows_say_the_same_as_whole_tables(level):
    human, chance = study(8, prompts=20, models=4)
    a, b = human + chance.normal(size=(2, *human.shape))
    human[2, 1] = a[5, 3] = b[5, 3] = np.nan
    a[7] = 1.0
    of = pearson_with(human, level)
    found = [
        perm_both(a, b, statistic, permutations=300, rng=np.random.default_rng(1), prompt=np.arange(20) // 2)
        for statistic in (of, lambda judge: of(judge))
    ]
    assert found[0] == found[1]
    assert of.of_sums(of.rows(a).sum(axis=0, keepdims=True)) == pytest.approx(of(a[None]))


def test_turns_of_one_prompt_change_places_together():
    seen = []

    def statistic(judge):
        seen.append(judge)
        return judge[:, 0, 0]

    a, b = np.arange(8.0).reshape(4, 2), 10 + np.arange(8.0).reshape(4, 2)[::-1]
    perm_both(a, b, statistic, permutations=50, rng=np.random.default_rng(1), prompt=np.array([5, 2, 2, 2]))
    swapped = np.abs(seen[2] - seen[0]) > 1e-9  # (permutations, rows, models)
    assert (swapped == swapped[:, :, :1]).all()
    assert (swapped[:, 1:2] == swapped[:, 2:]).all()
    assert 0.2 < (swapped[:, 0] == swapped[:, 1]).mean() < 0.8


def test_whole_prompts_change_places_where_items_depend_on_each_other():
    truth, rng = study(4, prompts=40)
    a, b = truth + rng.normal(size=truth.shape), truth + rng.normal(size=truth.shape)
    a, b = a + 2 * rng.normal(size=(40, 1)), b + 2 * rng.normal(size=(40, 1))
    of = pearson_with(truth, "none")
    by_cell = perm_both(a, b, of, permutations=2000, rng=np.random.default_rng(1))
    by_prompt = perm_both(a, b, of, permutations=2000, rng=np.random.default_rng(1), prompt=np.arange(40))
    assert by_cell.statistic == by_prompt.statistic
    assert abs(by_prompt.p - 0.5) < abs(by_cell.p - 0.5)


@pytest.mark.parametrize("level", ["none", "item", "sys", "system"])
def test_correlations_are_those_of_loops(level):
    human, rng = study(8, prompts=12, models=4)
    judge = human + rng.normal(size=human.shape)
    human[2, 1] = judge[5, 3] = np.nan
    judge[7] = 3.0
    known = ~np.isnan(human + judge)
    if level == "none":
        wanted = np.corrcoef(human[known], judge[known])[0, 1]
    elif level == "system":
        x, y = (np.array([side[known[:, m], m].mean() for m in range(4)]) for side in (human, judge))
        wanted = np.corrcoef(x, y)[0, 1]
    else:
        sides = [(human, judge, known), (human.T, judge.T, known.T)][level == "sys"]
        groups = [(h[k], j[k]) for h, j, k in zip(*sides, strict=True)]
        wanted = np.mean([np.corrcoef(h, j)[0, 1] for h, j in groups if np.ptp(j) > 0])
    assert pearson_with(human, level)(judge[None]) == pytest.approx([wanted])


@pytest.mark.parametrize("level", ["none", "item", "sys", "system"])
def test_a_perfect_judge_is_better_than_noise_and_noise_is_not(level):
    truth, rng = study(1)
    noise = rng.normal(size=truth.shape)
    of = pearson_with(truth, level)
    assert perm_both(truth, noise, of, permutations=500, rng=rng).p < 0.05
    assert perm_both(noise, truth, of, permutations=500, rng=rng).p > 0.9


def test_tests_without_data_say_why():
    rng = np.random.default_rng(1)
    some, constant, nothing = rng.normal(size=(6, 2)), np.ones((6, 2)), np.full((6, 2), np.nan)
    of = pearson_with(some, "none")
    assert perm_both(some, nothing, of, rng=rng) == Undefined(Reason.NOTHING_SHARED)
    assert perm_both(some, constant, of, rng=rng) == Undefined(Reason.CONSTANT, 12)
    one_model = pearson_with(some[:, :1], "item")
    assert perm_both(some[:, :1], some[:, 1:], one_model, rng=rng) == Undefined(Reason.CONSTANT, 6)
    assert williams_test(some, some, constant) == Undefined(Reason.CONSTANT, 12)
    assert williams_test(some, some, nothing) == Undefined(Reason.INCOMPLETE, 12)
    assert williams_test(some[:1], some[:1], some[1:2]) == Undefined(Reason.NOT_ENOUGH, 2)
    assert williams(0.5, 0.5, 1.0, 20) == Undefined(Reason.NO_VARIATION, 20)
    assert williams(0.5, np.nan, 0.1, 20) == Undefined(Reason.CONSTANT, 20)


@settings(max_examples=50, deadline=None)
@given(st.floats(-0.95, 0.95), st.floats(-0.95, 0.95), st.floats(-0.95, 0.95), st.integers(4, 500))
def test_williams_p_turns_round_with_the_judges(r12, r13, r23, n):
    one, other = williams(r12, r13, r23, n), williams(r13, r12, r23, n)
    if isinstance(one, Significance):
        assert one.p + other.p == pytest.approx(1)
    else:
        assert one == other == Undefined(Reason.NO_VARIATION, n)
