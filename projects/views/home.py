"""The first page: my projects, what waits for me there, and how they get on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.db.models import Count, F, Q
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from projects.access import Request, may_make_projects
from projects.forms import ProjectForm
from projects.models import Item, Member, Project, User
from projects.progress import seats_by_state
from projects.rubric_files import make_project


@dataclass(frozen=True)
class Card:
    """One membership, as its owner wants to see it."""

    member: Member
    own: dict[str, int]
    in_pool: int
    seats: int
    submitted: int
    in_work: int

    @property
    def project(self) -> Project:
        return self.member.project

    @property
    def waiting(self) -> int:
        return self.own["planned"] + self.own["open"] + self.in_pool

    @property
    def own_total(self) -> int:
        return self.own["submitted"] + self.own["planned"] + self.own["open"]


@require_GET
def home(request: Request) -> HttpResponse:
    memberships = list(
        Member.objects.belonging_to(request.user)
        .select_related("project")
        .annotate(**{state: _seats("assignments__state", state) for state in ["submitted", "open"]})
        .annotate(
            planned=Count(
                "assignments", filter=Q(assignments__state="planned", assignments__batch__state="open")
            )
        )
        .order_by("project__name", "project__slug")
    )
    pool = _items_in_pool(request.user) if any(m.is_rater for m in memberships) else {}
    seats = seats_by_state([m.project_id for m in memberships if m.may_see_data])
    cards = [_card(member, pool, seats) for member in memberships]
    context = {"cards": cards, "may_make_projects": may_make_projects(request.user)}
    return render(request, "projects/home.html", context)


def _seats(field: str, state: str) -> Count:
    return Count("assignments", filter=Q(**{field: state}))


def _card(member: Any, pool: dict[int, int], seats: dict[int, dict[str, int]]) -> Card:
    states = seats.get(member.project_id, {})
    return Card(
        member=member,
        own={"submitted": member.submitted, "open": member.open, "planned": member.planned},
        in_pool=pool.get(member.project_id, 0),
        seats=sum(states.values()),
        submitted=states.get("submitted", 0),
        in_work=states.get("open", 0),
    )


def _items_in_pool(user: User) -> dict[int, int]:
    """By project: items with an empty seat that `user` may take and has not had.

    The same terms as claiming, counted for all projects at once; relation names, since seats are of the next room.
    """
    mine = Q(project__members__user=user.pk, project__members__active=True, project__members__is_rater=True)
    given = (
        Q(assignments__batch__open_to="all")
        | Q(assignments__batch__open_to="group", assignments__batch__group=F("project__members__group"))
        | Q(
            assignments__batch__open_to="named", assignments__batch__batch_raters__rater=F("project__members")
        )
    )
    # Planned batches too: there a seat is empty after somebody skipped it. Repeats are for those who had the item.
    free = Q(assignments__state="empty", assignments__batch__state="open", assignments__occasion=1)
    counted = (
        Item.objects.filter(mine & given & free)
        .exclude(assignments__rater__user=user.pk)
        .order_by()
        .values("project")
        .annotate(n=Count("pk", distinct=True))
    )
    return {row["project"]: row["n"] for row in counted}


@require_http_methods(["GET", "POST"])
def new(request: Request) -> HttpResponse:
    """Make a project; whoever makes it coordinates it."""
    if not may_make_projects(request.user):
        raise Http404
    form = ProjectForm(request.POST or None, request.FILES or None)
    if request.method == "GET":
        return render(request, "projects/new.html", {"form": form})
    if form.is_valid() and form.spec:
        said = form.cleaned_data
        try:
            with transaction.atomic():
                project = make_project(
                    slug=said["slug"],
                    name=said["name"],
                    name_ja=said["name_ja"],
                    spec=form.spec,
                    coordinator=request.user,
                )
        except IntegrityError:  # somebody took the short name this moment
            form.add_error("slug", _("A project of this short name exists."))
        else:
            messages.success(request, _("The project is made. You are its coordinator."))
            return redirect("projects:project", project.slug)
    return render(request, "projects/new.html", {"form": form}, status=422)
