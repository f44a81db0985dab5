"""The questions that raters answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import pgtrigger
from django.db import models
from django.db.models import Q
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from projects.models.project import Project


def in_readers_language(ja: str, en: str) -> str:
    """The text in the active language, or in the other one where that is all there is."""
    first, second = (ja, en) if get_language() == "ja" else (en, ja)
    return first or second


def _frozen(rubric_id: str) -> str:
    """SQL of a trigger that refuses to touch what belongs to a frozen rubric; `rubric_id` is an SQL expression."""
    return f"""
        IF (SELECT frozen_at IS NOT NULL FROM projects_rubric WHERE id = {rubric_id}) THEN
            RAISE EXCEPTION 'rubric is frozen: a batch uses it; make a new version'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'rubric_frozen_once_used';
        END IF;
        IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
        RETURN NEW;
    """  # noqa: S608 - constants of this module


class Rubric(models.Model):
    """One version of a project's axes and guidelines. Frozen from the moment a batch uses it."""

    project = models.ForeignKey(Project, models.PROTECT, related_name="rubrics")
    number = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=200)
    guidelines_ja = models.TextField(blank=True)
    guidelines_en = models.TextField(blank=True)
    frozen_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["project", "number"]
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="rubric_number_once_per_project"),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="frozen_rubric_stays",
                when=pgtrigger.Before,
                operation=pgtrigger.Update | pgtrigger.Delete,
                condition=pgtrigger.Q(old__frozen_at__isnull=False),
                func="""
                    RAISE EXCEPTION 'rubric is frozen: a batch uses it; make a new version'
                        USING ERRCODE = 'check_violation', CONSTRAINT = 'rubric_frozen_once_used';
                """,
            ),
        ]

    if TYPE_CHECKING:
        project_id: int
        axes: Any

    def __str__(self) -> str:
        return f"{self.name} v{self.number}"

    @property
    def guidelines(self) -> str:
        return in_readers_language(self.guidelines_ja, self.guidelines_en)


class AxisQuerySet(models.QuerySet["Axis"]):
    def with_points(self) -> Self:
        return self.order_by("position").prefetch_related("points")


class Axis(models.Model):
    """One question. `position` counts from 1 without gaps and is the index into `Assignment.codes`."""

    class Kind(models.TextChoices):
        ORDINAL = "ordinal", _("ordinal")
        NOMINAL = "nominal", _("nominal")
        BINARY = "binary", _("yes/no")

    rubric = models.ForeignKey(Rubric, models.CASCADE, related_name="axes")
    key = models.CharField(max_length=60)
    position = models.PositiveSmallIntegerField()
    label_ja = models.CharField(max_length=200, blank=True)
    label_en = models.CharField(max_length=200, blank=True)
    description_ja = models.TextField(blank=True)
    description_en = models.TextField(blank=True)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.ORDINAL)
    allow_na = models.BooleanField(default=True, help_text=_("Whether a rater may answer “cannot judge”."))

    objects = AxisQuerySet.as_manager()

    class Meta:
        ordering = ["rubric", "position"]
        constraints = [
            models.UniqueConstraint(fields=["rubric", "key"], name="axis_key_once_per_rubric"),
            models.UniqueConstraint(
                fields=["rubric", "position"],
                name="axis_position_once_per_rubric",
                deferrable=models.Deferrable.DEFERRED,
            ),
            models.CheckConstraint(condition=Q(position__gte=1), name="axis_position_from_one"),
            models.CheckConstraint(condition=~Q(label_ja="", label_en=""), name="axis_has_a_label"),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="frozen_axis_stays",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete,
                func=_frozen("CASE WHEN TG_OP = 'DELETE' THEN OLD.rubric_id ELSE NEW.rubric_id END"),
            ),
        ]

    if TYPE_CHECKING:
        rubric_id: int
        points: Any

    def __str__(self) -> str:
        return self.key

    @property
    def label(self) -> str:
        return in_readers_language(self.label_ja, self.label_en)

    @property
    def description(self) -> str:
        return in_readers_language(self.description_ja, self.description_en)


class Point(models.Model):
    """One value that an axis can take; `rank` counts from 1, the lowest value first."""

    axis = models.ForeignKey(Axis, models.CASCADE, related_name="points")
    value = models.FloatField()
    rank = models.PositiveSmallIntegerField()
    label_ja = models.CharField(max_length=200, blank=True)
    label_en = models.CharField(max_length=200, blank=True)
    description_ja = models.TextField(blank=True)
    description_en = models.TextField(blank=True)

    class Meta:
        ordering = ["axis", "rank"]
        constraints = [
            # Score (axis, value) is a foreign key to this: no score can be off its scale.
            models.UniqueConstraint(fields=["axis", "value"], name="point_value_once_per_axis"),
            models.UniqueConstraint(fields=["axis", "rank"], name="point_rank_once_per_axis"),
            models.CheckConstraint(condition=Q(rank__gte=1), name="point_rank_from_one"),
            # NaN is greater than every number in PostgreSQL, so this refuses it too.
            models.CheckConstraint(
                condition=Q(value__lt=1e15, value__gt=-1e15), name="point_value_is_a_number"
            ),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="frozen_point_stays",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete,
                func=_frozen(
                    "(SELECT rubric_id FROM projects_axis"
                    " WHERE id = CASE WHEN TG_OP = 'DELETE' THEN OLD.axis_id ELSE NEW.axis_id END)"
                ),
            ),
        ]

    if TYPE_CHECKING:
        axis_id: int

    def __str__(self) -> str:
        return self.shown

    @property
    def shown(self) -> str:
        """The value as a person writes it: 3, not 3.0."""
        return f"{self.value:g}"

    @property
    def label(self) -> str:
        return in_readers_language(self.label_ja, self.label_en)

    @property
    def description(self) -> str:
        return in_readers_language(self.description_ja, self.description_en)
