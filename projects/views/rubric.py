"""The project's evaluation axes, version by version."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from projects.access import Request, for_coordinators, for_data, project_page
from projects.forms import RubricVersionForm
from projects.markdown import render as rendered
from projects.models import Member
from projects.rubric_files import create_rubric


@require_GET
@for_data
def rubric(request: Request, member: Member, number: int | None = None) -> HttpResponse:
    versions = list(member.project.rubrics.order_by("-number").annotate(n_batches=Count("batches")))
    if number is None:
        shown = versions[0] if versions else None
    else:
        shown = get_object_or_404(member.project.rubrics.annotate(n_batches=Count("batches")), number=number)
    context = {
        "versions": versions,
        "rubric": shown,
        "axes": shown.axes.with_points() if shown else [],
        "guidelines": [
            (language, rendered(text, lang=language))
            for language, text in [("ja", shown.guidelines_ja), ("en", shown.guidelines_en)]
            if text
        ]
        if shown
        else [],
    }
    return project_page(request, member, "projects/rubric.html", context)


@require_http_methods(["GET", "POST"])
@for_coordinators
def new(request: Request, member: Member) -> HttpResponse:
    """The next version, from a preset or a file. The newest one is what new batches take."""
    form = RubricVersionForm(request.POST or None, request.FILES or None)
    if request.method == "GET":
        return project_page(request, member, "projects/rubric_new.html", {"form": form})
    if form.is_valid() and form.spec:
        made = create_rubric(project=member.project, spec=form.spec)
        messages.success(
            request, _("Version {n} is here. Batches made from now on use it.").format(n=made.number)
        )
        return redirect("projects:rubric", member.project.slug)
    return project_page(request, member, "projects/rubric_new.html", {"form": form}, status=422)
