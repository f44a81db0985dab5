"""Severity: the vector, two other implementations, and what must hold for any ratings."""

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from stats.estimate import Estimate, Reason, Undefined
from stats.raters import ALONE, Scored, fit, pair_sums, residuals, severity


def scored_from(triples, **options) -> Scored:
    items = sorted({item for item, _, _ in triples})
    raters = sorted({rater for _, rater, _ in triples})
    return Scored.of(
        item=[items.index(item) for item, _, _ in triples],
        rater=[raters.index(rater) for _, rater, _ in triples],
        value=[score for _, _, score in triples],
        **options,
    )


@st.composite
def ratings(draw, most_raters=5, most_items=8):
    """(item, rater, score) with each rater once per item."""
    n_raters = draw(st.integers(2, most_raters))
    n_items = draw(st.integers(1, most_items))
    cells = draw(
        st.lists(
            st.tuples(st.integers(0, n_items - 1), st.integers(0, n_raters - 1)),
            unique=True,
            min_size=1,
            max_size=30,
        )
    )
    return [(item, rater, draw(st.integers(1, 5))) for item, rater in cells]


def random_ratings(rng, items=60, raters=6, prompts=20):
    """Arrays with one to four raters an item."""
    rows = [
        (item, rater)
        for item in range(items)
        for rater in rng.choice(raters, min(rng.integers(1, 5), raters), replace=False)
    ]
    item, rater = np.array(rows).T
    value = rng.integers(1, 6, items)[item] + rng.normal(0, 0.5, raters)[rater] + rng.normal(0, 1, item.size)
    return {"item": item, "rater": rater, "value": value, "prompt": item % prompts}


def full_design(item, rater):
    """Dummies of items and of raters; with the first rater left out for those who need full rank."""
    of_items = (item[:, None] == np.arange(item.max() + 1)).astype(float)
    of_raters = (rater[:, None] == np.arange(rater.max() + 1)).astype(float)
    return of_items[:, of_items.any(axis=0)], of_raters


def centring(raters):
    """From effects against the first rater to effects against the mean."""
    return (np.eye(raters) - 1 / raters)[:, 1:]


def test_severities_of_the_vector(vectors):
    vector = vectors["raters/severity-and-loo"]
    found = severity(scored_from(vector["inputs"]["ratings_item_rater_score"]))
    expected = vector["expected"]["rater_effect"]
    assert found.effect == pytest.approx([expected[name] for name in "ABC"], abs=vector["tolerance"])
    assert [one.value for one in found.estimates] == list(found.effect)
    assert found.connected


def test_severities_are_those_of_least_squares_on_the_full_design():
    data = random_ratings(np.random.default_rng(0))
    items, raters = full_design(data["item"], data["rater"])
    design = np.hstack([items, raters])
    coefficients, *_ = np.linalg.lstsq(design, data["value"], rcond=None)
    theirs = coefficients[items.shape[1] :]
    scored = Scored.of(**data)
    found = severity(scored)
    assert found.effect == pytest.approx(theirs - theirs.mean(), abs=1e-10)
    left = data["value"] - design @ coefficients
    rank = np.linalg.matrix_rank(design)
    assert found.residual_variance == pytest.approx(left @ left / (left.size - rank))
    assert found.degrees == left.size - rank
    ours = residuals(scored, found.effect)
    assert np.sort(ours) == pytest.approx(np.sort(left), abs=1e-10)


def test_classical_errors_are_those_of_statsmodels():
    data = random_ratings(np.random.default_rng(1))
    items, raters = full_design(data["item"], data["rater"])
    model = sm.OLS(data["value"], np.hstack([items, raters[:, 1:]])).fit()
    n = raters.shape[1]
    covariance = centring(n) @ model.cov_params()[items.shape[1] :, items.shape[1] :] @ centring(n).T
    found = fit(pair_sums(Scored.of(**data)))
    for one, error in zip(found.estimates, np.sqrt(np.diag(covariance)), strict=True):
        assert one.method == "least_squares"
        assert (one.high - one.low) / 2 == pytest.approx(
            error * sm.stats.stattools.stats.t.ppf(0.975, found.degrees)
        )


