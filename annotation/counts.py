"""How far batches are, by whom, and what a coordinator should look at: counted in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, cast

import numpy as np
from django.core.cache import cache
from django.db import connection
from django.db.models import Q, QuerySet

from annotation.models import Assignment, Batch
from projects.models import Axis, Item, Member, Project
from stats.design import NOBODY, Health, health

LIVE = "seat IS NOT NULL AND state NOT IN ('skipped', 'withdrawn')"
MOST_FOR_DESIGN = 200_000
"""Seats beyond which the health of a design is not worked out while somebody waits for a page."""
DESIGN_KEPT = 10 * 60


@dataclass(frozen=True, slots=True)
class Progress:
    """Items and the seats that count towards raters per item."""

    items: int = 0
    items_done: int = 0
    """Items whose seats are all filled."""
    seats: int = 0
    submitted: int = 0
    open: int = 0
    planned: int = 0
    empty: int = 0

    def __add__(self, other: Progress) -> Progress:
        return Progress(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def done(self) -> bool:
        return self.seats > 0 and self.submitted == self.seats

    @property
    def taken(self) -> int:
        return self.submitted + self.open + self.planned

    @property
    def early(self) -> bool:
        """Less than half of the seats are taken: what hangs on all of them cannot be told yet."""
        return 2 * self.taken < self.seats

    @property
    def unfilled(self) -> int:
        return self.seats - self.submitted


def progress_of(batches: Sequence[Batch]) -> dict[int, Progress]:
    """By batch; a batch without seats is there too."""
    found = {batch.pk: Progress() for batch in batches}
    if not found:
        return found
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT batch_id, count(*), count(*) FILTER (WHERE filled = seats),
                sum(seats), sum(filled), sum(open), sum(planned), sum(empty)
            FROM (
                SELECT batch_id, item_id, count(*) AS seats,
                    count(*) FILTER (WHERE state = 'submitted') AS filled,
                    count(*) FILTER (WHERE state = 'open') AS open,
                    count(*) FILTER (WHERE state = 'planned') AS planned,
                    count(*) FILTER (WHERE state = 'empty') AS empty
                FROM annotation_assignment
                WHERE batch_id = ANY(%s) AND {LIVE}
                GROUP BY batch_id, item_id
            ) AS item
            GROUP BY batch_id
            """,  # noqa: S608 - only our own words
            [list(found)],
        )
        for batch_id, *counts in cursor.fetchall():
            found[batch_id] = Progress(*(int(count) for count in counts))
    return found


@dataclass(frozen=True, slots=True)
class RaterProgress:
    """What one rater did and has before them."""

    rater: Member
    submitted: int
    waiting: int
    """Planned for them, or open at their place."""
    skipped: int
    withdrawn: int
    surplus: int
    flagged: int
    median_seconds: float | None
    last: datetime | None

    @property
    def usual_time(self) -> str:
        """Minutes and seconds: 1:05."""
        seconds = round(self.median_seconds or 0)
        return f"{seconds // 60}:{seconds % 60:02}"


