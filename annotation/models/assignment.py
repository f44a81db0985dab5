"""Seats: who rates what."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Self

import pgtrigger
from django.contrib.auth.models import AnonymousUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Random
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from annotation.models.batch import Batch, Purpose
from projects.models import Item, Member, Project, User

LIVE = "a.state NOT IN ('skipped', 'withdrawn') AND a.seat IS NOT NULL"


class AssignmentQuerySet(models.QuerySet["Assignment"]):
    def visible_to(self, user: User | AnonymousUser) -> Self:
        """Everybody's work, for coordinators and researchers of the project."""
        return self.filter(batch__project__in=Project.objects.visible_to(user))

    def belonging_to(self, user: User | AnonymousUser) -> Self:
        """The user's own seats."""
        return self.filter(rater__user=user.pk, rater__active=True)

    def live(self) -> Self:
        """Seats that count towards raters per item."""
        return self.exclude(state__in=[Assignment.State.SKIPPED, Assignment.State.WITHDRAWN]).filter(
            seat__isnull=False
        )

    def empty(self) -> Self:
        return self.filter(state=Assignment.State.EMPTY)

    def open(self) -> Self:
        return self.filter(state=Assignment.State.OPEN)

    def planned(self) -> Self:
        return self.filter(state=Assignment.State.PLANNED)

    def submitted(self) -> Self:
        return self.filter(state=Assignment.State.SUBMITTED)

    def lapsed(self) -> Self:
        """Open seats whose lease is over."""
        return self.open().filter(lease_until__lt=timezone.now())

    def independent(self) -> Self:
        """Submitted ratings of the design: what agreement counts."""
        return self.submitted().filter(purpose=Purpose.MAIN)


