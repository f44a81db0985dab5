"""Taking ratings in: once each, and nothing typed is thrown away."""

from __future__ import annotations

import math
import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from annotation.models import Assignment, NAReason, Score, ScoreHistory, Submission
from annotation.services import (
    change,
    claim_next,
    close,
    give_back,
    make_batch,
    open_seat,
    pause,
    release_rater,
    skip,
    submit,
    submit_and_claim_next,
    withdraw,
    withdraw_rater,
)
from annotation.services.errors import (
    BatchIsNotOpen,
    InvalidScores,
    NotARater,
    Problem,
    ReasonMissing,
    SeatNotFound,
    SubmissionIdTaken,
)
from tests.factories import create_batch, create_item, create_member, create_project, create_user

pytestmark = pytest.mark.django_db

Outcomes = Submission.Outcome
SCORES = {"relevance": 4, "fluency": NAReason.UNSURE}


@pytest.fixture
def project():
    return create_project()


@pytest.fixture
def rater(project):
    return create_member(project)


@pytest.fixture
def other(project):
    return create_member(project)


def send(rater, seat, scores=None, *, how=submit, key=None, **fields):
    return how(
        rater=rater,
        assignment_key=key or seat.key,
        submission_id=fields.pop("submission_id", None) or uuid.uuid4(),
        scores=SCORES if scores is None else scores,
        **fields,
    )


