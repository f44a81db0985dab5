"""How much a rater has done."""

from __future__ import annotations

import datetime
from typing import NamedTuple

from django.db import connection
from django.utils import timezone

from annotation.models import Assignment, Batch
from projects.models import Member

# Counted anew from time to time, so that two tabs do not drift apart.
_COUNT_AGAIN = 20

_LONGEST_CARRIED = 100  # a number of thousands of digits could be read, and not be written again


class Mine(NamedTuple):
    """A rater's own work: in one batch, and today."""

    batch_id: int
    done: int
    planned: int
    """All seats that are meant for the rater; 0 in an open pool, where nobody knows beforehand."""
    today: int
    day: str

    @property
    def carried(self) -> str:
        """For the page to send back (`mine_after`)."""
        return ":".join(str(part) for part in self)

    @property
    def total(self) -> int:
        return max(self.planned, self.done)


# Each count runs over a partial index of its own; one condition over all states would read the whole table.
_COUNT = """
    SELECT
        count(*) FILTER (WHERE batch_id = %(batch)s OR %(batch)s = 0),
        count(*) FILTER (WHERE submitted_at >= %(midnight)s),
        (SELECT count(*) FROM annotation_assignment
            WHERE state = 'planned' AND rater_id = %(rater)s AND batch_id = %(batch)s)
            + (SELECT count(*) FROM annotation_assignment
            WHERE state = 'open' AND rater_id = %(rater)s AND batch_id = %(batch)s)
    FROM annotation_assignment WHERE state = 'submitted' AND rater_id = %(rater)s
"""


def mine(rater: Member, batch: Batch | None) -> Mine:
    """Counted in the database; without a batch, over all of them."""
    today = timezone.localdate()
    midnight = timezone.make_aware(datetime.datetime.combine(today, datetime.time()))
    batch_id = batch.pk if batch else 0
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, {"rater": rater.pk, "batch": batch_id, "midnight": midnight})
        done, submitted_today, ahead = cursor.fetchone()
    known = batch is not None and batch.filling == Batch.Filling.PLANNED
    return Mine(batch_id, done, done + ahead if known else 0, submitted_today, today.isoformat())


def mine_after(carried: str, following: Assignment | None) -> Mine | None:
    """One more than the page said, without a query; None where that would not be true.

    Only the rater reads it, so it may come from the page; whoever forges it deceives themselves.
    """
    if len(carried) > _LONGEST_CARRIED:
        return None
    try:
        batch_id, done, planned, today, day = carried.split(":")
        before = Mine(int(batch_id), int(done), int(planned), int(today), day)
    except ValueError:
        return None
    if following is None or following.batch_id != before.batch_id or day != timezone.localdate().isoformat():
        return None
    if min(before[:4]) < 0 or before.done % _COUNT_AGAIN == _COUNT_AGAIN - 1:
        return None
    return before._replace(done=before.done + 1, today=before.today + 1)