class Assignment(models.Model):
    """One seat at an item: empty, or taken by one rater.

    `key` is the only name that leaves the server: primary keys follow the order of loading, and would tell
    which model wrote a response. `codes[k]` is the rank of the point given on the rubric's k-th axis, 0 without a
    score, -1 for "cannot judge"; a trigger on Score keeps it.
    """

    class State(models.TextChoices):
        EMPTY = "empty", _("empty")
        PLANNED = "planned", _("planned")
        OPEN = "open", _("open")
        SUBMITTED = "submitted", _("submitted")
        SKIPPED = "skipped", _("skipped")
        WITHDRAWN = "withdrawn", _("withdrawn")

    class Origin(models.TextChoices):
        HERE = "here", _("rated here")
        LOADED = "loaded", _("loaded from a file")

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    # No indexes of their own: each column leads, or is served by, one of the indexes below.
    batch = models.ForeignKey(Batch, models.PROTECT, related_name="assignments", db_index=False)
    item = models.ForeignKey(Item, models.PROTECT, related_name="assignments", db_index=False)
    seat = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text=_("1 to n; none for a surplus rating.")
    )
    rater = models.ForeignKey(
        Member, models.PROTECT, related_name="assignments", null=True, blank=True, db_index=False
    )
    occasion = models.PositiveSmallIntegerField(
        default=1, help_text=_("Above 1 when the rater repeats the item.")
    )
    purpose = models.CharField(max_length=12, choices=Purpose, default=Purpose.MAIN)
    origin = models.CharField(max_length=6, choices=Origin, default=Origin.HERE)
    state = models.CharField(max_length=10, choices=State, default=State.EMPTY)
    position = models.FloatField(
        db_default=Random(), help_text=_("Where it stands in the shuffled order, 0 to 1.")
    )
    emptied_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text=_("When it came back; none if nobody ever had it.")
    )
    opened_at = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    submitted_at = models.DateTimeField(null=True, blank=True)
    seconds = models.FloatField(null=True, blank=True, help_text=_("Time spent on it, idle time left out."))
    comment = models.TextField(blank=True)
    flagged = models.BooleanField(default=False)
    skip_reason = models.TextField(blank=True, help_text=_("Why it was skipped or withdrawn."))
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    withdrawn_by = models.ForeignKey(
        User, models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )
    codes = ArrayField(
        models.SmallIntegerField(),
        db_default=models.Value([], output_field=ArrayField(models.SmallIntegerField())),
        editable=False,
    )

    objects = AssignmentQuerySet.as_manager()

    answer_html: SafeString | None = None
    """The response that is rated, if it was rendered beforehand and is at hand (`annotation.services.cards`)."""

    class Meta:
        ordering = ["id"]
        indexes = [
            # Claiming: the next empty seat of a batch from a given position on.
            models.Index(
                fields=["batch", "position"], name="empty_seats_in_order", condition=Q(state="empty")
            ),
            # Claiming: what came back after a rater had looked through everything.
            models.Index(
                fields=["batch", "emptied_at"],
                name="freed_seats",
                condition=Q(state="empty", emptied_at__isnull=False),
            ),
            # Claiming in a planned batch.
            models.Index(
                fields=["rater", "batch", "position"],
                name="planned_seats_of_rater",
                condition=Q(state="planned"),
            ),
            # Leases that are over.
            models.Index(fields=["lease_until"], name="open_seats_by_lease", condition=Q(state="open")),
            # A rater's own submitted ratings, newest first; today's count.
            models.Index(
                fields=["rater", "submitted_at"], name="submitted_by_rater", condition=Q(state="submitted")
            ),
            # Progress and agreement of a batch.
            models.Index(fields=["batch", "state"], name="seats_by_batch_and_state"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["item", "rater", "occasion"], name="assignment_rater_once_per_item"
            ),
            models.UniqueConstraint(
                fields=["batch", "item", "seat"],
                condition=~Q(state__in=["skipped", "withdrawn"]) & Q(seat__isnull=False),
                name="assignment_seat_once_per_item",
            ),
            models.UniqueConstraint(
                fields=["rater"], condition=Q(state="open"), name="assignment_one_open_per_rater"
            ),
            models.CheckConstraint(
                condition=Q(state="empty", rater=None) | ~Q(state="empty") & Q(rater__isnull=False),
                name="assignment_empty_means_no_rater",
            ),
            models.CheckConstraint(
                condition=Q(state="open", lease_until__isnull=False, opened_at__isnull=False)
                | ~Q(state="open") & Q(lease_until=None),
                name="assignment_open_means_a_lease",
            ),
            models.CheckConstraint(
                condition=Q(submitted_at=None) & ~Q(state="submitted")
                | Q(submitted_at__isnull=False, state__in=["submitted", "withdrawn"])
                | Q(origin="loaded", state__in=["submitted", "withdrawn"]),
                name="assignment_submitted_means_a_time",
            ),
            models.CheckConstraint(
                condition=Q(purpose="surplus", seat=None)
                | ~Q(purpose="surplus") & Q(seat__isnull=False, seat__gte=1),
                name="assignment_surplus_means_no_seat",
            ),
            models.CheckConstraint(
                condition=Q(occasion=1) | Q(occasion__gt=1, purpose__in=["repeat", "surplus"]),
                name="assignment_again_means_repeat",
            ),
            models.CheckConstraint(
                condition=Q(seconds=None) | Q(seconds__gte=0), name="assignment_seconds_not_negative"
            ),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="seat_within_project",
                when=pgtrigger.After,
                level=pgtrigger.Statement,
                operation=pgtrigger.Insert,
                referencing=pgtrigger.Referencing(new="new_seats"),
                func="""
                    IF EXISTS (
                        SELECT FROM new_seats s
                        JOIN annotation_batch b ON b.id = s.batch_id
                        JOIN projects_item i ON i.id = s.item_id
                        LEFT JOIN projects_member m ON m.id = s.rater_id
                        WHERE i.project_id <> b.project_id OR m.project_id <> b.project_id OR NOT m.is_rater
                    ) THEN
                        RAISE EXCEPTION 'batch, item and rater of a seat must be of one project, and the rater a rater'
                            USING ERRCODE = 'check_violation', CONSTRAINT = 'assignment_within_one_project';
                    END IF;
                    RETURN NULL;
                """,
            ),
            pgtrigger.Trigger(
                name="seats_exactly_n",
                when=pgtrigger.After,
                level=pgtrigger.Statement,
                operation=pgtrigger.Insert,
                referencing=pgtrigger.Referencing(new="new_seats"),
                func=f"""
                    IF EXISTS (
                        SELECT FROM (SELECT DISTINCT batch_id, item_id FROM new_seats WHERE seat IS NOT NULL) n
                        JOIN annotation_batch b ON b.id = n.batch_id AND b.filling <> 'loaded'
                        JOIN annotation_assignment a ON a.batch_id = n.batch_id AND a.item_id = n.item_id
                        WHERE {LIVE}
                        GROUP BY n.batch_id, n.item_id, b.raters_per_item
                        HAVING count(*) <> b.raters_per_item OR max(a.seat) > b.raters_per_item
                    ) THEN
                        RAISE EXCEPTION 'each item of a batch has exactly its number of seats'
                            USING ERRCODE = 'check_violation', CONSTRAINT = 'assignment_seats_exactly_n';
                    END IF;
                    RETURN NULL;
                """,  # noqa: S608 - a constant
            ),
            pgtrigger.Trigger(
                name="seats_all_or_none",
                when=pgtrigger.After,
                level=pgtrigger.Statement,
                operation=pgtrigger.Delete,
                referencing=pgtrigger.Referencing(old="old_seats"),
                func="""
                    IF EXISTS (
                        SELECT FROM old_seats o
                        JOIN annotation_assignment a ON a.batch_id = o.batch_id AND a.item_id = o.item_id
                        JOIN annotation_batch b ON b.id = o.batch_id AND b.filling <> 'loaded'
                        WHERE o.seat IS NOT NULL
                    ) THEN
                        RAISE EXCEPTION 'an item leaves a batch with all of its seats, or not at all'
                            USING ERRCODE = 'check_violation', CONSTRAINT = 'assignment_seats_exactly_n';
                    END IF;
                    RETURN NULL;
                """,
            ),
            pgtrigger.Trigger(
                name="seat_moves_once",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition(
                    "OLD.state IS DISTINCT FROM NEW.state OR OLD.rater_id IS DISTINCT FROM NEW.rater_id"
                    " OR OLD.item_id <> NEW.item_id OR OLD.batch_id <> NEW.batch_id OR OLD.seat IS DISTINCT FROM NEW.seat"
                    " OR OLD.key <> NEW.key OR OLD.purpose <> NEW.purpose OR OLD.occasion <> NEW.occasion"
                ),
                func="""
                    IF (OLD.item_id, OLD.batch_id, OLD.key, OLD.purpose, OLD.occasion)
                        IS DISTINCT FROM (NEW.item_id, NEW.batch_id, NEW.key, NEW.purpose, NEW.occasion)
                        OR OLD.seat IS DISTINCT FROM NEW.seat THEN
                        RAISE EXCEPTION 'what a seat is for never changes'
                            USING ERRCODE = 'check_violation', CONSTRAINT = 'assignment_seat_stays';
                    END IF;
                    IF OLD.rater_id <> NEW.rater_id THEN
                        RAISE EXCEPTION 'a seat is freed before somebody else takes it'
                            USING ERRCODE = 'check_violation', CONSTRAINT = 'assignment_seat_is_freed_first';
                    END IF;
                    IF OLD.state <> NEW.state AND NOT (
                        OLD.state = 'empty' AND NEW.state IN ('planned', 'open', 'submitted')
                        OR OLD.state = 'planned' AND NEW.state IN ('empty', 'open', 'submitted', 'skipped', 'withdrawn')
                        OR OLD.state = 'open' AND NEW.state IN ('empty', 'planned', 'submitted', 'skipped', 'withdrawn')
                        OR OLD.state = 'submitted' AND NEW.state = 'withdrawn'
                    ) THEN
                        RAISE EXCEPTION 'a seat cannot go from % to %', OLD.state, NEW.state
                            USING ERRCODE = 'check_violation', CONSTRAINT = 'assignment_state_goes_forward';
                    END IF;
                    IF NEW.rater_id IS NOT NULL AND OLD.rater_id IS NULL AND NOT EXISTS (
                        SELECT FROM projects_member m JOIN annotation_batch b ON b.project_id = m.project_id
                        WHERE m.id = NEW.rater_id AND b.id = NEW.batch_id AND m.is_rater
                    ) THEN
                        RAISE EXCEPTION 'the rater of a seat must be a rater of its project'
                            USING ERRCODE = 'check_violation', CONSTRAINT = 'assignment_within_one_project';
                    END IF;
                    RETURN NEW;
                """,
            ),
            pgtrigger.Trigger(
                # With its fellows: a statement may take several seats of one item, and an item has all of its seats.
                # Not for the statement as a whole: that would cost each claim and each submit, which lose none.
                name="lost_seat_is_replaced",
                when=pgtrigger.After,
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition(
                    "OLD.state NOT IN ('skipped', 'withdrawn') AND NEW.state IN ('skipped', 'withdrawn')"
                    " AND NEW.seat IS NOT NULL"
                ),
                func=f"""
                    INSERT INTO annotation_assignment
                        (key, batch_id, item_id, seat, occasion, purpose, origin, state, comment, flagged, skip_reason,
                         emptied_at)
                    SELECT DISTINCT ON (lost.seat) gen_random_uuid(), lost.batch_id, lost.item_id, lost.seat,
                        lost.occasion, lost.purpose, 'here', 'empty', '', false, '', statement_timestamp()
                    FROM annotation_assignment lost
                    JOIN annotation_batch b ON b.id = lost.batch_id AND b.filling <> 'loaded'
                    WHERE lost.batch_id = NEW.batch_id AND lost.item_id = NEW.item_id AND lost.seat IS NOT NULL
                        AND NOT EXISTS (
                            SELECT FROM annotation_assignment a
                            WHERE a.batch_id = lost.batch_id AND a.item_id = lost.item_id AND a.seat = lost.seat
                                AND {LIVE}
                        );
                    RETURN NULL;
                """,  # noqa: S608 - a constant
            ),
            pgtrigger.Trigger(
                # Whoever lets go of a seat may take others at that item again, which their sweeps have passed.
                name="freed_seat_is_noted",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition("OLD.state <> 'empty' AND NEW.state = 'empty'"),
                func="""
                    NEW.emptied_at = statement_timestamp();
                    DELETE FROM annotation_sweep WHERE rater_id = OLD.rater_id;
                    RETURN NEW;
                """,
            ),
            pgtrigger.Trigger(
                name="deleted_seats_end_sweeps",
                when=pgtrigger.After,
                level=pgtrigger.Statement,
                operation=pgtrigger.Delete,
                func="DELETE FROM annotation_sweep; RETURN NULL;",
            ),
            pgtrigger.Trigger(
                name="lapse_is_remembered",
                when=pgtrigger.After,
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition("OLD.state = 'open' AND NEW.state IN ('empty', 'planned')"),
                func="""
                    INSERT INTO annotation_lapsedseat (assignment_id, rater_id, opened_at, lapsed_at)
                    VALUES (OLD.id, OLD.rater_id, OLD.opened_at, now());
                    RETURN NULL;
                """,
            ),
            pgtrigger.Trigger(
                name="submitted_is_complete",
                when=pgtrigger.After,
                operation=pgtrigger.Insert | pgtrigger.Update,
                timing=pgtrigger.Deferred,
                condition=pgtrigger.Condition("NEW.state = 'submitted' AND NEW.origin = 'here'"),
                func="""
                    IF EXISTS (
                        SELECT FROM annotation_assignment a
                        JOIN annotation_batch b ON b.id = a.batch_id
                        JOIN projects_axis x ON x.rubric_id = b.rubric_id
                        LEFT JOIN annotation_score s ON s.assignment_id = a.id AND s.axis_id = x.id
                        WHERE a.id = NEW.id AND a.state = 'submitted' AND s.id IS NULL
                    ) THEN
                        RAISE EXCEPTION 'a submitted rating has a score or "cannot judge" on each axis'
                            USING ERRCODE = 'check_violation', CONSTRAINT = 'assignment_submitted_is_complete';
                    END IF;
                    RETURN NULL;
                """,
            ),
        ]

    if TYPE_CHECKING:
        batch_id: int
        item_id: int
        rater_id: int | None
        scores: Any

    def __str__(self) -> str:
        return str(self.key)


