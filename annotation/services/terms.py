"""Changing what was said when a batch was made, as far as no rating hangs on it: until when, how long a seat is kept,
and who else may rate."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from annotation.models import Batch, BatchRater
from annotation.services import errors
from projects.models import Member

SHORTEST_LEASE, LONGEST_LEASE = timedelta(minutes=1), timedelta(days=60)


@transaction.atomic
def change_terms(
    *, batch: Batch, lease: timedelta, due_on: date | None, more_raters: Iterable[Member] = ()
) -> int:
    """Give the batch this lease, this due date, and to these raters as well; answers how many of them are new.

    What is open now keeps the lease it has until its rater does something. Raters can be added where they were named
    and take seats from the pool: planned seats are shared out already, and a group grows by its members.
    """
    locked = Batch.objects.select_for_update(no_key=True).get(pk=batch.pk)
    if locked.filling == Batch.Filling.LOADED:
        raise errors.WrongTerms(_("Nothing of a batch that was loaded is handed out."))
    if not SHORTEST_LEASE <= lease <= LONGEST_LEASE:
        raise errors.WrongTerms(_("A lease lasts from a minute to 60 days."))
    added = _add_raters(locked, list(more_raters))
    Batch.objects.filter(pk=batch.pk).update(lease=lease, due_on=due_on)
    batch.refresh_from_db(fields=["lease", "due_on"])
    return added


def takes_more_raters(batch: Batch) -> bool:
    """Whether raters can be added by name."""
    return (
        batch.filling == Batch.Filling.POOL
        and batch.open_to == Batch.OpenTo.NAMED
        and batch.state != Batch.State.CLOSED
    )


def _add_raters(batch: Batch, raters: list[Member]) -> int:
    if not raters:
        return 0
    if batch.state == Batch.State.CLOSED:
        raise errors.BatchIsNotOpen
    if not takes_more_raters(batch):
        raise errors.WrongTerms(_("Raters can be added to a pool that was given to raters by name."))
    there = Member.objects.filter(project=batch.project_id).raters().persons()
    able = set(there.filter(pk__in=[rater.pk for rater in raters]).values_list("pk", flat=True))
    if unknown := [rater.pseudonym for rater in raters if rater.pk not in able]:
        raise errors.UnknownRaters(unknown)
    known = set(BatchRater.objects.filter(batch=batch).values_list("rater", flat=True))
    fresh = able - known
    BatchRater.objects.bulk_create(BatchRater(batch=batch, rater_id=pk) for pk in sorted(fresh))
    return len(fresh)
