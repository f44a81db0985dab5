"""Handing out: which seat a rater gets next, and how it comes back.

Who works on what is decided under locks, the person's first and the seat's second, and behind every lock stands a
constraint: one open seat per rater, one rater once per item. Whoever waits for a seat holds none, so nobody waits
in a circle.

The statements are plain SQL: this is what every rating passes.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from annotation.models import Assignment, Batch
from annotation.services.cards import JOINED, JOINS, card, columns
from annotation.services.errors import (
    AnotherSeatIsOpen,
    BatchIsNotOpen,
    NotARater,
    ReasonMissing,
    SeatNotFound,
)
from annotation.services.prepared import prepared_cursor
from annotation.services.searching import pools, take
from projects.models import Member

_LOCK_RATER = "SELECT FROM projects_member WHERE id = %s AND active AND is_rater FOR NO KEY UPDATE"

_RENEW_OPEN = """
    UPDATE annotation_assignment a SET lease_until = statement_timestamp() + b.lease
    FROM {joined}
    WHERE {joins} AND a.rater_id = %s AND a.state = 'open'
    RETURNING {columns}
"""

# A few at a time, past those that somebody is working on right now: the rest comes with the next claim. Sent only when
# there are such seats (`_Open.lapsed`): to write nothing takes time, too.
_RETURN_LAPSED = """
    UPDATE annotation_assignment a
    SET state = CASE WHEN b.filling = 'planned' AND m.active THEN 'planned' ELSE 'empty' END,
        rater_id = CASE WHEN b.filling = 'planned' AND m.active THEN a.rater_id END,
        lease_until = NULL, opened_at = NULL
    FROM annotation_batch b, projects_member m
    WHERE b.id = a.batch_id AND m.id = a.rater_id AND a.id IN (
        SELECT id FROM annotation_assignment
        WHERE state = 'open' AND lease_until < statement_timestamp() AND rater_id <> %s
        ORDER BY lease_until LIMIT 20
        FOR UPDATE SKIP LOCKED
    )
"""


def claim_next(*, rater: Member, batch: Batch | None = None) -> Assignment | None:
    """Seat `rater` at an item; the same seat until it is submitted, skipped or given back.

    `batch` narrows the choice to one batch, unless a seat is open elsewhere. None says that nothing is left for this
    rater now: first an empty seat that nobody else is claiming is looked for, failing that each one is waited for.
    """
    with transaction.atomic(), prepared_cursor() as cursor:
        lock(cursor, rater)
        seat = free_seat(cursor, rater, batch)
    return seat or wait_for_seat(rater=rater, batch=batch)


def free_seat(
    cursor: Any, rater: Member, batch: Batch | None, *, none_open: bool = False
) -> Assignment | None:
    """The open seat of a rater who is locked, or an empty one that nobody else is claiming right now."""
    if not none_open and (current := _own_open(cursor, rater)):
        return current
    found = pools(cursor, rater, batch, taking=True)
    if found and found[0].batch.lapsed:
        cursor.execute(_RETURN_LAPSED, [rater.pk])
    for pool in found:
        if row := pool.take():
            return card(row, rater=rater)
    return None


@transaction.atomic
def wait_for_seat(*, rater: Member, batch: Batch | None = None) -> Assignment | None:
    """A seat that somebody was claiming a moment ago, if they let go of it.

    One seat is waited for at a time, and a lock that turns out to be useless is dropped (by the savepoint) before
    the next: holding it while waiting is how circles begin.
    """
    with connection.cursor() as cursor:
        lock(cursor, rater)
        if current := _own_open(cursor, rater):
            return current
        for pool in pools(cursor, rater, batch, taking=False):
            while seat := pool.find():
                mark = transaction.savepoint()
                cursor.execute(take("%(seat)s"), {"rater": rater.pk, "seat": seat})
                if row := cursor.fetchone():
                    transaction.savepoint_commit(mark)
                    return card(row, rater=rater)
                transaction.savepoint_rollback(mark)
    return None


def lock(cursor: Any, rater: Member) -> None:
    """Make other requests of this rater wait, until the transaction ends."""
    cursor.execute(_LOCK_RATER, [rater.pk])
    if cursor.fetchone() is None:
        raise NotARater


def _own_open(cursor: Any, rater: Member) -> Assignment | None:
    """The rater's open seat, its lease begun anew."""
    cursor.execute(_RENEW_OPEN.format(joined=JOINED, joins=JOINS, columns=columns()), [rater.pk])
    row = cursor.fetchone()
    return card(row, rater=rater) if row else None


