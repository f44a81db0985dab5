"""Preparing a judging in the browser."""

from __future__ import annotations

from django.http.response import HttpResponseBase
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from exports.bundles.forms import JudgingForm
from exports.bundles.judging import prepare_judging
from projects.access import Request, for_data, project_page
from projects.bundles import NotPrepared
from projects.bundles.archive import archive, limit
from projects.models import Member


@require_http_methods(["GET", "POST"])
@for_data
def judging(request: Request, member: Member) -> HttpResponseBase:
    """Say what a judge is to be asked, and take the bundle away."""
    project = member.project
    form = JudgingForm(
        request.POST if request.method == "POST" else None, project=project, reader=request.user
    )
    if form.is_valid():
        asked = form.asked
        watch = limit(form.items_per_response())
        try:
            return archive(
                project,
                f"{asked.answering.name}_{asked.preset}",
                lambda folder: prepare_judging(
                    project=project, asked=asked, folder=folder, shards=form.batch_files, watch=watch
                ),
            )
        except NotPrepared as why:
            form.refuse(why)
    context = {"form": form, "back": reverse("exports:download", args=[project.slug])}
    return project_page(
        request, member, "exports/prepare_judging.html", context, status=422 if form.errors else 200
    )
