"""Handing out: which seat a rater gets next, and how it comes back.

Who works on what is decided under locks, the person's first and the seat's second, and behind every lock stands a
constraint: one open seat per rater, one rater once per item. Whoever waits for a seat holds none, so nobody waits
in a circle.

The statements are plain SQL: this is what every rating passes.
"""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from annotation.models import Assignment, Batch
from annotation.services.errors import (
    AnotherSeatIsOpen,
    BatchIsNotOpen,
    NotARater,
    ReasonMissing,
    SeatNotFound,
)
from projects.models import Member

_LOCK_RATER = "SELECT FROM projects_member WHERE id = %s AND active AND is_rater FOR NO KEY UPDATE"

_RENEW_OPEN = """
    UPDATE annotation_assignment a SET lease_until = statement_timestamp() + b.lease
    FROM annotation_batch b
    WHERE b.id = a.batch_id AND a.rater_id = %s AND a.state = 'open'
    RETURNING a.id
"""

# A few at a time, past those that somebody is working on right now: the rest comes with the next claim.
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

_LAST_SUBMITTED = """
    SELECT a.item_id, a.batch_id, i.prompt_id
    FROM annotation_assignment a JOIN projects_item i ON i.id = a.item_id
    WHERE a.rater_id = %s AND a.state = 'submitted' AND a.submitted_at IS NOT NULL
    ORDER BY a.submitted_at DESC LIMIT 1
"""

# What a rater may take of the empty seats: at items they have not had; for a repeat, at items rated before.
_ELIGIBLE = """
    NOT EXISTS (
        SELECT FROM annotation_assignment mine
        WHERE mine.item_id = a.item_id AND mine.rater_id = %(rater)s AND mine.occasion = a.occasion
    )
"""
_REPEATED = """
    AND EXISTS (
        SELECT FROM annotation_assignment once
        WHERE once.item_id = a.item_id AND once.rater_id = %(rater)s AND once.occasion = a.occasion - 1
            AND once.state = 'submitted'
    )
"""
_EMPTY_FROM = "a.batch_id = %(batch)s AND a.state = 'empty' AND a.position >= %(start)s AND " + _ELIGIBLE
_EMPTY_BEFORE = "a.batch_id = %(batch)s AND a.state = 'empty' AND a.position < %(start)s AND " + _ELIGIBLE
_PLANNED = "a.batch_id = %(batch)s AND a.state = 'planned' AND a.rater_id = %(rater)s"
_SAME_PROMPT = """
    a.batch_id = %(batch)s AND a.item_id IN (SELECT id FROM projects_item WHERE prompt_id = %(prompt)s) AND
"""
_BY_POSITION = "a.position"
# Through one conversation, then the next; which comes first is different for each rater.
_BY_RESPONSE = """
    (SELECT md5(%(salt)s || i.response_id) || lpad(i.turn::text, 5, '0') FROM projects_item i WHERE i.id = a.item_id)
"""

_TAKE = """
    UPDATE annotation_assignment a
    SET state = 'open', rater_id = %(rater)s, opened_at = statement_timestamp(), lease_until = statement_timestamp() + %(lease)s
    WHERE a.id = {which} AND a.state IN ('empty', 'planned')
    RETURNING a.id
"""


