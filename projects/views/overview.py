"""A project at a glance: what there is, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET

from projects.access import Request, for_members, project_page
from projects.models import Member
from projects.progress import counts_of


@dataclass(frozen=True)
class Step:
    """One line of the way from an empty project to its data."""

    name: str
    said: str
    done: bool
    url: str
    action: str
    next: bool = False


@require_GET
@for_members
def project(request: Request, member: Member) -> HttpResponse:
    """For whoever may see data; a rater who followed a shortened address gets to where they rate."""
    if not member.may_see_data:
        return redirect("annotation:rate", member.project.slug)
    counts = counts_of(member.project)
    context = {
        "counts": counts,
        "steps": steps(member, counts),
        "rubric": member.project.current_rubric(),
        "models": member.project.language_models.annotate(n_responses=Count("responses")).order_by("name"),
    }
    return project_page(request, member, "projects/project.html", context)


def steps(member: Member, counts: dict[str, int]) -> list[Step]:
    """Load, people, batch, watch, take away; the first that is not done is the next one."""
    slug = member.project.slug
    every_seat_filled = counts["seats"] > 0 and counts["submitted"] == counts["seats"]
    found = [
        Step(
            _("Load prompts and responses"),
            ngettext("%(n)s response is here.", "%(n)s responses are here.", counts["responses"])
            % {"n": f"{counts['responses']:,}"}
            if counts["responses"]
            else _("From JSON lines, CSV, XLSX, or a benchmark’s own files."),
            counts["items"] > 0,
            _url("projects:load", slug),
            _("Load files"),
        ),
        Step(
            _("Invite the raters"),
            ngettext("%(n)s rater is here.", "%(n)s raters are here.", counts["raters"])
            % {"n": counts["raters"]}
            if counts["raters"]
            else _(
                "Each gets a link that makes them a member, once. Two different raters per response is usual."
            ),
            counts["raters"] >= 2,
            reverse("projects:people", args=[slug]),
            _("Invite people"),
        ),
        Step(
            _("Make a batch"),
            ngettext("%(n)s batch, %(open)s open.", "%(n)s batches, %(open)s open.", counts["batches"])
            % {"n": counts["batches"], "open": counts["open_batches"]}
            if counts["batches"]
            else _("A batch hands items out: which ones, to whom, and to how many raters each."),
            counts["batches"] > 0,
            _url("annotation:new_batch", slug),
            _("Make a batch"),
        ),
        Step(
            _("Watch progress and agreement"),
            _("%(done)s of %(all)s seats are filled.")
            % {"done": f"{counts['submitted']:,}", "all": f"{counts['seats']:,}"}
            if counts["seats"]
            else _("How far the raters are, and how well they agree, while they work."),
            every_seat_filled,
            _url("annotation:monitor", slug),
            _("Watch"),
        ),
        Step(
            _("Take the data away"),
            _("Tables with one row per score or per rating, by pseudonym only."),
            False,
            _url("exports:download", slug),
            _("Download"),
        ),
    ]
    return _with_next(found)


def _with_next(found: list[Step]) -> list[Step]:
    following = next((step for step in found if not step.done), None)
    return [replace(step, next=step is following) for step in found]


def _url(name: str, slug: str) -> str:
    try:
        return reverse(name, args=[slug])
    except NoReverseMatch:
        return ""
