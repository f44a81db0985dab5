"""Who takes part. User names stand on these pages and nowhere else: coordinators alone may open them."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import BooleanField, Count, ExpressionWrapper, Max, Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from projects import accounts
from projects.access import Request, for_coordinators, project_page
from projects.forms import InvitationForm, MemberForm
from projects.models import Invitation, Member, Project
from projects.people import LastCoordinator, activate, change_member, deactivate

PER_PAGE = 100


@require_GET
@for_coordinators
def people(request: Request, member: Member) -> HttpResponse:
    members = _with_work(member.project).order_by("-active", "pseudonym")
    context = {
        "page_obj": Paginator(members, PER_PAGE).get_page(request.GET.get("page")),
        "invitations": _waiting(member.project),
        "form": InvitationForm(project=member.project),
    }
    return project_page(request, member, "projects/people.html", context)


@never_cache
@require_POST
@for_coordinators
def invite(request: Request, member: Member) -> HttpResponse:
    """Make a link and show it in the answer itself: it is written down nowhere, so no redirect can show it."""
    form = InvitationForm(request.POST, project=member.project)
    context: dict[str, Any] = {"form": form}
    status = 422
    if form.is_valid():
        invitation, token = accounts.invite(
            project=member.project,
            by=request.user,
            label=form.cleaned_data["label"],
            valid_for=form.valid_for(),
            **form.chosen(),
        )
        context = {
            "form": InvitationForm(project=member.project),
            "invitation": invitation,
            "link": accounts.link(token, request=request),
        }
        status = 200
    context["invitations"] = _waiting(member.project)
    template = "projects/invite.html#inviting" if request.htmx else "projects/invite.html"
    return project_page(request, member, template, context, status=status)


@require_POST
@for_coordinators
def revoke(request: Request, member: Member, pk: int) -> HttpResponse:
    invitation = get_object_or_404(member.project.invitations, pk=pk)
    if accounts.revoke(invitation=invitation):
        messages.success(request, _("The link for {name} no longer works.").format(name=invitation.label))
    else:
        messages.warning(request, _("That invitation was used or withdrawn before."))
    return redirect("projects:people", member.project.slug)


@require_http_methods(["GET", "POST"])
@for_coordinators
def person(request: Request, member: Member, pseudonym: str) -> HttpResponse:
    someone = get_object_or_404(_with_work(member.project), pseudonym=pseudonym)
    form = MemberForm(request.POST or None, member=someone)
    status = 200
    if request.method == "POST" and someone.kind != Member.Kind.POSITION:
        status = 422
        if form.is_valid():
            try:
                returned = change_member(member=someone, **form.chosen())
            except LastCoordinator:
                form.add_error("roles", _("The project needs a coordinator: make somebody else one first."))
            else:
                messages.success(request, _("Saved.") + _seats_went_back(returned))
                return redirect("projects:people", member.project.slug)
    batches = (
        member.project.batches.filter(assignments__rater=someone)
        .annotate(
            n_submitted=Count("assignments", filter=Q(assignments__state="submitted")),
            n_waiting=Count("assignments", filter=Q(assignments__state__in=["planned", "open"])),
            last=Max("assignments__submitted_at"),
        )
        .order_by("-created_at")
    )
    context = {"someone": someone, "form": form, "batches": batches}
    return project_page(request, member, "projects/person.html", context, status=status)


@require_POST
@for_coordinators
def set_active(request: Request, member: Member, pseudonym: str) -> HttpResponse:
    someone = get_object_or_404(member.project.members, pseudonym=pseudonym)
    if request.POST.get("active") == "yes":
        activate(member=someone)
        messages.success(request, _("{name} takes part again.").format(name=someone.pseudonym))
    else:
        try:
            returned = deactivate(member=someone)
        except LastCoordinator:
            messages.error(request, _("The project needs a coordinator: make somebody else one first."))
        else:
            said = _("{name} no longer takes part. What they rated stays.").format(name=someone.pseudonym)
            messages.success(request, said + _seats_went_back(returned))
    return redirect("projects:person", member.project.slug, someone.pseudonym)


def _with_work(project: Project) -> QuerySet[Any]:
    return project.members.select_related("user").annotate(
        n_submitted=Count("assignments", filter=Q(assignments__state="submitted")),
        n_waiting=Count("assignments", filter=Q(assignments__state__in=["planned", "open"])),
        last=Max("assignments__submitted_at", filter=Q(assignments__origin="here")),
    )


def _waiting(project: Project) -> QuerySet[Invitation]:
    """Links that were not used, newest first; old ones stay in sight for a while, since somebody may ask."""
    recently = timezone.now() - accounts.VALID_FOR
    unused = project.invitations.filter(member=None, revoked_at=None, expires_at__gt=recently)
    over = ExpressionWrapper(Q(expires_at__lte=Now()), output_field=BooleanField())
    return unused.annotate(expired=over)


def _seats_went_back(number: int) -> str:
    if not number:
        return ""
    return " " + ngettext(
        "{n} seat of theirs is free for others now.", "{n} seats of theirs are free for others now.", number
    ).format(n=number)
