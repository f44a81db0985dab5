"""Taking a rater's seats or ratings out. Seats come back empty; ratings stay on record, marked withdrawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from annotation.models import Assignment, Batch
from annotation.services.claiming import plain
from annotation.services.errors import ReasonMissing
from projects.models import Member, User


@dataclass(frozen=True, slots=True)
class TakenOut:
    ratings: int = 0
    """Submitted ratings that no longer count."""
    seats: int = 0
    """Seats that were planned or open, and are empty now."""


@transaction.atomic
def withdraw(*, assignments: Sequence[Assignment], by: User, reason: str) -> TakenOut:
    """Take ratings or seats out for good, each with the reason: the rater does not get the item again.

    What was withdrawn or skipped before is left as it is.
    """
    if not (reason := plain(reason).strip()):
        raise ReasonMissing
    raters = {assignment.rater_id for assignment in assignments if assignment.rater_id is not None}
    _lock_members(sorted(raters))
    states = dict(
        Assignment.objects.filter(pk__in=[assignment.pk for assignment in assignments], rater__in=raters)
        .exclude(state__in=[Assignment.State.SKIPPED, Assignment.State.WITHDRAWN])
        .order_by("pk")
        .select_for_update()
        .values_list("pk", "state")
    )
    Assignment.objects.filter(pk__in=states).update(
        state=Assignment.State.WITHDRAWN,
        skip_reason=reason,
        lease_until=None,
        withdrawn_by=by,
        withdrawn_at=timezone.now(),
    )
    ratings = sum(state == Assignment.State.SUBMITTED for state in states.values())
    return TakenOut(ratings=ratings, seats=len(states) - ratings)


@transaction.atomic
def release_rater(*, rater: Member, batch: Batch | None = None) -> TakenOut:
    """Give up what is planned for a rater, or open at their place: somebody else may take it. Ratings stay.

    What they are typing at this moment is kept when they submit it, as after a lease.
    """
    _lock_members([rater.pk])
    seats = Assignment.objects.filter(
        rater=rater, state__in=[Assignment.State.OPEN, Assignment.State.PLANNED]
    )
    if batch is not None:
        seats = seats.filter(batch=batch)
    held = list(seats.order_by("pk").select_for_update().values_list("pk", flat=True))
    Assignment.objects.filter(pk__in=held).update(
        state=Assignment.State.EMPTY, rater=None, lease_until=None, opened_at=None
    )
    return TakenOut(seats=len(held))


@transaction.atomic
def withdraw_rater(*, rater: Member, by: User, reason: str, batch: Batch | None = None) -> TakenOut:
    """Take all ratings of a rater out, and release their seats."""
    released = release_rater(rater=rater, batch=batch)
    ratings = Assignment.objects.submitted().filter(rater=rater)
    if batch is not None:
        ratings = ratings.filter(batch=batch)
    taken = withdraw(assignments=list(ratings.only("pk", "rater_id")), by=by, reason=reason)
    return TakenOut(ratings=taken.ratings, seats=released.seats + taken.seats)


def _lock_members(pks: Sequence[int]) -> None:
    """People first, in one order, then seats."""
    list(
        Member.objects.filter(pk__in=pks)
        .order_by("pk")
        .select_for_update(no_key=True)
        .values_list("pk", flat=True)
    )
