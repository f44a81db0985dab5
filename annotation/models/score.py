"""What raters say."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Self

import pghistory
import pgtrigger
from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from annotation.models.assignment import Assignment
from projects.models import Axis, Member, Project, User


class NAReason(models.TextChoices):
    """Why somebody could not judge."""

    NOT_APPLICABLE = "not_applicable", _("the question does not apply here")
    NO_KNOWLEDGE = "no_knowledge", _("I do not know enough about the subject")
    UNREADABLE = "unreadable", _("the response is empty, broken or in another language")
    UNSURE = "unsure", _("I cannot decide")
    UNSPECIFIED = "unspecified", _("not said")


class ScoreQuerySet(models.QuerySet["Score"]):
    def visible_to(self, user: User | AnonymousUser) -> Self:
        """Everybody's scores, for coordinators and researchers of the project."""
        return self.filter(assignment__batch__project__in=Project.objects.visible_to(user))


_CODES = """
    WITH touched AS (SELECT DISTINCT assignment_id AS id FROM {rows}),
    coded AS (
        SELECT t.id, array_agg(
            CASE WHEN s.id IS NULL THEN 0 WHEN s.value IS NULL THEN -1 ELSE p.rank END ORDER BY x.position
        )::smallint[] AS codes
        FROM touched t
        JOIN annotation_assignment a ON a.id = t.id
        JOIN annotation_batch b ON b.id = a.batch_id
        JOIN projects_axis x ON x.rubric_id = b.rubric_id
        LEFT JOIN annotation_score s ON s.assignment_id = t.id AND s.axis_id = x.id
        LEFT JOIN projects_point p ON p.axis_id = x.id AND p.value = s.value
        GROUP BY t.id
    )
    UPDATE annotation_assignment a SET codes = coded.codes FROM coded
    WHERE a.id = coded.id AND a.codes <> coded.codes;
    RETURN NULL;
"""


@pghistory.track(
    pghistory.UpdateEvent("changed", row=pghistory.Old),
    pghistory.DeleteEvent("removed", row=pghistory.Old),
    model_name="ScoreHistory",
    append_only=True,
)
class Score(models.Model):
    """A value on one axis, or a typed "cannot judge": never both, never neither, never off the scale.

    (axis, value) is a foreign key to Point, which the migration adds: Django cannot say it here.
    """

    assignment = models.ForeignKey(Assignment, models.PROTECT, related_name="scores", db_index=False)
    axis = models.ForeignKey(Axis, models.PROTECT, related_name="scores", db_index=False)
    value = models.FloatField(null=True, blank=True)
    na_reason = models.CharField(max_length=20, choices=NAReason, null=True, blank=True)  # noqa: DJ001

    objects = ScoreQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["assignment", "axis"], name="score_once_per_axis"),
            models.CheckConstraint(
                condition=Q(value__isnull=False, na_reason=None) | Q(value=None, na_reason__isnull=False),
                name="score_given_or_cannot_judge",
                violation_error_message=_("Give a score, or say that you cannot judge."),
            ),
            models.CheckConstraint(
                condition=Q(na_reason=None) | Q(na_reason__in=NAReason.values),
                name="score_na_reason_is_known",
            ),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="score_on_its_rubric",
                when=pgtrigger.After,
                level=pgtrigger.Statement,
                operation=pgtrigger.Insert,
                referencing=pgtrigger.Referencing(new="new_scores"),
                func="""
                    IF EXISTS (
                        SELECT FROM new_scores s
                        JOIN projects_axis x ON x.id = s.axis_id
                        JOIN annotation_assignment a ON a.id = s.assignment_id
                        JOIN annotation_batch b ON b.id = a.batch_id
                        WHERE x.rubric_id <> b.rubric_id OR a.state <> 'submitted'
                            OR s.value IS NULL AND NOT x.allow_na AND a.origin = 'here'
                    ) THEN
                        RAISE EXCEPTION 'a score is on an axis of its batch, of a submitted rating, and "cannot judge" only where allowed'
                            USING ERRCODE = 'check_violation', CONSTRAINT = 'score_on_its_rubric';
                    END IF;
                    RETURN NULL;
                """,
            ),
            # Alphabetical order is firing order: codes are written after the checks above.
            pgtrigger.Trigger(
                name="z_codes_after_insert",
                when=pgtrigger.After,
                level=pgtrigger.Statement,
                operation=pgtrigger.Insert,
                referencing=pgtrigger.Referencing(new="new_scores"),
                func=_CODES.format(rows="new_scores"),
            ),
            pgtrigger.Trigger(
                name="z_codes_after_update",
                when=pgtrigger.After,
                level=pgtrigger.Statement,
                operation=pgtrigger.Update,
                referencing=pgtrigger.Referencing(new="new_scores"),
                func=_CODES.format(rows="new_scores"),
            ),
            pgtrigger.Trigger(
                name="z_codes_after_delete",
                when=pgtrigger.After,
                level=pgtrigger.Statement,
                operation=pgtrigger.Delete,
                referencing=pgtrigger.Referencing(old="old_scores"),
                func=_CODES.format(rows="old_scores"),
            ),
            pgtrigger.Trigger(
                name="score_stays_once_closed",
                when=pgtrigger.Before,
                operation=pgtrigger.Update | pgtrigger.Delete,
                func="""
                    IF TG_OP = 'UPDATE' AND (OLD.assignment_id, OLD.axis_id) <> (NEW.assignment_id, NEW.axis_id) THEN
                        RAISE EXCEPTION 'a score stays on its axis and its rating'
                            USING ERRCODE = 'check_violation', CONSTRAINT = 'score_stays_where_it_is';
                    END IF;
                    IF EXISTS (
                        SELECT FROM annotation_assignment a JOIN annotation_batch b ON b.id = a.batch_id
                        JOIN projects_axis x ON x.id = OLD.axis_id
                        WHERE a.id = OLD.assignment_id AND (b.state = 'closed'
                            OR TG_OP = 'UPDATE' AND NEW.value IS NULL AND NOT x.allow_na)
                    ) THEN
                        RAISE EXCEPTION 'scores of a closed batch stay, and "cannot judge" is given only where allowed'
                            USING ERRCODE = 'check_violation', CONSTRAINT = 'score_stays_once_closed';
                    END IF;
                    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
                    RETURN NEW;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.assignment_id}/{self.axis_id}"

    if TYPE_CHECKING:
        assignment_id: int
        axis_id: int


ScoreHistory = Score.pgh_event_model  # type: ignore[attr-defined]


class Submission(models.Model):
    """One press of the button, named by an id that the page made; sending it again writes nothing.

    It keeps what was typed, whatever became of it.
    """

    class Outcome(models.TextChoices):
        KEPT = "kept", _("kept")
        LATE = "late", _("kept, after the lease")
        SURPLUS = "surplus", _("kept as a surplus rating")
        CHANGED = "changed", _("changed an earlier rating")
        SET_ASIDE = "set_aside", _("set aside: already rated")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    assignment = models.ForeignKey(Assignment, models.PROTECT, related_name="submissions", db_index=False)
    rater = models.ForeignKey(Member, models.PROTECT, related_name="submissions", db_index=False)
    outcome = models.CharField(max_length=10, choices=Outcome)
    payload = models.JSONField(default=dict)
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        triggers = [pgtrigger.Protect(name="submission_stays", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return str(self.id)

    if TYPE_CHECKING:
        assignment_id: int
        rater_id: int
