"""Making, recognising and revoking access tokens."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from exports.models import AccessToken
from projects.models import User

PREFIX = "hyotei_"  # so that a scanner for leaked secrets can tell what it found
MOST = 20
#: `last_used_at` is written no oftener: a request of the API shall not cost a write.
_NOTED_EVERY = timedelta(hours=1)


class NameTaken(Exception):
    """The person has a token of that name."""


class TooManyTokens(Exception):
    """The person has as many tokens as anybody may."""


def digest_of(token: str) -> str:
    """A plain hash is enough: a token is 256 random bits, and nobody guesses those."""
    return hashlib.sha256(token.encode()).hexdigest()


@transaction.atomic
def make_token(*, user: User, name: str) -> str:
    """A new token, which nobody can read again."""
    User.objects.select_for_update().get(pk=user.pk)
    names = set(AccessToken.objects.filter(user=user).values_list("name", flat=True))
    if name in names:
        raise NameTaken
    if len(names) >= MOST:
        raise TooManyTokens
    token = PREFIX + secrets.token_urlsafe(32)
    AccessToken.objects.create(user=user, name=name, digest=digest_of(token))
    return token


def owner_of(token: str) -> AccessToken | None:
    """The token with its owner, if it is one and the owner may log in."""
    found = (
        AccessToken.objects.select_related("user")
        .filter(digest=digest_of(token), user__is_active=True)
        .first()
    )
    if found:
        _note_use(found)
    return found


def _note_use(token: AccessToken) -> None:
    now = timezone.now()
    if token.last_used_at is None or token.last_used_at < now - _NOTED_EVERY:
        before = Q(last_used_at=None) | Q(last_used_at__lt=now - _NOTED_EVERY)
        AccessToken.objects.filter(before, pk=token.pk).update(last_used_at=now)
