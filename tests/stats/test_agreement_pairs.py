"""Two who scored the same things: kappa, correlation and their intervals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import cohens_kappa

from stats.agreement import Interval, Method, pair, pair_table, pair_tables
from stats.agreement.pairs import (
    Pair,
    cohen_kappa,
    exact_agreement,
    mean_absolute_difference,
    mean_difference,
    pearson,
    quadratic_kappa,
    spearman,
    tau_b,
    within_one,
)
from stats.estimate import Estimate, Reason, Undefined

POINTS = [1, 2, 3, 4, 5]


def results(found: Pair) -> dict:
    names = ["exact", "within_one", "mean_abs_difference", "mean_difference", "kappa", "kappa_linear", "qwk"]
    return {name: getattr(found, name) for name in [*names, "pearson", "spearman", "tau_b"]}


def test_a_pair_of_raters_is_that_of_scikit_learn_and_scipy(vectors):
    vector = vectors["pair/two-raters-20-items"]
    found = results(pair(vector["inputs"]["rater_a"], vector["inputs"]["rater_b"], values=POINTS))
    expected = vector["expected"]
    theirs = {"exact": "exact", "within_one": "within_1", "kappa": "kappa", "kappa_linear": "kappa_linear"}
    theirs |= {"qwk": "qwk", "pearson": "pearson", "spearman": "spearman", "tau_b": "kendall_tau_b"}
    for ours, name in theirs.items():
        assert isinstance(found[ours], Estimate)
        assert found[ours].value == pytest.approx(expected[name], abs=vector["tolerance"]), name
        assert found[ours].n == 20
    # Delete-one jackknife and the delta method estimate the same variance.
    half = (found["qwk"].high - found["qwk"].low) / 2 / scipy_stats.t.ppf(0.975, 19)
    assert half**2 == pytest.approx(expected["qwk_asymptotic_variance_statsmodels"], rel=0.25)


def test_a_point_that_nobody_used_keeps_its_place(vectors):
    """Without the list of points, scikit-learn takes 2 and 5 for neighbours: .75."""
    vector = vectors["pair/qwk-label-gap-trap"]
    a, b = vector["inputs"]["rater_a"], vector["inputs"]["rater_b"]
    expected = vector["expected"]
    assert cohen_kappa_score(a, b, weights="quadratic") == pytest.approx(
        expected["qwk_without_labels (WRONG on a 1-5 scale)"]
    )
    assert quadratic_kappa(pair_table(a, b, POINTS)) == pytest.approx(
        expected["qwk_labels_1_to_5"], abs=vector["tolerance"]
    )


def test_scores_stored_as_narrow_integers_are_the_same_scores(vectors):
    vector = vectors["pair/two-raters-20-items"]
    for dtype in [np.uint8, np.int8, np.float32]:
        a, b = (np.array(vector["inputs"][f"rater_{name}"], dtype) for name in "ab")
        table = pair_table(a, b, np.array(POINTS, dtype))
        assert quadratic_kappa(table) == pytest.approx(vector["expected"]["qwk"], abs=1e-9)
        assert mean_absolute_difference(table, np.array(POINTS, dtype)) == pytest.approx(0.4, abs=1e-9)


@st.composite
def two_lists(draw):
    size = draw(st.integers(1, 14))
    lists = st.lists(st.sampled_from(POINTS), min_size=size, max_size=size)
    return np.array(draw(lists), float), np.array(draw(lists), float)


@given(two_lists())
def test_every_figure_is_that_of_another_implementation(lists):
    a, b = lists
    table = pair_table(a, b, POINTS)
    assert exact_agreement(table) == pytest.approx(np.mean(a == b))
    assert within_one(table) == pytest.approx(np.mean(np.abs(a - b) <= 1))
    assert mean_absolute_difference(table, POINTS) == pytest.approx(np.mean(np.abs(a - b)))
    assert mean_difference(table, POINTS) == pytest.approx(np.mean(b - a))
    both_constant = np.ptp(np.concatenate([a, b])) == 0
    for weights, theirs in [("identity", None), ("linear", "linear"), ("quadratic", "quadratic")]:
        found = cohen_kappa(table, weights, POINTS)
        if both_constant:
            assert np.isnan(found)
            continue
        sklearn = cohen_kappa_score(a, b, weights=theirs, labels=POINTS)
        assert found == pytest.approx(sklearn, abs=1e-9), weights
    if not both_constant:
        wanted = cohens_kappa(table, wt="fc", return_results=False)
        assert quadratic_kappa(table) == pytest.approx(wanted, abs=1e-9)
        lin = 2 * np.cov(a, b, ddof=0)[0, 1] / (a.var() + b.var() + (a.mean() - b.mean()) ** 2)
        assert quadratic_kappa(table) == pytest.approx(lin, abs=1e-9)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        assert np.isnan([pearson(table, POINTS), spearman(table), tau_b(table)]).all()
    else:
        assert pearson(table, POINTS) == pytest.approx(scipy_stats.pearsonr(a, b).statistic, abs=1e-9)
        assert spearman(table) == pytest.approx(scipy_stats.spearmanr(a, b).statistic, abs=1e-9)
        assert tau_b(table) == pytest.approx(scipy_stats.kendalltau(a, b).statistic, abs=1e-9)


@given(two_lists(), st.randoms())
def test_neither_the_order_of_items_nor_which_rater_comes_first_matters(lists, random):
    a, b = lists
    order = list(range(a.size))
    random.shuffle(order)
    one, other = results(pair(a, b, values=POINTS)), results(pair(b[order], a[order], values=POINTS))
    for name in set(one) - {"mean_difference"}:
        assert type(one[name]) is type(other[name])
        if isinstance(one[name], Estimate):
            assert one[name].value == pytest.approx(other[name].value, abs=1e-9)
            if one[name].low is not None:
                assert one[name].low == pytest.approx(other[name].low, abs=1e-9)


@given(two_lists(), st.integers(1, 5))
def test_items_that_one_of_them_left_out_change_nothing(lists, more):
    a, b = lists
    gaps = np.full(more, np.nan)
    longer = pair(np.r_[a, gaps, gaps], np.r_[b, np.full(more, 3), gaps], values=POINTS)
    assert results(longer) == results(pair(a, b, values=POINTS))


@given(two_lists())
def test_the_tables_of_prompts_add_up_to_the_whole(lists):
    a, b = lists
    group = np.arange(a.size) % 3
    tables = pair_tables(a, b, POINTS, group, groups=4)
    assert tables.shape == (4, 5, 5)
    np.testing.assert_array_equal(tables.sum(axis=0), pair_table(a, b, POINTS))
    for g in range(3):
        np.testing.assert_array_equal(tables[g], pair_table(a[group == g], b[group == g], POINTS))
    weights = np.array([[2, 0, 1, 5], [1, 1, 1, 0]])
    drawn = np.einsum("bp,pij->bij", weights, tables)
    again = np.repeat(np.arange(a.size), weights[0][group])
    for figure in [quadratic_kappa, tau_b, spearman, exact_agreement]:
        once = figure(pair_table(a[again], b[again], POINTS))
        assert figure(drawn)[0] == pytest.approx(once, abs=1e-9, nan_ok=True)


def test_uneven_steps_weigh_as_far_as_they_are():
    values = [0, 1, 10]
    a, b = [0, 0, 1, 10, 10, 1], [0, 1, 1, 10, 1, 1]
    table = pair_table(a, b, values)
    assert quadratic_kappa(table, values) == pytest.approx(
        2 * np.cov(a, b, ddof=0)[0, 1] / (np.var(a) + np.var(b) + (np.mean(a) - np.mean(b)) ** 2)
    )
    assert quadratic_kappa(table) != pytest.approx(quadratic_kappa(table, values))


def test_without_anything_in_common_there_is_a_reason():
    found = results(pair([1, np.nan], [np.nan, 2], values=POINTS))
    assert set(found.values()) == {Undefined(Reason.NOTHING_SHARED, 0)}


def test_one_item_has_agreement_and_no_correlation():
    found = pair([1], [2], values=POINTS)
    assert isinstance(found.exact, Estimate)
    assert (found.exact.value, found.exact.no_interval) == (0, Reason.ONE_UNIT)
    assert found.pearson == Undefined(Reason.ONE_ITEM, 1)
    assert isinstance(found.qwk, Estimate)
    assert found.qwk.value == 0


def test_a_rater_who_always_says_the_same_has_no_correlation_and_no_kappa_above_chance():
    found = pair([1, 2, 3, 4], [5, 5, 5, 5], values=POINTS)
    for figure in [found.pearson, found.spearman, found.tau_b]:
        assert figure == Undefined(Reason.CONSTANT, 4)
    assert isinstance(found.kappa, Estimate)
    assert found.kappa.value == pytest.approx(0)


def test_two_who_say_the_same_of_everything_have_no_kappa():
    found = pair([5, 5, 5], [5, 5, 5], values=POINTS)
    for figure in [found.kappa, found.kappa_linear, found.qwk]:
        assert figure == Undefined(Reason.NO_VARIATION, 3)
    assert isinstance(found.exact, Estimate)
    assert (found.exact.value, found.exact.no_interval) == (1, Reason.NO_SPREAD)


def study(prompts=60, per_prompt=5, effect=1.0, seed=0):
    rng = np.random.default_rng(seed)
    prompt = np.repeat(np.arange(prompts), per_prompt)
    quality = rng.normal(size=prompt.size) + effect * rng.normal(size=prompts)[prompt]
    a, b = (np.clip(np.round(3.2 + 0.7 * quality + 0.7 * rng.normal(size=prompt.size)), 1, 5) for _ in "ab")
    return a, b, prompt


@pytest.mark.parametrize("method", [Method.ITEM_JACKKNIFE, Method.CLUSTER_JACKKNIFE])
def test_the_jackknife_leaves_out_one_item_or_one_prompt(method):
    a, b, prompt = study(12)
    groups = prompt if method.over_clusters else np.arange(a.size)
    values = [
        quadratic_kappa(pair_table(a[groups != g], b[groups != g], POINTS), POINTS) for g in np.unique(groups)
    ]
    n = len(values)
    error = np.sqrt((n - 1) / n * np.sum((values - np.mean(values)) ** 2))
    found = pair(a, b, values=POINTS, cluster=prompt, interval=Interval(method)).qwk
    assert isinstance(found, Estimate)
    assert (found.units, found.method) == (n, method)
    assert (found.high - found.low) / 2 == pytest.approx(scipy_stats.t.ppf(0.975, n - 1) * error, abs=1e-9)


def test_bootstrap_and_jackknife_are_of_one_width_and_prompts_widen_them():
    a, b, prompt = study(150, per_prompt=10, effect=1.5)
    widths = {}
    for method in Method:
        if method is Method.NONE:
            continue
        interval = Interval(method)
        found = pair(a, b, values=POINTS, cluster=prompt, interval=interval, rng=np.random.default_rng(1))
        widths[method] = [result.high - result.low for result in results(found).values()]
    for units in ["item", "cluster"]:
        jackknife, bootstrap = (widths[Method(f"{units}_{how}")] for how in ["jackknife", "bootstrap"])
        assert bootstrap == pytest.approx(jackknife, rel=0.12)
    assert widths[Method.CLUSTER_JACKKNIFE][6] > 1.1 * widths[Method.ITEM_JACKKNIFE][6]


def test_malformed_pairs_are_refused():
    with pytest.raises(ValueError, match="one length"):
        pair_table([1, 2], [1], POINTS)
    with pytest.raises(ValueError, match="not a point"):
        pair_table([1, 6], [1, 2], POINTS)
    with pytest.raises(ValueError, match="belong together"):
        pair([1, 2], [1, 2], values=POINTS, interval=Interval(Method.CLUSTER_JACKKNIFE))
    with pytest.raises(ValueError, match="random generator"):
        pair([1, 2], [1, 2], values=POINTS, interval=Interval(Method.ITEM_BOOTSTRAP))