def test_errors_clustered_by_prompt_are_those_of_statsmodels():
    data = random_ratings(np.random.default_rng(2))
    items, raters = full_design(data["item"], data["rater"])
    model = sm.OLS(data["value"], np.hstack([items, raters[:, 1:]])).fit(
        cov_type="cluster", cov_kwds={"groups": data["prompt"], "use_correction": False}
    )
    n = raters.shape[1]
    covariance = centring(n) @ model.cov_params()[items.shape[1] :, items.shape[1] :] @ centring(n).T
    scored = Scored.of(**data)
    sums = pair_sums(scored)
    t = sm.stats.stattools.stats.t
    for one, variance, units in zip(severity(scored).estimates, np.diag(covariance), sums.units, strict=True):
        expected = t.ppf(0.975, units - 1) * np.sqrt(variance * units / (units - 1))
        assert (one.high - one.low) / 2 == pytest.approx(expected)
        assert one.units == units


@settings(max_examples=40)
@given(ratings())
def test_severities_add_up_to_nothing_within_each_group(triples):
    found = severity(scored_from(triples))
    for group in range(found.n_components):
        assert found.effect[found.component == group].sum() == pytest.approx(0, abs=1e-9)
    assert np.isnan(found.effect[found.component == ALONE]).all()


@settings(max_examples=40)
@given(ratings(), st.integers(-3, 3))
def test_points_added_to_one_rater_move_the_severities_by_what_the_zero_sum_asks(triples, shift):
    before = severity(scored_from(triples))
    who = sorted({rater for _, rater, _ in triples})[0]
    moved = [(item, rater, score + shift * (rater == who)) for item, rater, score in triples]
    after = severity(scored_from(moved))
    if before.component[0] == ALONE:
        np.testing.assert_array_equal(before.effect, after.effect)
        return
    group = before.component == before.component[0]
    change = np.nan_to_num(after.effect - before.effect)
    differences = change - change[0]  # all others stay where they are among themselves
    assert differences[group][1:] == pytest.approx(-shift, abs=1e-9)
    assert change[~group] == pytest.approx(0, abs=1e-9)


@settings(max_examples=40)
@given(ratings(), st.randoms(use_true_random=False))
def test_new_names_for_raters_and_items_and_another_order_of_rows_change_no_severity(triples, random):
    raters = sorted({rater for _, rater, _ in triples})
    names = dict(zip(raters, random.sample(raters, len(raters)), strict=True))
    items = sorted({item for item, _, _ in triples})
    titles = dict(zip(items, random.sample(items, len(items)), strict=True))
    mixed = [(titles[item], names[rater], score) for item, rater, score in triples]
    random.shuffle(mixed)
    one, other = severity(scored_from(triples)), severity(scored_from(mixed))
    for place, rater in enumerate(raters):
        a, b = one.estimates[place], other.estimates[raters.index(names[rater])]
        assert type(a) is type(b)
        if isinstance(a, Estimate):
            assert (a.n, a.units, a.no_interval) == (b.n, b.units, b.no_interval)
            assert (a.value, a.low or 0, a.high or 0) == pytest.approx(
                (b.value, b.low or 0, b.high or 0), abs=1e-8
            )


@settings(max_examples=40)
@given(ratings())
def test_pair_sums_of_two_halves_of_the_items_add_up(triples):
    whole = scored_from(triples)
    sums = pair_sums(whole)
    half = whole.item % 2 == 0
    parts = pair_sums(whole.kept(half)) + pair_sums(whole.kept(~half))
    for name in ("w", "d", "q", "shared", "n", "units", "n_items"):
        np.testing.assert_allclose(getattr(parts, name), getattr(sums, name), atol=1e-12)
    assert np.nan_to_num(fit(parts).effect) == pytest.approx(np.nan_to_num(fit(sums).effect))


