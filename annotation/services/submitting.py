"""Taking ratings in: once each, and nothing typed is thrown away."""

from __future__ import annotations

import json
import math
import uuid
from dataclasses import dataclass
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


class _Typed(NamedTuple):
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

    def payload(self, key: uuid.UUID) -> str:
        given = {axis.key: reason.value if reason else value for axis, value, reason in self.scores}
        return json.dumps(
            {
                "assignment": str(key),
                "scores": given,
                "comment": self.comment,
                "flagged": self.flagged,
                "seconds": self.seconds,
            },
            ensure_ascii=False,
        )


_SEAT = """
    SELECT a.id, a.key, a.state, a.rater_id, a.lease_until < statement_timestamp(), a.batch_id, a.item_id, a.occasion,
        b.rubric_id, b.state
    FROM annotation_assignment a JOIN annotation_batch b ON b.id = a.batch_id
    WHERE {which}
"""

# Seat, scores and the record of the submit in one statement: the triggers see them together.
_FILL = """
    WITH seat AS (
        UPDATE annotation_assignment
        SET state = 'submitted', rater_id = %(rater)s, submitted_at = statement_timestamp(), opened_at = coalesce(opened_at, statement_timestamp()),
            lease_until = NULL, seconds = %(seconds)s, comment = %(comment)s, flagged = %(flagged)s
        WHERE id = %(seat)s
    ), score AS (
        INSERT INTO annotation_score (assignment_id, axis_id, value, na_reason)
        SELECT %(seat)s, s.axis, s.value, s.reason
        FROM unnest(%(axes)s::bigint[], %(values)s::float8[], %(reasons)s::varchar[]) AS s (axis, value, reason)
    )
    INSERT INTO annotation_submission (id, assignment_id, rater_id, outcome, payload, received_at)
    VALUES (%(submission)s, %(seat)s, %(rater)s, %(outcome)s, %(payload)s, statement_timestamp())
"""

_RECORD = """
    INSERT INTO annotation_submission (id, assignment_id, rater_id, outcome, payload, received_at)
    VALUES (%s, %s, %s, %s, %s, statement_timestamp())
"""

_SURPLUS = """
    INSERT INTO annotation_assignment
        (key, batch_id, item_id, seat, rater_id, occasion, purpose, origin, state, opened_at, submitted_at,
         comment, flagged, skip_reason)
    VALUES (gen_random_uuid(), %s, %s, NULL, %s, %s, 'surplus', 'here', 'submitted', statement_timestamp(), statement_timestamp(), '', false, '')
    RETURNING id, key
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
        return _submit(cursor, rater, assignment_key, submission_id, typed)[0]


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
        outcome, was_open = _submit(cursor, rater, assignment_key, submission_id, typed)
        following = claiming.free_seat(cursor, rater, batch, none_open=was_open)
    # Whoever waits for a seat holds none: the one just submitted is let go first.
    return outcome, following or claiming.wait_for_seat(rater=rater, batch=batch)


def _submit(
    cursor: Any, rater: Member, key: uuid.UUID, submission_id: uuid.UUID, typed: _Typed
) -> tuple[Outcome, bool]:
    """What became of it, and whether that filled the rater's open seat, the only one they can have."""
    seat = _seat(cursor, "a.key = %(key)s FOR UPDATE OF a", key=key)
    if seat.rater_id != rater.pk and not _held_once(cursor, rater, seat):
        raise SeatNotFound
    words = typed.checked(seat.rubric_id)
    submission_id, answered = _answered(cursor, rater, seat, submission_id, words)
    if answered:
        return answered, False
    if seat.rater_id != rater.pk and (own := _own_at_the_item(cursor, rater, seat)):
        seat = own  # given back or lapsed, then taken again
    if seat.rater_id == rater.pk and seat.state not in ("open", "planned"):
        return _again(cursor, rater, seat, key, submission_id, words), False
    kind = Submission.Outcome.LATE
    if seat.rater_id == rater.pk:
        if seat.key == key and not seat.lease_is_over:
            kind = Submission.Outcome.KEPT
    elif seat.state != "empty":
        if free := _free_at_the_item(cursor, seat):
            seat = free
        else:
            seat, kind = _surplus(cursor, rater, seat), Submission.Outcome.SURPLUS
    _fill(cursor, rater, seat, key, submission_id, kind, words)
    return Outcome(kind, seat.key), seat.rater_id == rater.pk and seat.state == "open"


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
        seat = _seat(cursor, "a.key = %(key)s FOR UPDATE OF a", key=assignment_key)
        if seat.rater_id != rater.pk or seat.state != "submitted":
            raise SeatNotFound
        words = _Typed(scores, comment, flagged, seconds).checked(seat.rubric_id)
        submission_id, answered = _answered(cursor, rater, seat, submission_id, words)
        if answered:
            return answered
        if seat.batch_state != "open":
            raise BatchIsNotOpen
        if _is_as_kept(cursor, seat, words):
            return Outcome(Submission.Outcome.CHANGED, seat.key, repeated=True)
        with pghistory.context(rater=rater.pseudonym, submission=str(submission_id)):
            cursor.execute(
                """
                UPDATE annotation_score s SET value = n.value, na_reason = n.reason
                FROM unnest(%s::bigint[], %s::float8[], %s::varchar[]) AS n (axis, value, reason)
                WHERE s.assignment_id = %s AND s.axis_id = n.axis
                    AND (s.value, s.na_reason) IS DISTINCT FROM (n.value, n.reason)
                """,
                (*_columns(words), seat.id),
            )
        cursor.execute(
            """
            UPDATE annotation_assignment
            SET comment = %s, flagged = %s, seconds = coalesce(seconds + %s, seconds, %s) WHERE id = %s
            """,
            [words.comment, words.flagged, words.seconds, words.seconds, seat.id],
        )
        _record(cursor, rater, seat, assignment_key, submission_id, Submission.Outcome.CHANGED, words)
    return Outcome(Submission.Outcome.CHANGED, seat.key)


