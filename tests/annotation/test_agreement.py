"""From the database to figures: the same numbers as from arrays, and only ratings that count."""

import json
from io import StringIO

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from annotation.agreement import agreement, as_json, as_text
from annotation.models import Assignment, Batch, Score
from stats.agreement import Interval, Method, PatternHistogram, panel
from stats.estimate import Estimate, Reason, Undefined
from tests.factories import (
    create_batch,
    create_item,
    create_member,
    create_model,
    create_project,
    create_prompt,
    create_response,
    create_rubric,
    rate,
)

pytestmark = pytest.mark.django_db

POINTS = [1, 2, 3, 4, 5]
JACKKNIFE = Interval(Method.CLUSTER_JACKKNIFE)


def create_study(
    *, prompts=6, models=3, raters=4, per_item=2, seed=0, axes=("relevance", "fluency"), **options
):
    """A rated project; with it the scores (axes, items, raters), NaN missing, inf "cannot judge", and prompts."""
    project = create_project(axes=axes, **options)
    systems = [create_model(project) for _ in range(models)]
    people = [create_member(project, login=False) for _ in range(raters)]
    items, of_prompt = [], []
    for number in range(prompts):
        prompt = create_prompt(project)
        for system in systems:
            items.append(create_response(project, prompt=prompt, model=system).items.get())
            of_prompt.append(number)
    batch = create_batch(project, items=[], filling="loaded")
    questions = list(project.current_rubric().axes.order_by("position"))
    points = [point.value for point in questions[0].points.all()]
    rng = np.random.default_rng(seed)
    scores = np.full((len(axes), len(items), raters), np.nan)
    taken = [(place, who) for place in range(len(items)) for who in rng.permutation(raters)[:per_item]]
    seats = Assignment.objects.bulk_create(
        Assignment(
            batch=batch,
            item=items[place],
            seat=who + 1,
            rater=people[who],
            origin="loaded",
            state="submitted",
        )
        for place, who in taken
    )
    said = []
    for seat, (place, who) in zip(seats, taken, strict=True):
        for axis, question in enumerate(questions):
            near = np.clip(place % len(points) + rng.integers(-1, 2), 0, len(points) - 1)
            abstains = rng.random() < 0.15
            scores[axis, place, who] = np.inf if abstains else points[near]
            said.append(
                Score(
                    assignment=seat,
                    axis=question,
                    value=None if abstains else points[near],
                    na_reason="unsure" if abstains else None,
                )
            )
    Score.objects.bulk_create(said)
    return project, batch, scores, np.array(of_prompt)


def histogram_of(scores, prompts, points=POINTS) -> PatternHistogram:
    ranks = np.where(np.isnan(scores), 0, np.where(np.isinf(scores), -1, 0))
    for rank, value in enumerate(points, 1):
        ranks[scores == value] = rank
    item = np.repeat(np.arange(len(ranks)), ranks.shape[1])
    return PatternHistogram.from_ratings(values=points, item=item, rank=ranks.ravel(), cluster=prompts[item])


def assert_same(ours, theirs) -> None:
    for name in ["n_items", "n_pairable", "n_ratings", "n_pairs", "n_na", "n_conflicts", "little_variation"]:
        assert getattr(ours, name) == getattr(theirs, name), name
    assert list(ours.distribution) == list(theirs.distribution)
    names = ["exact", "within_one", "mean_abs_difference", "ac1", "ac2", "icc_1_1", "icc_1_k", "na_alpha"]
    pairs = [(getattr(ours, name), getattr(theirs, name)) for name in names]
    for a, b in [*pairs, *((ours.alpha[metric], theirs.alpha[metric]) for metric in ours.alpha)]:
        assert type(a) is type(b)
        if isinstance(a, Undefined):
            assert a == b
            continue
        assert (a.n, a.units, a.method, a.no_interval) == (b.n, b.units, b.method, b.no_interval)
        figures = [x for e in (a, b) for x in (e.value, e.low or 0, e.high or 0)]
        assert figures[:3] == pytest.approx(figures[3:], abs=1e-12)


def test_figures_from_the_database_are_those_from_arrays():
    project, batch, scores, prompts = create_study(per_item=3)
    for found in [
        agreement(project=project, interval=JACKKNIFE),
        agreement(project=project, batch=batch, interval=JACKKNIFE),
    ]:
        assert [axis.axis.key for axis in found.axes] == ["relevance", "fluency"]
        for axis, of in zip(found.axes, scores, strict=True):
            assert_same(axis.panel, panel(histogram_of(of, prompts), interval=JACKKNIFE))
            assert axis.n_raters == 4
            assert axis.versions == (1,)


