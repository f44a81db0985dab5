"""The page behind every figure: what it means, and when not to trust it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import get_language
from django.views.decorators.http import require_GET

from annotation.explanations import EXAMPLE, explanations


@require_GET
def numbers(request: HttpRequest) -> HttpResponse:
    """For everybody who is logged in: it speaks of figures, not of a project."""
    words = explanations((get_language() or "en")[:2])
    context = {
        "chapters": words.chapters,
        "scores": words.scores,
        "rows": [(words.scores.rows[who], given) for who, given in EXAMPLE.items()],
        "columns": range(1, len(EXAMPLE["A"]) + 1),
    }
    return render(request, "annotation/numbers.html", context)
