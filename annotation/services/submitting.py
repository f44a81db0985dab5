"""Taking ratings in: once each, and nothing typed is thrown away."""

from __future__ import annotations

import json
import math
import uuid
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import pghistory
from django.db import connection, transaction

from annotation.models import Assignment, Batch, NAReason, Submission
from annotation.services import claiming
from annotation.services.claiming import lock, plain
from annotation.services.errors import BatchIsNotOpen, SeatNotFound, SubmissionIdTaken
from annotation.services.prepared import prepared_cursor
from annotation.services.rubric import Given, checked
from projects.models import Axis, Member


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a submit."""

    kind: Submission.Outcome
    assignment_key: uuid.UUID
    """Where the rating is: the seat asked for, another seat at the same item, or the surplus rating."""
    repeated: bool = False
    """The same had been sent before: nothing was written this time."""


@dataclass(frozen=True, slots=True)
class _Typed:
    """What was typed."""

    scores: Given
    comment: str
    flagged: bool
    seconds: float | None

    def checked(self, rubric_id: int) -> _Words:
        seconds = self.seconds
        if seconds is not None and not (math.isfinite(seconds) and seconds >= 0):
            seconds = None  # a clock that was set back; no reason to lose the rating
        scores = checked(self.scores, rubric_id=rubric_id)
        return _Words(scores, plain(self.comment).strip(), bool(self.flagged), seconds)


class _Words(NamedTuple):
    """What was typed, as the rubric takes it."""

    scores: list[tuple[Axis, float | None, NAReason | None]]
    comment: str
    flagged: bool
    seconds: float | None

    def payload(self, key: uuid.UUID) -> dict[str, Any]:
        return {
            "assignment": str(key),
            "scores": {axis.key: reason.value if reason else value for axis, value, reason in self.scores},
            "comment": self.comment,
            "flagged": self.flagged,
            "seconds": self.seconds,
        }

    def columns(self) -> tuple[list[int], list[float | None], list[str | None]]:
        return (
            [axis.pk for axis, _, _ in self.scores],
            [value for _, value, _ in self.scores],
            [reason.value if reason else None for _, _, reason in self.scores],
        )

    def codes(self) -> list[int]:
        """Of the scores, in the order of the axes: the rank of the point, -1 for "cannot judge"."""
        return [
            -1 if value is None else next(p.rank for p in axis.points.all() if p.value == value)
            for axis, value, _ in self.scores
        ]


class _Seat(NamedTuple):
    id: int
    key: uuid.UUID
    state: str
    rater_id: int | None
    lease_is_over: bool | None
    batch_id: int
    item_id: int
    occasion: int
    rubric_id: int
    batch_state: str
    id_is_used: bool
    """Whether there is a submit of this id already."""


_SEAT = """
    SELECT a.id, a.key, a.state, a.rater_id, a.lease_until < statement_timestamp(), a.batch_id, a.item_id, a.occasion,
        b.rubric_id, b.state, EXISTS (SELECT FROM annotation_submission WHERE id = %(submission)s)
    FROM annotation_assignment a JOIN annotation_batch b ON b.id = a.batch_id
    WHERE {which} LIMIT 1 FOR UPDATE OF a
"""
_BY_KEY = "a.key = %(key)s"
_OWN_AT_ITEM = "a.item_id = %(item)s AND a.rater_id = %(rater)s AND a.occasion = %(occasion)s"
_FREE_AT_ITEM = "a.batch_id = %(batch)s AND a.item_id = %(item)s AND a.state = 'empty'"

# Seat, scores and the record of the submit in one statement: the triggers see them together. The one that keeps `codes`
# finds them as they should be, and need not write the row again.
_FILL = """
    WITH seat AS (
        UPDATE annotation_assignment
        SET state = 'submitted', rater_id = %(rater)s, submitted_at = statement_timestamp(),
            opened_at = coalesce(opened_at, statement_timestamp()), lease_until = NULL,
            seconds = %(seconds)s, comment = %(comment)s, flagged = %(flagged)s, codes = %(codes)s::smallint[]
        WHERE id = %(seat)s
    ), score AS (
        INSERT INTO annotation_score (assignment_id, axis_id, value, na_reason)
        SELECT %(seat)s, s.axis, s.value, s.reason
        FROM unnest(%(axes)s::bigint[], %(values)s::float8[], %(reasons)s::varchar[]) AS s (axis, value, reason)
    )
"""
_RECORD = """
    INSERT INTO annotation_submission (id, assignment_id, rater_id, outcome, payload, received_at)
    VALUES (%(submission)s, %(seat)s, %(rater)s, %(outcome)s, %(payload)s, statement_timestamp())
"""
_RECORDED = """
    SELECT s.rater_id, s.outcome, s.payload, a.key
    FROM annotation_submission s JOIN annotation_assignment a ON a.id = s.assignment_id WHERE s.id = %s
