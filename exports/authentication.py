"""Who asks through the API: a token in the header, or the session of a browser."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from exports.models import AccessToken
from exports.tokens import owner_of
from projects.models import User


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer hyotei_…`"""

    def authenticate(self, request: Request) -> tuple[User, AccessToken] | None:
        scheme, _space, given = get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        token = owner_of(given.strip().decode("ascii", "replace"))
        if token is None:
            raise AuthenticationFailed(_("There is no such token, or it was revoked."))
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="Hyotei"'


class _TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = TokenAuthentication
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "A token from your settings."}
