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
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from django.db.models.expressions import RawSQL
from psycopg import sql

from annotation.models import Batch
from annotation.models.batch import Purpose
from annotation.services.cards import JOINED, JOINS, columns
from annotation.services.prepared import prepared_cursor
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

# What is behind is looked at only where there is little ahead.
_SEEN = """
    ahead AS MATERIALIZED (
        SELECT a.id, a.item_id, a.occasion, a.position, 1 AS part FROM annotation_assignment a
        WHERE a.batch_id = {batch} AND a.state = 'empty' AND a.position >= {start}
        ORDER BY a.position LIMIT {size}
    ), near AS MATERIALIZED (
        SELECT * FROM ahead
        UNION ALL
        (SELECT a.id, a.item_id, a.occasion, a.position, 2 FROM annotation_assignment a
         WHERE {around} AND (SELECT count(*) FROM ahead) < {size} AND a.batch_id = {batch} AND a.state = 'empty' AND a.position < {start}
         ORDER BY a.position LIMIT {size})
    ), free AS MATERIALIZED (
        SELECT near.id, near.part, near.position FROM near WHERE {eligible}
    ), found AS (
        {found}
    )
"""
_LOOK = """
    (SELECT count(*) FROM near WHERE part = 1), (SELECT count(*) FROM near WHERE part = 2),
    (SELECT max(position) FROM near WHERE part = 1), (SELECT min(position) FROM free WHERE part = 1),
    found.*
"""
_WINDOW = f"WITH {_SEEN} SELECT {_LOOK} FROM (SELECT) AS one LEFT JOIN found ON true"  # noqa: S608 - our own words
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


# As `draw`.
_DRAW = """
    ('x' || left(md5(o.seed || ':' || %(rater)s::bigint || ':' || coalesce(o.last_item, 0)), 13))::bit(52)::bigint
        / 4503599627370496.0::float8
"""
_LAST = """
    SELECT a.item_id AS item, a.batch_id AS batch, i.prompt_id AS prompt
    FROM annotation_assignment a JOIN projects_item i ON i.id = a.item_id
    WHERE a.rater_id = %(rater)s AND a.state = 'submitted' AND a.submitted_at IS NOT NULL
    ORDER BY a.submitted_at DESC LIMIT 1
"""
_LAPSED = """
    SELECT EXISTS (
        SELECT FROM annotation_assignment
        WHERE state = 'open' AND lease_until < statement_timestamp() AND rater_id <> %(rater)s
    ) AS lapsed
"""
_SWEPT = "SELECT batch_id AS batch, reached, since FROM annotation_sweep WHERE rater_id = %(rater)s"
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


# The batches and, on the way, the first look into the first of them, unless something else comes before that look: this
# is where nearly every claim ends.
_POOLS = """
    WITH last AS ({last}), swept AS ({swept}), lapsed AS ({lapsed}),
    pools AS MATERIALIZED (SELECT o.*, row_number() OVER () AS place FROM ({open_batches}) AS o),
    first AS MATERIALIZED (
        SELECT o.id, {draw} AS start FROM (
            SELECT * FROM pools WHERE %(only)s::bigint IS NULL OR id = %(only)s ORDER BY place LIMIT 1
        ) AS o
        WHERE %(taking)s::boolean AND filling = 'pool' AND "order" = 'mixed' AND purpose <> 'repeat'
            AND reached IS NULL AND NOT lapsed
    ), {seen}
    SELECT {names}, first.id IS NOT NULL, {look}
    FROM pools LEFT JOIN first ON first.id = pools.id LEFT JOIN found ON first.id IS NOT NULL
    ORDER BY place
"""


_TERMS = ["rater", "project", "group", "only", "taking"]


@cache
def _pools(size: int) -> str:
    open_batches, terms = _open_batches()
    asked = {_ASKED.pk: "%(rater)s", _ASKED.project_id: "%(project)s", _ASKED.group: "%(group)s"}
    words = (asked.get(term) or sql.quote(term) for term in terms)  # a constant need not be sent each time
    statement = _POOLS.format(
        last=_LAST,
        swept=_SWEPT,
        lapsed=_LAPSED,
        open_batches=re.sub("%s", lambda _: next(words), open_batches),
        draw=_DRAW,
        seen=_SEEN.format(
            batch="(SELECT id FROM first)",
            start="(SELECT start FROM first)",
            around="true",
            size=size,
            eligible=ELIGIBLE.format(seat="near"),
            found=take(f"({_TAKEN.format(lock=LOCK)})"),
        ),
        names=", ".join(f'pools."{name}"' for name in _Open._fields),
        look=_LOOK,
    )
    return re.sub(r"%\((\w+)\)s", lambda name: f"${_TERMS.index(name[1]) + 1}", statement)


def pools(cursor: Any, rater: Member, batch: Batch | None, *, taking: bool) -> list[Pool]:
    """The batches that the rater may take seats of, in the order of handing out; only `batch`, if it is given.

    `taking`: a seat of the first of them may have been taken at once; `take` of that pool brings it.
    """
    only = batch.pk if batch else None
    with prepared_cursor(as_it_is=True) as asking:
        asking.execute(_pools(NEAR), [rater.pk, rater.project_id, rater.group, only, taking])
        rows = asking.fetchall()
    width = len(_Open._fields)
    found = []
    for row in rows:
        if only in (None, row[0]):
            look = _Look.of(row[width + 1 :]) if row[width] else None
            found.append(Pool(cursor, rater, _Open(*row[:width]), look))
    return found


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

    @classmethod
    def of(cls, row: Sequence[Any]) -> _Look:
        ahead, behind, last, first_free, *seat = row
        return cls(ahead, behind, last, first_free, tuple(seat) if seat[0] is not None else None)


class Pool:
    """What one rater can find in one batch."""

    def __init__(self, cursor: Any, rater: Member, batch: _Open, first_look: _Look | None = None) -> None:
        self.cursor, self.batch, self.first_look = cursor, batch, first_look
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
                look = self.first_look if size == NEAR else None
                look = look or self._look(size, taking, start=self.start, around=True)
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
        statement = _WINDOW.format(
            batch="%(batch)s",
            start="%(start)s",
            around="%(around)s",
            size=size,
            eligible=self.eligible.format(seat="near"),
            found=take(f"({_TAKEN.format(lock=LOCK)})") if taking else _FOUND,
        )
        self.cursor.execute(statement, self.terms | {"start": start, "around": around})
        return _Look.of(self.cursor.fetchone())


def _select(where: str, order: str) -> str:
    return f"SELECT a.id FROM annotation_assignment a WHERE {where} ORDER BY {order} LIMIT 1"  # noqa: S608 - our own words


def draw(seed: int, rater_id: int, last: int) -> float:
    """A place from 0 to 1: for each rater and each step another, and the same for the same seed, rater and step."""
    digest = hashlib.md5(f"{seed}:{rater_id}:{last}".encode(), usedforsecurity=False).hexdigest()
    return int(digest[:13], 16) / 2**52
