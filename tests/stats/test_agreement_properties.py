"""What must hold for any data: laws of the histogram, of the coefficients, and against the plain definitions."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stats.agreement import (
    EXACT,
    ICC_1_1,
    ICC_1_K,
    ITEM_JACKKNIFE,
    MEAN_ABSOLUTE_DIFFERENCE,
    METRICS,
    MISSING,
    NA,
    WITHIN_ONE,
    Interval,
    Method,
    PatternHistogram,
    alpha,
    bp,
    estimate_all,
    gwet,
    merge,
    panel,
)
from stats.estimate import Estimate, Reason, Undefined

EVERYTHING = [
    *(alpha(metric) for metric in ["nominal", "ordinal", "interval", "ratio"]),
    *(of(weights) for of in [gwet, bp] for weights in ["identity", "linear", "quadratic"]),
    *[EXACT, WITHIN_ONE, MEAN_ABSOLUTE_DIFFERENCE, ICC_1_1, ICC_1_K],
]
NO_INTERVAL = Interval(Method.NONE)


@st.composite
def studies(draw, max_points: int = 6, max_raters: int = 5):
    """(values, ranks (items, raters), clusters (items,)): any scale, any holes."""
    points = draw(st.integers(2, max_points))
    values = np.cumsum(draw(st.lists(st.sampled_from([0.5, 1, 3]), min_size=points, max_size=points)))
    rows, raters = draw(st.integers(1, 12)), draw(st.integers(1, max_raters))
    cells = st.lists(st.integers(NA, points), min_size=rows * raters, max_size=rows * raters)
    ranks = np.array(draw(cells)).reshape(rows, raters)
    clusters = np.array(draw(st.lists(st.integers(0, 4), min_size=rows, max_size=rows)))
    return values, ranks, clusters * 1000


def histogram_of(values, ranks, clusters=None) -> PatternHistogram:
    return PatternHistogram.from_ratings(
        values=values,
        item=np.repeat(np.arange(len(ranks)), ranks.shape[1]),
        rank=ranks.ravel(),
        cluster=None if clusters is None else np.repeat(clusters, ranks.shape[1]),
    )


def figures(histogram, interval=NO_INTERVAL) -> list:
    return estimate_all(histogram, EVERYTHING, interval=interval, rng=np.random.default_rng(1))


def assert_same(ours, theirs) -> None:
    for coefficient, a, b in zip(EVERYTHING, ours, theirs, strict=True):
        assert type(a) is type(b), coefficient.name
        if isinstance(a, Undefined):
            assert a == b
            continue
        assert a.value == pytest.approx(b.value, abs=1e-9), coefficient.name
        assert (a.low is None) == (b.low is None), coefficient.name
        if a.low is not None:
            assert [a.low, a.high] == pytest.approx([b.low, b.high], abs=1e-9), coefficient.name


def plainly(values, ranks) -> dict[str, float]:
    """The definitions, written out over pairs of scores."""
    items = [[values[r - 1] for r in row if r >= 1] for row in ranks]
    pairable = [item for item in items if len(item) > 1]
    scores = [score for item in pairable for score in item]
    n = len(scores)
    if n == 0:
        return {}

    def between(a, b):
        low, high = min(a, b), max(a, b)
        inside = sum(low <= s <= high for s in scores)
        return inside - (scores.count(low) + scores.count(high)) / 2 if low != high else 0

    distances = {
        "alpha_nominal": lambda a, b: a != b,
        "alpha_ordinal": lambda a, b: between(a, b) ** 2,
        "alpha_interval": lambda a, b: (a - b) ** 2,
        "alpha_ratio": lambda a, b: ((a - b) / (a + b)) ** 2 if a + b else 0,
    }
    found = {}
    for name, d in distances.items():
        observed = sum(
            sum(d(a, b) for a, b in itertools.permutations(item, 2)) / (len(item) - 1) for item in pairable
        )
        expected = sum(d(a, b) for a, b in itertools.permutations(scores, 2)) / (n - 1)
        if expected:
            found[name] = 1 - observed / expected

    def mean_over_items(weight):
        return np.mean(
            [np.mean([weight(a, b) for a, b in itertools.permutations(item, 2)]) for item in pairable]
        )

    span, place = values[-1] - values[0], {v: i for i, v in enumerate(values)}
    rated = [item for item in items if item]
    shares = np.mean([[item.count(v) / len(item) for v in values] for item in rated], axis=0)
    q = len(values)
    weights = {
        "identity": lambda a, b: float(a == b),
        "linear": lambda a, b: 1 - abs(a - b) / span,
        "quadratic": lambda a, b: 1 - ((a - b) / span) ** 2,
    }
    for name, weight in weights.items():
        agreed = mean_over_items(weight)
        total = sum(weight(a, b) for a in values for b in values)
        chance = total * np.sum(shares * (1 - shares)) / (q * (q - 1))
        found["ac1" if name == "identity" else f"ac2_{name}"] = (agreed - chance) / (1 - chance)
        found[f"bp_{name}"] = (agreed - total / q**2) / (1 - total / q**2)
    found["exact"] = mean_over_items(weights["identity"])
    found["within_one"] = mean_over_items(lambda a, b: abs(place[a] - place[b]) <= 1)
    return found


@given(studies())
def test_every_coefficient_is_its_definition(study):
    values, ranks, _ = study
    expected = plainly(values, ranks)
    for coefficient, found in zip(EVERYTHING, figures(histogram_of(values, ranks)), strict=True):
        if coefficient.name in expected:
            assert isinstance(found, Estimate), coefficient.name
            assert found.value == pytest.approx(expected[coefficient.name], abs=1e-9), coefficient.name
        elif coefficient.name.startswith("alpha"):
            assert isinstance(found, Undefined)


@given(studies(), st.randoms())
def test_the_order_of_items_and_raters_changes_nothing(study, random):
    values, ranks, clusters = study
    order = list(range(len(ranks)))
    random.shuffle(order)
    shuffled = np.array([random.sample(list(row), len(row)) for row in ranks[order]]).reshape(ranks.shape)
    for interval in [ITEM_JACKKNIFE, Interval(Method.CLUSTER_JACKKNIFE)]:
        one = figures(histogram_of(values, ranks, clusters), interval)
        assert_same(one, figures(histogram_of(values, shuffled, clusters[order]), interval))


@given(studies(), st.integers(0, 12))
def test_shards_merged_are_the_whole(study, cut):
    values, ranks, clusters = study
    whole = histogram_of(values, ranks, clusters)
    parts = histogram_of(values, ranks[:cut], clusters[:cut]) + histogram_of(
        values, ranks[cut:], clusters[cut:]
    )
    again = merge([whole])
    for name in ["counts", "na", "frequency"]:
        np.testing.assert_array_equal(getattr(parts, name), getattr(again, name))
    assert parts.clusters is not None
    assert again.clusters is not None
    for name in ["key", "pattern", "items"]:
        np.testing.assert_array_equal(getattr(parts.clusters, name), getattr(again.clusters, name))
    for interval in [ITEM_JACKKNIFE, Interval(Method.CLUSTER_JACKKNIFE)]:
        assert_same(figures(whole, interval), figures(parts, interval))


@given(studies(), st.data())
def test_items_scored_once_change_only_gwets_chance(study, data):
    values, ranks, clusters = study
    more = data.draw(st.integers(1, 6))
    singles = np.full((more, ranks.shape[1]), MISSING)
    singles[:, 0] = data.draw(st.lists(st.integers(NA, len(values)), min_size=more, max_size=more))
    together = np.vstack([ranks, singles])
    for interval in [ITEM_JACKKNIFE, Interval(Method.CLUSTER_JACKKNIFE), Interval(Method.CLUSTER_BOOTSTRAP)]:
        before = figures(histogram_of(values, ranks, clusters), interval)
        after = figures(histogram_of(values, together, np.append(clusters, np.full(more, 77))), interval)
        for coefficient, a, b in zip(EVERYTHING, before, after, strict=True):
            if coefficient.singles_count or not isinstance(a, Estimate):
                continue
            assert isinstance(b, Estimate)
            assert b.value == pytest.approx(a.value, abs=1e-12)
            if not interval.method.draws and a.low is not None:
                assert [b.low, b.high] == pytest.approx([a.low, a.high], abs=1e-9)
            assert (a.n, a.units) == (b.n, b.units)


@given(studies(max_points=2))
def test_two_points_have_one_alpha(study):
    values, ranks, _ = study
    found = estimate_all(histogram_of(values, ranks), [alpha(metric) for metric in [*METRICS, "ratio"]])
    for other in found[1:]:
        assert type(other) is type(found[0])
        if isinstance(other, Estimate):
            assert isinstance(found[0], Estimate)
            assert other.value == pytest.approx(found[0].value, abs=1e-9)


@given(studies(), st.integers(2, 4))
def test_perfect_agreement_is_one_wherever_it_is_defined(study, raters):
    values, ranks, _ = study
    same = np.repeat(np.clip(ranks[:, :1], 1, None), raters, axis=1)
    for coefficient, found in zip(EVERYTHING, figures(histogram_of(values, same)), strict=True):
        if isinstance(found, Undefined):
            assert found.reason in (Reason.NO_VARIATION, Reason.ONE_ITEM)
        else:
            expected = 0 if coefficient is MEAN_ABSOLUTE_DIFFERENCE else 1
            assert found.value == pytest.approx(expected, abs=1e-9), coefficient.name


@given(studies(), st.integers(1, 6))
def test_one_score_for_everything_leaves_what_goes_by_variance_undefined(study, rank):
    values, ranks, _ = study
    constant = np.where(ranks >= 1, min(rank, len(values)), ranks)
    for coefficient, found in zip(EVERYTHING, figures(histogram_of(values, constant)), strict=True):
        if coefficient.name.startswith(("alpha", "icc")):
            assert isinstance(found, Undefined), coefficient.name


@given(studies(), st.randoms(), st.integers(-3, 10**9), st.sampled_from([1, 7]))
def test_axes_together_are_the_same_as_one_by_one_whatever_the_items_are_called(study, random, first, step):
    values, ranks, clusters = study
    other = np.array([random.sample(list(row), len(row)) for row in ranks])
    item = first + step * np.repeat(np.arange(len(ranks)), ranks.shape[1])
    cluster = np.repeat(clusters, ranks.shape[1])
    together = PatternHistogram.of_axes(
        values=[values, values], item=item, ranks=[ranks.ravel(), other.ravel()], cluster=cluster
    )
    for found, of_axis in zip(together, [ranks, other], strict=True):
        alone = histogram_of(values, of_axis, clusters)
        for name in ["counts", "na", "frequency"]:
            np.testing.assert_array_equal(getattr(found, name), getattr(alone, name))
        for name in ["key", "pattern", "items"]:
            np.testing.assert_array_equal(getattr(found.clusters, name), getattr(alone.clusters, name))


@given(studies(max_points=9, max_raters=9))
def test_both_ways_of_telling_patterns_apart_find_the_same(study):
    from stats.agreement import patterns

    values, ranks, _ = study
    item, rank = np.repeat(np.arange(len(ranks)), ranks.shape[1]), ranks.ravel()
    per_item = np.bincount(item[rank != MISSING], minlength=len(ranks))
    base = int(per_item.max(initial=0)) + 1
    of_item, digits = patterns._by_number(item, rank, len(values), per_item, base)
    of_item_too, digits_too = patterns._by_sorting(item, rank, len(values), per_item)
    np.testing.assert_array_equal(digits[of_item], digits_too[of_item_too])


@given(studies())
def test_every_score_and_every_refusal_is_counted_once(study):
    values, ranks, clusters = study
    histogram = histogram_of(values, ranks, clusters)
    assert histogram.n_ratings == (ranks >= 1).sum()
    assert histogram.n_na == (ranks == NA).sum()
    assert histogram.n_items == (ranks != MISSING).any(axis=1).sum()
    assert histogram.n_pairable == ((ranks >= 1).sum(axis=1) >= 2).sum()
    assert histogram.n_conflicts == ((ranks >= 1).any(axis=1) & (ranks == NA).any(axis=1)).sum()
    per_item = (ranks >= 1).sum(axis=1)
    assert histogram.n_pairs == (per_item * (per_item - 1) // 2).sum()
    assert list(histogram.distribution) == [(ranks == r + 1).sum() for r in range(len(values))]


@settings(max_examples=40)
@given(studies())
def test_nothing_shown_is_ever_nan_or_out_of_range(study):
    values, ranks, clusters = study
    histogram = histogram_of(values, ranks, clusters)
    for method in Method:
        found = panel(
            histogram, interval=Interval(method, replicates=50, fewest=10), rng=np.random.default_rng(0)
        )
        results = [*found.alpha.values(), found.exact, found.within_one, found.mean_abs_difference, found.ac1]
        results += [found.ac2, found.brennan_prediger, found.icc_1_1, found.icc_1_k, found.na_exact]
        for result in [*results, found.na_alpha]:
            if isinstance(result, Undefined):
                assert result.reason in set(Reason)
                continue
            assert np.isfinite(result.value)
            assert (result.low is None) == (result.high is None) == (result.no_interval is not None)
            if result.low is not None:
                assert np.isfinite([result.low, result.high]).all()
                assert result.low < result.high