def test_items_scored_once_change_nothing():
    data = random_ratings(np.random.default_rng(3))
    before = severity(Scored.of(**data))
    new = int(data["item"].max()) + 1
    more = {
        "item": np.append(data["item"], [new, new + 1]),
        "rater": np.append(data["rater"], [0, 1]),
        "value": np.append(data["value"], [1, 5]),
        "prompt": np.append(data["prompt"], [0, 1]),
    }
    after = severity(Scored.of(**more))
    assert after.effect == pytest.approx(before.effect)
    assert after.residual_variance == pytest.approx(before.residual_variance)
    assert [one.low for one in after.estimates] == pytest.approx([one.low for one in before.estimates])


def test_two_groups_without_a_common_item_are_not_compared():
    rng = np.random.default_rng(4)
    first, second = random_ratings(rng, raters=4), random_ratings(rng, raters=3)
    data = {
        "item": np.append(first["item"], second["item"] + 60),
        "rater": np.append(first["rater"], second["rater"] + 4),
        "value": np.append(first["value"], second["value"]),
        "prompt": np.append(first["prompt"], second["prompt"] + 20),
    }
    found = severity(Scored.of(**data))
    assert found.n_components == 2
    assert list(found.component) == [0, 0, 0, 0, 1, 1, 1]
    assert found.effect[:4] == pytest.approx(severity(Scored.of(**first)).effect)
    assert found.effect[4:] == pytest.approx(severity(Scored.of(**second)).effect)
    assert all(isinstance(one, Estimate) for one in found.estimates)
    assert {one.reason for one in found.against_all()} == {Reason.NOT_CONNECTED}


def test_one_rater_has_no_severity():
    found = severity(Scored.of(item=[0, 1, 2], rater=[0, 0, 0], value=[1, 3, 5]))
    assert found.estimates == [Undefined(Reason.NOTHING_SHARED, 0)]
    assert found.n_components == 0
    assert found.connected


def test_one_item_gives_severities_without_intervals():
    found = severity(Scored.of(item=[0, 0, 0], rater=[0, 1, 2], value=[1, 3, 5]))
    assert list(found.effect) == pytest.approx([-2, 0, 2])
    assert {one.no_interval for one in found.estimates} == {Reason.ONE_UNIT}


def test_nobody_and_nothing_is_no_error():
    found = severity(Scored.of(item=[], rater=[], value=[]))
    assert found.estimates == []
    nobody = severity(Scored.of(item=[], rater=[], value=[], n_raters=2))
    assert nobody.estimates == [Undefined(Reason.NOTHING_SHARED, 0)] * 2


def test_raters_who_always_agree_have_no_interval():
    found = severity(Scored.of(item=[0, 0, 1, 1, 2, 2], rater=[0, 1] * 3, value=[1, 1, 3, 3, 5, 5]))
    assert [one.value for one in found.estimates] == [0, 0]
    assert {one.no_interval for one in found.estimates} == {Reason.NO_SPREAD}


def test_a_rater_twice_on_an_item_is_malformed():
    with pytest.raises(ValueError, match="two ratings of one item"):
        Scored.of(item=[0, 0], rater=[1, 1], value=[2, 3])


def test_columns_of_different_lengths_are_malformed():
    with pytest.raises(ValueError, match="2 rows of scores and 3 of item"):
        Scored.of(item=[0, 1, 2], rater=[1, 1], value=[2, 3])
    with pytest.raises(ValueError, match="item must be indices"):
        Scored.of(item=[0, -1], rater=[1, 1], value=[2, 3])
    with pytest.raises(ValueError, match="rater 4 of 3"):
        Scored.of(item=[0, 1], rater=[1, 4], value=[2, 3], n_raters=3)
