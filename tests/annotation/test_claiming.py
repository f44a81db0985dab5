"""Handing out: which seat a rater gets, and how it comes back."""

from __future__ import annotations

import uuid
from datetime import date, timedelta
from itertools import pairwise

import pytest
from django.db import transaction
from django.utils import timezone

from annotation.models import Assignment, Batch, LapsedSeat
from annotation.services import (
    Raters,
    claim_next,
    close,
    extend_lease,
    give_back,
    make_batch,
    open_seat,
    pause,
    renew,
    resume,
    skip,
    submit,
)
from annotation.services.errors import (
    AnotherSeatIsOpen,
    BatchIsNotOpen,
    NotARater,
    ReasonMissing,
    SeatNotFound,
)
from tests.factories import (
    create_batch,
    create_item,
    create_member,
    create_model,
    create_project,
    create_prompt,
    create_response,
)

pytestmark = pytest.mark.django_db

SCORES = {"relevance": 4, "fluency": 5}


def rate_next(rater, **fields):
    seat = claim_next(rater=rater, **fields)
    if seat:
        submit(rater=rater, assignment_key=seat.key, submission_id=uuid.uuid4(), scores=SCORES)
    return seat


def let_lapse(seat):
    Assignment.objects.filter(pk=seat.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


@pytest.fixture
def project():
    return create_project()


@pytest.fixture
def rater(project):
    return create_member(project)


def test_a_rater_gets_each_item_once_and_then_nothing(project, rater):
    items = [create_item(project) for _ in range(5)]
    create_batch(project, items=items)

    seats = [rate_next(rater) for _ in range(5)]

    assert {seat.item for seat in seats} == set(items)
    assert claim_next(rater=rater) is None


def test_asking_again_shows_the_same_seat_and_renews_its_lease(project, rater):
    create_batch(project, items=[create_item(project) for _ in range(3)])
    seat = claim_next(rater=rater)
    Assignment.objects.filter(pk=seat.pk).update(lease_until=timezone.now() + timedelta(minutes=1))

    again = claim_next(rater=rater)

    assert again == seat
    assert again.lease_until > timezone.now() + timedelta(hours=1)


def test_a_seat_brings_what_its_page_shows(project, rater, django_assert_num_queries):
    create_batch(project, items=[create_item(project)])
    seat = claim_next(rater=rater)
    with django_assert_num_queries(0):
        shown = [seat.batch.rubric, seat.batch.project, seat.item.prompt, seat.item.response, seat.rater]
    assert all(shown)


def test_two_raters_fill_both_seats_and_a_third_gets_nothing(project):
    create_batch(project, items=[create_item(project)])
    first, second, third = (create_member(project) for _ in range(3))

    assert claim_next(rater=first).item == claim_next(rater=second).item
    assert claim_next(rater=third) is None


def test_each_rater_has_an_order_of_their_own_which_the_seed_repeats(project):
    items = [create_item(project) for _ in range(12)]
    raters = [create_member(project) for _ in range(2)]

    def orders():
        make_batch(project=project, name="one", seed=7)
        found = [[rate_next(rater).item_id for _ in items] for rater in raters]
        transaction.set_rollback(True)
        return found

    with transaction.atomic():
        first_time = orders()
    with transaction.atomic():
        second_time = orders()

    assert first_time == second_time
    assert first_time[0] != first_time[1]
    assert first_time[0] != sorted(first_time[0])


def test_by_prompt_a_rater_stays_with_a_prompt_and_reads_each_conversation_through(project, rater):
    models = [create_model(project) for _ in range(3)]
    for _ in range(3):
        prompt = create_prompt(project)
        for model in models:
            create_response(project, prompt=prompt, model=model, turns=["First.", "Second."])
    create_batch(project, order="by_prompt")

    seats = [rate_next(rater) for _ in range(18)]

    prompts = [seat.item.prompt_id for seat in seats]
    assert len([1 for one, other in pairwise(prompts) if one != other]) == 2
    # Whole conversations, but for the one that the prompt was entered by.
    within = [seat.item for seat in seats[:6] if seat.item.response_id != seats[0].item.response_id]
    assert [item.turn for item in within] == [1, 2, 1, 2]
    assert [one.response_id for one in within[::2]] == [two.response_id for two in within[1::2]]


def test_mixed_a_rater_changes_prompts(project, rater):
    models = [create_model(project) for _ in range(6)]
    for _ in range(6):
        prompt = create_prompt(project)
        for model in models:
            create_response(project, prompt=prompt, model=model)
    create_batch(project, order="mixed")

    prompts = [rate_next(rater).item.prompt_id for _ in range(36)]

    assert len([1 for one, other in pairwise(prompts) if one != other]) > 20


def test_a_paused_or_closed_batch_hands_nothing_out_but_the_seat_that_is_open(project, rater):
    batch = create_batch(project, items=[create_item(project), create_item(project)])
    seat = claim_next(rater=rater)
    pause(batch=batch)

    assert claim_next(rater=rater) == seat
    assert claim_next(rater=create_member(project)) is None
    resume(batch=batch)
    assert claim_next(rater=create_member(project))
    close(batch=batch)
    assert claim_next(rater=create_member(project)) is None


def test_training_and_calibration_come_first_then_what_is_due_then_the_oldest(project, rater):
    names = {}
    for name, fields in {
        "fourth": {},
        "third": {"due_on": date(2030, 2, 1)},
        "second": {"due_on": date(2030, 1, 1)},
        "first": {"purpose": "calibration"},
    }.items():
        names[create_batch(project, items=[create_item(project)], **fields).pk] = name

    assert [names[rate_next(rater).batch_id] for _ in range(4)] == ["first", "second", "third", "fourth"]


def test_a_batch_is_given_to_its_raters_only(project):
    items = [create_item(project) for _ in range(3)]
    student, pro, named = (create_member(project, group=group) for group in ("students", "pros", "pros"))
    make_batch(
        project=project, name="s", raters=Raters.of_group("students"), raters_per_item=1, confirm_single=True
    )
    make_batch(
        project=project, name="n", raters=Raters.by_name([named]), raters_per_item=1, confirm_single=True
    )

    assert {rate_next(student).batch.name for _ in items} == {"s"}
    assert claim_next(rater=student) is None
    assert claim_next(rater=pro) is None
    assert {rate_next(named).batch.name for _ in items} == {"n"}


def test_a_batch_can_be_asked_for(project, rater):
    create_batch(project, items=[create_item(project)])
    wanted = create_batch(project, items=[create_item(project)])

    assert rate_next(rater, batch=wanted).batch == wanted
    assert claim_next(rater=rater, batch=wanted) is None


def test_items_had_in_another_batch_are_not_handed_out_again(project, rater):
    items = [create_item(project) for _ in range(3)]
    create_batch(project, items=items)
    create_batch(project, items=items)

    assert len({rate_next(rater).item for _ in items}) == 3
    assert claim_next(rater=rater) is None


def test_a_repeat_is_handed_out_to_those_who_rated_the_item_once(project, rater):
    items = [create_item(project) for _ in range(2)]
    create_batch(project, items=items)
    assert {rate_next(rater).item for _ in items} == set(items)
    other = create_member(project)
    first = rate_next(other).item
    make_batch(project=project, name="again", purpose="repeat", raters_per_item=1, confirm_single=True)
    again = Batch.objects.get(name="again")

    seat = rate_next(other, batch=again)
    assert (seat.item, seat.occasion) == (first, 2)
    assert claim_next(rater=other, batch=again) is None
    assert rate_next(rater, batch=again).item != first
    assert claim_next(rater=rater, batch=again) is None


def test_a_seat_whose_lease_is_over_goes_to_the_next_who_asks(project, rater):
    create_batch(project, items=[create_item(project)], raters_per_item=1)
    seat = claim_next(rater=rater)
    other = create_member(project)
    assert claim_next(rater=other) is None
    let_lapse(seat)

    assert claim_next(rater=other) == seat
    assert LapsedSeat.objects.get().rater == rater


def test_an_own_seat_whose_lease_is_over_goes_on(project, rater):
    create_batch(project, items=[create_item(project) for _ in range(9)])
    seat = claim_next(rater=rater)
    let_lapse(seat)

    assert claim_next(rater=rater) == seat
    assert not LapsedSeat.objects.exists()


def test_a_planned_seat_whose_lease_is_over_stays_planned(project, rater):
    create_item(project)
    make_batch(project=project, name="plan", filling="planned", raters_per_item=1, confirm_single=True)
    seat = claim_next(rater=rater)
    let_lapse(seat)

    assert claim_next(rater=create_member(project)) is None
    seat.refresh_from_db()
    assert (seat.state, seat.rater) == ("planned", rater)
    assert claim_next(rater=rater) == seat


def test_a_planned_seat_of_somebody_who_left_goes_to_others_once_its_lease_is_over(project, rater):
    create_item(project)
    make_batch(project=project, name="plan", filling="planned", raters_per_item=1, confirm_single=True)
    seat = claim_next(rater=rater)
    let_lapse(seat)
    rater.active = False
    rater.save()

    assert claim_next(rater=create_member(project)) == seat


def test_who_is_no_rater_or_has_left_claims_nothing(project, rater):
    create_batch(project, items=[create_item(project)])
    rater.active = False
    rater.save()
    for member in (rater, create_member(project, is_coordinator=True)):
        with pytest.raises(NotARater):
            claim_next(rater=member)


def test_a_skipped_seat_goes_to_somebody_else_and_never_comes_back(project, rater):
    create_batch(project, items=[create_item(project)], raters_per_item=1)
    seat = claim_next(rater=rater)

    skip(rater=rater, assignment=seat, reason=" I wrote this answer. ")

    seat.refresh_from_db()
    assert (seat.state, seat.skip_reason) == ("skipped", "I wrote this answer.")
    assert claim_next(rater=rater) is None
    assert claim_next(rater=create_member(project)).item == seat.item


def test_a_skip_needs_a_reason_and_an_own_seat(project, rater):
    create_batch(project, items=[create_item(project)])
    seat = claim_next(rater=rater)
    with pytest.raises(ReasonMissing):
        skip(rater=rater, assignment=seat, reason="  ")
    with pytest.raises(SeatNotFound):
        skip(rater=create_member(project), assignment=seat, reason="not mine")
    submit(rater=rater, assignment_key=seat.key, submission_id=uuid.uuid4(), scores=SCORES)
    with pytest.raises(SeatNotFound):
        skip(rater=rater, assignment=seat, reason="too late")


def test_a_seat_given_back_is_free_at_once(project, rater):
    create_batch(project, items=[create_item(project)], raters_per_item=1)
    seat = claim_next(rater=rater)
    other = create_member(project)
    with pytest.raises(SeatNotFound):
        give_back(rater=other, key=seat.key)

    give_back(rater=rater, key=seat.key)

    assert claim_next(rater=other) == seat
    with pytest.raises(SeatNotFound):
        give_back(rater=rater, key=seat.key)


def test_work_renews_the_lease_of_the_own_open_seat_only(project, rater):
    create_batch(project, items=[create_item(project)])
    seat = claim_next(rater=rater)
    let_lapse(seat)

    assert renew(rater=rater, key=seat.key) > timezone.now() + timedelta(hours=1)
    with pytest.raises(SeatNotFound):
        renew(rater=create_member(project), key=seat.key)


def test_a_lease_can_be_extended(project, rater):
    create_batch(project, items=[create_item(project)])
    seat = claim_next(rater=rater)

    assert extend_lease(assignment=seat, by=timedelta(hours=3)) == seat.lease_until + timedelta(hours=3)
    give_back(rater=rater, key=seat.key)
    with pytest.raises(SeatNotFound):
        extend_lease(assignment=seat, by=timedelta(hours=3))


def test_a_link_opens_the_own_open_seat_and_no_other(project, rater):
    create_batch(project, items=[create_item(project) for _ in range(2)])
    other = create_member(project)
    mine, theirs = claim_next(rater=rater), claim_next(rater=other)

    assert open_seat(rater=rater, key=mine.key) == mine
    for key in (theirs.key, Assignment.objects.empty().first().key, uuid.uuid4()):
        with pytest.raises(SeatNotFound):
            open_seat(rater=rater, key=key)


def test_a_link_opens_an_own_planned_seat_when_no_other_is_open(project, rater):
    create_item(project), create_item(project)
    batch = make_batch(project=project, name="p", filling="planned", raters_per_item=1, confirm_single=True)
    one, two = Assignment.objects.planned()

    assert open_seat(rater=rater, key=one.key).state == "open"
    with pytest.raises(AnotherSeatIsOpen) as stop:
        open_seat(rater=rater, key=two.key)
    assert stop.value.assignment == one
    give_back(rater=rater, key=one.key)
    pause(batch=batch)
    with pytest.raises(BatchIsNotOpen):
        open_seat(rater=rater, key=two.key)


def test_planned_seats_come_first_and_then_those_that_others_left(project):
    items = [create_item(project) for _ in range(6)]
    raters = [create_member(project) for _ in range(3)]
    make_batch(project=project, name="p", filling="planned", seed=3)
    mine = set(Assignment.objects.planned().filter(rater=raters[0]).values_list("item", flat=True))
    left = Assignment.objects.planned().exclude(rater=raters[0]).exclude(item__in=mine)[0]
    skip(rater=left.rater, assignment=left, reason="ill")

    got = [rate_next(raters[0]).item_id for _ in range(len(mine) + 1)]

    assert set(got[:-1]) == mine
    assert got[-1] == left.item_id
    assert claim_next(rater=raters[0]) is None
    assert len(items) == 6


def test_claiming_asks_the_database_a_fixed_number_of_times(project, rater, django_assert_max_num_queries):
    create_batch(project, items=[create_item(project) for _ in range(4)])
    rate_next(rater)
    with django_assert_max_num_queries(7):  # with one more where the order begins anew
        assert claim_next(rater=rater)
