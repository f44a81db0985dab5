"""Changing what a member may do. Whoever stops rating gives their seats back in the same transaction."""

from __future__ import annotations

from django.db import transaction

from projects.models import Member


class LastCoordinator(Exception):
    """A project without a coordinator could be mended by nobody."""


@transaction.atomic
def change_member(
    *, member: Member, is_rater: bool, is_coordinator: bool, is_researcher: bool, group: str
) -> int:
    """Give the member these roles and this group; answers how many seats went back."""
    locked = _locked(member)
    if not is_coordinator:
        _keep_a_coordinator(locked)
    Member.objects.filter(pk=member.pk).update(
        is_rater=is_rater, is_coordinator=is_coordinator, is_researcher=is_researcher, group=group
    )
    return 0 if is_rater else return_seats(member=member)


@transaction.atomic
def deactivate(*, member: Member) -> int:
    """Shut the member out of the project; what they rated stays. Answers how many seats went back."""
    _keep_a_coordinator(_locked(member))
    Member.objects.filter(pk=member.pk).update(active=False)
    return return_seats(member=member)


def activate(*, member: Member) -> None:
    """Let the member in again, under the same pseudonym."""
    Member.objects.filter(pk=member.pk).update(active=True)


@transaction.atomic
def return_seats(*, member: Member) -> int:
    """Empty the seats that the member holds or was to get; others may take them from now on."""
    _locked(member)
    held = member.assignments.filter(state__in=["open", "planned"]).order_by("pk")
    # One by one in order, as everybody locks them: whoever waits for a seat then waits for nobody in a circle.
    seats = list(held.select_for_update().values_list("pk", flat=True))
    member.assignments.filter(pk__in=seats).update(
        state="empty", rater=None, lease_until=None, opened_at=None
    )
    return len(seats)


def _locked(member: Member) -> Member:
    """The member as the database has it, locked as claiming locks it: no seat is taken meanwhile.

    The project's coordinators are locked in one order, so that two of them cannot each remove the other.
    """
    people = Member.objects.filter(project=member.project_id).filter(pk=member.pk) | Member.objects.filter(
        project=member.project_id, is_coordinator=True
    )
    rows = list(people.order_by("pk").select_for_update(no_key=True))
    return next(row for row in rows if row.pk == member.pk)


def _keep_a_coordinator(member: Member) -> None:
    if not (member.is_coordinator and member.active):
        return
    others = Member.objects.active().filter(
        project=member.project_id, is_coordinator=True, user__isnull=False
    )
    if not others.exclude(pk=member.pk).exists():
        raise LastCoordinator
