"""Files that somebody uploaded to be loaded, and how far that is."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from projects.models.people import User
from projects.models.project import Project

#: Whoever carries it out says so every second; after so long without a word they are gone.
SILENCE = timedelta(seconds=60)


class LoadRunQuerySet(models.QuerySet["LoadRun"]):
    def visible_to(self, user: User | AnonymousUser) -> Self:
        return self.filter(project__in=Project.objects.visible_to(user))


class LoadRun(models.Model):
    """One upload on its way: looked at, checked, loaded; each step begins when somebody asks for it."""

    class State(models.TextChoices):
        NEW = "new", _("uploaded")
        QUEUED = "queued", _("waiting")
        RUNNING = "running", _("under way")
        CHECKED = "checked", _("checked")
        REFUSED = "refused", _("refused")
        STOPPED = "stopped", _("stopped")
        FAILED = "failed", _("failed")
        DONE = "done", _("loaded")

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    project = models.ForeignKey(Project, models.CASCADE, related_name="load_runs")
    created_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    files = models.JSONField(
        default=list, help_text=_("Names, sizes, and under which name each lies in the folder.")
    )
    options = models.JSONField(default=dict, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.NEW)
    is_dry_run = models.BooleanField(default=True)
    stop_wanted = models.BooleanField(default=False)
    done = models.BigIntegerField(default=0)
    whole = models.BigIntegerField(default=0)
    doing = models.CharField(max_length=40, blank=True)
    queued_at = models.DateTimeField(null=True, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    report = models.JSONField(null=True, blank=True)

    objects = LoadRunQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]

    if TYPE_CHECKING:
        project_id: int
        created_by_id: int

    def __str__(self) -> str:
        return ", ".join(file["name"] for file in self.files)

    @property
    def size(self) -> int:
        return sum(file["size"] for file in self.files)

    @property
    def is_waiting(self) -> bool:
        """Whether its turn has not come yet."""
        return self.state == self.State.QUEUED

    @property
    def is_lost(self) -> bool:
        """Whether whoever carried it out went away in the middle: then nothing was loaded, or all of it."""
        return self.state == self.State.RUNNING and (
            self.seen_at is None or self.seen_at < timezone.now() - SILENCE
        )

    @property
    def is_under_way(self) -> bool:
        return self.is_waiting or (self.state == self.State.RUNNING and not self.is_lost)

    @property
    def waits_long(self) -> bool:
        """Whether it waits longer than a worker that is there would need."""
        long_ago = timezone.now() - timedelta(seconds=20)
        return self.is_waiting and self.queued_at is not None and self.queued_at < long_ago

    @property
    def may_begin(self) -> bool:
        """Whether it can be checked or loaded now."""
        return not self.is_under_way and self.state != self.State.DONE
