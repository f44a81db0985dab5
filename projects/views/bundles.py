"""Preparing a generation in the browser."""

from __future__ import annotations

from django.http.response import HttpResponseBase
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from projects.access import Request, for_data, project_page
from projects.bundles import NotPrepared, prepare_generation
from projects.bundles.archive import archive, limit
from projects.bundles.forms import GenerationForm
from projects.models import Member


@require_http_methods(["GET", "POST"])
@for_data
def generation(request: Request, member: Member) -> HttpResponseBase:
    """Say what a model is to be asked, and take the bundle away."""
    project = member.project
    form = GenerationForm(
        *([request.POST, request.FILES] if request.method == "POST" else []), project=project
    )
    if form.is_valid():
        asked = form.asked
        watch = limit(asked.samples * max(1, len(asked.variants)))
        try:
            return archive(
                project,
                asked.answering.name,
                lambda folder: prepare_generation(
                    project=project,
                    asked=asked,
                    folder=folder,
                    shards=form.batch_files,
                    watch=watch,
                ),
            )
        except NotPrepared as why:
            form.refuse(why)
    context = {"form": form, "back": reverse("projects:prompts", args=[project.slug])}
    return project_page(
        request, member, "projects/prepare_generation.html", context, status=422 if form.errors else 200
    )