@pytest.mark.parametrize(
    "points", [range(101), range(1, 11), [0, 1], [-1, 0.5, 2]], ids=["0-100", "1-10", "0-1", "odd"]
)
def test_any_scale_and_many_axes_fit(points):
    axes = [f"axis{n}" for n in range(9)]  # 9 axes of 7 bits do not fit one number
    project, _batch, scores, prompts = create_study(prompts=3, axes=axes, points=list(points))
    found = agreement(project=project, interval=JACKKNIFE)
    for axis, of in zip(found.axes, scores, strict=True):
        assert_same(axis.panel, panel(histogram_of(of, prompts, points), interval=JACKKNIFE))


def test_items_far_apart_are_read_in_several_ranges(monkeypatch):
    from annotation.agreement import reading

    project, _batch, scores, prompts = create_study(per_item=3)
    monkeypatch.setattr(reading, "_RANGE", 2)
    found = agreement(project=project, interval=JACKKNIFE)
    for axis, of in zip(found.axes, scores, strict=True):
        assert_same(axis.panel, panel(histogram_of(of, prompts), interval=JACKKNIFE))


def test_the_number_of_queries_does_not_grow(django_assert_num_queries):
    for size in [1, 4]:
        project, *_ = create_study(prompts=size, models=size)
        with django_assert_num_queries(7):  # two of them COPY
            agreement(project=project)


def test_the_same_seed_gives_the_same_intervals():
    project, *_ = create_study(per_item=3)
    one, again, other = (as_json(agreement(project=project, seed=seed))["axes"] for seed in [1, 1, 2])
    assert one == again
    assert one != other
    assert one[0]["alpha"]["ordinal"]["method"] == "cluster_bootstrap"
    assert one[0]["alpha"]["ordinal"]["units"] == 6  # prompts, not items


# What counts


@pytest.fixture
def small():
    """Two items, rated twice each on one axis."""
    project = create_project(axes=["relevance"])
    items = [create_item(project) for _ in range(2)]
    raters = [create_member(project, login=False) for _ in range(4)]
    batch = create_batch(project, items=items)
    for seat, rater, value in zip(
        batch.assignments.order_by("id"), raters[:2] * 2, [1, 2, 4, 4], strict=True
    ):
        rate(seat, rater, {"relevance": value})
    return project, items, raters, batch


def ratings_of(project, batch=None) -> int:
    return agreement(project=project, batch=batch).axes[0].panel.n_ratings


@pytest.mark.parametrize("purpose", ["training", "extra", "gold", "calibration"])
def test_ratings_for_another_purpose_do_not_count(small, purpose):
    project, items, raters, _ = small
    other = create_batch(project, items=items, purpose=purpose, raters_per_item=1)
    for seat in other.assignments.all():
        rate(seat, raters[2], {"relevance": 5})
    assert ratings_of(project) == 4
    assert ratings_of(project, other) == (2 if purpose == "calibration" else 0)
    assert agreement(project=project, batch=other).does_not_count == (purpose != "calibration")


def test_repeats_and_surplus_ratings_do_not_count(small):
    project, items, raters, _ = small
    loaded = create_batch(project, items=[], filling="loaded")
    for fields in [
        {"purpose": "main", "seat": 1, "rater": raters[2]},
        {"purpose": "repeat", "seat": 2, "rater": raters[2], "occasion": 2},
        {"purpose": "surplus", "seat": None, "rater": raters[3]},
    ]:
        seat = Assignment.objects.create(
            batch=loaded, item=items[0], origin="loaded", state="submitted", **fields
        )
        Score.objects.create(assignment=seat, axis=project.current_rubric().axes.get(), value=3)
    assert Assignment.objects.filter(batch=loaded, codes=[3]).count() == 3
    assert ratings_of(project) == 5


def test_seats_that_are_not_submitted_do_not_count(small):
    project, _items, _raters, batch = small
    first = batch.assignments.order_by("id").first()
    Assignment.objects.filter(pk=first.pk).update(state="withdrawn")
    assert ratings_of(project) == 3


def test_a_batch_by_itself(small):
    project, _items, raters, batch = small
    other = create_batch(project, items=[create_item(project)])
    for seat, rater in zip(other.assignments.all(), raters, strict=False):
        rate(seat, rater, {"relevance": 3})
    assert (ratings_of(project), ratings_of(project, batch), ratings_of(project, other)) == (6, 4, 2)


def test_an_item_rated_in_two_batches_is_one_item(small):
    project, items, raters, _batch = small
    more = create_batch(project, items=items, raters_per_item=2)
    for seat, rater in zip(more.assignments.order_by("id"), raters[2:] * 2, strict=True):
        rate(seat, rater, {"relevance": 3})
    found = agreement(project=project).axes[0].panel
    assert (found.n_items, found.n_ratings, found.n_pairs) == (2, 8, 12)


def test_other_projects_do_not_count(small):
    project, *_ = small
    create_study(prompts=2)
    assert ratings_of(project) == 4