class Sweep(models.Model):
    """How far a rater who has had most of a batch has looked through what is left of it.

    No empty seat before `reached` is for them, unless it came back after `since`. It saves looking at the same seats
    with every claim; losing it costs a look, no more.
    """

    batch = models.ForeignKey(Batch, models.CASCADE, related_name="+", db_index=False)
    rater = models.ForeignKey(Member, models.CASCADE, related_name="+")
    reached = models.FloatField()
    since = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["batch", "rater"], name="sweep_once_per_batch_and_rater")
        ]

    def __str__(self) -> str:
        return f"{self.batch_id}: {self.rater_id} at {self.reached:.3f}"

    if TYPE_CHECKING:
        batch_id: int
        rater_id: int


class LapsedSeat(models.Model):
    """Who held an open seat before it went back to the pool: what makes a late submit trustworthy.

    Written by a trigger on Assignment.
    """

    assignment = models.ForeignKey(Assignment, models.CASCADE, related_name="lapses")
    rater = models.ForeignKey(Member, models.PROTECT, related_name="lapses")
    opened_at = models.DateTimeField()
    lapsed_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        triggers = [pgtrigger.Protect(name="lapse_stays", operation=pgtrigger.Update)]

    def __str__(self) -> str:
        return f"{self.assignment_id}: {self.rater_id}"

    if TYPE_CHECKING:
        assignment_id: int
        rater_id: int
