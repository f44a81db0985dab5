"""Two or more at the same moment, step by step."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest
from django.db import OperationalError, connection, transaction

from annotation.models import Assignment, Score, ScoreHistory, Submission
from annotation.services import (
    change,
    claim_next,
    give_back,
    release_rater,
    submit,
    submit_and_claim_next,
    withdraw_rater,
)
from annotation.services.errors import SeatNotFound
from tests.factories import create_batch, create_item, create_member, create_project, create_user

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("scratch")]

SCORES = {"relevance": 4, "fluency": 5}


@pytest.fixture
def project():
    return create_project()


def at_once(calls):
    """All results, errors among them, of calls that begin at the same moment."""
    gate = threading.Barrier(len(calls))

    def run(call):
        try:
            connection.ensure_connection()
            gate.wait(timeout=30)
            return call()
        except Exception as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


@contextmanager
def meanwhile(call):
    """Begin a call that has to wait for us, and go on when it does; its result is in the list afterwards."""
    result = []

    def run():
        try:
            result.append(call())
        except Exception as error:
            result.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    wait_until_somebody_waits()
    yield result
    thread.join(timeout=30)
    assert not thread.is_alive()


def wait_until_somebody_waits():
    for _ in range(3000):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_clear_snapshot()")  # one look per transaction, otherwise
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if cursor.fetchone()[0]:
                return
        threading.Event().wait(0.01)
    raise AssertionError("nobody waits")


def send(rater, seat, how=submit, scores=None, id_=None):
    return how(
        rater=rater, assignment_key=seat.key, submission_id=id_ or uuid.uuid4(), scores=scores or SCORES
    )


def test_the_last_seat_is_handed_out_once(project):
    create_batch(project, items=[create_item(project)], raters_per_item=1)
    raters = [create_member(project) for _ in range(8)]

    claimed = at_once([lambda rater=rater: claim_next(rater=rater) for rater in raters])

    assert Counter(type(seat).__name__ for seat in claimed) == {"Assignment": 1, "NoneType": 7}


def test_as_many_raters_as_seats_all_get_one(project):
    create_batch(project, items=[create_item(project) for _ in range(4)], raters_per_item=2)
    raters = [create_member(project) for _ in range(8)]

    claimed = at_once([lambda rater=rater: claim_next(rater=rater) for rater in raters])

    assert len({seat.pk for seat in claimed}) == 8


def test_two_tabs_of_one_rater_show_the_same_item(project):
    create_batch(project, items=[create_item(project) for _ in range(20)])
    rater = create_member(project)
    for _ in range(10):
        claimed = at_once([lambda: claim_next(rater=rater)] * 4)
        assert len({seat.pk for seat in claimed}) == 1
        send(rater, claimed[0])


def test_nobody_is_told_nothing_left_while_the_last_seat_may_come_back(project):
    create_batch(project, items=[create_item(project)], raters_per_item=1)
    first, second = create_member(project), create_member(project)

    with transaction.atomic():
        seat = claim_next(rater=first)
        with_lock = meanwhile(lambda: claim_next(rater=second))
        result = with_lock.__enter__()
        transaction.set_rollback(True)
    with_lock.__exit__(None, None, None)

    assert result == [seat]


def test_who_waited_for_a_seat_in_vain_is_told_that_nothing_is_left(project):
    create_batch(project, items=[create_item(project)], raters_per_item=1)
    first, second = create_member(project), create_member(project)

    with transaction.atomic():
        claim_next(rater=first)
        with_lock = meanwhile(lambda: claim_next(rater=second))
        result = with_lock.__enter__()
    with_lock.__exit__(None, None, None)

    assert result == [None]


def test_who_waits_for_a_seat_has_let_go_of_the_one_just_submitted(project):
    """Else two who wait for each other's would wait for ever."""
    create_batch(project, items=[create_item(project) for _ in range(2)], raters_per_item=1)
    first, second = create_member(project), create_member(project)
    done = claim_next(rater=first)

    with transaction.atomic():
        claim_next(rater=second)
        with_lock = meanwhile(lambda: send(first, done, how=submit_and_claim_next))
        result = with_lock.__enter__()
        done.refresh_from_db()  # committed, though its request is still under way
        transaction.set_rollback(True)
    with_lock.__exit__(None, None, None)

    assert done.state == "submitted"
    assert result[0][1] is not None


def test_the_same_submit_arriving_several_times_at_once_is_kept_once(project):
    create_batch(project, items=[create_item(project) for _ in range(5)])
    rater = create_member(project)
    for how in (submit, submit_and_claim_next):
        seat, id_ = claim_next(rater=rater), uuid.uuid4()
        answers = at_once([lambda seat=seat, id_=id_, how=how: send(rater, seat, how=how, id_=id_)] * 4)
        outcomes = [answer[0] if isinstance(answer, tuple) else answer for answer in answers]
        assert sorted((outcome.kind, outcome.repeated) for outcome in outcomes) == [
            ("kept", False), ("kept", True), ("kept", True), ("kept", True),
        ]  # fmt: skip
        if how is submit_and_claim_next:
            assert len({answer[1].pk for answer in answers}) == 1
    assert Submission.objects.count() == 2
    assert Score.objects.count() == 4