def test_missing_cannot_judge_and_zero_are_three_things():
    project = create_project(axes=["relevance"], points=[0, 1, 2])
    items = [create_item(project) for _ in range(4)]
    raters = [create_member(project, login=False) for _ in range(2)]
    batch = create_batch(project, items=items)
    said = [(0, 0), (0, None), (None, None), (2, "missing")]
    for item, answers in zip(items, said, strict=True):
        for seat, rater, value in zip(batch.assignments.filter(item=item), raters, answers, strict=True):
            if value != "missing":
                rate(seat, rater, {"relevance": value})
    found = agreement(project=project).axes[0].panel
    assert list(found.distribution) == [3, 0, 1]
    assert (found.n_items, found.n_pairable, found.n_ratings, found.n_na, found.n_conflicts) == (
        4,
        1,
        4,
        3,
        1,
    )
    assert isinstance(found.exact, Estimate)
    assert found.exact.value == 1
    assert found.alpha["ordinal"] == Undefined(Reason.NO_VARIATION, 1)


def test_who_came_after_we_looked_is_left_out_and_breaks_nothing(small, monkeypatch):
    """Items and raters are listed before ratings are read; what is newer has no place in the lists."""
    from annotation.agreement import reading

    project, _items, raters, batch = small
    options = {
        "project": project.pk,
        "batches": {batch.rubric_id: [batch.pk]},
        "purpose": "main",
        "scales": [reading.Scale(np.array(POINTS, float), {batch.rubric_id: 1})],
    }
    everybody = [rater.pk for rater in raters]

    (without_second,) = reading.read(**options, raters=everybody[:1])
    assert list(without_second.histogram.distribution) == [1, 0, 0, 1, 0]
    assert without_second.raters == {everybody[0]}

    class FirstItemOnly(reading._Prompts):
        def __init__(self, project):
            super().__init__(project)
            self._item, self._prompt = self._item[:1], self._prompt[:1]

    monkeypatch.setattr(reading, "_Prompts", FirstItemOnly)
    (one_item,) = reading.read(**options, raters=everybody)
    assert list(one_item.histogram.distribution) == [1, 1, 0, 0, 0]


# Versions of the rubric


def test_versions_with_the_same_points_are_pooled_and_others_stand_apart():
    project = create_project(axes=["fluency", "relevance"])
    items = [create_item(project) for _ in range(3)]
    raters = [create_member(project, login=False) for _ in range(4)]
    first = create_batch(project, items=items, raters_per_item=1)
    create_rubric(project, axes=["relevance", "detail", "fluency"])  # another order, one more axis
    second = create_batch(project, items=items, raters_per_item=1)
    create_rubric(project, axes=["relevance"], points=[0, 1])
    third = create_batch(project, items=items, raters_per_item=1)
    for batch, rater, values in [
        (first, raters[0], {"fluency": 5, "relevance": 1}),
        (second, raters[1], {"fluency": 5, "relevance": 2, "detail": 3}),
        (third, raters[2], {"relevance": 0}),
    ]:
        for seat in batch.assignments.all():
            rate(seat, rater, values)

    found = agreement(project=project).axes

    assert [(axis.axis.key, axis.versions, axis.panel.values.size) for axis in found] == [
        ("relevance", (3,), 2),
        ("relevance", (1, 2), 5),
        ("detail", (2,), 5),
        ("fluency", (1, 2), 5),
    ]
    assert [axis.panel.n_ratings for axis in found] == [3, 6, 3, 6]
    assert [axis.panel.n_pairable for axis in found] == [0, 3, 0, 3]
    assert [axis.n_raters for axis in found] == [1, 2, 1, 2]
    fluency, relevance = found[3].panel.exact, found[1].panel.exact
    assert isinstance(fluency, Estimate)
    assert isinstance(relevance, Estimate)
    assert (fluency.value, relevance.value) == (1, 0)


def test_raters_that_are_positions_are_not_counted_as_persons(small):
    project, items, _raters, _batch = small
    assert agreement(project=project).axes[0].n_raters == 2
    nobody = create_member(project, kind="position")
    for seat in create_batch(project, items=items, raters_per_item=1).assignments.all():
        rate(seat, nobody, {"relevance": 3})
    found = agreement(project=project)
    assert found.axes[0].n_raters is None
    assert as_json(found)["axes"][0]["n_raters_reason"] == "anonymous_raters"
    assert "positions in a list" in as_text(found)