def let_lapse(seat):
    Assignment.objects.filter(pk=seat.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def check_deferred():
    """What the end of the transaction would check."""
    connection.cursor().execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")


def scores_of(assignment):
    return {
        score.axis.key: score.value if score.na_reason is None else score.na_reason
        for score in Score.objects.filter(assignment=assignment).select_related("axis")
    }


def everything():
    """What a repetition must not change."""
    return [
        list(model.objects.order_by("pk").values_list())
        for model in (Assignment, Score, ScoreHistory, Submission)
    ]


def test_a_submit_keeps_the_scores_and_what_was_typed(project, rater):
    create_batch(project, items=[create_item(project)])
    seat = claim_next(rater=rater)
    id_ = uuid.uuid4()

    outcome = send(rater, seat, submission_id=id_, comment=" Good.\0\ud800 ", flagged=True, seconds=12.5)
    check_deferred()

    seat.refresh_from_db()
    assert (outcome.kind, outcome.assignment_key, outcome.repeated) == (Outcomes.KEPT, seat.key, False)
    assert (seat.state, seat.comment, seat.flagged, seat.seconds) == ("submitted", "Good.?", True, 12.5)
    assert (seat.codes, seat.lease_until) == ([4, -1], None)
    assert scores_of(seat) == {"relevance": 4, "fluency": "unsure"}
    assert Submission.objects.get(pk=id_).payload == {
        "assignment": str(seat.key), "scores": {"relevance": 4, "fluency": "unsure"},
        "comment": "Good.?", "flagged": True, "seconds": 12.5,
    }  # fmt: skip


def test_the_same_submit_again_answers_the_same_and_writes_nothing(project, rater):
    create_batch(project, items=[create_item(project)])
    seat = claim_next(rater=rater)
    id_ = uuid.uuid4()
    first = send(rater, seat, submission_id=id_, seconds=10)
    before = everything()

    again = send(rater, seat, submission_id=id_, seconds=11)

    assert (again.kind, again.assignment_key, again.repeated) == (first.kind, first.assignment_key, True)
    assert everything() == before


@pytest.mark.parametrize(
    ("scores", "problems"),
    [
        ({}, {"relevance": Problem.MISSING, "fluency": Problem.MISSING}),
        ({"relevance": 4}, {"fluency": Problem.MISSING}),
        ({"relevance": 4, "fluency": None}, {"fluency": Problem.MISSING}),
        ({"relevance": 6, "fluency": 2.5}, {"relevance": Problem.OFF_SCALE, "fluency": Problem.OFF_SCALE}),
        (
            {"relevance": True, "fluency": math.nan},
            {"relevance": Problem.OFF_SCALE, "fluency": Problem.OFF_SCALE},
        ),
        ({"relevance": "bored", "fluency": 2}, {"relevance": Problem.UNKNOWN_REASON}),
        ({"relevance": 1, "fluency": 1, "charm": 1}, {"charm": Problem.UNKNOWN_AXIS}),
        ({"relevance": [4], "fluency": {}}, {"relevance": Problem.OFF_SCALE, "fluency": Problem.OFF_SCALE}),
    ],
)
def test_scores_that_the_rubric_does_not_take_are_refused_axis_by_axis(project, rater, scores, problems):
    create_batch(project, items=[create_item(project)])
    seat = claim_next(rater=rater)

    with pytest.raises(InvalidScores) as stop:
        send(rater, seat, scores)

    assert stop.value.problems == problems
    assert stop.value.messages().keys() == problems.keys()
    assert str(stop.value)
    assert not Submission.objects.exists()
    seat.refresh_from_db()
    assert seat.state == "open"


def test_cannot_judge_is_refused_where_the_axis_does_not_allow_it(rater):
    project = create_project(allow_na=False)
    rater = create_member(project)
    create_batch(project, items=[create_item(project)])
    with pytest.raises(InvalidScores) as stop:
        send(rater, claim_next(rater=rater))
    assert stop.value.problems == {"fluency": Problem.NA_NOT_ALLOWED}


def test_a_wrong_clock_does_not_cost_the_rating(project, rater):
    create_batch(project, items=[create_item(project) for _ in range(3)])
    for seconds in (-5, math.nan, math.inf):
        assert send(rater, claim_next(rater=rater), seconds=seconds).kind == Outcomes.KEPT
    assert set(Assignment.objects.submitted().values_list("seconds", flat=True)) == {None}


def test_a_planned_seat_can_be_submitted_by_its_link(project, rater):
    create_item(project)
    make_batch(project=project, name="p", filling="planned", raters_per_item=1, confirm_single=True)
    assert send(rater, Assignment.objects.planned().get()).kind == Outcomes.KEPT
    check_deferred()


def test_seats_that_the_rater_never_held_do_not_exist_for_them(project, rater, other):
    create_batch(project, items=[create_item(project)])
    theirs = claim_next(rater=other)
    empty = Assignment.objects.empty().get()
    for key in (theirs.key, empty.key, uuid.uuid4()):
        with pytest.raises(SeatNotFound):
            send(rater, None, key=key)
    send(other, theirs)
    with pytest.raises(SeatNotFound):
        send(rater, theirs)


def test_who_has_left_submits_nothing(project, rater):
    create_batch(project, items=[create_item(project)])
    seat = claim_next(rater=rater)
    rater.active = False
    rater.save()
    with pytest.raises(NotARater):
        send(rater, seat)


# Late


def test_late_and_nobody_asked_meanwhile_it_is_kept_as_late(project, rater):
    create_batch(project, items=[create_item(project)])
    seat = claim_next(rater=rater)
    let_lapse(seat)
    assert send(rater, seat).kind == Outcomes.LATE
    check_deferred()


def test_late_and_the_seat_went_back_to_the_pool_it_is_taken_again(project, rater, other):
    item = create_item(project)
    create_batch(project, items=[item])
    seat = claim_next(rater=rater)
    give_back(rater=rater, key=seat.key)

    outcome = send(rater, seat)
    check_deferred()

    assert (outcome.kind, outcome.assignment_key) == (Outcomes.LATE, seat.key)
    seat.refresh_from_db()
    assert (seat.state, seat.rater) == ("submitted", rater)


def lose(seat, *, to):
    """The lease passes and somebody else gets the seat."""
    let_lapse(seat)
    taken = claim_next(rater=to)
    assert taken == seat


def test_late_and_the_seat_is_taken_another_free_seat_of_the_item_takes_it(project, rater, other):
    item = create_item(project)
    create_batch(project, items=[item])
    seat = claim_next(rater=rater)
    free = Assignment.objects.empty().get()
    Assignment.objects.filter(pk=free.pk).update(position=2)  # so that the other one goes to `other`
    Assignment.objects.filter(pk=seat.pk).update(position=0)
    give_back(rater=rater, key=seat.key)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE annotation_assignment SET state = 'open', rater_id = %s, opened_at = now(),"
            " lease_until = now() + interval '1h' WHERE id = %s",
            [other.pk, seat.pk],
        )

    outcome = send(rater, seat)
    check_deferred()

    assert (outcome.kind, outcome.assignment_key) == (Outcomes.LATE, free.key)
    send(other, seat)
    check_deferred()
    assert Assignment.objects.independent().count() == 2


