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


def seen(sign, *, without=(), times=8, **fields):
    """What trials find until one of them finds `sign`: chance decides whether a single one meets the gap."""
    found = []
    for time in range(times):
        found += trial(without=() if time else without, **fields)
        if any(each in problem for problem in found for each in sign):
            return found
    raise AssertionError(f"{times} trials never found {sign}: {found}")


def data_problems(found):
    """What cannot be mended any more, as opposed to an error that somebody saw; unfilled seats are the others' work."""
    return [problem for problem in found if any(sign in problem for sign in DATA)]


@pytest.fixture(autouse=True)
def compiled_anew():
    """Statements are put together once; not so what is broken here."""
    searching._pools.cache_clear()
    yield
    searching._pools.cache_clear()


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
    found = seen(["assignment_one_open_per_rater"], items=40)
    assert not data_problems(found)


@pytest.mark.usefixtures("no_rater_lock")
def test_without_that_lock_and_its_constraints_somebody_rates_an_item_twice():
    seen(["rated an item twice"], items=20, neighbours=True, without=[ONE_OPEN, ONCE_PER_ITEM])


@pytest.mark.usefixtures("no_seat_lock")
def test_without_the_lock_on_the_seat_a_trigger_objects_and_the_data_stay_right():
    found = seen(["freed before somebody else takes it"], items=40)
    assert not data_problems(found)


@pytest.mark.usefixtures("no_seat_lock")
def test_without_that_lock_and_its_trigger_ratings_are_refused():
    seen(["a rating was refused"], items=40, without=[trigger("seat_moves_once")])


@pytest.mark.usefixtures("all_items_eligible")
def test_without_looking_at_what_the_rater_had_the_constraint_objects():
    found = seen(["assignment_rater_once_per_item"], items=6, raters=6, raters_per_item=4)
    assert not data_problems(found)


@pytest.mark.usefixtures("all_items_eligible")
def test_without_looking_and_without_the_constraint_somebody_rates_an_item_twice():
    seen(["rated an item twice"], items=6, raters=6, raters_per_item=4, without=[ONCE_PER_ITEM])


def test_without_the_trigger_that_replaces_lost_seats_items_run_short():
    seen(["items by number of seats"], odds={"skip": 0.1}, without=[trigger("lost_seat_is_replaced")])


def test_without_the_memory_of_lapsed_seats_late_ratings_are_refused():
    seen(["a rating was refused"], odds={"late": 0.4}, without=[trigger("lapse_is_remembered")])


@pytest.mark.usefixtures("no_rater_lock")
def test_without_both_locks_a_submit_sent_twice_at_once_meets_a_constraint(monkeypatch):
    monkeypatch.setattr(submitting, "_SEAT", submitting._SEAT.replace("FOR UPDATE OF a", ""))
    found = seen(["score_once_per_axis", "annotation_submission_pkey"], odds={"twice": 0.8})
    assert not data_problems(found)