def by_rater(*, project: Project, batch: Batch | None = None) -> list[RaterProgress]:
    """Everybody who has or had a seat, by pseudonym."""
    within = "= %s" if batch else "IN (SELECT id FROM annotation_batch WHERE project_id = %s)"
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT rater_id,
                count(*) FILTER (WHERE state = 'submitted' AND seat IS NOT NULL),
                count(*) FILTER (WHERE state IN ('planned', 'open')),
                count(*) FILTER (WHERE state = 'skipped'),
                count(*) FILTER (WHERE state = 'withdrawn'),
                count(*) FILTER (WHERE state = 'submitted' AND seat IS NULL),
                count(*) FILTER (WHERE state = 'submitted' AND flagged),
                percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) FILTER (WHERE state = 'submitted'),
                max(submitted_at) FILTER (WHERE origin = 'here')
            FROM annotation_assignment
            WHERE rater_id IS NOT NULL AND batch_id {within}
            GROUP BY rater_id
            """,  # noqa: S608 - only our own words
            [batch.pk if batch else project.pk],
        )
        rows: dict[int, tuple[Any, ...]] = {row[0]: row[1:] for row in cursor.fetchall()}
    members = Member.objects.filter(pk__in=rows).select_related("user").order_by("pseudonym")
    return [RaterProgress(member, *rows[member.pk]) for member in members]


def remarks_of(batch: Batch) -> QuerySet[Assignment]:
    """Ratings that somebody flagged or commented on, flagged ones first, then the newest."""
    said = Q(flagged=True) | ~Q(comment="")
    return (
        Assignment.objects.filter(said, batch=batch, state=Assignment.State.SUBMITTED)
        .select_related("rater", "item__prompt", "item__response__model")
        .order_by("-flagged", "-submitted_at", "-pk")
    )


@dataclass(frozen=True, slots=True)
class Conflict:
    """An item that one rater scored on an axis where another could not judge."""

    item: Item
    axes: list[Axis]


def conflicts_of(batch: Batch, *, limit: int) -> tuple[list[Conflict], int]:
    """The first of them, and how many there are."""
    axes = list(Axis.objects.filter(rubric=batch.rubric_id).order_by("position"))
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH unsure AS (
                SELECT DISTINCT item_id FROM annotation_assignment
                WHERE batch_id = %(batch)s AND state = 'submitted' AND -1 = ANY(codes)
            ),
            split AS (
                SELECT a.item_id, c.place
                FROM annotation_assignment a
                JOIN unsure USING (item_id)
                CROSS JOIN unnest(a.codes) WITH ORDINALITY AS c (code, place)
                WHERE a.batch_id = %(batch)s AND a.state = 'submitted' AND a.seat IS NOT NULL
                GROUP BY a.item_id, c.place
                HAVING bool_or(c.code = -1) AND bool_or(c.code > 0)
            )
            SELECT item_id, array_agg(place ORDER BY place), count(*) OVER ()
            FROM split GROUP BY item_id ORDER BY item_id LIMIT %(limit)s
            """,
            {"batch": batch.pk, "limit": limit},
        )
        rows = cursor.fetchall()
    items = Item.objects.select_related("prompt", "response__model").in_bulk([row[0] for row in rows])
    found = [Conflict(items[item], [axes[place - 1] for place in places]) for item, places, _ in rows]
    return found, rows[0][2] if rows else 0


def design_of(batch: Batch, *, taken: int) -> Health | None:
    """How well the taken seats of a batch hold together; None where nobody has a seat, or there are too many.

    It changes slowly, and is kept for as long as the same number of seats is taken.
    """
    if not 0 < taken <= MOST_FOR_DESIGN:
        return None
    return cast(
        "Health | None", cache.get_or_set(f"design:{batch.pk}:{taken}", lambda: _design(batch), DESIGN_KEPT)
    )


def _design(batch: Batch) -> Health | None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT a.item_id, r.model_id, a.rater_id
            FROM annotation_assignment a
            JOIN projects_item i ON i.id = a.item_id
            JOIN projects_response r ON r.id = i.response_id
            WHERE a.batch_id = %s AND a.rater_id IS NOT NULL AND a.{LIVE}
            ORDER BY a.item_id
            """,  # noqa: S608 - only our own words
            [batch.pk],
        )
        rows = np.array(cursor.fetchall(), dtype=np.int64).reshape(-1, 3)
    if not len(rows):
        return None
    raters, rater = np.unique(rows[:, 2], return_inverse=True)
    _items, first, item = np.unique(rows[:, 0], return_index=True, return_inverse=True)
    _models, model = np.unique(rows[first, 1], return_inverse=True)
    place = np.arange(len(rows)) - first[item]  # rows come by item
    seats = np.full((len(first), int(place.max()) + 1), NOBODY)
    seats[item, place] = rater
    return health(seats=seats, item_models=model, n_raters=len(raters))
