"""The trial is worth something only if it fails when a lock, a constraint or a trigger is taken away."""

from __future__ import annotations

import pytest
from django.db import connection

from annotation.services import claiming, searching, submitting
from tests.concurrency.trial import Trial, study

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("scratch")]

DATA = [
    "rated an item twice",
    "acknowledged",
    "items by number",
    "different raters",
    "without all of their scores",
]
ONE_OPEN = "DROP INDEX assignment_one_open_per_rater"
ONCE_PER_ITEM = "ALTER TABLE annotation_assignment DROP CONSTRAINT assignment_rater_once_per_item"


def trigger(name):
    """Django's name for it has a hash in it."""
    return f"""
        DO $$ BEGIN EXECUTE (
            SELECT format('DROP TRIGGER %I ON annotation_assignment', tgname)
            FROM pg_trigger WHERE tgname LIKE 'pgtrigger_{name}_%'
        ); END $$
    """


def trial(*, without=(), **fields):
    """What a small trial finds, with some of the database's rules dropped."""
    fields = {"items": 10, "raters": 8, "raters_per_item": 3} | fields
    project = study(items=fields.pop("items"), raters=fields.pop("raters"))
    with connection.cursor() as cursor:
        for rule in without:
            cursor.execute(rule)
    return Trial(project, kill_every=None, **fields).run()


def data_problems(found):
    """What cannot be mended any more, as opposed to an error that somebody saw; unfilled seats are the others' work."""
    return [problem for problem in found if any(sign in problem for sign in DATA)]


@pytest.fixture
def no_rater_lock(monkeypatch):
    for module in (claiming, submitting):
        monkeypatch.setattr(module, "lock", lambda cursor, rater: None)


@pytest.fixture
def no_seat_lock(monkeypatch):
    """Look, then take, without holding on to what was seen."""
    monkeypatch.setattr(searching, "TAKE", searching.TAKE.replace("AND a.state IN ('empty', 'planned')", ""))
    monkeypatch.setattr(searching, "LOCK", "")


@pytest.fixture
def all_items_eligible(monkeypatch):
    monkeypatch.setattr(searching, "ELIGIBLE", "TRUE")


def test_with_nothing_taken_away_nothing_is_found():
    assert trial() == []


@pytest.mark.usefixtures("no_rater_lock")
def test_without_the_lock_on_the_rater_the_constraints_object_and_the_data_stay_right():
    found = trial(items=40)
    assert any("assignment_one_open_per_rater" in problem for problem in found)
    assert not data_problems(found)


@pytest.mark.usefixtures("no_rater_lock")
def test_without_that_lock_and_its_constraints_somebody_rates_an_item_twice():
    found = trial(items=20, neighbours=True, without=[ONE_OPEN, ONCE_PER_ITEM])
    assert any("rated an item twice" in problem for problem in found)


@pytest.mark.usefixtures("no_seat_lock")
def test_without_the_lock_on_the_seat_a_trigger_objects_and_the_data_stay_right():
    found = trial(items=40)
    assert any("freed before somebody else takes it" in problem for problem in found)
    assert not data_problems(found)


@pytest.mark.usefixtures("no_seat_lock")
def test_without_that_lock_and_its_trigger_ratings_are_refused():
    assert "a rating was refused" in trial(items=40, without=[trigger("seat_moves_once")])


@pytest.mark.usefixtures("all_items_eligible")
def test_without_looking_at_what_the_rater_had_the_constraint_objects():
    found = trial()
    assert any("assignment_rater_once_per_item" in problem for problem in found)
    assert not data_problems(found)


@pytest.mark.usefixtures("all_items_eligible")
def test_without_looking_and_without_the_constraint_somebody_rates_an_item_twice():
    assert any("rated an item twice" in problem for problem in trial(without=[ONCE_PER_ITEM]))


def test_without_the_trigger_that_replaces_lost_seats_items_run_short():
    found = trial(odds={"skip": 0.1}, without=[trigger("lost_seat_is_replaced")])
    assert any("items by number of seats" in problem for problem in found)


def test_without_the_memory_of_lapsed_seats_late_ratings_are_refused():
    assert "a rating was refused" in trial(odds={"late": 0.4}, without=[trigger("lapse_is_remembered")])


@pytest.mark.usefixtures("no_rater_lock")
def test_without_both_locks_a_submit_sent_twice_at_once_meets_a_constraint(monkeypatch):
    find = submitting._find
    monkeypatch.setattr(
        submitting,
        "_find",
        lambda cursor, which, **terms: find(cursor, which.replace("FOR UPDATE OF a", ""), **terms),
    )
    found = trial(odds={"twice": 0.8})
    assert any(
        "score_once_per_axis" in problem or "annotation_submission_pkey" in problem for problem in found
    )
    assert not data_problems(found)
