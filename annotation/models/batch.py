"""Items handed out together."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

import pgtrigger
from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import Case, Exists, F, OuterRef, Q, When
from django.utils.translation import gettext_lazy as _

from projects.models import Member, Project, Rubric, User


class Purpose(models.TextChoices):
    """Why a rating was asked for. Agreement counts `main` alone: independent ratings of the design."""

    TRAINING = "training", _("training")
    CALIBRATION = "calibration", _("calibration")
    MAIN = "main", _("main")
    EXTRA = "extra", _("extra")
    REPEAT = "repeat", _("repeat")
    GOLD = "gold", _("gold")
    SURPLUS = "surplus", _("surplus")


class BatchQuerySet(models.QuerySet["Batch"]):
    def visible_to(self, user: User | AnonymousUser) -> Self:
        return self.filter(project__in=Project.objects.visible_to(user))

    def running(self) -> Self:
        return self.filter(state=Batch.State.OPEN)

    def given_to(self, rater: Member) -> Self:
        """Batches of the rater's project whose seats the rater may take."""
        named = BatchRater.objects.filter(batch=OuterRef("pk"), rater=rater)
        return self.filter(
            Q(open_to=Batch.OpenTo.ALL)
            | Q(open_to=Batch.OpenTo.GROUP, group=rater.group)
            | Q(Exists(named), open_to=Batch.OpenTo.NAMED),
            project=rater.project_id,
        )

    def in_order_of_handing_out(self) -> Self:
        """Training and calibration before the rest, then what is due first, then the oldest."""
        first = Case(When(purpose__in=[Purpose.TRAINING, Purpose.CALIBRATION], then=0), default=1)
        return self.exclude(filling=Batch.Filling.LOADED).order_by(
            first, F("due_on").asc(nulls_last=True), "created_at", "id"
        )


class Batch(models.Model):
    """Items handed out together: purpose, raters per item, due date, order.

    Every item of a batch has exactly `raters_per_item` live seats from the moment it is made (a trigger on
    Assignment sees to it); a loaded batch has as many as its file had ratings.
    """

    class Filling(models.TextChoices):
        POOL = "pool", _("open pool: a rater takes the next seat")
        PLANNED = "planned", _("planned: seats are given out in advance")
        LOADED = "loaded", _("loaded from a file")

    class Order(models.TextChoices):
        BY_PROMPT = "by_prompt", _("by prompt")
        MIXED = "mixed", _("fully mixed")

    class OpenTo(models.TextChoices):
        ALL = "all", _("all raters")
        GROUP = "group", _("a group")
        NAMED = "named", _("named raters")

    class State(models.TextChoices):
        OPEN = "open", _("open")
        PAUSED = "paused", _("paused")
        CLOSED = "closed", _("closed")

    project = models.ForeignKey(Project, models.PROTECT, related_name="batches")
    rubric = models.ForeignKey(Rubric, models.PROTECT, related_name="batches")
    name = models.CharField(max_length=120)
    purpose = models.CharField(max_length=12, choices=Purpose, default=Purpose.MAIN)
    raters_per_item = models.PositiveSmallIntegerField(default=2)
    filling = models.CharField(max_length=10, choices=Filling, default=Filling.POOL)
    order = models.CharField(max_length=10, choices=Order, default=Order.MIXED)
    seed = models.BigIntegerField(help_text=_("What every shuffle and sample of this batch is drawn from."))
    selection = models.JSONField(default=dict, blank=True, help_text=_("The filter that chose its items."))
    lease = models.DurationField(default=timedelta(hours=2))
    due_on = models.DateField(null=True, blank=True)
    open_to = models.CharField(max_length=10, choices=OpenTo, default=OpenTo.ALL)
    group = models.CharField(max_length=60, blank=True)
    raters: models.ManyToManyField[Member, BatchRater] = models.ManyToManyField(
        Member, through="BatchRater", related_name="batches"
    )
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    created_by = models.ForeignKey(User, models.PROTECT, related_name="+", null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = BatchQuerySet.as_manager()

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="batch_name_once_per_project"),
            models.CheckConstraint(condition=Q(raters_per_item__gte=1), name="batch_wants_a_rater"),
            models.CheckConstraint(condition=Q(lease__gt=timedelta(0)), name="batch_lease_is_positive"),
            models.CheckConstraint(
                condition=Q(open_to="group") & ~Q(group="") | ~Q(open_to="group"), name="batch_group_is_named"
            ),
            models.CheckConstraint(
                condition=Q(state="closed", closed_at__isnull=False) | ~Q(state="closed") & Q(closed_at=None),
                name="batch_closed_has_a_time",
            ),
            models.CheckConstraint(condition=~Q(purpose="surplus"), name="batch_is_not_of_surplus"),
        ]
        triggers = [
            pgtrigger.ReadOnly(
                name="terms_stay",
                fields=["project", "rubric", "purpose", "raters_per_item", "filling", "seed"],
            ),
            pgtrigger.Trigger(
                name="rubric_of_the_project",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                func="""
                    IF NOT EXISTS (
                        SELECT FROM projects_rubric WHERE id = NEW.rubric_id AND project_id = NEW.project_id
                    ) THEN
                        RAISE EXCEPTION 'the rubric belongs to another project'
                            USING ERRCODE = 'check_violation', CONSTRAINT = 'batch_rubric_of_its_project';
                    END IF;
                    UPDATE projects_rubric SET frozen_at = now() WHERE id = NEW.rubric_id AND frozen_at IS NULL;
                    RETURN NEW;
                """,
            ),
        ]

    if TYPE_CHECKING:
        project_id: int
        rubric_id: int
        assignments: Any

    def __str__(self) -> str:
        return self.name


class BatchRater(models.Model):
    """A rater that a batch is given to by name."""

    batch = models.ForeignKey(Batch, models.CASCADE, related_name="batch_raters")
    rater = models.ForeignKey(Member, models.PROTECT, related_name="batch_raters")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["batch", "rater"], name="batch_rater_once")]

    def __str__(self) -> str:
        return f"{self.batch_id}: {self.rater_id}"

    if TYPE_CHECKING:
        batch_id: int
        rater_id: int
