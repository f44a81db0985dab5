"""What is asked and answered, to look at."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.db.models import Count, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET
from django.views.decorators.vary import vary_on_headers

from projects.access import Request, for_data, project_page
from projects.forms import PromptFilter
from projects.markdown import render as rendered
from projects.models import Member, Response

PER_PAGE = 50


@vary_on_headers("HX-Request")
@require_GET
@for_data
def prompts(request: Request, member: Member) -> HttpResponse:
    form = PromptFilter(request.GET, project=member.project)
    found = form.apply(member.project.prompts.all())
    responses = (
        Response.objects.filter(prompt=OuterRef("pk")).order_by().values("prompt").annotate(n=Count("pk"))
    )
    found = found.annotate(n_responses=Coalesce(Subquery(responses.values("n")), Value(0)))
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    template = "projects/prompts.html#list" if request.htmx else "projects/prompts.html"
    return project_page(
        request, member, template, {"form": form, "page_obj": page, "filtered": form.is_active}
    )


@require_GET
@for_data
def prompt(request: Request, member: Member, pk: int) -> HttpResponse:
    asked = get_object_or_404(member.project.prompts, pk=pk)
    responses = (
        asked.responses.select_related("model")
        .annotate(
            n_ratings=Count(
                "items__assignments", filter=Q(items__assignments__state="submitted"), distinct=True
            )
        )
        .order_by("model__name", "sample")
    )
    context = {
        "prompt": asked,
        "turns": [{"role": turn["role"], "html": rendered(turn["content"])} for turn in asked.turns],
        "reference": rendered(asked.reference) if asked.reference else "",
        "responses": [_shown(response) for response in responses],
        "before": member.project.prompts.filter(pk__lt=pk).order_by("-pk").only("pk", "key").first(),
        "after": member.project.prompts.filter(pk__gt=pk).order_by("pk").only("pk", "key").first(),
    }
    return project_page(request, member, "projects/prompt.html", context)


def _shown(response: Any) -> dict[str, Any]:
    return {
        "response": response,
        "turns": [rendered(turn) for turn in response.turns],
        "characters": sum(len(turn) for turn in response.turns),
        "generation": sorted(response.generation.items()),
    }
