"""Where a rater's next seat is: found in a bounded number of looks, however large the batch and however far it is.

In a pool, a rater looks from a place drawn anew at each step: those who walk along one order would sit beside the same
neighbours all the way. A few seats from there on are looked at, and nearly always one of them is at an item that the
rater has not had. Where none is, more are looked at; and who has had most of what is left sweeps through it once, from
the beginning to the end, and goes on where they stopped (`Sweep`).

The statements are plain SQL with fixed limits, so that the server's plan does not depend on what it believes about a
table that is changing all the time.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from django.db.models.expressions import RawSQL

from annotation.models import Batch
from annotation.models.batch import Purpose
from annotation.services.cards import JOINED, JOINS, columns
from projects.models import Member

NEAR, FAR, SWEEP = 8, 400, 500

TAKE = """
    UPDATE annotation_assignment a
    SET state = 'open', rater_id = %(rater)s,
        opened_at = statement_timestamp(), lease_until = statement_timestamp() + b.lease
    FROM {joined}
    WHERE {joins} AND a.id = {which} AND a.state IN ('empty', 'planned')
    RETURNING {columns}
"""
LOCK = "FOR UPDATE OF a SKIP LOCKED"

# What a rater may take of the empty seats: at items they have not had; for a repeat, at items rated before.
ELIGIBLE = """
    NOT EXISTS (
        SELECT FROM annotation_assignment mine
        WHERE mine.item_id = {seat}.item_id AND mine.rater_id = %(rater)s AND mine.occasion = {seat}.occasion
    )
"""
_REPEATED = """
    AND EXISTS (
        SELECT FROM annotation_assignment once
        WHERE once.item_id = {seat}.item_id AND once.rater_id = %(rater)s AND once.occasion = {seat}.occasion - 1
            AND once.state = 'submitted'
    )
"""
_SAME_PROMPT = """
    a.batch_id = %(batch)s AND a.item_id IN (SELECT id FROM projects_item WHERE prompt_id = %(prompt)s) AND
"""
_PLANNED = "a.batch_id = %(batch)s AND a.state = 'planned' AND a.rater_id = %(rater)s"
_FREED = "a.batch_id = %(batch)s AND a.state = 'empty' AND a.emptied_at >= %(since)s AND "
# Through one conversation, then the next; which comes first is different for each rater.
_BY_RESPONSE = """
    (SELECT md5(%(salt)s::text || i.response_id) || lpad(i.turn::text, 5, '0') FROM projects_item i
     WHERE i.id = a.item_id)
"""

_WINDOW = """
    WITH near AS MATERIALIZED (
        (SELECT a.id, a.item_id, a.occasion, a.position, 1 AS part FROM annotation_assignment a
         WHERE a.batch_id = %(batch)s AND a.state = 'empty' AND a.position >= %(start)s
         ORDER BY a.position LIMIT {size})
        UNION ALL
        (SELECT a.id, a.item_id, a.occasion, a.position, 2 FROM annotation_assignment a
         WHERE %(around)s AND a.batch_id = %(batch)s AND a.state = 'empty' AND a.position < %(start)s
         ORDER BY a.position LIMIT {size})
    ), free AS MATERIALIZED (
        SELECT near.id, near.part, near.position FROM near WHERE {eligible}
    ), found AS (
        {found}
    )
    SELECT
        (SELECT count(*) FROM near WHERE part = 1), (SELECT count(*) FROM near WHERE part = 2),
        (SELECT max(position) FROM near WHERE part = 1), (SELECT min(position) FROM free WHERE part = 1),
        found.*
    FROM (SELECT) AS one LEFT JOIN found ON true
"""
_FOUND = "SELECT f.id FROM free f ORDER BY f.part, f.position LIMIT 1"
_TAKEN = """
    SELECT a.id FROM free f JOIN annotation_assignment a ON a.id = f.id AND a.state = 'empty'
    ORDER BY f.part, f.position LIMIT 1 {lock}
