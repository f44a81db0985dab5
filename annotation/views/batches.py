"""Batches: what was handed out, to whom, and how far it is."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from annotation.batch_forms import BatchForm, in_words
from annotation.counts import by_rater, conflicts_of, design_of, progress_of, remarks_of
from annotation.models import Batch
from projects.access import Request, for_coordinators, for_data, project_page
from projects.models import Member

PER_PAGE = 50
REMARKS_SHOWN = 5
CONFLICTS_SHOWN = 5


@require_GET
@for_data
def batches(request: Request, member: Member) -> HttpResponse:
    found = member.project.batches.order_by("-created_at", "-pk")
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    progress = progress_of(list(page))
    context = {
        "page_obj": page,
        "rows": [{"batch": batch, "progress": progress[batch.pk]} for batch in page],
        "can_be_made": member.project.items.exists(),
    }
    return project_page(request, member, "annotation/batches.html", context)


@require_http_methods(["GET", "POST"])
@for_coordinators
def new_batch(request: Request, member: Member) -> HttpResponse:
    """The form; `preview` in what is sent shows what the batch would be, and makes nothing."""
    project = member.project
    if request.method == "GET":
        form = BatchForm(project=project)
        return _form_page(request, member, form, form.as_if_sent())
    form = BatchForm(request.POST, project=project)
    if "preview" in request.POST:
        return _form_page(request, member, form, form)
    if form.is_valid() and (batch := form.make(by=request.user)):
        messages.success(request, _("The batch is made, and its raters can begin."))
        return redirect("annotation:batch", project.slug, batch.pk)
    return _form_page(request, member, form, form, status=422)


def _form_page(
    request: Request, member: Member, form: BatchForm, asked: BatchForm, *, status: int = 200
) -> HttpResponse:
    context = {"form": form, "preview": asked.preview()}
    return project_page(request, member, "annotation/batch_new.html", context, status=status)


@require_POST
@for_coordinators
def preview_batch(request: Request, member: Member) -> HttpResponse:
    """The preview alone, while the form is being filled in."""
    form = BatchForm(request.POST, project=member.project)
    return project_page(request, member, "annotation/batch_new.html#preview", {"preview": form.preview()})


@require_GET
@for_data
def batch(request: Request, member: Member, pk: int) -> HttpResponse:
    found = member.project.batches.select_related("rubric", "created_by").prefetch_related("raters")
    shown = get_object_or_404(found, pk=pk)
    remarks = remarks_of(shown)
    conflicts, n_conflicts = conflicts_of(shown, limit=CONFLICTS_SHOWN)
    progress = progress_of([shown])[shown.pk]
    seats = shown.assignments.open().select_related("rater", "item__prompt", "item__response__model")
    context = {
        "batch": shown,
        "progress": progress,
        "raters": by_rater(project=member.project, batch=shown),
        "open_seats": seats.order_by("lease_until"),
        "remarks": remarks[:REMARKS_SHOWN],
        "n_remarks": remarks.count(),
        "conflicts": conflicts,
        "n_conflicts": n_conflicts,
        "design": design_of(shown, taken=progress.taken),
        "terms": terms_of(shown),
        "lease": in_words(shown.lease),
        "late": shown.due_on is not None
        and shown.due_on < timezone.localdate()
        and shown.state != Batch.State.CLOSED,
    }
    return project_page(request, member, "annotation/batch.html", context)


@require_GET
@for_data
def remarks(request: Request, member: Member, pk: int) -> HttpResponse:
    """Everything that raters flagged or wrote, page by page."""
    shown = get_object_or_404(member.project.batches, pk=pk)
    page = Paginator(remarks_of(shown), PER_PAGE).get_page(request.GET.get("page"))
    return project_page(request, member, "annotation/batch_remarks.html", {"batch": shown, "page_obj": page})


@require_GET
@for_data
def conflicts(request: Request, member: Member, pk: int) -> HttpResponse:
    """Items that one rater scored where another could not judge; the first thousand of them."""
    shown = get_object_or_404(member.project.batches, pk=pk)
    found, number = conflicts_of(shown, limit=1000)
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    context = {"batch": shown, "page_obj": page, "number": number}
    return project_page(request, member, "annotation/batch_conflicts.html", context)


def terms_of(batch: Batch) -> list[tuple[str, Any]]:
    """What was chosen when the batch was made, in words."""
    names = {
        "models": _("Models"),
        "sources": _("Sources"),
        "tags": _("Tags"),
        "categories": _("Categories"),
        "turns": _("Turns"),
        "sample_prompts": _("Sample of prompts"),
    }
    chosen = [
        (names[name], ", ".join(map(str, value)) if isinstance(value, list) else value)
        for name, value in batch.selection.items()
        if name in names and value
    ]
    return chosen or [(_("Selection"), _("all items"))]