@transaction.atomic
def open_seat(*, rater: Member, key: uuid.UUID) -> Assignment:
    """The seat behind a link: the rater's open one, or one planned for them, which is open from then on.

    Raises SeatNotFound for all others, empty ones too: a link is no way past the order of handing out.
    """
    with connection.cursor() as cursor:
        lock(cursor, rater)
        current = _own_open(cursor, rater)
        if current and current.key == key:
            return current
        try:
            seat = Assignment.objects.planned().select_related("batch").get(rater=rater, key=key)
        except Assignment.DoesNotExist:
            raise SeatNotFound from None
        if seat.batch.state != Batch.State.OPEN:
            raise BatchIsNotOpen
        if current:
            raise AnotherSeatIsOpen(current)
        cursor.execute(take("%(seat)s"), {"rater": rater.pk, "seat": seat.pk})
        return card(cursor.fetchone(), rater=rater)


def renew(*, rater: Member, key: uuid.UUID) -> datetime:
    """Begin the lease of the rater's open seat anew, because they are at work; says until when it lasts now."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE annotation_assignment a SET lease_until = statement_timestamp() + b.lease
            FROM annotation_batch b
            WHERE b.id = a.batch_id AND a.key = %s AND a.rater_id = %s AND a.state = 'open'
            RETURNING a.lease_until
            """,
            [key, rater.pk],
        )
        row = cursor.fetchone()
    if row is None:
        raise SeatNotFound
    until: datetime = row[0]
    return until


@transaction.atomic
def give_back(*, rater: Member, key: uuid.UUID) -> None:
    """Return the rater's open seat: to the pool, or to what is planned for them."""
    with connection.cursor() as cursor:
        lock(cursor, rater)
        cursor.execute(
            """
            UPDATE annotation_assignment a
            SET state = CASE b.filling WHEN 'planned' THEN 'planned' ELSE 'empty' END,
                rater_id = CASE b.filling WHEN 'planned' THEN a.rater_id END,
                lease_until = NULL, opened_at = NULL
            FROM annotation_batch b
            WHERE b.id = a.batch_id AND a.key = %s AND a.rater_id = %s AND a.state = 'open'
            RETURNING a.id
            """,
            [key, rater.pk],
        )
        if cursor.fetchone() is None:
            raise SeatNotFound


@transaction.atomic
def skip(*, rater: Member, assignment: Assignment, reason: str) -> None:
    """Leave the rater's open or planned seat for good; a trigger puts an empty one in its place."""
    if not (reason := plain(reason).strip()):
        raise ReasonMissing
    with connection.cursor() as cursor:
        lock(cursor, rater)
    left = Assignment.objects.filter(
        pk=assignment.pk, rater=rater, state__in=[Assignment.State.OPEN, Assignment.State.PLANNED]
    ).update(state=Assignment.State.SKIPPED, skip_reason=reason, lease_until=None)
    if not left:
        raise SeatNotFound


@transaction.atomic
def extend_lease(*, assignment: Assignment, by: timedelta) -> datetime:
    """Give the holder of an open seat longer, counted from now or from the end of the lease if that is later."""
    terms: list[Any] = [by, assignment.pk]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE annotation_assignment SET lease_until = greatest(lease_until, statement_timestamp()) + %s
            WHERE id = %s AND state = 'open' RETURNING lease_until
            """,
            terms,
        )
        row = cursor.fetchone()
    if row is None:
        raise SeatNotFound
    until: datetime = row[0]
    return until


def plain(text: str) -> str:
    """Text that PostgreSQL takes: without NUL, and without halves of characters that a script may send."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()
