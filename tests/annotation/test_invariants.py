"""What must always hold (docs/decisions), tried with raw SQL: no form, service or model stands in the way."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from annotation.models import Assignment, Batch, LapsedSeat, Score, ScoreHistory, Submission
from projects.models import Member
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


def sql(statement: str, *values: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.rowcount


@transaction.atomic
def at_once_or_at_the_end(statement: str, *values: Any) -> None:
    sql(statement, *values)
    sql("SET CONSTRAINTS ALL IMMEDIATE")


def refused(name: str, statement: str, *values: Any) -> None:
    """`statement` must fail by the rule called `name`, at once or when the transaction ends."""
    with pytest.raises(DatabaseError) as failure:
        at_once_or_at_the_end(statement, *values)
    diagnosis = failure.value.__cause__.diag  # type: ignore[union-attr]
    by = f"{diagnosis.constraint_name}: {diagnosis.message_primary}"
    assert name in by, f"refused, but by {by}"
    sql("SET CONSTRAINTS ALL DEFERRED")


def insert_seat(batch: Batch, item_id: int, **fields: Any) -> tuple[str, list[Any]]:
    values = {
        "key": uuid.uuid4(), "batch_id": batch.pk, "item_id": item_id, "seat": 1, "occasion": 1, "purpose": "main",
        "origin": "here", "state": "empty", "comment": "", "flagged": False, "skip_reason": "",
    } | fields  # fmt: skip
    marks = ", ".join(["%s"] * len(values))
    return f"INSERT INTO annotation_assignment ({', '.join(values)}) VALUES ({marks})", list(values.values())


@pytest.fixture
def project():
    return create_project()


@pytest.fixture
def item(project):
    return create_item(project)


@pytest.fixture
def batch(project, item):
    return create_batch(project, raters_per_item=2)


@pytest.fixture
def seats(batch):
    return list(batch.assignments.order_by("seat"))


@pytest.fixture
def rater(project):
    return create_member(project)


@pytest.fixture
def rated(seats, rater):
    return rate(seats[0], rater, {"relevance": 4, "fluency": None})


# 1. Exactly n different raters


def test_a_rater_has_one_seat_at_an_item(seats, rater):
    open_seat(seats[0], rater)
    sql("UPDATE annotation_assignment SET state = 'planned', lease_until = NULL WHERE id = %s", seats[0].pk)

    refused(
        "assignment_rater_once_per_item",
        "UPDATE annotation_assignment SET state = 'planned', rater_id = %s WHERE id = %s",
        rater.pk,
        seats[1].pk,
    )


def open_seat(seat: Assignment, rater: Member) -> int:
    return sql(
        "UPDATE annotation_assignment SET state = 'open', rater_id = %s, opened_at = now(), "
        "lease_until = now() + interval '1 hour' WHERE id = %s",
        rater.pk,
        seat.pk,
    )


def test_a_rater_has_one_seat_at_an_item_across_batches(project, item, rated, rater):
    other = create_batch(project, raters_per_item=1)

    refused(
        "assignment_rater_once_per_item",
        "UPDATE annotation_assignment SET state = 'planned', rater_id = %s WHERE batch_id = %s",
        rater.pk,
        other.pk,
    )


def test_a_second_time_at_an_item_is_a_repeat(project, item, rated, rater):
    other = create_batch(project, items=[], raters_per_item=1)

    statement, values = insert_seat(other, item.pk, state="planned", rater_id=rater.pk, occasion=2)
    refused("assignment_again_means_repeat", statement, *values)


def test_no_seat_comes_on_top(batch, item):
    statement, values = insert_seat(batch, item.pk, seat=3)
    refused("assignment_seats_exactly_n", statement, *values)


def test_an_item_does_not_enter_a_batch_with_too_few_seats(batch, project):
    statement, values = insert_seat(batch, create_item(project).pk, seat=1)
    refused("assignment_seats_exactly_n", statement, *values)


def test_a_seat_number_is_given_once(batch, item):
    statement, values = insert_seat(batch, item.pk, seat=2)
    refused("assignment_seat_once_per_item", statement, *values)


def test_a_single_seat_is_not_deleted(seats):
    refused("assignment_seats_exactly_n", "DELETE FROM annotation_assignment WHERE id = %s", seats[0].pk)


def test_all_seats_of_an_item_can_be_deleted_together(batch):
    assert sql("DELETE FROM annotation_assignment WHERE batch_id = %s", batch.pk) == 2


@pytest.mark.parametrize(
    ("column", "value"), [("seat", 1), ("purpose", "extra"), ("key", uuid.uuid4()), ("occasion", 2)]
)
def test_what_a_seat_is_for_never_changes(seats, column, value):
    refused(
        "assignment_seat_stays",
        f"UPDATE annotation_assignment SET {column} = %s WHERE id = %s",
        value,
        seats[1].pk,
    )


def test_a_seat_is_not_passed_from_one_rater_to_another(project, seats, rater):
    open_seat(seats[0], rater)

    refused(
        "assignment_seat_is_freed_first",
        "UPDATE annotation_assignment SET rater_id = %s WHERE id = %s",
        create_member(project).pk,
        seats[0].pk,
    )


@pytest.mark.parametrize("state", ["skipped", "withdrawn"])
def test_a_lost_seat_is_replaced_by_an_empty_one(batch, seats, rater, state):
    open_seat(seats[0], rater)

    sql("UPDATE annotation_assignment SET state = %s, lease_until = NULL WHERE id = %s", state, seats[0].pk)

    assert list(batch.assignments.live().order_by("seat").values_list("seat", "state")) == [
        (1, "empty"),
        (2, "empty"),
    ]


def test_two_lost_seats_of_one_item_are_both_replaced(project, batch, seats, rater):
    open_seat(seats[0], rater)
    open_seat(seats[1], create_member(project))

    sql(
        "UPDATE annotation_assignment SET state = 'withdrawn', lease_until = NULL WHERE batch_id = %s",
        batch.pk,
    )

    assert batch.assignments.live().empty().count() == 2


def test_a_rater_of_another_project_takes_no_seat(seats):
    stranger = create_member(create_project())
    refused(
        "assignment_within_one_project",
        "UPDATE annotation_assignment SET state = 'planned', rater_id = %s WHERE id = %s",
        stranger.pk,
        seats[0].pk,
    )


def test_who_is_no_rater_takes_no_seat(project, seats):
    refused(
        "assignment_within_one_project",
        "UPDATE annotation_assignment SET state = 'planned', rater_id = %s WHERE id = %s",
        create_member(project, is_coordinator=True).pk,
        seats[0].pk,
    )


def test_no_seat_at_an_item_of_another_project(batch):
    foreign = create_item(create_project())
    statement, values = insert_seat(batch, foreign.pk)
    refused("assignment_within_one_project", statement, *values)


def test_a_batch_keeps_its_number_of_raters(batch):
    refused("Cannot update", "UPDATE annotation_batch SET raters_per_item = 3 WHERE id = %s", batch.pk)


def test_a_rubric_of_another_project_is_refused(project):
    foreign = create_rubric(create_project())
    with pytest.raises(DatabaseError, match="another project"), transaction.atomic():
        create_batch(project, rubric=foreign)


# 2. A lease, not a lock


def test_a_rater_has_one_open_seat(project, seats, rater):
    other = create_batch(project, items=[create_item(project)]).assignments.first()
    open_seat(seats[0], rater)
    refused(
        "assignment_one_open_per_rater",
        "UPDATE annotation_assignment SET state = 'open', rater_id = %s, opened_at = now(), lease_until = now() WHERE id = %s",
        rater.pk,
        other.pk,
    )


def test_an_open_seat_has_a_lease(seats, rater):
    refused(
        "assignment_open_means_a_lease",
        "UPDATE annotation_assignment SET state = 'open', rater_id = %s, opened_at = now() WHERE id = %s",
        rater.pk,
        seats[0].pk,
    )


def test_an_empty_seat_has_no_rater(seats, rater):
    refused(
        "assignment_empty_means_no_rater",
        "UPDATE annotation_assignment SET rater_id = %s WHERE id = %s",
        rater.pk,
        seats[0].pk,
    )
    refused(
        "assignment_empty_means_no_rater",
        "UPDATE annotation_assignment SET state = 'planned' WHERE id = %s",
        seats[0].pk,
    )


def test_who_held_a_lapsed_seat_is_remembered(seats, rater):
    open_seat(seats[0], rater)

    sql(
        "UPDATE annotation_assignment SET state = 'empty', rater_id = NULL, lease_until = NULL WHERE id = %s",
        seats[0].pk,
    )

    assert LapsedSeat.objects.get().rater == rater


def test_a_lapse_is_not_rewritten(project, seats, rater):
    test_who_held_a_lapsed_seat_is_remembered(seats, rater)
    refused("Cannot update", "UPDATE annotation_lapsedseat SET rater_id = %s", create_member(project).pk)


def test_a_submitted_rating_is_not_opened_again(rated):
    refused(
        "assignment_state_goes_forward",
        "UPDATE annotation_assignment SET state = 'open', submitted_at = NULL, lease_until = now() WHERE id = %s",
        rated.pk,
    )


def test_a_surplus_rating_has_no_seat(project, batch, item, rater):
    statement, values = insert_seat(
        batch, item.pk, purpose="surplus", seat=3, state="planned", rater_id=rater.pk
    )
    refused("assignment_s", statement, *values)
    statement, values = insert_seat(
        batch, item.pk, purpose="main", seat=None, state="planned", rater_id=rater.pk
    )
    refused("assignment_surplus_means_no_seat", statement, *values)


# 3. A submit happens once


def test_a_submission_id_is_used_once(rated, rater):
    one = Submission.objects.create(assignment=rated, rater=rater, outcome="kept")
    refused(
        "annotation_submission_pkey",
        "INSERT INTO annotation_submission (id, assignment_id, rater_id, outcome, payload, received_at) "
        "VALUES (%s, %s, %s, 'kept', '{}', now())",
        one.pk,
        rated.pk,
        rater.pk,
    )


@pytest.mark.parametrize(
    "statement", ["UPDATE annotation_submission SET payload = '{}'", "DELETE FROM annotation_submission"]
)
def test_a_submission_stays_as_it_came(rated, rater, statement):
    Submission.objects.create(assignment=rated, rater=rater, outcome="kept")
    refused("Cannot", statement)


def test_half_a_rating_is_not_submitted(seats, rater):
    rate(seats[0], rater, {seats[0].batch.rubric.axes.first().key: 3})

    with pytest.raises(DatabaseError, match="on each axis"), transaction.atomic():
        sql("SET CONSTRAINTS ALL IMMEDIATE")

    # Nothing is left behind for the end of the test to trip over.
    sql("UPDATE annotation_assignment SET state = 'withdrawn' WHERE id = %s", seats[0].pk)


def test_a_rating_without_scores_is_not_submitted(seats, rater):
    refused(
        "assignment_submitted_is_complete",
        "UPDATE annotation_assignment SET state = 'submitted', rater_id = %s, submitted_at = now() WHERE id = %s",
        rater.pk,
        seats[0].pk,
    )


def test_codes_do_not_stand_in_for_scores(seats, rater):
    refused(
        "assignment_submitted_is_complete",
        "UPDATE annotation_assignment SET state = 'submitted', rater_id = %s, submitted_at = now(), codes = '{4,-1}'"
        " WHERE id = %s",
        rater.pk,
        seats[0].pk,
    )


# 4. A score is a value on its axis or a typed "cannot judge"


def score_of(rated: Assignment, key: str) -> Score:
    return rated.scores.get(axis__key=key)


@pytest.mark.parametrize("value", [0, 6, 3.5, -1, float("nan"), float("inf")])
def test_no_score_is_off_its_scale(rated, value):
    refused(
        "score_is_a_point_of_its_axis",
        "UPDATE annotation_score SET value = %s WHERE id = %s",
        value,
        score_of(rated, "relevance").pk,
    )


def test_a_score_is_not_both(rated):
    refused(
        "score_given_or_cannot_judge",
        "UPDATE annotation_score SET na_reason = 'unsure' WHERE id = %s",
        score_of(rated, "relevance").pk,
    )


def test_a_score_is_not_neither(rated):
    refused(
        "score_given_or_cannot_judge",
        "UPDATE annotation_score SET value = NULL WHERE id = %s",
        score_of(rated, "relevance").pk,
    )


def test_cannot_judge_is_typed(rated):
    refused(
        "score_na_reason_is_known",
        "UPDATE annotation_score SET na_reason = 'meh' WHERE id = %s",
        score_of(rated, "fluency").pk,
    )


def test_a_score_is_given_once_per_axis(rated):
    refused(
        "score_once_per_axis",
        "INSERT INTO annotation_score (assignment_id, axis_id, value) VALUES (%s, %s, 3)",
        rated.pk,
        score_of(rated, "relevance").axis_id,
    )


def test_a_score_on_an_axis_of_another_rubric_is_refused(project, rated):
    foreign = create_rubric(project, axes=["other"]).axes.get()
    refused(
        "score_on_its_rubric",
        "INSERT INTO annotation_score (assignment_id, axis_id, value) VALUES (%s, %s, 3)",
        rated.pk,
        foreign.pk,
    )


def test_an_open_seat_has_no_scores_yet(seats, rater):
    open_seat(seats[0], rater)
    refused(
        "score_on_its_rubric",
        "INSERT INTO annotation_score (assignment_id, axis_id, value) VALUES (%s, %s, 3)",
        seats[0].pk,
        seats[0].batch.rubric.axes.first().pk,
    )


def test_cannot_judge_is_refused_where_it_is_not_allowed():
    project = create_project(axes=["overall"], allow_na=False)
    create_item(project)
    seat = create_batch(project).assignments.first()
    with pytest.raises(DatabaseError, match="only where allowed"), transaction.atomic():
        rate(seat, create_member(project), {"overall": None})
    rated = rate(seat, create_member(project), {"overall": 2})
    refused(
        "score_stays_once_closed",
        "UPDATE annotation_score SET value = NULL, na_reason = 'unsure' WHERE assignment_id = %s",
        rated.pk,
    )


def test_a_score_does_not_move_to_another_rating(project, rated):
    other = create_batch(project, raters_per_item=1).assignments.get()
    refused(
        "score_stays_where_it_is",
        "UPDATE annotation_score SET assignment_id = %s WHERE id = %s",
        other.pk,
        score_of(rated, "relevance").pk,
    )


def test_codes_follow_the_scores(rated):
    assert rated.codes == [4, -1]

    sql(
        "UPDATE annotation_score SET value = 2, na_reason = NULL WHERE id = %s", score_of(rated, "fluency").pk
    )

    rated.refresh_from_db()
    assert rated.codes == [4, 2]


def test_scores_of_a_closed_batch_stay(rated):
    sql("UPDATE annotation_batch SET state = 'closed', closed_at = now() WHERE id = %s", rated.batch_id)
    refused(
        "score_stays_once_closed",
        "UPDATE annotation_score SET value = 1 WHERE id = %s",
        score_of(rated, "relevance").pk,
    )
    refused("score_stays_once_closed", "DELETE FROM annotation_score WHERE assignment_id = %s", rated.pk)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE projects_point SET value = 9 WHERE rank = 5",
        "INSERT INTO projects_point (axis_id, value, rank, label_ja, label_en, description_ja, description_en) "
        "SELECT id, 6, 6, '', '', '', '' FROM projects_axis",
        "UPDATE projects_axis SET label_en = 'Something else'",
        "DELETE FROM projects_axis",
        "UPDATE projects_rubric SET guidelines_en = 'New'",
    ],
)
def test_a_rubric_in_use_is_frozen(batch, statement):
    refused("rubric_frozen_once_used", statement)


# 6. Nothing is overwritten without a trace


def test_a_changed_score_leaves_the_old_one_in_the_history(rated):
    score = score_of(rated, "relevance")

    sql("UPDATE annotation_score SET value = 2 WHERE id = %s", score.pk)
    sql("UPDATE annotation_score SET value = 1 WHERE id = %s", score.pk)

    history = ScoreHistory.objects.filter(pgh_obj_id=score.pk).order_by("pgh_id")
    assert [row.value for row in history] == [4, 2]


def test_a_rating_made_here_stays_complete(rated):
    refused(
        "assignment_submitted_is_complete", "DELETE FROM annotation_score WHERE assignment_id = %s", rated.pk
    )


def test_a_removed_score_leaves_a_trace(rated):
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    sql("UPDATE annotation_assignment SET origin = 'loaded' WHERE id = %s", rated.pk)

    sql("DELETE FROM annotation_score WHERE assignment_id = %s", rated.pk)

    assert {(row.pgh_label, row.value, row.na_reason) for row in ScoreHistory.objects.all()} == {
        ("removed", 4, None),
        ("removed", None, "unsure"),
    }


@pytest.mark.parametrize(
    "statement", ["UPDATE annotation_scorehistory SET value = 5", "DELETE FROM annotation_scorehistory"]
)
def test_history_is_not_rewritten(rated, statement):
    sql("UPDATE annotation_score SET value = 2 WHERE id = %s", score_of(rated, "relevance").pk)
    refused("Cannot", statement)


@pytest.mark.parametrize(("column", "value"), [("pseudonym", "R999"), ("kind", "simulated")])
def test_a_pseudonym_never_changes(rater, column, value):
    refused("Cannot update", f"UPDATE projects_member SET {column} = %s WHERE id = %s", value, rater.pk)


# Whose is what


def test_an_item_is_of_its_prompts_project(item):
    refused(
        "item_prompt_of_its_project",
        "UPDATE projects_item SET project_id = %s WHERE id = %s",
        create_project().pk,
        item.pk,
    )


def test_an_item_is_of_its_responses_prompt(project, item):
    refused(
        "item_response_to_its_prompt",
        "UPDATE projects_item SET prompt_id = %s WHERE id = %s",
        create_prompt(project).pk,
        item.pk,
    )


def test_a_pair_is_of_two_responses_to_one_prompt(project, item):
    other_prompt = create_response(project)
    refused(
        "item_second_response_to_its_prompt",
        "UPDATE projects_item SET second_response_id = %s WHERE id = %s",
        other_prompt.pk,
        item.pk,
    )
    refused(
        "item_pair_of_two", "UPDATE projects_item SET second_response_id = response_id WHERE id = %s", item.pk
    )
    rival = create_response(project, prompt=item.prompt, model=create_model(project))
    assert sql("UPDATE projects_item SET second_response_id = %s WHERE id = %s", rival.pk, item.pk) == 1


def test_an_item_is_of_things_that_exist_and_stay(item):
    for column, name in (
        ("project_id", "item_prompt_of_its_project"),
        ("prompt_id", "item_prompt_of_its_project"),
        ("response_id", "item_response_to_its_prompt"),
        ("second_response_id", "item_second_response_to_its_prompt"),
    ):
        refused(name, f"UPDATE projects_item SET {column} = 0 WHERE id = %s", item.pk)
    refused("item_response_to_its_prompt", "DELETE FROM projects_response WHERE id = %s", item.response_id)


def test_an_anonymous_position_is_nobody(project):
    position = create_member(project, kind="position", pseudonym="P1")
    refused(
        "member_position_is_nobody",
        "UPDATE projects_member SET is_coordinator = true WHERE id = %s",
        position.pk,
    )


def test_a_member_has_a_role(rater):
    refused("member_has_a_role", "UPDATE projects_member SET is_rater = false WHERE id = %s", rater.pk)


# 9. Agreement counts independent ratings of the design only


def test_a_batch_is_not_made_of_surplus(project):
    with pytest.raises(DatabaseError, match="batch_is_not_of_surplus"), transaction.atomic():
        create_batch(project, items=[], purpose="surplus")


@pytest.mark.parametrize("table", ["annotation_score", "annotation_assignment"])
def test_what_a_rating_rests_on_is_not_deleted(rated, table):
    for statement, value in {
        "DELETE FROM projects_item WHERE id = %s": rated.item_id,
        "DELETE FROM annotation_batch WHERE id = %s": rated.batch_id,
        "DELETE FROM projects_member WHERE id = %s": rated.rater_id,
    }.items():
        refused("", statement, value)
    assert sql(f"SELECT FROM {table}") > 0
