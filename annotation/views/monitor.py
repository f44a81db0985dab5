"""Watching: how far the raters are, and how well they agree."""

from __future__ import annotations

from django.conf import settings
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_GET
from django.views.decorators.vary import vary_on_headers

from annotation.drawing import alpha_spec, draw
from annotation.figures import few_prompts, figures
from annotation.models import Batch
from annotation.monitoring import Snapshot, snapshot
from annotation.plots import Theme, plot_height
from projects.access import Request, for_data, project_page
from projects.models import Member

SECONDS_BETWEEN = 20
MEDIA_TYPES = {"svg": "image/svg+xml", "png": "image/png"}


@vary_on_headers("HX-Request")
@require_GET
@for_data
def monitor(request: Request, member: Member, pk: int | None = None) -> HttpResponse:
    """Of the project, or of one batch. `live=0` makes a page that stays as it is."""
    batch = _batch(member, pk)
    shown = snapshot(project=member.project, batch=batch)
    slug = member.project.slug
    here = (
        reverse("annotation:batch_monitor", args=[slug, pk])
        if pk
        else reverse("annotation:monitor", args=[slug])
    )
    found = figures(shown.agreement)
    context = {
        "batch": batch,
        "snapshot": shown,
        "progress": shown.progress,
        "axes": found,
        "few_prompts": few_prompts(found),
        "most_rated": max((rater.submitted for rater in shown.raters), default=0),
        "interval_method": next((axis.alpha.method for axis in found if axis.alpha.interval), ""),
        "here": here,
        "live": request.GET.get("live") != "0",
        "seconds": SECONDS_BETWEEN,
        "theme": _theme(request),
        "plot_height": plot_height(len(found)),
        "has_vega": (settings.VAR_DIR / "static" / "vendor" / "vega.js").exists(),
    }
    template = "annotation/monitor.html#live" if request.htmx else "annotation/monitor.html"
    return project_page(request, member, template, context)


@require_GET
@for_data
def alpha_data(request: Request, member: Member, pk: int | None = None) -> HttpResponse:
    """The plot as Vega-Lite, for the script of the page."""
    shown = _shown(member, pk)
    return JsonResponse(alpha_spec(figures(shown.agreement), theme=_asked_theme(request)))


@require_GET
@for_data
def alpha_picture(request: Request, member: Member, kind: str, pk: int | None = None) -> HttpResponse:
    """The plot as SVG or PNG: to look at without a script, or (`download`) to keep."""
    if kind not in MEDIA_TYPES:
        raise Http404
    shown, theme = _shown(member, pk), _asked_theme(request)
    keep = "download" in request.GET
    key = f"{member.project_id}:{pk or 0}:{shown.state}"
    picture = draw(
        alpha_spec(figures(shown.agreement), theme=theme), kind=kind, key=key, theme=theme, paper=keep
    )
    response = HttpResponse(picture, content_type=MEDIA_TYPES[kind])
    if keep:
        name = f"{member.project.slug}{f'-batch{pk}' if pk else ''}-alpha.{kind}"
        response.headers["Content-Disposition"] = content_disposition_header(True, name)
    return response


def _batch(member: Member, pk: int | None) -> Batch | None:
    found = member.project.batches.select_related("rubric")
    return get_object_or_404(found, pk=pk) if pk is not None else None


def _shown(member: Member, pk: int | None) -> Snapshot:
    return snapshot(project=member.project, batch=_batch(member, pk))


def _theme(request: Request) -> str:
    """What the reader chose, or nothing: then the system decides."""
    chosen = request.COOKIES.get("theme") or request.user.theme
    return chosen if chosen in ("light", "dark") else ""


def _asked_theme(request: Request) -> Theme:
    return "dark" if request.GET.get("theme") == "dark" else "light"
