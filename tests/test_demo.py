"""The demo: its content is whole, making it is safe, and each role has something to do in it."""

import itertools
import json
from collections import Counter
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from annotation.demo import loading
from annotation.demo.judges import JUDGES
from annotation.demo.simulation import AXES, EXCEPTIONS, QUALITY, REMARKS, SimulatedRaters
from annotation.models import Assignment, Batch, Score
from annotation.services import claim_next
from exports.models import JudgeRun
from projects import demo
from projects.models import Item, Member, Project, Prompt, User
from projects.rubric_files import presets, read_rubric
from tests.factories import create_user

CONTENT = Path(demo.__path__[0]) / "prompts_and_responses.jsonl"


def rows() -> list[dict]:
    return [json.loads(line) for line in CONTENT.read_text(encoding="utf-8").splitlines()]


# Content


def test_the_demo_has_prompts_in_two_languages_and_each_model_answers_each_turn():
    languages = Counter(row["tags"][0] for row in rows())

    assert languages["ja"] >= 12
    assert languages["en"] >= 4
    assert sum(len(row["turns"]) == 2 for row in rows()) == 2
    for row in rows():
        assert set(row["responses"]) == set(QUALITY)
        for response in row["responses"].values():
            turns = [response] if isinstance(response, str) else response
            assert len(turns) == len(row["turns"])
            assert all(turn.strip() for turn in turns)


def test_qualities_and_remarks_speak_of_responses_that_exist():
    prompts = {row["prompt_id"] for row in rows()}

    for prompt, model in [*EXCEPTIONS, *REMARKS]:
        assert prompt in prompts
        assert model in QUALITY


def test_every_category_belongs_to_one_round():
    assert Counter([*loading.FIRST_ROUND, *loading.SECOND_ROUND]) == Counter(
        {row["category"] for row in rows()}
    )


@pytest.mark.parametrize("name", presets())
def test_a_preset_can_be_read_and_speaks_both_languages(name):
    rubric = read_rubric(name)

    assert rubric.name == name
    assert rubric.guidelines.ja
    assert rubric.guidelines.en
    for axis in rubric.axes:
        for said in [axis, *axis.points]:
            assert said.label.ja
            assert said.label.en
            assert said.description.ja
            assert said.description.en


# Simulated raters


def test_the_same_seed_simulates_the_same_ratings():
    def ratings():
        raters = SimulatedRaters(raters=3, seed=5)
        return [raters.rate(k, prompt="demo-ja-01", model="minato-13b", turn=1, length=200) for k in range(3)]

    assert ratings() == ratings()


def test_simulated_raters_stay_on_the_scale_and_tell_the_models_apart():
    raters = SimulatedRaters(raters=6, seed=1)
    means = {}
    for model in QUALITY:
        said = [
            raters.rate(k, prompt=f"p{n}", model=model, turn=1, length=300).scores
            for n in range(40)
            for k in range(6)
        ]
        assert {value for scores in said for value in scores.values()} <= {1, 2, 3, 4, 5, None}
        assert set(said[0]) == set(AXES)
        overall = [scores["overall"] for scores in said]
        means[model] = sum(overall) / len(overall)

    assert sorted(means, key=means.get, reverse=True) == list(QUALITY)


# The project


@pytest.fixture(scope="module")
def _demo(django_db_setup, django_db_blocker):
    """The demo, made once for this module: each test works in a savepoint above it."""
    with django_db_blocker.unblock(), transaction.atomic():
        assert loading.load_demo()
        connection.check_constraints()
        yield
        transaction.set_rollback(True)


@pytest.fixture
def project(_demo, db) -> Project:
    return Project.objects.get(slug="demo")


def test_the_demo_says_that_it_is_simulated(project):
    assert project.is_simulated
    assert Member.objects.filter(project=project, kind="simulated", user=None).count() == loading.SIMULATED
    assert Prompt.objects.filter(project=project).count() == len(rows())
    assert Item.objects.filter(project=project).count() == sum(len(row["turns"]) for row in rows()) * len(
        QUALITY
    )


def test_the_first_round_is_finished_with_exactly_three_raters_for_each_item(project):
    batch = Batch.objects.get(project=project, name="Round 1")
    raters = Counter(batch.assignments.submitted().values_list("item"))

    assert batch.state == "closed"
    assert set(raters.values()) == {3}
    assert batch.assignments.exclude(state="submitted").count() == 0
    assert Score.objects.filter(assignment__batch=batch).count() == 5 * 3 * len(raters)


def test_in_the_second_round_each_demo_rater_has_begun_and_finds_the_next_item_at_once(project):
    batch = Batch.objects.get(project=project, name="Round 2")

    assert batch.state == "open"
    for name, count in loading.DONE_BY_HAND.items():
        rater = Member.objects.get(project=project, user__username=name)
        assert rater.assignments.submitted().count() == count
        seat = claim_next(rater=rater)
        assert seat.batch == batch
        if name in loading.OPEN:
            assert (seat.item.prompt.key, seat.item.response.model.name) == loading.OPEN[name]
        left = Item.objects.filter(assignments__batch=batch).exclude(assignments__rater=rater).distinct()
        assert left.filter(assignments__state="empty").distinct().count() >= 15


def test_ratings_of_the_demo_lie_in_the_past_one_after_the_other(project):
    for rater in Member.objects.filter(project=project, is_rater=True):
        done = list(rater.assignments.submitted().order_by("submitted_at"))
        assert all(a.opened_at < a.submitted_at for a in done)
        assert all(a.submitted_at <= b.opened_at for a, b in itertools.pairwise(done))


def test_nothing_of_the_demo_is_younger_than_what_came_of_it(project):
    first = project.batches.order_by("created_at").first()
    rubric = first.rubric
    assert project.created_at <= rubric.created_at <= rubric.frozen_at
    assert abs(rubric.frozen_at - first.created_at) < timedelta(minutes=1)
    for batch in project.batches.all():
        assert all(batch.created_at <= seat.opened_at for seat in batch.assignments.submitted())
        assert batch.closed_at is None or all(
            seat.submitted_at <= batch.closed_at for seat in batch.assignments.submitted()
        )
    for member in project.members.filter(user__isnull=False):
        assert member.user.date_joined <= member.created_at
    for member in project.members.all():
        assert all(member.created_at < seat.opened_at for seat in member.assignments.submitted())


def test_simulated_judges_scored_everything_and_say_that_they_are_simulated(project):
    runs = JudgeRun.objects.filter(project=project)

    assert [run.name for run in runs] == [judge.name for judge in JUDGES]
    assert all(run.name.endswith("-simulated") for run in runs)
    for run, judge in zip(runs, JUDGES, strict=True):
        assert run.scores.count() == Item.objects.filter(project=project).count() * 5 * judge.repeats
        assert run.scores.exclude(failure=None).exists()


def test_making_the_demo_again_asks_whether_it_is_there_and_changes_nothing(
    project, django_assert_max_num_queries
):
    before = Assignment.objects.count(), User.objects.count()

    with django_assert_max_num_queries(3):  # and a savepoint
        assert not loading.load_demo()

    assert (Assignment.objects.count(), User.objects.count()) == before


def test_closing_the_demo_accounts_shuts_out_those_accounts_alone(project, client):
    other = create_user(username="somebody")
    assert client.login(username="rater1", password=loading.PASSWORD)
    said = StringIO()

    call_command("load_demo", close_accounts=True, stdout=said)

    assert "5" in said.getvalue()
    assert not client.login(username="rater1", password=loading.PASSWORD)
    assert User.objects.get(pk=other.pk).is_active