"""
_REACH = """
    INSERT INTO annotation_sweep (batch_id, rater_id, reached, since)
    VALUES (%(batch)s, %(rater)s, %(reached)s, statement_timestamp() - interval '10 minutes')
    ON CONFLICT (batch_id, rater_id) DO UPDATE SET reached = excluded.reached
"""


def take(which: str) -> str:
    """The statement that seats the rater and brings the card. It looks again whether the seat is still free."""
    return TAKE.format(which=which, joined=JOINED, joins=JOINS, columns=columns())


class _Open(NamedTuple):
    """A batch whose seats the rater may take, how far they swept it, and what they rated last, in whatever batch."""

    id: int
    seed: int
    order: str
    filling: str
    purpose: str
    reached: float | None
    since: Any
    last_item: int | None
    last_batch: int | None
    last_prompt: int | None
    lapsed: bool
    """Whether somebody else's lease is over, of whatever batch."""


_LAST = """
    SELECT a.item_id AS item, a.batch_id AS batch, i.prompt_id AS prompt
    FROM annotation_assignment a JOIN projects_item i ON i.id = a.item_id
    WHERE a.rater_id = %s AND a.state = 'submitted' AND a.submitted_at IS NOT NULL
    ORDER BY a.submitted_at DESC LIMIT 1
"""
_LAPSED = """
    SELECT EXISTS (
        SELECT FROM annotation_assignment
        WHERE state = 'open' AND lease_until < statement_timestamp() AND rater_id <> %s
    ) AS lapsed
"""
_SWEPT = "SELECT batch_id AS batch, reached, since FROM annotation_sweep WHERE rater_id = %s"
# Stands for the rater in the statement, which is compiled once.
_ASKED = Member(pk=-1, project_id=-2, group="\0group")


@cache
def _open_batches() -> tuple[str, list[Any]]:
    batches = Batch.objects.running().given_to(_ASKED).in_order_of_handing_out()
    batches = batches.annotate(
        reached=RawSQL("(SELECT reached FROM swept WHERE batch = annotation_batch.id)", ()),
        since=RawSQL("(SELECT since FROM swept WHERE batch = annotation_batch.id)", ()),
        last_item=RawSQL("(SELECT item FROM last)", ()),
        last_batch=RawSQL("(SELECT batch FROM last)", ()),
        last_prompt=RawSQL("(SELECT prompt FROM last)", ()),
        lapsed=RawSQL("(SELECT lapsed FROM lapsed)", ()),
    )
    statement, terms = batches.values_list(*_Open._fields).query.sql_with_params()
    return statement, list(terms)


def pools(cursor: Any, rater: Member, batch: Batch | None) -> list[Pool]:
    """The batches that the rater may take seats of, in the order of handing out."""
    statement, asked = _open_batches()
    known = {_ASKED.pk: rater.pk, _ASKED.project_id: rater.project_id, _ASKED.group: rater.group}
    cursor.execute(
        f"WITH last AS ({_LAST}), swept AS ({_SWEPT}), lapsed AS ({_LAPSED}) {statement}",
        [rater.pk, rater.pk, rater.pk, *(known.get(term, term) for term in asked)],
    )
    found = [_Open(*row) for row in cursor.fetchall()]
    return [Pool(cursor, rater, row) for row in found if batch is None or row.id == batch.pk]


@dataclass(slots=True)
class _Look:
    """What one look into a pool saw."""

    ahead: int
    behind: int
    last: float | None
    """Position of the last seat ahead."""
    first_free: float | None
    """Position of the first seat ahead that the rater may take, even if somebody else is taking it right now."""
    seat: tuple[Any, ...] | None