def test_kinds_of_axis_have_their_headline():
    for kind, points, headline in [
        ("ordinal", POINTS, "ordinal"),
        ("nominal", [1, 2, 3], "nominal"),
        ("binary", [0, 1], "nominal"),
    ]:
        project, *_ = create_study(prompts=3, kind=kind, points=points)
        axis = as_json(agreement(project=project))["axes"][0]
        assert (axis["kind"], axis["headline"]) == (kind, headline)
        assert axis["alpha"][headline]["low"] < axis["alpha"][headline]["high"]
        reason = "not_ordered" if kind == "nominal" else None
        assert axis["alpha"]["interval"].get("reason") == reason


# Nothing to say yet


def test_a_project_without_batches_shows_its_axes_and_the_reason():
    project = create_project(axes=["relevance", "fluency"])
    found = agreement(project=project)
    assert [axis.panel.alpha["ordinal"] for axis in found.axes] == [Undefined(Reason.NO_SCORES, 0)] * 2
    assert "undefined: no scores yet" in as_text(found)


def test_one_is_not_spoken_of_as_many():
    project = create_project(axes=["relevance"])
    batch = create_batch(project, items=[create_item(project)], raters_per_item=2)
    for seat in batch.assignments.all():
        rate(seat, create_member(project), {"relevance": 3})
    text = as_text(agreement(project=project))
    assert "  1 item, 1 with two scores or more · 2 scores · 1 pair · 2 raters\n" in text


def test_a_batch_that_nobody_rated_has_reasons():
    project = create_project(axes=["relevance"])
    items = [create_item(project)]
    batch = create_batch(project, items=items, raters_per_item=2)
    found = as_json(agreement(project=project, batch=batch))
    assert found["axes"][0]["alpha"]["ordinal"] == {"value": None, "reason": "no_scores", "n": 0}
    rate(batch.assignments.first(), create_member(project), {"relevance": 3})
    found = as_json(agreement(project=project, batch=batch))
    assert found["axes"][0]["alpha"]["ordinal"]["reason"] == "no_item_with_two_scores"


# The command


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("agreement", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_gives_the_contracts_json():
    project, *_ = create_study()
    found = json.loads(run(project.slug, "--json"))
    assert {"project", "computed_at", "axes"} <= set(found)
    assert found["project"] == project.slug
    axis = found["axes"][0]
    assert {"axis", "kind", "n_items", "n_pairable", "n_raters", "n_ratings", "n_na", "distribution"} <= set(
        axis
    )
    assert set(axis["distribution"]) == {"1", "2", "3", "4", "5"}
    for figure in [*axis["alpha"].values(), axis["exact"], axis["within_one"]]:
        assert figure["low"] <= figure["value"] <= figure["high"]
        assert (figure["level"], figure["method"]) == (0.95, "cluster_bootstrap")
    assert set(axis["alpha"]) == {"nominal", "ordinal", "interval"}
    assert "NaN" not in run(project.slug, "--json")


@pytest.mark.parametrize(("prompts", "few"), [(29, True), (30, False)])
def test_few_prompts_are_said_of_each_axis(prompts, few):
    project, *_ = create_study(prompts=prompts)
    panel = agreement(project=project).axes[0].panel
    assert panel.few_prompts is few
    said = f"! Few prompts ({panel.n_prompts}): take all intervals for rough."
    assert (said in run(project.slug)) is (few and not panel.few_items)
    axis = json.loads(run(project.slug, "--json"))["axes"][0]
    assert (axis["n_prompts"], axis["few_prompts"]) == (panel.n_prompts, few)
    assert axis["n_prompts"] == axis["alpha"]["ordinal"]["units"]


def test_the_command_counts_a_batch_when_it_is_named(small):
    project, _items, _raters, batch = small
    found = json.loads(run(project.slug, "--batch", batch.name, "--json"))
    assert (found["batch"], found["axes"][0]["n_ratings"]) == (batch.name, 4)


def test_the_commands_text_shows_figures_with_intervals_and_counts():
    project, *_ = create_study()
    text = run(project.slug)
    assert "18 items" in text
    assert "4 raters" in text
    assert "95 % intervals: bootstrap over prompts, 2,000 resamples; seed 1." in text
    assert text.count("alpha, ordinal") == 2
    assert "Fewer than 30 items" in text


def test_the_command_says_what_it_does_not_know(small):
    project, *_ = small
    for arguments, words in [
        (["nowhere"], "There is no project “nowhere”"),
        ([project.slug, "--batch", "x"], "has no batch “x”; it has “"),
        ([project.slug, "--level", "95"], "between 0 and 1"),
        ([project.slug, "--seed", "-1"], "0 or more"),
    ]:
        with pytest.raises(CommandError, match=words):
            run(*arguments)


def test_a_batch_that_does_not_count_is_said_to(small):
    project, items, raters, _ = small
    other = create_batch(project, items=items, purpose="training", raters_per_item=1)
    rate(other.assignments.first(), raters[2], {"relevance": 5})
    assert "not counted" in run(project.slug, "--batch", Batch.objects.get(pk=other.pk).name)
