"""`manage.py plan`: from defaults, and from what a project's ratings tell."""

import json
import re
from io import StringIO

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.utils import translation

from annotation.models import Assignment, Score
from annotation.planning import pilots
from projects.models import Member, Point
from stats.design.components import variance_components
from stats.design.planner import FIGURES, Plan
from stats.estimate import Estimate, Reason
from tests.factories import (
    create_batch,
    create_member,
    create_model,
    create_project,
    create_prompt,
    create_response,
    create_rubric,
)

SIZES = ["--prompts", "484", "--models", "10", "--raters-per-item", "2", "--raters", "53"]


def plan(*arguments: str) -> str:
    out = StringIO()
    call_command("plan", *arguments, stdout=out)
    return out.getvalue()


def plan_json(*arguments: str) -> dict:
    return json.loads(plan(*arguments, "--json"))


def create_pilot(
    *, prompts=12, models=3, raters=5, per_item=2, turns=1, seed=0, axes=("relevance",), **person
):
    """A rated project and its scores as columns: prompt, turn, model, rater, and a value for each axis."""
    project = create_project(axes=axes, slug="pilot")
    systems = [create_model(project) for _ in range(models)]
    people = [create_member(project, login=False, **person) for _ in range(raters)]
    batch = create_batch(project, items=[], filling="loaded", raters_per_item=per_item)
    questions = list(project.current_rubric().axes.order_by("position"))
    rng = np.random.default_rng(seed)
    severity = rng.normal(0, 0.5, raters)
    rows, seats = [], []
    for number in range(prompts):
        prompt = create_prompt(project)
        for column, system in enumerate(systems):
            response = create_response(project, prompt=prompt, model=system, turns=["Answer."] * turns)
            for item in response.items.order_by("turn"):
                truth = rng.normal(3, 1)
                for who in rng.permutation(raters)[:per_item]:
                    near = truth + severity[who] + rng.normal(0, 0.6, len(axes))
                    rows.append((number, item.turn, column, who, *np.clip(np.round(near), 1, 5)))
                    seats.append(
                        Assignment(
                            batch=batch,
                            item=item,
                            seat=int(who) + 1,
                            rater=people[who],
                            origin="loaded",
                            state="submitted",
                        )
                    )
    seats = Assignment.objects.bulk_create(seats)
    Score.objects.bulk_create(
        Score(assignment=seat, axis=question, value=row[4 + place])
        for seat, row in zip(seats, rows, strict=True)
        for place, question in enumerate(questions)
    )
    return project, np.array(rows).T


# From defaults


def test_defaults_give_the_figures_of_the_formula():
    found = plan_json(*SIZES, "--half-width", "0.1")
    expected = Plan(484, 10, 2, 53)
    [axis] = found["axes"]
    assert (found["project"], axis["axis"], axis["from"]) == (None, None, "defaults")
    assert found["plan"] | {"ratings": 9680, "items": 4840} == found["plan"]
    for figure in FIGURES:
        assert axis["half_widths"][figure]["value"] == expected.half_width(figure)
    assert axis["half_widths"]["difference"]["value"] == pytest.approx(0.0913, abs=1e-4)
    assert axis["for_half_width"]["difference"]["prompts"]["value"] == 405
    assert axis["for_half_width"]["mean_other_raters"]["raters_per_item"] == {
        "value": None,
        "reason": "not_enough",
    }
    assert axis["buys_most"] == {
        "alpha": "more_raters_per_item",
        "mean": "more_prompts",
        "mean_other_raters": "more_raters",
        "difference": "more_prompts",
    }
    assert [change["change"] for change in axis["changes"]] == [
        "more_prompts",
        "more_raters_per_item",
        "more_raters",
    ]


def test_the_table_says_what_each_figure_is_and_supposes():
    text = plan(*SIZES, "--half-width", "0.1")
    for words in [
        "Plan: 484 prompts × 10 models, each response rated by 2 of 53 raters",
        "4,840 items · 9,680 ratings · about 183 for each rater · balanced over raters and models",
        "Half-widths of 95 % intervals",
        "±0.091",
        "For ±0.1 it takes",
        "242 more prompts",
        "18 % ←",
        "All models answer the same prompts",
        "Defaults are guesses",
    ]:
        assert words in text


def test_the_table_can_be_read_in_japanese_and_stands_straight():
    with translation.override("ja"):
        text = plan(*SIZES)
    assert "計画：プロンプト 484 件 × モデル 10 個" in text
    rows = [line for line in text.splitlines() if "±" in line and line.startswith("  モデル")]
    ends = {sum(2 if ord(letter) > 0x2E80 else 1 for letter in row) for row in rows}
    assert len(ends) == 1


