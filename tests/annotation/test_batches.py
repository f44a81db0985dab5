"""Making batches: which items, how many seats, for whom."""

from __future__ import annotations

import io
import json
import threading
from collections import Counter
from datetime import date, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from annotation.models import Assignment, Batch
from annotation.services import (
    Raters,
    Selection,
    claim_next,
    close,
    make_batch,
    pause,
    preview,
    reopen,
    resume,
)
from annotation.services.errors import (
    BatchIsNotOpen,
    NameMissing,
    NameTaken,
    NoItems,
    NoRubric,
    NothingToRepeat,
    RatersUsedUp,
    SingleRaterNotConfirmed,
    TooFewPrompts,
    TooFewRaters,
    UnknownGroup,
    UnknownModels,
    UnknownRaters,
    WrongTerms,
)
from projects.models import Project
from tests.factories import (
    create_member,
    create_model,
    create_project,
    create_prompt,
    create_response,
    create_rubric,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    """Four prompts with three models' responses, one of two turns; four raters."""
    project = create_project()
    models = [create_model(project, name) for name in "ABC"]
    for number in range(4):
        prompt = create_prompt(
            project, key=f"p{number}", source="odd" if number % 2 else "even",
            category="cooking" if number == 0 else "", tags=[f"t{number}", "all"],
        )  # fmt: skip
        for model in models:
            create_response(
                project, prompt=prompt, model=model, turns=["One.", "Two."] if number == 3 else ["One."]
            )
    for number in range(4):
        create_member(project, group="students" if number < 3 else "pros")
    return project


def made(project, **fields):
    return make_batch(project=project, **{"name": "b", **fields})


def items_of(batch):
    return {(a.item.prompt.key, a.item.response.model.name, a.item.turn) for a in batch.assignments.all()}


def test_each_item_gets_as_many_seats_as_raters_are_wanted(project):
    batch = made(project, raters_per_item=3)

    seats = Counter(batch.assignments.values_list("item", flat=True))
    assert len(seats) == project.items.count() == 15
    assert set(seats.values()) == {3}
    assert set(batch.assignments.values_list("state", "rater", "purpose")) == {("empty", None, "main")}


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({"models": ["A", "C"]}, 10),
        ({"sources": ["even"]}, 6),
        ({"categories": ["cooking"]}, 3),
        ({"tags": ["t0", "t3"]}, 9),
        ({"turns": [2]}, 3),
        ({"models": ["A"], "sources": ["odd"], "turns": [1]}, 2),
        ({"sample_prompts": 4}, 15),
    ],
)
def test_a_selection_chooses_the_items_and_is_remembered(project, chosen, expected):
    batch = made(project, **chosen)
    assert len(items_of(batch)) == expected
    assert batch.selection == chosen


def test_a_sample_takes_whole_prompts_and_the_seed_repeats_it(project):
    def drawn(seed):
        items = Selection(sample_prompts=2, turns=[1]).items(project, seed=seed)
        return Counter(items.values_list("prompt__key", flat=True))

    assert drawn(1) == drawn(1)
    assert len({frozenset(drawn(seed)) for seed in range(20)}) > 3
    assert all(list(drawn(seed).values()) == [3, 3] for seed in range(20))


def test_the_batch_has_the_sample_that_its_seed_draws(project):
    batch = made(project, sample_prompts=2, seed=5)
    drawn = Selection(sample_prompts=2).items(project, seed=5)
    assert set(batch.assignments.values_list("item", flat=True)) == {item.pk for item in drawn}


def test_the_order_of_the_seats_comes_from_the_seed(project):
    def positions(name, seed):
        batch = made(project, name=name, seed=seed, purpose="training")
        found = list(batch.assignments.order_by("item", "seat").values_list("position", flat=True))
        connection.cursor().execute("ROLLBACK TO SAVEPOINT before")
        return found

    with transaction.atomic():
        connection.cursor().execute("SAVEPOINT before")
        one, again, other = positions("a", 1), positions("a", 1), positions("a", 2)
    assert one == again != other
    assert all(0 <= position < 1 for position in one)
    assert len(set(one)) == len(one)


