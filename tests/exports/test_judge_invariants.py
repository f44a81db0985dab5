"""What must always hold of judges and their scores, tried with raw SQL: no loader or model stands in the way."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from exports.models import JudgeRun
from projects.models import Axis
from tests.factories import create_item, create_project, create_user

pytestmark = pytest.mark.django_db

SHA = "a" * 64


def sql(statement: str, *values: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.rowcount


def refused(name: str, statement: str, *values: Any) -> None:
    """`statement` must fail by the rule called `name`."""
    with pytest.raises(DatabaseError) as failure, transaction.atomic():
        sql(statement, *values)
    diagnosis = failure.value.__cause__.diag  # type: ignore[union-attr]
    by = f"{diagnosis.constraint_name}: {diagnosis.message_primary}"
    assert name in by, f"refused, but by {by}"


def insertion(table: str, **values: Any) -> tuple[str, *tuple[Any, ...]]:
    marks = ", ".join(["%s"] * len(values))
    return f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", *values.values()


def run_of(project, **changes: Any) -> tuple[str, *tuple[Any, ...]]:
    values = {
        "project_id": project.pk, "name": "gpt", "prompt": "", "prompt_sha256": "", "version": "{}",
        "loaded_from": "[]", "created_at": "2026-01-01",
    } | changes  # fmt: skip
    return insertion("exports_judgerun", **values)


@pytest.fixture
def project():
    return create_project(axes=("fluency",), points=(1, 2, 3, 4, 5))


@pytest.fixture
def run(project) -> JudgeRun:
    return JudgeRun.objects.create(project=project, name="gpt")


@pytest.fixture
def score(project, run):
    """How to insert a score of that run, with changes."""
    item = create_item(project)
    axis = Axis.objects.get(rubric__project=project)

    def statement(**changes: Any) -> tuple[str, *tuple[Any, ...]]:
        values = {
            "run_id": run.pk, "item_id": item.pk, "axis_id": axis.pk, "repeat": 1, "value": 3.5, "failure": None,
            "reason": "", "response_sha256": "",
        } | changes  # fmt: skip
        return insertion("exports_judgescore", **values)

    return statement


def test_a_judge_has_one_run_for_each_prompt(project):
    sql(*run_of(project))
    sql(*run_of(project, prompt="single-v1", prompt_sha256=SHA))
    sql(*run_of(create_project()))

    refused("judge_run_once_per_prompt", *run_of(project))
    refused("judge_run_once_per_prompt", *run_of(project, prompt="single-v1", prompt_sha256=SHA))


def test_a_judge_has_a_name_and_its_prompt_a_hash(project):
    refused("judge_run_has_a_name", *run_of(project, name=""))
    refused("judge_run_prompt_has_its_hash", *run_of(project, prompt="single-v1"))
    refused("judge_run_prompt_has_its_hash", *run_of(project, prompt_sha256=SHA))
    refused("judge_run_prompt_has_its_hash", *run_of(project, prompt="single-v1", prompt_sha256="abc"))


def test_whose_run_it_is_and_of_which_prompt_stays(run):
    for change in ["name = 'other'", "prompt_sha256 = repeat('b', 64), prompt = 'x'", "project_id = 0"]:
        refused("Cannot update rows from exports_judgerun", f"UPDATE exports_judgerun SET {change}")
    assert sql("""UPDATE exports_judgerun SET version = '{"revision": "main"}'""") == 1


def test_a_judge_gives_a_score_or_fails(score):
    sql(*score())
    sql(*score(repeat=2, value=None, failure="refused"))

    refused("judge_score_given_or_failed", *score(repeat=3, failure="refused"))
    refused("judge_score_given_or_failed", *score(repeat=3, value=None))
    refused("judge_score_failure_is_known", *score(repeat=3, value=None, failure="tired"))


def test_a_score_is_a_number_within_its_axis(score):
    sql(*score(value=1))
    sql(*score(value=5, repeat=2))
    sql(*score(value=4.999, repeat=3))

    for value in ["NaN", "Infinity", "-Infinity"]:
        refused("judge_score_is_a_number", *score(value=value, repeat=4))
    for value in [0.999, 5.001, 0, -1, 10]:
        refused("judge_score_within_its_axis", *score(value=value, repeat=4))


def test_there_is_one_score_for_each_repeat(score):
    sql(*score())
    sql(*score(repeat=0))

    refused("judge_score_once_per_repeat", *score(value=4))
    refused("repeat", *score(repeat=-1))


def test_a_score_stays_within_its_project(score):
    other = create_project(axes=("fluency",))
    theirs = JudgeRun.objects.create(project=other, name="gpt")

    refused("judge_score_within_one_project", *score(item_id=create_item(other).pk))
    refused("judge_score_within_one_project", *score(axis_id=Axis.objects.get(rubric__project=other).pk))
    refused("judge_score_within_one_project", *score(run_id=theirs.pk))


def test_the_hash_of_the_text_is_a_hash(score):
    sql(*score(response_sha256=SHA))

    for text in ["abc", SHA.upper(), "g" * 64]:
        refused("judge_score_hash_is_a_hash", *score(repeat=2, response_sha256=text))


def test_a_score_stays_as_it_is(score):
    sql(*score())

    for change in ["value = 4", "repeat = 2", "value = NULL, failure = 'refused'", "reason = 'Because.'"]:
        refused("Cannot update rows from exports_judgescore", f"UPDATE exports_judgescore SET {change}")


def test_a_rubric_that_a_judge_used_is_frozen(project, score):
    assert project.current_rubric().frozen_at is None

    sql(*score())

    assert project.current_rubric().frozen_at is not None
    refused("rubric_frozen_once_used", "UPDATE projects_point SET value = 3.25 WHERE value = 3")


def test_judges_are_seen_by_those_who_see_the_project_not_by_raters(run):
    assert list(JudgeRun.objects.visible_to(create_user())) == []
