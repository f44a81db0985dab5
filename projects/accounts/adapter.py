from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.http import HttpRequest


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # django-allauth has no types
    """What we want otherwise than django-allauth."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False  # people come by invitation

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        if settings.EMAIL:
            super().send_mail(template_prefix, email, context)