@pytest.mark.parametrize("submitted", [False, True])
def test_late_and_all_seats_are_taken_it_is_kept_as_surplus(project, rater, other, submitted):
    create_batch(project, items=[create_item(project)], raters_per_item=1)
    seat = claim_next(rater=rater)
    lose(seat, to=other)
    if submitted:
        send(other, seat, {"relevance": 1, "fluency": 1})

    id_ = uuid.uuid4()
    outcome = send(rater, seat, submission_id=id_, comment="late")
    check_deferred()

    extra = Assignment.objects.get(key=outcome.assignment_key)
    assert outcome.kind == Outcomes.SURPLUS
    assert (extra.purpose, extra.seat, extra.rater, extra.state) == ("surplus", None, rater, "submitted")
    assert (scores_of(extra), extra.comment) == ({"relevance": 4, "fluency": "unsure"}, "late")
    before = everything()
    assert send(rater, seat, submission_id=id_, comment="late").repeated
    assert everything() == before
    seat.refresh_from_db()
    assert seat.rater == other


def test_late_with_another_item_open_both_are_kept(project, rater, other):
    create_batch(project, items=[create_item(project)], raters_per_item=1)
    seat = claim_next(rater=rater)
    lose(seat, to=other)
    create_batch(project, items=[create_item(project)])
    current = claim_next(rater=rater)
    assert current != seat

    assert send(rater, seat).kind == Outcomes.SURPLUS
    assert send(rater, current).kind == Outcomes.KEPT
    check_deferred()


def test_late_after_claiming_the_item_again_goes_to_the_seat_held_now(project, rater, other):
    create_batch(project, items=[create_item(project)], raters_per_item=2)
    seat = claim_next(rater=rater)
    give_back(rater=rater, key=seat.key)
    Assignment.objects.filter(pk=seat.pk).update(position=2)
    current = Assignment.objects.exclude(pk=seat.pk).get()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE annotation_assignment SET state = 'open', rater_id = %s, opened_at = now(),"
            " lease_until = now() + interval '1h' WHERE id = %s",
            [rater.pk, current.pk],
        )

    outcome = send(rater, seat)
    check_deferred()

    assert (outcome.kind, outcome.assignment_key) == (Outcomes.LATE, current.key)
    assert Assignment.objects.empty().get() == seat


@pytest.mark.parametrize("stop", [pause, close])
def test_late_in_a_batch_that_was_stopped_is_still_kept(project, rater, stop):
    batch = create_batch(project, items=[create_item(project) for _ in range(2)])
    seat = claim_next(rater=rater)
    stop(batch=batch)
    assert send(rater, seat).kind == Outcomes.KEPT

    batch.state, batch.closed_at = "open", None
    batch.save()
    seat = claim_next(rater=rater)
    give_back(rater=rater, key=seat.key)
    stop(batch=batch)
    assert send(rater, seat).kind == Outcomes.LATE
    check_deferred()


def test_what_was_skipped_in_another_tab_is_set_aside_with_its_words(project, rater):
    create_batch(project, items=[create_item(project)])
    seat = claim_next(rater=rater)
    skip(rater=rater, assignment=seat, reason="too hard")

    outcome = send(rater, seat, comment="after all")

    assert outcome.kind == Outcomes.SET_ASIDE
    assert Submission.objects.get().payload["comment"] == "after all"
    assert not Score.objects.exists()


# Twice


def test_from_two_tabs_the_same_is_the_same_and_something_else_is_set_aside(project, rater):
    create_batch(project, items=[create_item(project)])
    seat = claim_next(rater=rater)
    send(rater, seat)
    before = everything()

    same = send(rater, seat)
    assert (same.kind, same.repeated) == (Outcomes.KEPT, True)
    assert everything() == before

    different = send(rater, seat, {"relevance": 1, "fluency": 1})
    assert different.kind == Outcomes.SET_ASIDE
    assert scores_of(seat) == {"relevance": 4, "fluency": "unsure"}
    assert Submission.objects.get(outcome="set_aside").payload["scores"] == {"relevance": 1, "fluency": 1}