def test_a_batch_uses_the_newest_rubric_and_freezes_it(project):
    newest = create_rubric(project, axes=("overall",))
    batch = made(project)
    newest.refresh_from_db()
    assert batch.rubric == newest
    assert newest.frozen_at


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"name": "   "}, NameMissing),
        ({"name": "n" * 121}, NameMissing),
        ({"models": ["A", "Z"]}, UnknownModels),
        ({"sources": ["nowhere"]}, NoItems),
        ({"sample_prompts": 5}, TooFewPrompts),
        ({"sample_prompts": 0}, TooFewPrompts),
        ({"raters_per_item": 5}, TooFewRaters),
        ({"raters_per_item": 1}, SingleRaterNotConfirmed),
        ({"raters_per_item": 0}, WrongTerms),
        ({"purpose": "surplus"}, WrongTerms),
        ({"purpose": "fun"}, WrongTerms),
        ({"filling": "loaded"}, WrongTerms),
        ({"lease": timedelta(seconds=1)}, WrongTerms),
        ({"raters": Raters.of_group("nobody")}, UnknownGroup),
        ({"raters": Raters.of_group("pros")}, TooFewRaters),
        ({"purpose": "repeat"}, NothingToRepeat),
        ({"purpose": "repeat", "filling": "planned"}, WrongTerms),
    ],
)
def test_what_cannot_be_made_says_why_and_leaves_nothing(project, wrong, error):
    terms = {"name": "b", **wrong}
    with pytest.raises(error) as stop:
        make_batch(project=project, **terms)
    assert str(stop.value)
    assert not Batch.objects.exists()


def test_a_name_is_taken_once_per_project(project):
    made(project)
    with pytest.raises(NameTaken):
        made(project, name=" b ")


def test_a_project_without_a_rubric_has_no_batches():
    project = Project.objects.create(slug="bare", name="Bare")
    with pytest.raises(NoRubric):
        made(project)


def test_raters_who_left_or_stand_for_nobody_do_not_count(project):
    gone = create_member(project, active=False)
    create_member(project, kind="position")
    with pytest.raises(TooFewRaters):
        made(project, raters_per_item=5)
    with pytest.raises(UnknownRaters):
        made(project, raters=Raters.by_name([gone]))


def test_items_that_too_many_of_the_raters_have_had_are_refused(project):
    pair = list(project.members.order_by("pk")[:2])
    made(project, name="first", models=["A"], raters=Raters.by_name(pair), filling="planned")

    with pytest.raises(RatersUsedUp) as stop:
        made(project, name="second", raters_per_item=3)
    assert stop.value.items == 5
    assert preview(project=project, raters_per_item=3).problems[0].items == 5
    made(project, name="second", raters_per_item=2)


def test_one_rater_per_item_is_made_when_confirmed(project):
    assert made(project, raters_per_item=1, confirm_single=True).assignments.count() == 15


def test_named_raters_are_written_down(project):
    pair = list(project.members.order_by("pk")[:2])
    batch = made(project, raters=Raters.by_name(pair))
    assert (batch.open_to, set(batch.raters.all())) == ("named", set(pair))


def test_raters_are_read_from_a_word(project):
    everybody = list(project.members.order_by("pseudonym"))
    assert Raters.parse("all", project=project).of(project) == everybody
    assert Raters.parse("group: students", project=project).of(project) == everybody[:3]
    assert Raters.parse("R002, R001,R002", project=project).of(project) == everybody[:2]
    for words in ("R001,R099", "bob"):
        with pytest.raises(UnknownRaters, match=r"R099|bob"):
            Raters.parse(words, project=project)


def test_planned_seats_are_given_out_evenly_and_never_twice(project):
    batch = made(project, filling="planned", raters_per_item=2, seed=1)

    seats = list(batch.assignments.values_list("state", "item", "rater"))
    assert {state for state, _, _ in seats} == {"planned"}
    loads = Counter(rater for _, _, rater in seats)
    assert max(loads.values()) - min(loads.values()) <= 1
    assert len(set(seats)) == len(seats) == 30


def test_planned_side_by_side_gives_a_prompt_to_the_same_raters(project):
    batch = made(project, filling="planned", side_by_side=True)
    raters = {}
    for prompt, rater in batch.assignments.values_list("item__prompt", "rater"):
        raters.setdefault(prompt, set()).add(rater)
    assert [len(found) for found in raters.values()] == [2, 2, 2, 2]


def test_a_plan_gives_nobody_what_they_have_had(project):
    everybody = list(project.members.order_by("pk"))
    made(project, name="first", models=["A"], raters=Raters.by_name(everybody[:2]), filling="planned")
    made(project, name="second", models=["A"], filling="planned")
    second = Assignment.objects.filter(batch__name="second")
    assert set(second.values_list("rater", flat=True)) == {member.pk for member in everybody[2:]}


def test_the_preview_counts_and_writes_nothing(project):
    seen = preview(project=project, name="b", models=["A", "B"], raters_per_item=2)
    assert (seen.items, seen.prompts, seen.models, seen.raters, seen.seats) == (10, 4, 2, 4, 20)
    assert seen.seats_per_rater == 5
    assert seen.problems == []
    assert not Batch.objects.exists()


