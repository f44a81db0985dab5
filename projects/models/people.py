"""Who takes part, and under which name their work is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import pgtrigger
from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from projects.models.project import Project


class User(AbstractUser):
    """An account. What somebody may do is said by their memberships, not here."""

    class Theme(models.TextChoices):
        SYSTEM = "", _("as the system")
        LIGHT = "light", _("light")
        DARK = "dark", _("dark")

    language = models.CharField(max_length=2, blank=True, choices=[("ja", "日本語"), ("en", "English")])
    theme = models.CharField(max_length=5, blank=True, choices=Theme)

    if TYPE_CHECKING:
        memberships: Any


class MemberQuerySet(models.QuerySet["Member"]):
    def active(self) -> Self:
        return self.filter(active=True)

    def raters(self) -> Self:
        return self.filter(active=True, is_rater=True)

    def persons(self) -> Self:
        """Members that stand for one person each; anonymous positions do not."""
        return self.exclude(kind=Member.Kind.POSITION)

    def belonging_to(self, user: User | AnonymousUser) -> Self:
        return self.filter(user=user.pk, active=True)


class Member(models.Model):
    """One person in one project, known there by a pseudonym that never changes.

    An imported file may name raters who have no login, or only positions in a list that stand for nobody
    in particular (`kind`); what needs to know a person must refuse positions.
    """

    class Kind(models.TextChoices):
        PERSON = "person", _("person")
        POSITION = "position", _("anonymous position")
        SIMULATED = "simulated", _("simulated")

    project = models.ForeignKey(Project, models.PROTECT, related_name="members")
    user = models.ForeignKey(User, models.PROTECT, related_name="memberships", null=True, blank=True)
    pseudonym = models.CharField(max_length=20)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.PERSON)
    is_rater = models.BooleanField(default=False)
    is_coordinator = models.BooleanField(default=False)
    is_researcher = models.BooleanField(default=False)
    external_name = models.CharField(
        max_length=200,
        blank=True,
        help_text=_("The name in a file that was loaded; never leaves the project."),
    )
    group = models.CharField(
        max_length=60, blank=True, help_text=_("Such as “students”; batches can be given to a group.")
    )
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = MemberQuerySet.as_manager()

    class Meta:
        ordering = ["pseudonym"]
        constraints = [
            models.UniqueConstraint(fields=["project", "user"], name="member_once_per_project"),
            models.UniqueConstraint(
                fields=["project", "pseudonym"], name="member_pseudonym_once_per_project"
            ),
            models.UniqueConstraint(
                fields=["project", "external_name"],
                condition=~Q(external_name=""),
                name="member_external_name_once_per_project",
            ),
            models.CheckConstraint(
                condition=Q(is_rater=True) | Q(is_coordinator=True) | Q(is_researcher=True),
                name="member_has_a_role",
                violation_error_message=_("Give at least one role."),
            ),
            models.CheckConstraint(
                condition=~Q(kind="position") | Q(user=None, is_coordinator=False, is_researcher=False),
                name="member_position_is_nobody",
            ),
            models.CheckConstraint(condition=~Q(pseudonym=""), name="member_has_a_pseudonym"),
        ]
        triggers = [
            pgtrigger.ReadOnly(name="pseudonym_stays", fields=["project", "pseudonym", "kind"]),
        ]

    if TYPE_CHECKING:
        project_id: int
        user_id: int | None
        assignments: Any

    def __str__(self) -> str:
        return self.pseudonym

    @property
    def may_see_data(self) -> bool:
        """Whether models and everybody's scores may be shown."""
        return self.is_coordinator or self.is_researcher


class Invitation(models.Model):
    """A link that makes one person a member, once."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="invitations")
    label = models.CharField(max_length=200, help_text=_("Whom it is for: a name or a mail address."))
    is_rater = models.BooleanField(default=True)
    is_coordinator = models.BooleanField(default=False)
    is_researcher = models.BooleanField(default=False)
    group = models.CharField(max_length=60, blank=True)
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    created_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    member = models.ForeignKey(
        Member,
        models.PROTECT,
        related_name="invitations",
        null=True,
        blank=True,
        help_text=_("Who used it. Somebody who left may be invited again."),
    )

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(is_rater=True) | Q(is_coordinator=True) | Q(is_researcher=True),
                name="invitation_has_a_role",
                violation_error_message=_("Give at least one role."),
            ),
        ]

    if TYPE_CHECKING:
        project_id: int

    def __str__(self) -> str:
        return self.label
