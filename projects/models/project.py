"""One study."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import Q
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from projects.models.people import User


class ProjectQuerySet(models.QuerySet["Project"]):
    def of(self, user: User | AnonymousUser) -> Self:
        """Projects that `user` is an active member of, in whatever role."""
        return self.filter(members__user=user.pk, members__active=True).distinct()

    def run_by(self, user: User | AnonymousUser) -> Self:
        """Projects that `user` coordinates."""
        return self.filter(
            members__user=user.pk, members__active=True, members__is_coordinator=True
        ).distinct()

    def visible_to(self, user: User | AnonymousUser) -> Self:
        """Projects whose data (models, all scores) `user` may see: coordinators and researchers of them."""
        return self.filter(
            Q(members__is_coordinator=True) | Q(members__is_researcher=True),
            members__user=user.pk,
            members__active=True,
        ).distinct()


class Project(models.Model):
    """One study: its prompts, models, axes, people and batches."""

    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=200)
    name_ja = models.CharField(max_length=200, blank=True)
    is_simulated = models.BooleanField(
        default=False, help_text=_("Its ratings were made by a program, and every page of it says so.")
    )
    raters_see_reference = models.BooleanField(default=False)
    raters_see_checklist = models.BooleanField(default=False)
    people_so_far = models.PositiveIntegerField(
        default=0, editable=False, help_text=_("The number of the last pseudonym given out; never goes down.")
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ProjectQuerySet.as_manager()

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.title

    @property
    def title(self) -> str:
        """The name in the reader's language."""
        return self.name_ja if self.name_ja and get_language() == "ja" else self.name

    def current_rubric(self) -> Any:
        """The newest rubric version, or None in a project that has none yet."""
        return self.rubrics.order_by("-number").first()