"""
_SURPLUS = """
    INSERT INTO annotation_assignment
        (key, batch_id, item_id, seat, rater_id, occasion, purpose, origin, state, opened_at, submitted_at,
         comment, flagged, skip_reason)
    VALUES (gen_random_uuid(), %s, %s, NULL, %s, %s, 'surplus', 'here', 'submitted', statement_timestamp(),
         statement_timestamp(), '', false, '')
    RETURNING id, key
"""
_CHANGE_SCORES = """
    UPDATE annotation_score s SET value = n.value, na_reason = n.reason
    FROM unnest(%s::bigint[], %s::float8[], %s::varchar[]) AS n (axis, value, reason)
    WHERE s.assignment_id = %s AND s.axis_id = n.axis
        AND (s.value, s.na_reason) IS DISTINCT FROM (n.value, n.reason)
"""
_CHANGE_SEAT = """
    UPDATE annotation_assignment
    SET comment = %s, flagged = %s, seconds = coalesce(seconds + %s, seconds, %s) WHERE id = %s
"""


@transaction.atomic
def submit(
    *,
    rater: Member,
    assignment_key: uuid.UUID,
    submission_id: uuid.UUID,
    scores: Given,
    comment: str = "",
    flagged: bool = False,
    seconds: float | None = None,
) -> Outcome:
    """Keep a rating. The same submission id again answers the same and writes nothing.

    `scores` has a value or an NAReason for each axis of the rubric, else InvalidScores is raised. SeatNotFound if the
    rater neither holds the seat nor ever held it. Late, the rating is kept at the seat if that is free, at another free
    seat of the item, or as a surplus rating; a second rating of an item that the rater has submitted is set aside.
    """
    with prepared_cursor() as cursor:
        lock(cursor, rater)
        typed = _Typed(scores, comment, flagged, seconds)
        return _Press(cursor, rater, assignment_key, submission_id, typed).keep()[0]


def submit_and_claim_next(
    *,
    rater: Member,
    assignment_key: uuid.UUID,
    submission_id: uuid.UUID,
    scores: Given,
    comment: str = "",
    flagged: bool = False,
    seconds: float | None = None,
    batch: Batch | None = None,
) -> tuple[Outcome, Assignment | None]:
    """Keep a rating and hand out the next item: in one transaction, unless a seat must be waited for."""
    with transaction.atomic(), prepared_cursor() as cursor:
        lock(cursor, rater)
        typed = _Typed(scores, comment, flagged, seconds)
        outcome, was_open = _Press(cursor, rater, assignment_key, submission_id, typed).keep()
        following = claiming.free_seat(cursor, rater, batch, none_open=was_open)
    # Whoever waits for a seat holds none: the one just submitted is let go first.
    return outcome, following or claiming.wait_for_seat(rater=rater, batch=batch)


@transaction.atomic
def change(
    *,
    rater: Member,
    assignment_key: uuid.UUID,
    submission_id: uuid.UUID,
    scores: Given,
    comment: str = "",
    flagged: bool = False,
    seconds: float | None = None,
) -> Outcome:
    """Replace the scores of an own submitted rating, while its batch is open; a trigger keeps the old ones.

    `seconds` is the time spent on the change, and is added to the time spent before.
    """
    with connection.cursor() as cursor:
        lock(cursor, rater)
        typed = _Typed(scores, comment, flagged, seconds)
        return _Press(cursor, rater, assignment_key, submission_id, typed).change()


class _Press:
    """One press of the button, by a rater who is locked."""

    def __init__(
        self, cursor: Any, rater: Member, key: uuid.UUID, submission_id: uuid.UUID, typed: _Typed
    ) -> None:
        self.cursor, self.rater, self.key, self.submission_id = cursor, rater, key, submission_id
        asked = self._find(_BY_KEY, key=key)
        if asked is None or (asked.rater_id != rater.pk and not self._held_once(asked)):
            raise SeatNotFound
        self.asked = asked
        self.typed = typed

    @cached_property
    def words(self) -> _Words:
        return self.typed.checked(self.asked.rubric_id)

    @cached_property
    def payload(self) -> dict[str, Any]:
        return self.words.payload(self.key)

    def keep(self) -> tuple[Outcome, bool]:
        """What became of it, and whether that filled the rater's open seat, the only one they can have."""
        seat = self.asked
        if answered := self._answered():
            return answered, False
        if seat.rater_id != self.rater.pk and (own := self._find_again(_OWN_AT_ITEM)):
            seat = own  # given back or lapsed, then taken again
        if seat.rater_id == self.rater.pk and seat.state not in ("open", "planned"):
            return self._set_aside(seat), False
        kind = Submission.Outcome.LATE
        if seat.rater_id == self.rater.pk:
            if seat is self.asked and not seat.lease_is_over:
                kind = Submission.Outcome.KEPT
        elif seat.state != "empty":
            if free := self._find_again(_FREE_AT_ITEM, " SKIP LOCKED"):
                seat = free
            else:
                seat, kind = self._surplus(), Submission.Outcome.SURPLUS
        self._write(_FILL, seat, kind)
        return Outcome(kind, seat.key), seat.rater_id == self.rater.pk and seat.state == "open"

    def change(self) -> Outcome:
        seat = self.asked
        if seat.rater_id != self.rater.pk or seat.state != "submitted":
            raise SeatNotFound
        if answered := self._answered():
            return answered
        if seat.batch_state != "open":
            raise BatchIsNotOpen
        if self._is_as_kept(seat):
            return Outcome(Submission.Outcome.CHANGED, seat.key, repeated=True)
        words = self.words
        with pghistory.context(rater=self.rater.pseudonym, submission=str(self.submission_id)):
            self.cursor.execute(_CHANGE_SCORES, (*words.columns(), seat.id))
        self.cursor.execute(
            _CHANGE_SEAT, [words.comment, words.flagged, words.seconds, words.seconds, seat.id]
        )
        self._write("", seat, Submission.Outcome.CHANGED)
        return Outcome(Submission.Outcome.CHANGED, seat.key)

    def _find(self, which: str, how: str = "", **terms: Any) -> _Seat | None:
        """A seat, locked from now on."""
        terms |= {"rater": self.rater.pk, "submission": self.submission_id}
        self.cursor.execute(_SEAT.format(which=which) + how, terms)
        row = self.cursor.fetchone()
        return _Seat(*row) if row else None

    def _find_again(self, which: str, how: str = "") -> _Seat | None:
        """Another seat at the item of the one asked for."""
        seat = self.asked
        return self._find(which, how, batch=seat.batch_id, item=seat.item_id, occasion=seat.occasion)

    def _held_once(self, seat: _Seat) -> bool:
        """Whether the rater had the seat open and lost it.

        Asked after the seat is locked, and not together with that: whoever we waited for may just have taken it away.
        """
        self.cursor.execute(
            "SELECT EXISTS (SELECT FROM annotation_lapsedseat WHERE assignment_id = %s AND rater_id = %s)",
            [seat.id, self.rater.pk],
        )
        held: bool = self.cursor.fetchone()[0]
        return held

    def _answered(self) -> Outcome | None:
        """The answer to this submit, if it was given before. Raises InvalidScores if it cannot be given at all.

        The same id with other words comes from a page that was gone back to. It is no repetition, and gets an id of its
        own, which is the same each time.
        """
        now = _without_time(self.payload)
        used = self.asked.id_is_used
        while used:
            self.cursor.execute(_RECORDED, [self.submission_id])
            row = self.cursor.fetchone()
            if row is None:
                break
            rater_id, outcome, payload, kept_at = row
            before = _without_time(json.loads(payload))
            if rater_id != self.rater.pk or before["assignment"] != now["assignment"]:
                raise SubmissionIdTaken
            if before == now:
                return Outcome(Submission.Outcome(outcome), kept_at, repeated=True)
            self.submission_id = uuid.uuid5(self.submission_id, json.dumps(now, sort_keys=True))
        return None

    def _set_aside(self, seat: _Seat) -> Outcome:
        """A second submit of an item: from another tab, or after skipping it or being taken out."""
        if seat.state == "submitted" and self._is_as_kept(seat):
            return Outcome(Submission.Outcome.KEPT, seat.key, repeated=True)
        self._write("", seat, Submission.Outcome.SET_ASIDE)
        return Outcome(Submission.Outcome.SET_ASIDE, seat.key)

    def _is_as_kept(self, seat: _Seat) -> bool:
        words = self.words
        self.cursor.execute("SELECT comment, flagged FROM annotation_assignment WHERE id = %s", [seat.id])
        said = self.cursor.fetchone()
        self.cursor.execute(
            "SELECT axis_id, value, na_reason FROM annotation_score WHERE assignment_id = %s", [seat.id]
        )
        kept = set(self.cursor.fetchall())
        return said == (words.comment, words.flagged) and kept == set(zip(*words.columns(), strict=True))

    def _surplus(self) -> _Seat:
        seat = self.asked
        self.cursor.execute(_SURPLUS, [seat.batch_id, seat.item_id, self.rater.pk, seat.occasion])
        pk, key = self.cursor.fetchone()
        return seat._replace(id=pk, key=key)

    def _write(self, fill: str, seat: _Seat, kind: Submission.Outcome) -> None:
        """Record the submit, and on the way fill the seat with it, if it is to be filled."""
        axes, values, reasons = self.words.columns()
        terms = {
            "seat": seat.id,
            "rater": self.rater.pk,
            "seconds": self.words.seconds,
            "comment": self.words.comment,
            "flagged": self.words.flagged,
            "codes": self.words.codes(),
            "axes": axes,
            "values": values,
            "reasons": reasons,
            "submission": self.submission_id,
            "outcome": kind.value,
            "payload": json.dumps(self.payload, ensure_ascii=False),
        }
        self.cursor.execute(fill + _RECORD, terms)


def _without_time(payload: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in payload.items() if name != "seconds"}
