"""Who may open a page of a project. Whoever may not is told that there is no such page."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, cast

from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django_htmx.middleware import HtmxDetails

from projects.models import Member, User

P = ParamSpec("P")


class Request(HttpRequest):
    """A request of somebody who is logged in, as LoginRequiredMiddleware lets through."""

    user: User
    htmx: HtmxDetails


MemberView = Callable[Concatenate[Request, Member, P], HttpResponseBase]
ProjectView = Callable[Concatenate[Request, str, P], HttpResponseBase]


def _for_members(allowed: Q) -> Callable[[MemberView[P]], ProjectView[P]]:
    def decorate(view: MemberView[P]) -> ProjectView[P]:
        @never_cache  # a shared computer's back button shows nothing to the next person
        @wraps(view)
        def wrapped(
            request: Request, project_slug: str, *args: P.args, **kwargs: P.kwargs
        ) -> HttpResponseBase:
            if any("\0" in part for part in kwargs.values() if isinstance(part, str)):
                raise Http404  # PostgreSQL has no such text
            mine = Member.objects.filter(user=request.user.pk).select_related("project")
            member = get_object_or_404(mine.filter(allowed | Q(active=False)), project__slug=project_slug)
            if not member.active:
                return say_that_it_is_over(request)
            return view(request, member, *args, **kwargs)

        return cast("ProjectView[P]", wrapped)  # Django names the slug; the type cannot

    return decorate


def for_members(view: MemberView[P]) -> ProjectView[P]:
    """Let everybody of the project through, whatever their role; `view` gets the membership, with its project."""
    return _for_members(Q(active=True))(view)


def for_raters(view: MemberView[P]) -> ProjectView[P]:
    """Let raters of the project through; `view` gets the reader's membership, with its project."""
    return _for_members(Q(is_rater=True))(view)


def for_coordinators(view: MemberView[P]) -> ProjectView[P]:
    """Let coordinators of the project through; `view` gets the reader's membership, with its project."""
    return _for_members(Q(is_coordinator=True))(view)


def for_data(view: MemberView[P]) -> ProjectView[P]:
    """Let those through who may see models and everybody's scores: coordinators and researchers."""
    return _for_members(Q(is_coordinator=True) | Q(is_researcher=True))(view)


def took_part(user_id: int | None, project_slug: str) -> bool:
    """Whether somebody was a member of the project and is none any more."""
    return Member.objects.filter(user=user_id, project__slug=project_slug, active=False).exists()


def say_that_it_is_over(request: HttpRequest) -> HttpResponse:
    """For a former member, perhaps in the middle of an item: why there is no page any more. Strangers learn nothing."""
    if request.headers.get("HX-Request"):
        words = _("You no longer take part in this study.")
        return HttpResponse(words, status=404, content_type="text/plain; charset=utf-8")
    return render(request, "projects/no_longer.html", status=404)


def may_make_projects(user: User) -> bool:
    """Staff, and whoever was given the permission `projects.add_project`."""
    return user.is_active and (user.is_staff or user.has_perm("projects.add_project"))


def project_page(
    request: Request, member: Member, template: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    """Render a page with what the header of every page of a project needs."""
    about = {"project": member.project, "member": member}
    return render(request, template, about | context, status=status)
