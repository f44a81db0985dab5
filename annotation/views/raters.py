"""How each rater rates."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from annotation.agreement.words import REASONS
from annotation.raters.kept import kept_raters, too_many
from annotation.raters.page import axis_page, remarks
from annotation.raters.words import nobody_stands_out
from projects.access import Request, for_data, project_page
from projects.models import Member
from stats.estimate import Undefined


@require_GET
@for_data
def raters_page(request: Request, member: Member, pk: int | None = None) -> HttpResponse:
    """Of the project, or of one batch; `axis` is the place of the one whose table is shown, from 1."""
    batches = member.project.batches
    batch = get_object_or_404(batches, pk=pk) if pk is not None else None
    context: dict[str, object] = {"batch": batch}
    template = "annotation/raters.html"
    if too_many(project=member.project, batch=batch):
        command = f"manage.py raters {member.project.slug}"
        context["instead"] = _(
            "There are too many ratings for a page. This command has the same: %(command)s"
        ) % {"command": command}
        return project_page(request, member, template, context)
    found = kept_raters(project=member.project, batch=batch)
    context |= {"found": found, "panel": None}
    if isinstance(found.panel, Undefined):
        context["instead"] = _("Nothing to say about raters: %(reason)s.") % {
            "reason": REASONS[found.panel.reason]
        }
        return project_page(request, member, template, context)
    place = _place(request.GET.get("axis", ""), len(found.axes))
    context |= {
        "panel": found.panel,
        "place": place + 1,
        "remarks": remarks(found, found.panel),
        "nobody": nobody_stands_out(found.panel),
        "shown": axis_page(found, found.panel, place),
        "of_axis": found.panel.axes[place],
    }
    return project_page(request, member, template, context)


def _place(asked: str, axes: int) -> int:
    """Which axis, from 0; the first one for whatever is none."""
    return int(asked) - 1 if asked.isascii() and asked.isdigit() and 1 <= int(asked[:9]) <= axes else 0