def _columns(words: _Words) -> tuple[list[int], list[float | None], list[str | None]]:
    return (
        [axis.pk for axis, _, _ in words.scores],
        [value for _, value, _ in words.scores],
        [reason.value if reason else None for _, _, reason in words.scores],
    )


def _seat(cursor: Any, which: str, **terms: Any) -> _Seat:
    if seat := _find(cursor, which, **terms):
        return seat
    raise SeatNotFound


def _find(cursor: Any, which: str, **terms: Any) -> _Seat | None:
    cursor.execute(_SEAT.format(which=which), terms)
    row = cursor.fetchone()
    return _Seat(*row) if row else None


def _answered(
    cursor: Any, rater: Member, seat: _Seat, submission_id: uuid.UUID, words: _Words
) -> tuple[uuid.UUID, Outcome | None]:
    """The answer to this submit, if it was given before.

    The same id with other words comes from a page that was gone back to. It is no repetition, and gets an id of its own,
    which is the same each time.
    """
    for _ in range(2):
        cursor.execute(
            """
            SELECT s.rater_id, s.outcome, s.payload, a.key
            FROM annotation_submission s JOIN annotation_assignment a ON a.id = s.assignment_id WHERE s.id = %s
            """,
            [submission_id],
        )
        row = cursor.fetchone()
        if row is None:
            return submission_id, None
        rater_id, outcome, payload, kept_at = row
        before, now = _without_time(payload), _without_time(words.payload(seat.key))
        if rater_id != rater.pk or before["assignment"] != now["assignment"]:
            raise SubmissionIdTaken
        if before == now:
            break
        submission_id = uuid.uuid5(submission_id, json.dumps(now, sort_keys=True))
    return submission_id, Outcome(Submission.Outcome(outcome), kept_at, repeated=True)


def _without_time(payload: str | dict[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(payload) if isinstance(payload, str) else payload
    return {name: value for name, value in said.items() if name != "seconds"}


def _held_once(cursor: Any, rater: Member, seat: _Seat) -> bool:
    """Whether the rater had the seat open and lost it.

    Asked after the seat is locked, and not together with that: whoever we waited for may just have taken it away.
    """
    cursor.execute(
        "SELECT EXISTS (SELECT FROM annotation_lapsedseat WHERE assignment_id = %s AND rater_id = %s)",
        [seat.id, rater.pk],
    )
    held: bool = cursor.fetchone()[0]
    return held


def _own_at_the_item(cursor: Any, rater: Member, seat: _Seat) -> _Seat | None:
    """What else the rater has at the item of a seat that was lost."""
    return _find(
        cursor,
        "a.item_id = %(item)s AND a.rater_id = %(rater)s AND a.occasion = %(occasion)s FOR UPDATE OF a",
        rater=rater.pk,
        item=seat.item_id,
        occasion=seat.occasion,
    )


def _free_at_the_item(cursor: Any, seat: _Seat) -> _Seat | None:
    return _find(
        cursor,
        "a.batch_id = %(batch)s AND a.item_id = %(item)s AND a.state = 'empty' LIMIT 1 FOR UPDATE OF a SKIP LOCKED",
        batch=seat.batch_id,
        item=seat.item_id,
    )


def _surplus(cursor: Any, rater: Member, seat: _Seat) -> _Seat:
    cursor.execute(_SURPLUS, [seat.batch_id, seat.item_id, rater.pk, seat.occasion])
    pk, key = cursor.fetchone()
    return seat._replace(id=pk, key=key)


def _again(
    cursor: Any, rater: Member, seat: _Seat, key: uuid.UUID, submission_id: uuid.UUID, words: _Words
) -> Outcome:
    """A second submit of an item: from another tab, or after skipping it or being taken out."""
    if seat.state == "submitted" and _is_as_kept(cursor, seat, words):
        return Outcome(Submission.Outcome.KEPT, seat.key, repeated=True)
    _record(cursor, rater, seat, key, submission_id, Submission.Outcome.SET_ASIDE, words)
    return Outcome(Submission.Outcome.SET_ASIDE, seat.key)


def _is_as_kept(cursor: Any, seat: _Seat, words: _Words) -> bool:
    cursor.execute("SELECT comment, flagged FROM annotation_assignment WHERE id = %s", [seat.id])
    said = cursor.fetchone()
    cursor.execute(
        "SELECT axis_id, value, na_reason FROM annotation_score WHERE assignment_id = %s", [seat.id]
    )
    kept = set(cursor.fetchall())
    return said == (words.comment, words.flagged) and kept == set(zip(*_columns(words), strict=True))


def _fill(
    cursor: Any,
    rater: Member,
    seat: _Seat,
    key: uuid.UUID,
    submission_id: uuid.UUID,
    kind: Submission.Outcome,
    words: _Words,
) -> None:
    axes, values, reasons = _columns(words)
    cursor.execute(
        _FILL,
        {
            "seat": seat.id,
            "rater": rater.pk,
            "seconds": words.seconds,
            "comment": words.comment,
            "flagged": words.flagged,
            "axes": axes,
            "values": values,
            "reasons": reasons,
            "submission": submission_id,
            "outcome": kind.value,
            "payload": words.payload(key),
        },
    )


def _record(
    cursor: Any,
    rater: Member,
    seat: _Seat,
    key: uuid.UUID,
    submission_id: uuid.UUID,
    kind: Submission.Outcome,
    words: _Words,
) -> None:
    cursor.execute(_RECORD, [submission_id, seat.id, rater.pk, kind.value, words.payload(key)])