def test_a_page_that_was_gone_back_to_sends_other_words_under_the_same_id_and_they_are_set_aside(
    project, rater
):
    create_batch(project, items=[create_item(project)])
    seat = claim_next(rater=rater)
    id_ = uuid.uuid4()
    send(rater, seat, submission_id=id_)
    second = send(rater, seat, {"relevance": 1, "fluency": 1}, submission_id=id_)
    before = everything()
    third = send(rater, seat, {"relevance": 1, "fluency": 1}, submission_id=id_)

    assert (second.kind, second.repeated) == (Outcomes.SET_ASIDE, False)
    assert (third.kind, third.repeated) == (Outcomes.SET_ASIDE, True)
    assert everything() == before


def test_a_submission_id_is_not_shared_by_items_or_persons(project, rater, other):
    create_batch(project, items=[create_item(project) for _ in range(2)])
    id_ = uuid.uuid4()
    send(rater, claim_next(rater=rater), submission_id=id_)
    for who in (rater, other):
        with pytest.raises(SubmissionIdTaken):
            send(who, claim_next(rater=who), submission_id=id_)


# Changing


def test_a_rating_can_be_changed_while_the_batch_is_open_and_the_old_scores_stay_on_record(project, rater):
    create_batch(project, items=[create_item(project)])
    seat = claim_next(rater=rater)
    send(rater, seat, seconds=10)
    id_ = uuid.uuid4()

    outcome = send(
        rater, seat, {"relevance": 2, "fluency": NAReason.UNSURE},
        how=change, submission_id=id_, comment="on reflection", seconds=5,
    )  # fmt: skip
    check_deferred()

    seat.refresh_from_db()
    assert (outcome.kind, outcome.repeated) == (Outcomes.CHANGED, False)
    assert (scores_of(seat), seat.codes) == ({"relevance": 2, "fluency": "unsure"}, [2, -1])
    assert (seat.comment, seat.seconds) == ("on reflection", 15)
    old = ScoreHistory.objects.get()
    assert (old.axis.key, old.value) == ("relevance", 4)
    assert old.pgh_context.metadata == {"rater": rater.pseudonym, "submission": str(id_)}
    before = everything()
    again = send(
        rater, seat, {"relevance": 2, "fluency": NAReason.UNSURE},
        how=change, submission_id=id_, comment="on reflection", seconds=5,
    )  # fmt: skip
    assert (again.kind, again.repeated) == (Outcomes.CHANGED, True)
    assert everything() == before


def test_a_value_can_become_cannot_judge_and_back(project, rater):
    create_batch(project, items=[create_item(project)])
    seat = claim_next(rater=rater)
    send(rater, seat)
    send(rater, seat, {"relevance": NAReason.NO_KNOWLEDGE, "fluency": 3}, how=change)
    check_deferred()
    seat.refresh_from_db()
    assert (scores_of(seat), seat.codes) == ({"relevance": "no_knowledge", "fluency": 3}, [-1, 3])
    assert ScoreHistory.objects.count() == 2


def test_changing_nothing_writes_nothing(project, rater):
    create_batch(project, items=[create_item(project)])
    seat = claim_next(rater=rater)
    send(rater, seat)
    before = everything()
    assert send(rater, seat, how=change).repeated
    assert everything() == before


def test_what_cannot_be_changed(project, rater, other):
    batch = create_batch(project, items=[create_item(project)])
    seat = claim_next(rater=rater)
    with pytest.raises(SeatNotFound):
        send(rater, seat, how=change)
    send(rater, seat)
    with pytest.raises(SeatNotFound):
        send(other, seat, {"relevance": 1, "fluency": 1}, how=change)
    with pytest.raises(InvalidScores):
        send(rater, seat, {"relevance": 1}, how=change)
    pause(batch=batch)
    with pytest.raises(BatchIsNotOpen):
        send(rater, seat, {"relevance": 1, "fluency": 1}, how=change)
    assert not ScoreHistory.objects.exists()


# On to the next


