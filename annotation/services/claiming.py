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
from functools import cache
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models.expressions import RawSQL

from annotation.models import Assignment, Batch
from annotation.models.batch import Purpose
from annotation.services.cards import JOINED, JOINS, card, columns
from annotation.services.errors import (
    AnotherSeatIsOpen,
    BatchIsNotOpen,
    NotARater,
    ReasonMissing,
    SeatNotFound,
)
from annotation.services.prepared import prepared_cursor
from projects.models import Member

_LOCK_RATER = "SELECT FROM projects_member WHERE id = %s AND active AND is_rater FOR NO KEY UPDATE"

_RENEW_OPEN = """
    UPDATE annotation_assignment a SET lease_until = statement_timestamp() + b.lease
    FROM {joined}
    WHERE {joins} AND a.rater_id = %s AND a.state = 'open'
    RETURNING {columns}
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
    SELECT a.item_id AS item, a.batch_id AS batch, i.prompt_id AS prompt
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
    (SELECT md5(%(salt)s::text || i.response_id) || lpad(i.turn::text, 5, '0') FROM projects_item i WHERE i.id = a.item_id)
"""

_TAKE = """
    UPDATE annotation_assignment a
    SET state = 'open', rater_id = %(rater)s,
        opened_at = statement_timestamp(), lease_until = statement_timestamp() + b.lease
    FROM {joined}
    WHERE {joins} AND a.id = {which} AND a.state IN ('empty', 'planned')
    RETURNING {columns}
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
    for search in _searches(cursor, rater, batch):
        cursor.execute(search.take(), search.terms)
        if row := cursor.fetchone():
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
        for search in _searches(cursor, rater, batch, return_lapsed=False):
            while True:
                cursor.execute(search.find(), search.terms)
                if not (found := cursor.fetchone()):
                    break
                mark = transaction.savepoint()
                cursor.execute(_take("%(seat)s"), search.terms | {"seat": found[0]})
                if row := cursor.fetchone():
                    transaction.savepoint_commit(mark)
                    return card(row, rater=rater)
                transaction.savepoint_rollback(mark)
    return None


def _take(which: str) -> str:
    return _TAKE.format(which=which, joined=JOINED, joins=JOINS, columns=columns())


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
        return _take(f"({self.find('FOR UPDATE OF a SKIP LOCKED')})")


class _Open(NamedTuple):
    """A batch whose seats the rater may take, and what they rated last, in whatever batch."""

    id: int
    seed: int
    order: str
    filling: str
    purpose: str
    last_item: int | None
    last_batch: int | None
    last_prompt: int | None


@cache
def _open_batches() -> tuple[str, list[Any]]:
    """The statement that finds them, compiled once, with `_ASKED` where the rater belongs."""
    batches = Batch.objects.running().given_to(_ASKED).in_order_of_handing_out()
    batches = batches.annotate(
        last_item=RawSQL("(SELECT item FROM last)", ()),
        last_batch=RawSQL("(SELECT batch FROM last)", ()),
        last_prompt=RawSQL("(SELECT prompt FROM last)", ()),
    )
    statement, terms = batches.values_list(*_Open._fields).query.sql_with_params()
    return statement, list(terms)


_ASKED = Member(pk=-1, project_id=-2, group="\0group")


def _searches(
    cursor: Any, rater: Member, batch: Batch | None, *, return_lapsed: bool = True
) -> list[_Search]:
    """Where to look, in this order. On the way, seats whose lease is over return to where they came from."""
    statement, asked = _open_batches()
    known = {_ASKED.pk: rater.pk, _ASKED.project_id: rater.project_id, _ASKED.group: rater.group}
    terms = [rater.pk, *(known.get(term, term) for term in asked)]
    before = f"WITH last AS ({_LAST_SUBMITTED})"
    if return_lapsed:
        before = f"WITH last AS ({_LAST_SUBMITTED}), lapsed AS ({_RETURN_LAPSED})"
        terms.insert(0, rater.pk)
    cursor.execute(f"{before} {statement}", terms)
    searches: list[_Search] = []
    for row in cursor.fetchall():
        found = _Open(*row)
        if batch is None or found.id == batch.pk:
            searches += _searches_in(found, rater)
    return searches


def _searches_in(batch: _Open, rater: Member) -> list[_Search]:
    terms = {
        "rater": rater.pk,
        "batch": batch.id,
        "start": _draw(batch.seed, rater.pk, batch.last_item or 0),
        "prompt": batch.last_prompt,
        "salt": f"{batch.seed}:{rater.pk}:",
    }
    same_prompt = batch.order == Batch.Order.BY_PROMPT and batch.last_batch == batch.id
    searches: list[_Search] = []
    if batch.filling == Batch.Filling.PLANNED:
        if same_prompt:
            searches.append(_Search(_SAME_PROMPT + _PLANNED, _BY_RESPONSE, terms))
        searches.append(_Search(_PLANNED, _BY_POSITION, terms))
    # Also in planned batches: there a seat is empty after somebody skipped it or was taken out.
    repeated = _REPEATED if batch.purpose == Purpose.REPEAT else ""
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
        cursor.execute(_take("%(seat)s"), {"rater": rater.pk, "seat": seat.pk})
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
