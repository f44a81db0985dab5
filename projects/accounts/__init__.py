"""How people come to an account and into a project: by invitation, and in no other way.

`invite` makes a link, `accept` uses it. The link itself is shown once, when it is made: only its hash is kept.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from projects.models import Invitation, Member, Project, User

VALID_FOR = timedelta(days=14)


class InvitationNotUsable(Exception):
    """The link opens nothing (any more); `reason` can be shown to whoever holds it."""

    def __init__(self, reason: str | Promise) -> None:
        super().__init__(str(reason))
        self.reason = reason


class AlreadyMember(Exception):
    """The person has a place in the project already; the invitation stays good for somebody else."""


def invite(
    *,
    project: Project,
    by: User,
    label: str,
    is_rater: bool = True,
    is_coordinator: bool = False,
    is_researcher: bool = False,
    group: str = "",
    valid_for: timedelta = VALID_FOR,
) -> tuple[Invitation, str]:
    """Make an invitation. Answers it and its token, which is nowhere kept: show `link(token, …)` now or never."""
    token = secrets.token_urlsafe(24)
    invitation = Invitation.objects.create(
        project=project,
        label=label,
        is_rater=is_rater,
        is_coordinator=is_coordinator,
        is_researcher=is_researcher,
        group=group,
        token_hash=_hash(token),
        created_by=by,
        expires_at=timezone.now() + valid_for,
    )
    return invitation, token


def link(token: str, *, request: HttpRequest) -> str:
    """The address to send to the person."""
    return request.build_absolute_uri(reverse("account_invitation", args=[token]))


def revoke(*, invitation: Invitation) -> bool:
    """Make the link useless; false if it was used or revoked before."""
    still_open = Invitation.objects.filter(pk=invitation.pk, member=None, revoked_at=None)
    return bool(still_open.update(revoked_at=timezone.now()))


def invitation_for(token: str) -> Invitation:
    """The invitation that the link was made for; raises InvitationNotUsable with the reason."""
    return _usable(Invitation.objects.select_related("project"), token)


@transaction.atomic
def accept(*, token: str, user: User) -> Member:
    """Make `user` a member as the invitation says. A link works once: two who use it at once queue up here.

    Whoever took part before comes back under the pseudonym they had, with the roles of the invitation.
    """
    invitation = _usable(Invitation.objects.select_related("project").select_for_update(of=("self",)), token)
    project = Project.objects.select_for_update(no_key=True).get(pk=invitation.project_id)
    terms = {
        "is_rater": invitation.is_rater,
        "is_coordinator": invitation.is_coordinator,
        "is_researcher": invitation.is_researcher,
        "group": invitation.group,
    }
    member = Member.objects.filter(project=project, user=user).first()
    if member is None:
        member = Member.objects.create(project=project, user=user, pseudonym=next_pseudonym(project), **terms)
    elif member.active:
        raise AlreadyMember
    else:
        Member.objects.filter(pk=member.pk).update(active=True, **terms)
        member.refresh_from_db()
    invitation.member = member
    invitation.save(update_fields=["member"])
    return member


@transaction.atomic
def next_pseudonym(project: Project) -> str:
    """R001, R002 and so on: each is given out once, also when two people join at once (the project is locked)."""
    Project.objects.filter(pk=project.pk).update(people_so_far=F("people_so_far") + 1)
    project.refresh_from_db(fields=["people_so_far"])
    return f"R{project.people_so_far:03}"


def may_reset_password(*, user: User, by: User) -> bool:
    """Whether `by` coordinates every project that `user` is in: whoever sets a password can log in with it."""
    if not user.is_active or user.is_staff or user.is_superuser or user == by:
        return False
    theirs = Project.objects.filter(members__user=user)
    return theirs.exists() and not theirs.exclude(pk__in=Project.objects.run_by(by)).exists()


def password_link(*, user: User, by: User, request: HttpRequest) -> str:
    """An address by which `user` chooses a new password, once, within three days; where no mail is sent."""
    if not may_reset_password(user=user, by=by):
        raise PermissionDenied
    parts = {"uidb36": user_pk_to_url_str(user), "key": default_token_generator.make_token(user)}
    return request.build_absolute_uri(reverse("account_reset_password_from_key", kwargs=parts))


def _usable(invitations: QuerySet[Invitation], token: str) -> Invitation:
    try:
        invitation = invitations.get(token_hash=_hash(token))
    except Invitation.DoesNotExist:
        raise InvitationNotUsable(_("This link is not known here. Was all of it copied?")) from None
    if invitation.member_id is not None:
        raise InvitationNotUsable(_("This invitation has been used."))
    if invitation.revoked_at is not None:
        raise InvitationNotUsable(_("This invitation was withdrawn."))
    if invitation.expires_at <= timezone.now():
        raise InvitationNotUsable(_("This invitation has expired."))
    return invitation


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
