"""Finding a seat when most of what is left is at items that the rater has had."""

from __future__ import annotations

import uuid

import pytest
from django.db import connection

from annotation.models import Assignment, Sweep
from annotation.services import (
    claim_next,
    give_back,
    make_batch,
    release_rater,
    searching,
    skip,
    submit,
    withdraw,
)
from tests.factories import create_batch, create_item, create_member, create_project, create_user, rate

pytestmark = pytest.mark.django_db

VALUES = {"relevance": 3, "fluency": 3}


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    """So that a handful of seats is much."""
    for name, size in (("NEAR", 1), ("FAR", 2), ("SWEEP", 3)):
        monkeypatch.setattr(searching, name, size)


@pytest.fixture
def project():
    return create_project()


@pytest.fixture
def rater(project):
    return create_member(project)


def rate_all(rater):
    """Items in the order in which they came."""
    items = []
    while seat := claim_next(rater=rater):
        submit(rater=rater, assignment_key=seat.key, submission_id=uuid.uuid4(), scores=VALUES)
        items.append(seat.item)
    return items


def had_all_but(rater, batch, left):
    """The rater has had the first seat of each item but the last few; the second seats are all free."""
    for seat in batch.assignments.filter(seat=1).order_by("item")[: batch.assignments.count() // 2 - left]:
        rate(seat, rater, VALUES)


@pytest.mark.parametrize("raters_per_item", [1, 2, 3])
def test_a_rater_finds_every_item_however_little_is_seen_at_once(project, rater, raters_per_item):
    items = [create_item(project) for _ in range(17)]
    create_batch(project, items=items, raters_per_item=raters_per_item)
    for one in [rater, create_member(project), create_member(project)][:raters_per_item]:
        found = rate_all(one)
        assert len(found) == 17
        assert set(found) == set(items)
    assert not Assignment.objects.empty().exists()


def test_the_last_items_are_found_among_many_that_the_rater_has_had(project, rater):
    batch = create_batch(project, items=[create_item(project) for _ in range(30)])
    had_all_but(rater, batch, 3)
    assert len(rate_all(rater)) == 3


def test_who_has_looked_through_everything_does_not_look_again(project, rater, django_assert_max_num_queries):
    batch = create_batch(project, items=[create_item(project) for _ in range(40)])
    had_all_but(rater, batch, 0)
    assert claim_next(rater=rater) is None
    with django_assert_max_num_queries(16):  # both passes, savepoints and all; 80 seats at 3 a look are more
        assert claim_next(rater=rater) is None


def test_nothing_is_noted_where_one_look_sees_everything(project, rater, monkeypatch):
    monkeypatch.setattr(searching, "NEAR", 100)
    batch = create_batch(project, items=[create_item(project) for _ in range(10)])
    had_all_but(rater, batch, 0)
    assert claim_next(rater=rater) is None
    assert not Sweep.objects.exists()


@pytest.mark.parametrize("how", ["given back", "skipped", "withdrawn", "released"])
def test_a_seat_that_comes_back_after_the_sweep_is_found(project, rater, how):
    batch = create_batch(project, items=[create_item(project) for _ in range(20)])
    other = create_member(project)
    had_all_but(rater, batch, 1)
    last = batch.assignments.filter(seat=1, state="empty").get()
    # Both seats of the last item are taken by others, so that the rater finds nothing.
    rate(batch.assignments.get(item=last.item, seat=2), create_member(project), VALUES)
    held = claim_next(rater=other)
    while held.pk != last.pk:
        skip(rater=other, assignment=held, reason="not this one")
        held = claim_next(rater=other)
    assert claim_next(rater=rater) is None
    assert Sweep.objects.filter(rater=rater, reached__gt=1).exists()

    if how == "given back":
        give_back(rater=other, key=held.key)
    elif how == "skipped":
        skip(rater=other, assignment=held, reason="ill")
    elif how == "withdrawn":
        withdraw(assignments=[held], by=create_user(), reason="ill")
    else:
        release_rater(rater=other)

    assert claim_next(rater=rater).item == last.item


def test_who_gives_a_seat_back_is_offered_the_other_seat_of_that_item(project, rater, monkeypatch):
    for name in ("NEAR", "FAR"):  # so that it is the sweep which finds the seat, wherever it stands
        monkeypatch.setattr(searching, name, 0)
    batch = create_batch(project, items=[create_item(project) for _ in range(20)])
    had_all_but(rater, batch, 1)
    seat = claim_next(rater=rater)
    assert Sweep.objects.exists()
    give_back(rater=rater, key=seat.key)
    taken = claim_next(rater=create_member(project), batch=batch)
    while taken.pk != seat.pk:
        Assignment.objects.filter(pk=taken.pk).update(state="skipped", lease_until=None)
        taken = claim_next(rater=create_member(project), batch=batch)

    assert claim_next(rater=rater).item == seat.item


def test_deleting_seats_ends_all_sweeps(project, rater):
    batch = create_batch(project, items=[create_item(project) for _ in range(20)])
    had_all_but(rater, batch, 0)
    assert claim_next(rater=rater) is None
    spare = create_batch(project, items=[create_item(project)], state="paused")
    assert Sweep.objects.exists()
    spare.assignments.all().delete()
    assert not Sweep.objects.exists()


def test_a_repeat_is_looked_for_anew_each_time(project, rater):
    items = [create_item(project) for _ in range(12)]
    first = create_batch(project, items=items, raters_per_item=1)
    other = create_member(project)
    for seat in first.assignments.order_by("pk")[:6]:
        rate(seat, other, VALUES)
    make_batch(
        project=project, name="again", purpose="repeat", raters_per_item=1, confirm_single=True,
        models=[item.response.model.name for item in items[:6]],
    )  # fmt: skip
    assert claim_next(rater=rater).batch == first
    assert len(rate_all(other)) == 5 + 6  # one of the first batch is on the other rater's screen
    assert not Sweep.objects.filter(batch__purpose="repeat").exists()


@pytest.mark.parametrize(("seed", "last"), [(0, None), (1, 7), (-(2**63), 2**40), (2**63 - 1, 1)])
def test_the_database_draws_the_place_that_we_draw(seed, last):
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {searching._DRAW} FROM (SELECT CAST(%(seed)s AS bigint) AS seed, %(last)s::bigint AS last_item) AS o",
            {"seed": seed, "last": last, "rater": 3},
        )
        (place,) = cursor.fetchone()
    assert place == searching.draw(seed, 3, last or 0)
    assert 0 <= place < 1


def test_a_claim_takes_one_statement_where_nothing_is_in_its_way(project, rater, django_assert_num_queries):
    for _ in range(2):
        create_batch(project, items=[create_item(project) for _ in range(3)])
    claim_next(rater=create_member(project))  # reads the rubric
    with django_assert_num_queries(
        5
    ):  # a savepoint and its end, a lock, the open seat if there is one, and this
        assert claim_next(rater=rater)
