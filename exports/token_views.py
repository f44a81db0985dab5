"""A person's own tokens, and how to use the API with them."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from exports.forms import TokenForm
from exports.models import AccessToken
from exports.tokens import NameTaken, TooManyTokens, make_token
from projects.access import Request


@never_cache  # a new token is shown once, and in nobody's history
@require_http_methods(["GET", "HEAD", "POST"])
def tokens(request: Request) -> HttpResponse:
    """One's tokens; a new one is shown in the answer to making it."""
    form = TokenForm(request.POST or None)
    made = ""
    if request.method == "POST" and form.is_valid():
        try:
            made = make_token(user=request.user, name=form.cleaned_data["name"])
        except NameTaken:
            form.add_error("name", _("You have a token of that name."))
        except TooManyTokens:
            form.add_error(None, _("You have many tokens already. Revoke one that you do not use."))
    context = {
        "form": TokenForm() if made else form,
        "made": made,
        "tokens": AccessToken.objects.filter(user=request.user),
        "api": request.build_absolute_uri("/api/"),
    }
    return render(request, "exports/tokens.html", context, status=422 if form.errors else 200)


@require_POST
def revoke(request: Request, pk: int) -> HttpResponse:
    """From now on the token opens nothing."""
    token = get_object_or_404(AccessToken.objects.filter(user=request.user), pk=pk)
    token.delete()
    messages.success(request, _("The token “%(name)s” was revoked.") % {"name": token.name})
    return redirect("exports:tokens")


@require_GET
def api_docs(request: Request) -> HttpResponse:
    """Every address of the API, to read and to try."""
    return render(request, "exports/api_docs.html")
