from __future__ import annotations

from typing import Any

from allauth.account.decorators import reauthentication_required
from allauth.account.views import PasswordResetView
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views import i18n
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from projects.access import Request
from projects.accounts import AlreadyMember, InvitationNotUsable, accept, invitation_for
from projects.accounts.forms import EmailForm, NewAccountForm, PreferencesForm
from projects.models import User

BACKEND = settings.AUTHENTICATION_BACKENDS[0]


@login_not_required
@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Somebody holds an invitation link: let them join, with the account they have or a new one."""
    try:
        found = invitation_for(token)
        context: dict[str, Any] = {"invitation": found, "invited_to": found.project}
        if isinstance(request.user, User):
            if request.method == "POST":
                return _join(request, token, request.user)
            return render(request, "account/invitation.html", context)
        form = NewAccountForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            with transaction.atomic():  # no account is left behind if the link was used a moment ago
                user = form.save()
                accept(token=token, user=user)
            login(request, user, backend=BACKEND)
            return redirect(settings.LOGIN_REDIRECT_URL)
        status = 422 if request.method == "POST" else 200
        return render(request, "account/invitation.html", context | {"form": form}, status=status)
    except InvitationNotUsable as error:
        return render(request, "account/invitation_not_usable.html", {"reason": error.reason}, status=410)


def _join(request: HttpRequest, token: str, user: User) -> HttpResponse:
    try:
        member = accept(token=token, user=user)
    except AlreadyMember:
        messages.info(request, _("You are a member of this project already."))
    else:
        messages.success(
            request, _("Welcome. In this project you are known as {name}.").format(name=member.pseudonym)
        )
    return redirect(settings.LOGIN_REDIRECT_URL)


@require_http_methods(["GET", "POST"])
def preferences(request: Request) -> HttpResponse:
    """The reader's own language and colours, and the way to password and two-step login."""
    form = PreferencesForm(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        user = form.save()
        response = redirect("account_preferences")
        _set_cookie(response, settings.LANGUAGE_COOKIE_NAME, user.language)
        _set_cookie(response, "theme", user.theme)
        return response
    status = 422 if request.method == "POST" else 200
    return render(request, "account/preferences.html", {"form": form}, status=status)


@reauthentication_required  # type: ignore[untyped-decorator]
@require_http_methods(["GET", "POST"])
def email(request: Request) -> HttpResponse:
    """The address for password links; a password is asked for first, because the address can change it."""
    form = EmailForm(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("Your address was saved."))
        return redirect("account_preferences")
    status = 422 if request.method == "POST" else 200
    return render(request, "account/email.html", {"form": form}, status=status)


@login_not_required
def reset_password(request: HttpRequest) -> HttpResponse:
    """Send a link by mail; where no mail is sent, say who can give one."""
    if not settings.EMAIL:
        return render(request, "account/password_reset.html", {"mail_is_sent": False})
    response: HttpResponse = PasswordResetView.as_view(extra_context={"mail_is_sent": True})(request)
    return response


@login_not_required
@require_POST
def set_language(request: HttpRequest) -> HttpResponse:
    """The button on every page: kept in a cookie, and with the account of whoever is logged in."""
    language = request.POST.get("language", "")
    if isinstance(request.user, User) and language in dict(settings.LANGUAGES):
        User.objects.filter(pk=request.user.pk).update(language=language)
    return i18n.set_language(request)


def _set_cookie(response: HttpResponse, name: str, value: str) -> None:
    if value:
        # app.js reads and writes the theme, so it cannot be HttpOnly; neither cookie is a secret
        response.set_cookie(name, value, max_age=365 * 24 * 60 * 60, secure=settings.HTTPS, samesite="Lax")
    else:
        response.delete_cookie(name)