@pytest.mark.parametrize(
    ("words", "answer"), [(SCORES, ("kept", True)), ({"relevance": 1, "fluency": 1}, ("set_aside", False))]
)
@pytest.mark.parametrize("how", [submit, submit_and_claim_next])
def test_who_waited_while_the_same_id_was_kept_hears_what_became_of_it(project, how, words, answer):
    create_batch(project, items=[create_item(project)])
    rater = create_member(project)
    seat, id_ = claim_next(rater=rater), uuid.uuid4()

    with ExitStack() as until_it_is_answered, transaction.atomic():
        send(rater, seat, id_=id_)
        second = meanwhile(lambda: send(rater, seat, how=how, scores=words, id_=id_))
        answers = until_it_is_answered.enter_context(second)

    outcome = answers[0][0] if how is submit_and_claim_next else answers[0]
    assert (outcome.kind, outcome.repeated) == answer
    assert Submission.objects.count() == (1 if words == SCORES else 2)


def test_different_words_for_one_item_at_once_one_is_kept_and_the_others_set_aside(project):
    create_batch(project, items=[create_item(project)])
    rater = create_member(project)
    seat = claim_next(rater=rater)

    outcomes = at_once(
        [
            lambda value=value: send(rater, seat, scores={"relevance": value, "fluency": 1})
            for value in (1, 2, 3, 4)
        ]
    )

    assert Counter(outcome.kind for outcome in outcomes) == {"kept": 1, "set_aside": 3}
    assert Submission.objects.count() == 4


def test_a_late_submit_and_a_claim_at_once_end_well_either_way(project):
    create_batch(project, items=[create_item(project) for _ in range(12)], raters_per_item=1)
    late, other = create_member(project), create_member(project)
    kinds = Counter()
    for _ in range(12):
        seat = claim_next(rater=late)
        Assignment.objects.filter(pk=seat.pk).update(lease_until="2020-01-01T00:00Z")
        outcome, taken = at_once([lambda seat=seat: send(late, seat), lambda: claim_next(rater=other)])
        kinds[outcome.kind] += 1
        if taken:
            assert send(other, taken).kind == "kept"
        if not Assignment.objects.filter(state__in=["open", "empty"]).exists():
            break
    assert kinds.keys() <= {"late", "surplus"}
    assert Assignment.objects.independent().values("item").distinct().count() == 12


def test_a_claim_that_is_cut_off_leaves_no_seat_behind(project):
    create_batch(project, items=[create_item(project)], raters_per_item=1)
    first, second = create_member(project), create_member(project)
    held, cut = threading.Event(), threading.Event()

    def claim_and_be_cut_off():
        with transaction.atomic():
            claim_next(rater=first)
            held.set()
            cut.wait(30)
            return claim_next(rater=first)

    def cut_off():
        held.wait(30)
        with meanwhile(lambda: claim_next(rater=second)) as result, connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND state = 'idle in transaction'"
            )
        cut.set()
        return result[0]

    error, seat = at_once([claim_and_be_cut_off, cut_off])

    assert isinstance(error, OperationalError)
    assert seat.rater == second


def test_a_submit_and_being_taken_out_at_once_end_well_either_way(project):
    create_batch(project, items=[create_item(project) for _ in range(10)], raters_per_item=1)
    boss = create_user()
    for _ in range(10):
        rater = create_member(project)
        seat = claim_next(rater=rater)
        outcome, taken = at_once(
            [
                lambda seat=seat, rater=rater: send(rater, seat),
                lambda rater=rater: withdraw_rater(rater=rater, by=boss, reason="left"),
            ]
        )
        seat.refresh_from_db()
        if taken.ratings:
            assert (outcome.kind, seat.state) == ("kept", "withdrawn")
        else:
            assert (outcome.kind, seat.state, taken.seats) == ("late", "submitted", 1)
        assert Assignment.objects.live().filter(item=seat.item).count() == 1


def test_changes_at_once_follow_each_other_and_each_old_score_is_on_record(project):
    create_batch(project, items=[create_item(project)])
    rater = create_member(project)
    seat = claim_next(rater=rater)
    send(rater, seat, scores={"relevance": 5, "fluency": 5})

    at_once(
        [
            lambda value=value: send(rater, seat, how=change, scores={"relevance": value, "fluency": 5})
            for value in (1, 2, 3, 4)
        ]
    )

    ever = [
        *ScoreHistory.objects.values_list("value", flat=True),
        Score.objects.get(axis__key="relevance").value,
    ]
    assert sorted(ever) == [1, 2, 3, 4, 5]


def test_giving_back_in_one_tab_and_submitting_in_the_other_keeps_the_rating(project):
    create_batch(project, items=[create_item(project) for _ in range(10)])
    rater = create_member(project)
    for _ in range(10):
        seat = claim_next(rater=rater)
        outcome, back = at_once(
            [lambda seat=seat: send(rater, seat), lambda seat=seat: give_back(rater=rater, key=seat.key)]
        )
        assert outcome.kind == ("kept" if isinstance(back, SeatNotFound) else "late")
        seat.refresh_from_db()
        assert seat.state == "submitted"


def test_releasing_several_raters_while_they_claim_ends_without_a_deadlock(project):
    create_batch(project, items=[create_item(project) for _ in range(30)])
    raters = [create_member(project) for _ in range(6)]
    calls = [lambda rater=rater: claim_next(rater=rater) for rater in raters]
    calls += [lambda rater=rater: release_rater(rater=rater) for rater in raters]
    for _ in range(5):
        assert not [result for result in at_once(calls) if isinstance(result, Exception)]
