"""What was asked, what was answered, and what of it is rated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from django.contrib.auth.models import AnonymousUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from projects.models.people import User
from projects.models.project import Project


class PromptQuerySet(models.QuerySet["Prompt"]):
    def visible_to(self, user: User | AnonymousUser) -> Self:
        return self.filter(project__in=Project.objects.visible_to(user))


class Prompt(models.Model):
    """What was asked: turns of {"role": "user" | "assistant" | "system", "content": text}."""

    project = models.ForeignKey(Project, models.PROTECT, related_name="prompts")
    key = models.CharField(max_length=300, help_text=_("Its `prompt_id` in files."))
    turns = models.JSONField()
    source = models.CharField(max_length=200, blank=True)
    category = models.CharField(max_length=200, blank=True)
    tags = ArrayField(models.CharField(max_length=200), default=list, blank=True)
    reference = models.TextField(blank=True)
    checklist = models.JSONField(default=list, blank=True)
    options = models.JSONField(default=list, blank=True)
    answer = models.TextField(blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = PromptQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["project", "key"], name="prompt_key_once_per_project"),
            # What items point at, so that an item, its prompt and its project cannot disagree.
            models.UniqueConstraint(fields=["id", "project"], name="prompt_and_its_project"),
            models.CheckConstraint(condition=~Q(key=""), name="prompt_has_a_key"),
        ]

    if TYPE_CHECKING:
        project_id: int
        responses: Any

    def __str__(self) -> str:
        return self.key

    @property
    def user_turns(self) -> list[str]:
        """What the user said, turn by turn."""
        return [turn["content"] for turn in self.turns if turn["role"] == "user"]


class LanguageModel(models.Model):
    """A system whose responses are rated. Raters never learn which."""

    project = models.ForeignKey(Project, models.PROTECT, related_name="language_models")
    name = models.CharField(max_length=300)
    metadata = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="model_name_once_per_project"),
            models.CheckConstraint(condition=~Q(name=""), name="model_has_a_name"),
        ]

    if TYPE_CHECKING:
        project_id: int

    def __str__(self) -> str:
        return self.name


class ResponseQuerySet(models.QuerySet["Response"]):
    def visible_to(self, user: User | AnonymousUser) -> Self:
        return self.filter(prompt__project__in=Project.objects.visible_to(user))


class Response(models.Model):
    """What one model answered to one prompt, turn by turn, with how it was generated."""

    prompt = models.ForeignKey(Prompt, models.PROTECT, related_name="responses")
    model = models.ForeignKey(LanguageModel, models.PROTECT, related_name="responses")
    sample = models.PositiveIntegerField(default=0)
    turns = ArrayField(models.TextField())
    generation = models.JSONField(default=dict, blank=True)
    truncated = ArrayField(
        models.PositiveSmallIntegerField(),
        default=list,
        db_default=[],
        blank=True,
        help_text=_("Turns, from 1, that were cut off at their longest length."),
    )
    metadata = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ResponseQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["prompt", "model", "sample"], name="response_once_per_prompt_model_sample"
            ),
            models.UniqueConstraint(fields=["id", "prompt"], name="response_and_its_prompt"),
            models.CheckConstraint(condition=Q(turns__len__gte=1), name="response_has_a_turn"),
        ]

    if TYPE_CHECKING:
        prompt_id: int
        model_id: int

    def __str__(self) -> str:
        return f"{self.prompt_id}/{self.model_id}/{self.sample}"


class Item(models.Model):
    """What is rated in one sitting: a response at one turn, or a pair of responses at one turn."""

    # The database holds these together: (prompt, project), (response, prompt), (second response, prompt). Keys of their
    # own would be looked up again for each item, and say nothing more.
    project = models.ForeignKey(Project, models.PROTECT, related_name="items", db_constraint=False)
    prompt = models.ForeignKey(Prompt, models.PROTECT, related_name="items", db_constraint=False)
    response = models.ForeignKey(Response, models.PROTECT, related_name="items", db_constraint=False)
    turn = models.PositiveSmallIntegerField(default=1)
    second_response = models.ForeignKey(
        Response, models.PROTECT, related_name="items_as_second", null=True, blank=True, db_constraint=False
    )

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["response", "turn", "second_response"], name="item_once", nulls_distinct=False
            ),
            models.CheckConstraint(condition=Q(turn__gte=1), name="item_turn_from_one"),
            models.CheckConstraint(
                condition=Q(second_response=None) | ~Q(second_response=F("response")), name="item_pair_of_two"
            ),
        ]

    if TYPE_CHECKING:
        project_id: int
        prompt_id: int
        response_id: int
        second_response_id: int | None
        assignments: Any

    def __str__(self) -> str:
        return f"{self.response_id}@{self.turn}"