def test_what_a_plan_does_not_give_says_why():
    found = plan_json("--prompts", "9", "--models", "1", "--raters-per-item", "1", "--raters", "1")
    widths = found["axes"][0]["half_widths"]
    assert widths["alpha"] == {"value": None, "reason": "single_ratings"}
    assert widths["difference"] == {"value": None, "reason": "one_model"}
    assert found["axes"][0]["alpha"]["sigma"] is None
    text = plan(
        "--prompts", "1", "--models", "1", "--raters-per-item", "1", "--raters", "1", "--half-width", "1.5"
    )
    assert text.startswith(
        "Plan: 1 prompt × 1 model, each response rated by 1 of 1 rater\n  1 item · 1 rating · "
    )
    assert "1 more prompt  one more rater per item  1 more rater\n" in text
    for why in [
        "a: with one rater per item there is nobody to agree with",
        "b: one model differs from no other",
        "c: an interval that wide says nothing about it",
        "d: the only rater is not enough",
    ]:
        assert why in text
    for line in text.splitlines():
        dashes = line.count("–")
        assert dashes == len(re.findall("– [a-d]", line)), f"no reason: {line}"


def test_what_no_number_gives_says_so():
    text = plan(*SIZES, "--half-width", "0.1")
    assert "a: not even all 53 raters at each item are enough" in text
    text = plan(*SIZES, "--half-width", "0.0001")
    assert "not even 10,000,000 prompts are enough" in text
    assert plan_json(*SIZES, "--half-width", "1.5")["axes"][0]["for_half_width"]["alpha"] == {
        "prompts": {"value": None, "reason": "too_wide"},
        "raters_per_item": {"value": None, "reason": "too_wide"},
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--prompts", "5"], "say --models, --raters-per-item, --raters"),
        ([*SIZES[:-1], "1"], "2 raters per item cannot come from 1"),
        (["--prompts", "0", *SIZES[2:]], "--prompts: 0 cannot be planned; say a number from 1 to 10,000,000"),
        (["--prompts", "1" + 20 * "0", *SIZES[2:]], "--prompts: 100,000,.* from 1 to 10,000,000"),
        ([*SIZES, "--models", "-3"], "--models: -3 .* from 1 to 10,000"),
        ([*SIZES, "--raters-per-item", "1001"], "--raters-per-item: .* from 1 to 1,000"),
        ([*SIZES, "--raters", "10000000"], "--raters: .* from 1 to 1,000,000"),
        ([*SIZES, "--half-width", "0"], "--half-width: 0 is not between 0 and 2"),
        ([*SIZES, "--half-width", "50"], "On a scale from 1 to 5 an interval of ±2 holds every score"),
        ([*SIZES, "--half-width", "nan"], "--half-width: nan"),
        ([*SIZES, "--level", "1"], "between 0 and 1"),
        ([*SIZES, "--batch", "first"], "needs a project"),
    ],
)
def test_what_cannot_be_planned_is_refused_in_words(arguments, words):
    with pytest.raises(CommandError, match=words):
        plan(*arguments)


# From a project


@pytest.mark.django_db
def test_components_come_from_the_projects_ratings():
    project, rows = create_pilot(axes=("relevance", "fluency"), turns=2)
    number, turn, model, rater = rows[:4].astype(int)
    for pilot, value in zip(pilots(project=project), rows[4:], strict=True):
        expected = variance_components(
            prompt=number * 2 + turn, model=model, rater=rater, value=value, cluster=number
        )
        for name in ("prompt", "prompt_model", "rater", "residual", "model"):
            ours, theirs = getattr(pilot.components, name), getattr(expected, name)
            assert (ours.value, ours.low, ours.units) == pytest.approx(
                (theirs.value, theirs.low, theirs.units)
            )
        assert pilot.components.prompt.units == pilot.components.n_prompts == 12  # conversations, not turns
        assert isinstance(pilot.alpha, Estimate)
        assert pilot.agreement.alpha == pilot.alpha.value


