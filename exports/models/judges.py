"""What automatic judges say of the responses that people rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import pgtrigger
from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from projects.models import Axis, Item, Project, Response, User

SHOWN_OF_A_HASH = 8


class JudgeRunQuerySet(models.QuerySet["JudgeRun"]):
    def visible_to(self, user: User | AnonymousUser) -> Self:
        """For coordinators and researchers of the project; raters work blind."""
        return self.filter(project__in=Project.objects.visible_to(user))


class JudgeRun(models.Model):
    """A judge with one prompt: what it says is comparable with itself.

    `prompt` is the prompt's template or the name of a preset, as the file said; its hash tells runs of one judge apart.
    """

    project = models.ForeignKey(Project, models.PROTECT, related_name="judge_runs")
    name = models.CharField(max_length=200, help_text=_("The judge’s name in files."))
    prompt = models.TextField(blank=True)
    prompt_sha256 = models.CharField(max_length=64, blank=True)
    version = models.JSONField(
        default=dict, blank=True, help_text=_("Revision, engine, parameters: what else there is to say.")
    )
    loaded_from = models.JSONField(default=list, blank=True, help_text=_("Names of the files."))
    created_by = models.ForeignKey(User, models.PROTECT, related_name="+", null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = JudgeRunQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "name", "prompt_sha256"], name="judge_run_once_per_prompt"
            ),
            models.CheckConstraint(condition=~Q(name=""), name="judge_run_has_a_name"),
            models.CheckConstraint(
                condition=Q(prompt="", prompt_sha256="")
                | ~Q(prompt="") & Q(prompt_sha256__regex="^[0-9a-f]{64}$"),
                name="judge_run_prompt_has_its_hash",
            ),
        ]
        triggers = [
            pgtrigger.ReadOnly(name="judge_run_stays", fields=["project", "name", "prompt", "prompt_sha256"])
        ]

    if TYPE_CHECKING:
        project_id: int
        scores: Any

    def __str__(self) -> str:
        """The judge's name; with the first digits of the prompt's hash, which tell its runs apart."""
        return f"{self.name}@{self.prompt_sha256[:SHOWN_OF_A_HASH]}" if self.prompt_sha256 else self.name


class Failure(models.TextChoices):
    """Why a judge was asked and there is no score."""

    API_ERROR = "api_error", _("no answer came")
    UNPARSED = "unparsed", _("no score was found in the answer")
    REFUSED = "refused", _("the judge refused")


class JudgeScore(models.Model):
    """What a judge gave on one axis, or how it failed: never both, never neither, never out of the axis's range.

    Unlike people, a judge may give what is no point of the axis, such as the mean of its own probabilities. Asking it
    again makes another repeat; all of them are kept.
    """

    run = models.ForeignKey(JudgeRun, models.PROTECT, related_name="scores", db_index=False)
    item = models.ForeignKey(Item, models.PROTECT, related_name="judge_scores")
    axis = models.ForeignKey(Axis, models.PROTECT, related_name="judge_scores", db_index=False)
    repeat = models.PositiveIntegerField(default=1)
    value = models.FloatField(null=True, blank=True)
    failure = models.CharField(max_length=10, choices=Failure, null=True, blank=True)  # noqa: DJ001
    reason = models.TextField(blank=True, help_text=_("What the judge said for it."))
    response_sha256 = models.CharField(
        max_length=64, blank=True, help_text=_("Of the text that the judge saw, where the file says so.")
    )

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["run", "item", "axis", "repeat"], name="judge_score_once_per_repeat"
            ),
            models.CheckConstraint(
                condition=Q(value__isnull=False, failure=None) | Q(value=None, failure__isnull=False),
                name="judge_score_given_or_failed",
            ),
            models.CheckConstraint(
                condition=Q(failure=None) | Q(failure__in=Failure.values),
                name="judge_score_failure_is_known",
            ),
            # NaN is greater than every number in PostgreSQL, so this refuses it too.
            models.CheckConstraint(
                condition=Q(value=None) | Q(value__lt=1e15, value__gt=-1e15), name="judge_score_is_a_number"
            ),
            models.CheckConstraint(
                condition=Q(response_sha256="") | Q(response_sha256__regex="^[0-9a-f]{64}$"),
                name="judge_score_hash_is_a_hash",
            ),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="judge_score_on_its_axis",
                when=pgtrigger.After,
                level=pgtrigger.Statement,
                operation=pgtrigger.Insert,
                referencing=pgtrigger.Referencing(new="new_scores"),
                func="""
                    IF EXISTS (
                        SELECT FROM new_scores s
                        JOIN exports_judgerun j ON j.id = s.run_id
                        JOIN projects_item i ON i.id = s.item_id
                        JOIN projects_axis x ON x.id = s.axis_id
                        JOIN projects_rubric r ON r.id = x.rubric_id
                        WHERE i.project_id <> j.project_id OR r.project_id <> j.project_id
                    ) THEN
                        RAISE EXCEPTION 'a judge scores items of its project, on axes of its project'
                            USING ERRCODE = 'check_violation', CONSTRAINT = 'judge_score_within_one_project';
                    END IF;
                    IF EXISTS (
                        SELECT FROM (
                            SELECT axis_id, min(value) AS low, max(value) AS high FROM new_scores GROUP BY axis_id
                        ) s
                        WHERE s.low < (SELECT min(p.value) FROM projects_point p WHERE p.axis_id = s.axis_id)
                            OR s.high > (SELECT max(p.value) FROM projects_point p WHERE p.axis_id = s.axis_id)
                    ) THEN
                        RAISE EXCEPTION 'a judge''s score lies between the first and the last point of its axis'
                            USING ERRCODE = 'check_violation', CONSTRAINT = 'judge_score_within_its_axis';
                    END IF;
                    UPDATE projects_rubric SET frozen_at = now() WHERE frozen_at IS NULL AND id IN (
                        SELECT x.rubric_id FROM projects_axis x
                        WHERE x.id IN (SELECT DISTINCT axis_id FROM new_scores)
                    );
                    RETURN NULL;
                """,
            ),
            pgtrigger.Protect(name="judge_score_stays", operation=pgtrigger.Update),
        ]

    if TYPE_CHECKING:
        run_id: int
        item_id: int
        axis_id: int

    def __str__(self) -> str:
        return f"{self.run_id}: {self.item_id}/{self.axis_id}/{self.repeat}"


class JudgeVerdict(models.Model):
    """Which of two responses to one prompt a judge found the better, or how it failed.

    `first` is the one that the judge was shown first: the same pair in the other order is another row. Where a prompt has
    several turns, both are judged at `turn`.
    """

    run = models.ForeignKey(JudgeRun, models.PROTECT, related_name="verdicts", db_index=False)
    first = models.ForeignKey(Response, models.PROTECT, related_name="verdicts_as_first")
    second = models.ForeignKey(Response, models.PROTECT, related_name="verdicts_as_second")
    turn = models.PositiveSmallIntegerField(default=1)
    axis = models.CharField(
        max_length=200, blank=True, help_text=_("What they were compared in, where the judge says so.")
    )
    repeat = models.PositiveIntegerField(default=1)
    value = models.FloatField(
        null=True,
        blank=True,
        help_text=_(
            "1: the first is better; 0: neither; -1: the second is. Between: the judge is less sure."
        ),
    )
    verdict = models.CharField(max_length=20, blank=True, help_text=_("As the judge said it."))
    failure = models.CharField(max_length=10, choices=Failure, null=True, blank=True)  # noqa: DJ001
    reason = models.TextField(blank=True, help_text=_("What the judge said for it."))

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["run", "first", "second", "turn", "axis", "repeat"],
                name="judge_verdict_once_per_repeat",
            ),
            models.CheckConstraint(condition=~Q(first=F("second")), name="judge_verdict_on_two"),
            models.CheckConstraint(condition=Q(turn__gte=1), name="judge_verdict_turn_from_one"),
            models.CheckConstraint(
                condition=Q(value__isnull=False, failure=None) | Q(value=None, failure__isnull=False),
                name="judge_verdict_given_or_failed",
            ),
            models.CheckConstraint(
                condition=Q(failure=None) | Q(failure__in=Failure.values),
                name="judge_verdict_failure_is_known",
            ),
            models.CheckConstraint(
                condition=Q(value=None) | Q(value__gte=-1, value__lte=1), name="judge_verdict_within_one"
            ),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="judge_verdict_on_one_prompt",
                when=pgtrigger.After,
                level=pgtrigger.Statement,
                operation=pgtrigger.Insert,
                referencing=pgtrigger.Referencing(new="new_verdicts"),
                func="""
                    IF EXISTS (
                        SELECT FROM new_verdicts v
                        JOIN exports_judgerun j ON j.id = v.run_id
                        JOIN projects_response f ON f.id = v.first_id
                        JOIN projects_response s ON s.id = v.second_id
                        JOIN projects_prompt p ON p.id = f.prompt_id
                        WHERE f.prompt_id <> s.prompt_id OR p.project_id <> j.project_id
                    ) THEN
                        RAISE EXCEPTION 'a verdict is on two responses to one prompt of the judge''s project'
                            USING ERRCODE = 'check_violation', CONSTRAINT = 'judge_verdict_on_one_prompt';
                    END IF;
                    RETURN NULL;
                """,
            ),
            pgtrigger.Protect(name="judge_verdict_stays", operation=pgtrigger.Update),
        ]

    if TYPE_CHECKING:
        run_id: int
        first_id: int
        second_id: int

    def __str__(self) -> str:
        return f"{self.run_id}: {self.first_id}/{self.second_id}@{self.turn}/{self.repeat}"