def test_submitting_brings_the_next_item(project, rater):
    create_batch(project, items=[create_item(project) for _ in range(3)])
    seat = claim_next(rater=rater)
    seen = {seat.item}
    for _ in range(2):
        outcome, seat = send(rater, seat, how=submit_and_claim_next)
        assert outcome.kind == Outcomes.KEPT
        seen.add(seat.item)
    outcome, seat = send(rater, seat, how=submit_and_claim_next)
    check_deferred()
    assert seat is None
    assert len(seen) == 3


def test_a_late_submit_goes_on_with_the_item_that_is_open(project, rater, other):
    create_batch(project, items=[create_item(project)], raters_per_item=1)
    seat = claim_next(rater=rater)
    lose(seat, to=other)
    create_batch(project, items=[create_item(project)])
    current = claim_next(rater=rater)

    outcome, following = send(rater, seat, how=submit_and_claim_next)

    assert (outcome.kind, following) == (Outcomes.SURPLUS, current)


def test_a_planned_seat_submitted_by_its_link_goes_on_with_the_item_that_is_open(project, rater):
    create_item(project), create_item(project)
    make_batch(project=project, name="p", filling="planned", raters_per_item=1, confirm_single=True)
    current = claim_next(rater=rater)

    outcome, following = send(rater, Assignment.objects.planned().get(), how=submit_and_claim_next)

    assert (outcome.kind, following) == (Outcomes.KEPT, current)


def test_a_refused_submit_claims_nothing(project, rater):
    create_batch(project, items=[create_item(project) for _ in range(2)])
    seat = claim_next(rater=rater)
    with pytest.raises(InvalidScores):
        send(rater, seat, {}, how=submit_and_claim_next)
    assert claim_next(rater=rater) == seat


def test_submitting_and_going_on_asks_the_database_a_fixed_number_of_times(
    project, rater, django_assert_max_num_queries
):
    create_batch(project, items=[create_item(project) for _ in range(4)])
    _, seat = send(rater, claim_next(rater=rater), how=submit_and_claim_next)
    with django_assert_max_num_queries(9):
        send(rater, seat, how=submit_and_claim_next)


# Taking out


def test_a_withdrawn_rating_leaves_an_empty_seat_and_stays_on_record(project, rater, other):
    create_batch(project, items=[create_item(project)], raters_per_item=1)
    seat = claim_next(rater=rater)
    send(rater, seat)
    boss = create_user()
    with pytest.raises(ReasonMissing):
        withdraw(assignments=[seat], by=boss, reason="")

    seat.refresh_from_db()
    assert withdraw(assignments=[seat], by=boss, reason="careless").ratings == 1
    assert withdraw(assignments=[seat], by=boss, reason="again").ratings == 0

    seat.refresh_from_db()
    assert (seat.state, seat.skip_reason, seat.withdrawn_by) == ("withdrawn", "careless", boss)
    assert Score.objects.filter(assignment=seat).count() == 2
    assert claim_next(rater=rater) is None
    assert claim_next(rater=other).item == seat.item


def test_a_released_rater_loses_seats_but_no_ratings_and_what_they_type_is_kept(project, rater, other):
    for _ in range(4):
        create_item(project)
    make_batch(project=project, name="p", filling="planned", raters_per_item=2)
    done, seat = claim_next(rater=rater), None
    _, seat = send(rater, done, how=submit_and_claim_next)

    assert release_rater(rater=rater).seats == 3

    done.refresh_from_db()
    assert done.state == "submitted"
    assert Assignment.objects.empty().count() == 3
    assert send(rater, seat).kind == Outcomes.LATE
    with pytest.raises(SeatNotFound):
        open_seat(rater=rater, key=Assignment.objects.empty().first().key)


def test_a_rater_can_be_taken_out_of_one_batch_altogether(project, rater):
    batches = [create_batch(project, items=[create_item(project) for _ in range(2)]) for _ in range(2)]
    for batch in batches:
        send(rater, claim_next(rater=rater, batch=batch))
    claim_next(rater=rater, batch=batches[0])

    taken = withdraw_rater(rater=rater, by=create_user(), reason="left", batch=batches[0])

    assert (taken.ratings, taken.seats) == (1, 1)
    states = [set(Assignment.objects.filter(batch=b).values_list("state", flat=True)) for b in batches]
    assert states == [{"withdrawn", "empty"}, {"submitted", "empty"}]
    assert Assignment.objects.live().filter(batch=batches[0]).count() == 4