class Pool:
    """What one rater can find in one batch."""

    def __init__(self, cursor: Any, rater: Member, batch: _Open) -> None:
        self.cursor, self.batch = cursor, batch
        self.terms = {
            "rater": rater.pk,
            "batch": batch.id,
            "prompt": batch.last_prompt,
            "salt": f"{batch.seed}:{rater.pk}:",
            "since": batch.since,
        }
        self.start = draw(batch.seed, rater.pk, batch.last_item or 0)
        repeated = _REPEATED if batch.purpose == Purpose.REPEAT else ""
        self.eligible = ELIGIBLE + repeated
        # What is for the rater only becomes less, unless they rate the first time what is to be repeated.
        self.sweeps = not repeated

    def take(self) -> tuple[Any, ...] | None:
        """The card of a seat that is the rater's now, among those that nobody else is taking."""
        for where, order in self._few():
            self.cursor.execute(take(f"({_select(where, order)} {LOCK})"), self.terms)
            if row := self.cursor.fetchone():
                card: tuple[Any, ...] = row
                return card
        return next((look.seat for look in self._looks(taking=True) if look.seat), None)

    def find(self) -> int | None:
        """A seat that the rater could take, if whoever is taking it lets go."""
        for where, order in self._few():
            self.cursor.execute(_select(where, order), self.terms)
            if row := self.cursor.fetchone():
                return int(row[0])
        return next((int(look.seat[0]) for look in self._looks(taking=False) if look.seat), None)

    def _few(self) -> Iterator[tuple[str, str]]:
        """Where only few seats can be: on the prompt the rater is at, among those planned for them, among the freed."""
        same_prompt = self.batch.order == Batch.Order.BY_PROMPT and self.batch.last_batch == self.batch.id
        if self.batch.filling == Batch.Filling.PLANNED:
            if same_prompt:
                yield _SAME_PROMPT + _PLANNED, _BY_RESPONSE
            yield _PLANNED, "a.position"
        # Also in planned batches: there a seat is empty after somebody skipped it or was taken out.
        if same_prompt:
            yield _SAME_PROMPT + "a.state = 'empty' AND " + self.eligible.format(seat="a"), _BY_RESPONSE
        if self.batch.reached is not None:
            yield _FREED + self.eligible.format(seat="a"), "a.emptied_at"

    def _looks(self, *, taking: bool) -> Iterator[_Look]:
        """One look after the other, each at more seats, until all have been seen."""
        if self.batch.reached is None:
            for size in (NEAR, FAR):
                look = self._look(size, taking, start=self.start, around=True)
                yield look
                if look.ahead < size and look.behind < size:
                    return
        yield from self._sweep(taking)

    def _sweep(self, taking: bool) -> Iterator[_Look]:
        start = self.batch.reached or 0.0
        first_free = None
        while True:
            look = self._look(SWEEP, taking, start=start, around=False)
            first_free = look.first_free if first_free is None else first_free
            ended = look.ahead < SWEEP
            if taking and self.sweeps:
                reached = first_free if first_free is not None else 2.0 if ended else look.last
                self.cursor.execute(_REACH, self.terms | {"reached": reached})
            yield look
            if ended or look.last is None:
                return
            start = math.nextafter(look.last, 2)

    def _look(self, size: int, taking: bool, *, start: float, around: bool) -> _Look:
        found = take(f"({_TAKEN.format(lock=LOCK)})") if taking else _FOUND
        eligible = self.eligible.format(seat="near")
        terms = self.terms | {"start": start, "around": around}
        self.cursor.execute(_WINDOW.format(size=size, eligible=eligible, found=found), terms)
        ahead, behind, last, first_free, *seat = self.cursor.fetchone()
        return _Look(ahead, behind, last, first_free, tuple(seat) if seat[0] is not None else None)


def _select(where: str, order: str) -> str:
    return f"SELECT a.id FROM annotation_assignment a WHERE {where} ORDER BY {order} LIMIT 1"  # noqa: S608 - our own words


def draw(seed: int, rater_id: int, last: int) -> float:
    """A place from 0 to 1: for each rater and each step another, and the same for the same seed, rater and step."""
    digest = hashlib.blake2b(f"{seed}:{rater_id}:{last}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64