def claim_next(*, rater: Member, batch: Batch | None = None) -> Assignment | None:
    """Seat `rater` at an item; the same seat until it is submitted, skipped or given back.

    `batch` narrows the choice to one batch, unless a seat is open elsewhere. None says that nothing is left for this
    rater now: first an empty seat that nobody else is claiming is looked for, failing that each one is waited for.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        lock(cursor, rater)
        seat = free_seat(cursor, rater, batch)
    return seat or wait_for_seat(rater=rater, batch=batch)


def free_seat(cursor: Any, rater: Member, batch: Batch | None) -> Assignment | None:
    """The open seat of a rater who is locked, or an empty one that nobody else is claiming right now."""
    if current := _own_open(cursor, rater):
        return current
    cursor.execute(_RETURN_LAPSED, [rater.pk])
    for search in _searches(cursor, rater, batch):
        cursor.execute(search.take(), search.terms)
        if row := cursor.fetchone():
            return _card(row[0])
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
        for search in _searches(cursor, rater, batch):
            while True:
                cursor.execute(search.find(), search.terms)
                if not (found := cursor.fetchone()):
                    break
                mark = transaction.savepoint()
                cursor.execute(_TAKE.format(which="%(seat)s"), search.terms | {"seat": found[0]})
                if row := cursor.fetchone():
                    transaction.savepoint_commit(mark)
                    return _card(row[0])
                transaction.savepoint_rollback(mark)
    return None


class _Search:
    """One place to look for a seat: which rows of one batch, in which order."""

    def __init__(self, where: str, order: str, terms: dict[str, Any]) -> None:
        self.where, self.order, self.terms = where, order, terms

    def find(self, locking: str = "") -> str:
        return (
            f"SELECT a.id FROM annotation_assignment a WHERE {self.where}"  # noqa: S608 - only our own words
            f" ORDER BY {self.order} LIMIT 1 {locking}"
        )

    def take(self) -> str:
        return _TAKE.format(which=f"({self.find('FOR UPDATE OF a SKIP LOCKED')})")


def _searches(cursor: Any, rater: Member, batch: Batch | None) -> list[_Search]:
    """Where to look, in this order."""
    batches = Batch.objects.running().given_to(rater).in_order_of_handing_out()
    if batch is not None:
        batches = batches.filter(pk=batch.pk)
    cursor.execute(_LAST_SUBMITTED, [rater.pk])
    last, last_batch, last_prompt = cursor.fetchone() or (0, None, None)
    searches: list[_Search] = []
    for handed_out in batches:
        terms = {
            "rater": rater.pk,
            "batch": handed_out.pk,
            "lease": handed_out.lease,
            "start": _draw(handed_out.seed, rater.pk, last),
            "prompt": last_prompt,
            "salt": f"{handed_out.seed}:{rater.pk}:",
        }
        same_prompt = handed_out.order == Batch.Order.BY_PROMPT and last_batch == handed_out.pk
        if handed_out.filling == Batch.Filling.PLANNED:
            if same_prompt:
                searches.append(_Search(_SAME_PROMPT + _PLANNED, _BY_RESPONSE, terms))
            searches.append(_Search(_PLANNED, _BY_POSITION, terms))
        # Also in planned batches: there a seat is empty after somebody skipped it or was taken out.
        repeated = _REPEATED if handed_out.purpose == "repeat" else ""
        if same_prompt:
            where = _SAME_PROMPT + "a.state = 'empty' AND " + _ELIGIBLE + repeated
            searches.append(_Search(where, _BY_RESPONSE, terms))
        searches += [_Search(where + repeated, _BY_POSITION, terms) for where in (_EMPTY_FROM, _EMPTY_BEFORE)]
    return searches


def _draw(seed: int, rater_id: int, last: int) -> float:
    """Where in the order to look next, 0 to 1: for each rater and each step somewhere else, and the same again for
    the same seed, rater and step.

    Drawn anew at each step, because raters who walk along one order would sit beside the same neighbours all the way.
    """
    digest = hashlib.blake2b(f"{seed}:{rater_id}:{last}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


def lock(cursor: Any, rater: Member) -> None:
    """Make other requests of this rater wait, until the transaction ends."""
    cursor.execute(_LOCK_RATER, [rater.pk])
    if cursor.fetchone() is None:
        raise NotARater


def _own_open(cursor: Any, rater: Member) -> Assignment | None:
    cursor.execute(_RENEW_OPEN, [rater.pk])
    row = cursor.fetchone()
    return _card(row[0]) if row else None


def _card(pk: int) -> Assignment:
    """The seat with all that its page shows, in one query."""
    return Assignment.objects.select_related(
        "batch__project", "batch__rubric", "item__prompt", "item__response", "rater"
    ).get(pk=pk)


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
        terms: dict[str, Any] = {"rater": rater.pk, "lease": seat.batch.lease, "seat": seat.pk}
        cursor.execute(_TAKE.format(which="%(seat)s"), terms)
        if cursor.fetchone() is None:  # a coordinator gave it to somebody else while we waited
            raise SeatNotFound
    return _card(seat.pk)


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
