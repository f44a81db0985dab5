"""What a coordinator does to a batch that is there. Each is a form of its own, and works without a script."""

from __future__ import annotations

from datetime import timedelta

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST

from annotation.batch_forms import ExtendForm, TermsForm, WithdrawForm
from annotation.models import Assignment, Batch
from annotation.services import close, extend_lease, pause, reopen, resume, withdraw_rater
from annotation.services.errors import HandingOutError
from projects.access import Request, for_coordinators, project_page
from projects.models import Member

MOVES = {
    "pause": (pause, gettext_lazy("Paused: nobody gets a new item. What is open may still be submitted.")),
    "resume": (resume, gettext_lazy("Open again.")),
    "close": (close, gettext_lazy("Closed: what was submitted stays as it is.")),
    "reopen": (reopen, gettext_lazy("Open again.")),
}


@require_POST
@for_coordinators
def move_batch(request: Request, member: Member, pk: int) -> HttpResponse:
    """Pause, resume, close or reopen."""
    batch = get_object_or_404(member.project.batches, pk=pk)
    move, said = MOVES.get(request.POST.get("move", ""), (None, ""))
    if move is None:
        messages.error(request, _("A batch can be paused, resumed, closed or opened again."))
    else:
        try:
            move(batch=batch)
        except HandingOutError:
            messages.error(
                request,
                _("That is not possible while the batch is {state}.").format(state=batch.get_state_display()),
            )
        else:
            messages.success(request, str(said))
    return redirect("annotation:batch", member.project.slug, batch.pk)


@require_POST
@for_coordinators
def extend(request: Request, member: Member, pk: int) -> HttpResponse:
    """Let somebody keep an open item for longer."""
    batch = get_object_or_404(member.project.batches, pk=pk)
    form = ExtendForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Choose how much longer."))
        return redirect("annotation:batch", member.project.slug, batch.pk)
    seat = get_object_or_404(
        Assignment.objects.select_related("rater"), batch=batch, key=form.cleaned_data["key"]
    )
    try:
        until = extend_lease(assignment=seat, by=timedelta(hours=form.cleaned_data["hours"]))
    except HandingOutError:
        messages.warning(request, _("That item was finished or given back meanwhile."))
    else:
        when = date_format(timezone.localtime(until), "DATETIME_FORMAT")
        messages.success(request, _("{name} has time until {when}.").format(name=seat.rater, when=when))
    return redirect("annotation:batch", member.project.slug, batch.pk)


@require_http_methods(["GET", "POST"])
@for_coordinators
def change_batch_terms(request: Request, member: Member, pk: int) -> HttpResponse:
    """Another due date, another lease, more raters."""
    handed_out = member.project.batches.exclude(filling=Batch.Filling.LOADED)
    batch = get_object_or_404(handed_out.select_related("project"), pk=pk)
    form = TermsForm(request.POST or None, batch=batch)
    if request.method == "POST" and form.is_valid() and (added := form.save()) is not None:
        more = ngettext("{n} rater was added.", "{n} raters were added.", added).format(n=added)
        messages.success(request, " ".join([_("Saved."), more] if added else [_("Saved.")]))
        return redirect("annotation:batch", member.project.slug, batch.pk)
    status = 422 if request.method == "POST" else 200
    context = {"batch": batch, "form": form}
    return project_page(request, member, "annotation/batch_terms.html", context, status=status)


@require_http_methods(["GET", "POST"])
@for_coordinators
def withdraw_from_batch(request: Request, member: Member, pk: int, pseudonym: str) -> HttpResponse:
    """Take a rater's work in this batch out: what that means first, then the reason, then it is done."""
    batch = get_object_or_404(member.project.batches, pk=pk)
    rater = get_object_or_404(member.project.members.select_related("user"), pseudonym=pseudonym)
    seats = batch.assignments.filter(rater=rater)
    form = WithdrawForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        taken = withdraw_rater(rater=rater, by=request.user, reason=form.cleaned_data["reason"], batch=batch)
        said = ngettext(
            "{n} rating of {name} no longer counts.", "{n} ratings of {name} no longer count.", taken.ratings
        )
        messages.success(request, said.format(n=taken.ratings, name=rater.pseudonym))
        return redirect("annotation:batch", member.project.slug, batch.pk)
    context = {
        "batch": batch,
        "rater": rater,
        "someone": rater,
        "form": form,
        "n_ratings": seats.submitted().count(),
        "n_seats": seats.filter(state__in=[Assignment.State.OPEN, Assignment.State.PLANNED]).count(),
    }
    status = 422 if request.method == "POST" else 200
    return project_page(request, member, "annotation/batch_withdraw.html", context, status=status)