@pytest.mark.django_db
def test_a_project_is_planned_axis_by_axis_with_its_own_sizes():
    create_pilot(axes=("relevance", "fluency"))
    found = plan_json("pilot")
    assert found["project"] == "pilot"
    assert {key: found["plan"][key] for key in ("prompts", "models", "raters_per_item", "raters")} == {
        "prompts": 12,
        "models": 3,
        "raters_per_item": 2,
        "raters": 5,
    }
    assert [axis["axis"] for axis in found["axes"]] == ["relevance", "fluency"]
    for axis in found["axes"]:
        residual = axis["components"]["residual"]
        assert residual["planned"] == residual["estimated"]["value"] > 0
        assert axis["components"]["rater"]["estimated"]["method"] == "rater_jackknife"
        assert axis["alpha"]["from"] == "pilot"
        # As wide as the pilot's own jackknife says, at the pilot's own size
        own = axis["alpha"]["estimated"]
        assert axis["half_widths"]["alpha"]["value"] == pytest.approx(own["value"] - own["low"], rel=0.2)
    text = plan("pilot", "--prompts", "300")
    assert "Plan: 300 prompts × 3 models" in text
    assert "What pilot tells so far" in text
    assert "relevance  fluency" in text
    assert "What narrows it: fluency" in text


@pytest.mark.django_db
def test_how_wide_an_interval_may_be_goes_by_the_scale_of_the_project():
    project = create_project(slug="wide", axes=("relevance",))
    for _ in range(2):
        create_response(project)
        create_member(project, login=False)
    Point.objects.filter(axis__rubric__project=project, value=5).update(value=9)
    assert plan_json("wide", "--half-width", "3")["half_width"] == 3
    with pytest.raises(CommandError, match="On a scale from 1 to 9 an interval of ±4"):
        plan("wide", "--half-width", "4")


@pytest.mark.django_db
def test_the_pilot_may_be_one_batch_and_only_ratings_of_the_design_count():
    project, _ = create_pilot()
    batch = project.batches.get()
    before = pilots(project=project)[0].components
    assert pilots(project=project, batch=batch)[0].components == before
    extra = create_batch(project, items=[], filling="loaded", purpose="extra")
    items = list(project.items.all()[:5])
    stranger = create_member(project, login=False)
    seats = Assignment.objects.bulk_create(
        Assignment(
            batch=extra,
            item=item,
            seat=1,
            rater=stranger,
            purpose="extra",
            origin="loaded",
            state="submitted",
        )
        for item in items
    )
    axis = project.current_rubric().axes.get()
    Score.objects.bulk_create(Score(assignment=seat, axis=axis, value=1) for seat in seats)
    assert pilots(project=project)[0].components == before
    with pytest.raises(CommandError, match="it has"):
        plan("pilot", "--batch", "nowhere")


@pytest.mark.django_db
def test_raters_who_are_positions_in_a_list_have_no_severity_of_their_own():
    project, _ = create_pilot(kind=Member.Kind.POSITION)
    [pilot] = pilots(project=project)
    assert pilot.components.rater.reason == Reason.ANONYMOUS
    assert pilot.components.components().rater == 0
    assert "positions in a list" in plan("pilot")


@pytest.mark.django_db
def test_a_project_without_ratings_is_planned_with_defaults_and_says_so():
    project = create_project(slug="new", axes=("relevance",))
    create_response(project)
    create_member(project, login=False)
    create_member(project, login=False)
    found = plan_json("new")
    [axis] = found["axes"]
    assert axis["components"]["prompt"]["planned"] == 0.25
    assert axis["components"]["prompt"]["estimated"] == {"value": None, "reason": "no_scores", "n": 0}
    text = plan("new")
    assert "relevance: defaults stand in for" in text
    assert "there is no alpha yet; 0.45 is a guess" in text


@pytest.mark.django_db
def test_axes_without_order_are_not_planned_and_unknown_projects_are_named():
    project = create_project(slug="kinds", axes=("sort",), kind="nominal")
    create_response(project)
    for _ in range(2):
        create_member(project, login=False)
    assert pilots(project=project) == []
    assert plan_json("kinds")["axes"][0]["from"] == "defaults"
    with pytest.raises(CommandError, match="no project “nowhere”"):
        plan("nowhere")


@pytest.mark.django_db
def test_a_new_version_of_the_rubric_with_the_same_points_is_pooled():
    project, rows = create_pilot(prompts=6)
    create_rubric(project, axes=("fluency", "relevance"))
    [pilot] = [found for found in pilots(project=project) if found.axis.key == "relevance"]
    assert pilot.components.n_ratings == rows.shape[1]


@pytest.mark.django_db
def test_the_number_of_queries_does_not_grow_with_the_study(django_assert_max_num_queries):
    project, _ = create_pilot(prompts=8)
    with django_assert_max_num_queries(14):
        pilots(project=project)