def test_the_preview_names_every_problem(project):
    made(project)
    seen = preview(project=project, name="b", raters_per_item=1, sources=["nowhere"])
    assert {type(problem) for problem in seen.problems} == {NameTaken, SingleRaterNotConfirmed, NoItems}
    unknown = preview(project=project, raters_per_item=9, models=["Z"])
    assert {type(problem) for problem in unknown.problems} == {TooFewRaters, UnknownModels}


def test_a_batch_is_paused_closed_and_opened_again(project):
    batch = made(project)
    pause(batch=batch)
    pause(batch=batch)
    assert batch.state == "paused"
    close(batch=batch)
    assert batch.closed_at
    with pytest.raises(BatchIsNotOpen):
        resume(batch=batch)
    with pytest.raises(BatchIsNotOpen):
        pause(batch=batch)
    reopen(batch=batch)
    assert (batch.state, batch.closed_at) == ("open", None)


# The command


def run(project, name="b", *arguments):
    out = io.StringIO()
    call_command("make_batch", project.slug, name, *arguments, stdout=out)
    return out.getvalue()


def test_without_raters_the_command_says_to_invite_some():
    project = create_project()
    create_response(project)
    with pytest.raises(CommandError, match=r"nobody to rate: invite raters first \(page People\)"):
        call_command("make_batch", project.slug, "first", raters_per_item=2)


def test_the_command_makes_a_batch_and_says_what_it_is(project):
    said = run(
        project, "b", "--raters-per-item", "3", "--models", "A", "B", "--turns", "1", "--seed", "5",
        "--raters", "group:students", "--lease", "30m", "--due", "2027-01-31", "--order", "by_prompt",
    )  # fmt: skip

    batch = Batch.objects.get()
    assert "24 seats: 8 items (4 prompts, 2 models) × 3 raters" in said
    assert (batch.seed, batch.lease, batch.due_on) == (5, timedelta(minutes=30), date(2027, 1, 31))
    assert (batch.order, batch.open_to, batch.group) == ("by_prompt", "group", "students")
    assert batch.assignments.count() == 24
    said = run(
        project,
        "c",
        "--raters-per-item",
        "2",
        "--models",
        "A",
        "--turns",
        "1",
        "--sample-prompts",
        "1",
        "--dry-run",
    )
    assert "“c” would have 2 seats: 1 item (1 prompt, 1 model) × 2 raters each." in said


def test_the_command_plans(project):
    run(project, "b", "--filling", "planned", "--side-by-side", "--raters", "R001,R002")
    assert set(Assignment.objects.values_list("state", "rater__pseudonym")) == {
        ("planned", "R001"), ("planned", "R002"),
    }  # fmt: skip


def test_the_command_asks_about_one_rater_per_item(project):
    with pytest.raises(CommandError, match="agreement cannot be measured"):
        run(project, "b", "--raters-per-item", "1")
    run(project, "b", "--raters-per-item", "1", "--yes")
    assert Batch.objects.get().raters_per_item == 1


def test_the_command_can_only_look(project):
    assert (
        json.loads(run(project, "b", "--dry-run", "--json", "--seed", "1", "--sample-prompts", "3"))[
            "prompts"
        ]
        == 3
    )
    assert "would have 30 seats" in run(project, "b", "--dry-run")
    assert not Batch.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--models", "Z"], "no model called Z"),
        (["--raters", "R099"], "no active rater called R099"),
        (["--raters-per-item", "9"], "9 different raters per item"),
        (["--lease", "soon"], "no length of time"),
        (["--due", "tomorrow"], "no date"),
    ],
)
def test_the_command_says_what_is_wrong(project, arguments, words):
    with pytest.raises(CommandError, match=words):
        run(project, "b", *arguments)
    assert not Batch.objects.exists()


def test_the_command_names_the_projects_there_are(project):
    with pytest.raises(CommandError, match=project.slug):
        call_command("make_batch", "nowhere", "b")


@pytest.mark.django_db(transaction=True)
def test_of_two_batches_of_one_name_made_at_once_one_is_made():
    project = create_project()
    create_response(project)
    create_member(project), create_member(project)
    results = []
    gate = threading.Barrier(4)

    def make():
        gate.wait()
        try:
            results.append(made(project))
        except NameTaken as taken:
            results.append(taken)
        finally:
            connection.close()

    threads = [threading.Thread(target=make) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]

    assert sorted(type(result).__name__ for result in results) == [
        "Batch",
        "NameTaken",
        "NameTaken",
        "NameTaken",
    ]
    assert claim_next(rater=project.members.first())
