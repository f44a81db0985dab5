"""Rating: one item after the other. Every page here is the rater's own, and blind: no model, nobody else's score."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.paginator import Paginator
from django.db.models import Exists, F, OuterRef
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from annotation.conversation import conversation
from annotation.forms import RatingForm, as_given
from annotation.models import Assignment, Batch, LapsedSeat, Submission
from annotation.own_progress import mine, mine_after
from annotation.scales import scales_of
from annotation.services import change, claim_next, give_back, open_seat, renew, skip, submit_and_claim_next
from annotation.services.errors import (
    AnotherSeatIsOpen,
    BatchIsNotOpen,
    HandingOutError,
    InvalidScores,
    NotARater,
    ReasonMissing,
    SeatNotFound,
    SubmissionIdTaken,
)
from annotation.views import card
from annotation.views.rater import rater_of
from projects.access import Request, for_raters, say_that_it_is_over, took_part
from projects.markdown import excerpt
from projects.models import Member

SAID = {
    Submission.Outcome.LATE: gettext_lazy("Saved, although the time for that item was over."),
    Submission.Outcome.SURPLUS: gettext_lazy(
        "Saved as an additional rating: the time was over, and somebody else has rated that item meanwhile."
    ),
    Submission.Outcome.SET_ASIDE: gettext_lazy(
        "You had rated that item already. What you sent now was put aside; to change your rating, open it in “My ratings”."
    ),
}
STATUS: dict[type[HandingOutError], int] = {
    NotARater: 403,
    SeatNotFound: 404,
    SubmissionIdTaken: 409,
    BatchIsNotOpen: 409,
    AnotherSeatIsOpen: 409,
    ReasonMissing: 422,
}
# Says to the page that this very submit has arrived: a portal or a proxy may answer 200 as well.
SAVED = "X-Hyotei-Saved"


@require_GET
@never_cache
@for_raters
def rate(request: Request, member: Member) -> HttpResponse:
    """The rater's next item; asking again shows the same one."""
    try:
        assignment = claim_next(rater=member)
    except NotARater as error:
        raise Http404 from error
    return card.show(request, member, assignment, alone=False)


@require_GET
@never_cache
@for_raters
def assignment(request: Request, member: Member, key: uuid.UUID) -> HttpResponse:
    """The item behind a link: to be rated, or the rater's own rating to be looked at and changed."""
    own = _own(member).filter(key=key, state=Assignment.State.SUBMITTED).first()
    if own:
        given = as_given(own.batch.rubric_id, list(own.scores.select_related("axis")))
        typed = card.Typed(given, comment=own.comment, flagged=own.flagged)
        return card.show(request, member, own, alone=False, typed=typed)
    try:
        return card.show(request, member, open_seat(rater=member, key=key), alone=False)
    except AnotherSeatIsOpen as error:
        messages.info(request, str(error))
        return redirect("annotation:rate", member.project.slug)
    except (SeatNotFound, NotARater) as error:
        raise Http404 from error
    except HandingOutError as error:
        messages.warning(request, str(error))
        return redirect("annotation:my_ratings", member.project.slug)


@login_not_required  # answered below: a redirect to the login page would look to the page like an answer
@require_http_methods(["GET", "POST"])
def submit(request: HttpRequest, project_slug: str, key: uuid.UUID) -> HttpResponse:
    """Keep a rating, or the change of one, and answer with the next item in the same round trip."""
    if request.method == "GET":  # where a form with mistakes stood, and somebody loads the page again
        return redirect("annotation:rate", project_slug)
    if not request.user.is_authenticated:
        if request.headers.get("HX-Request"):
            return HttpResponse(
                _("You are logged out."), status=401, content_type="text/plain; charset=utf-8"
            )
        here = reverse("annotation:assignment", args=[project_slug, key])
        return redirect(f"{reverse('account_login')}?next={here}")
    if not (member := rater_of(request.user.pk, project_slug)):
        if took_part(request.user.pk, project_slug):
            return say_that_it_is_over(request)
        raise Http404
    return _submit(cast("Request", request), member, key)


def _submit(request: Request, member: Member, key: uuid.UUID) -> HttpResponse:
    form = RatingForm(request.POST)
    if not form.is_valid():
        return _again(request, member, key, form, None)
    sent: dict[str, Any] = {
        "rater": member,
        "assignment_key": key,
        "submission_id": form.cleaned_data["submission"],
        "scores": form.scores(),
        "comment": form.cleaned_data["comment"],
        "flagged": form.cleaned_data["flagged"],
        "seconds": form.cleaned_data["seconds"],
    }
    try:
        if request.POST.get("change"):
            change(**sent)
            return _after_change(request, member, form)
        if _was_kept(member, key, form.earlier()):
            change(**sent)
            outcome, following = Submission.Outcome.KEPT, claim_next(rater=member)
        else:
            result, following = submit_and_claim_next(**sent)
            outcome = result.kind
    except InvalidScores as problems:
        return _again(request, member, key, form, problems)
    except HandingOutError as error:
        return _refused(request, member, error)
    said = SAID.get(outcome)
    if not request.htmx:
        if said:
            messages.info(request, str(said))
        return redirect("annotation:rate", member.project.slug)
    progress = mine_after(request.POST.get("progress", ""), following)
    response = card.show(request, member, following, alone=True, said=str(said or ""), progress=progress)
    response[SAVED] = str(form.cleaned_data["submission"])
    response["HX-Replace-Url"] = reverse("annotation:rate", args=[member.project.slug])
    return response


@require_POST
@for_raters
def skip_item(request: Request, member: Member, key: uuid.UUID) -> HttpResponse:
    """Leave an item for good, with a reason."""
    seat = get_object_or_404(Assignment.objects.filter(rater=member), key=key)
    try:
        skip(rater=member, assignment=seat, reason=request.POST.get("reason", ""))
    except SeatNotFound as error:
        raise Http404 from error
    except HandingOutError as error:
        messages.error(request, str(error))
    else:
        messages.info(request, _("Skipped. Here is the next item."))
    return redirect("annotation:rate", member.project.slug)


@require_POST
@for_raters
def give_back_item(request: Request, member: Member, key: uuid.UUID) -> HttpResponse:
    """Stop here: the item goes back to where it came from."""
    try:
        give_back(rater=member, key=key)
    except (SeatNotFound, NotARater) as error:
        raise Http404 from error
    messages.info(request, _("The item was given back. Your other ratings are saved."))
    return redirect("annotation:my_ratings", member.project.slug)


@require_POST
@for_raters
def renew_lease(request: Request, member: Member, key: uuid.UUID) -> HttpResponse:
    """The page says now and then that somebody is at work."""
    try:
        renew(rater=member, key=key)
    except SeatNotFound as error:
        raise Http404 from error
    return HttpResponse(status=204)


@require_GET
@never_cache
@for_raters
def my_ratings(request: Request, member: Member) -> HttpResponse:
    """What the rater has submitted, newest first."""
    ratings = _own(member).submitted().order_by(F("submitted_at").desc(nulls_last=True), "-id")
    batches = list(Batch.objects.filter(assignments__in=ratings.order_by()).distinct())
    chosen = next((batch for batch in batches if batch.name == request.GET.get("batch")), None)
    if chosen:
        ratings = ratings.filter(batch=chosen)
    if request.GET.get("flagged"):
        ratings = ratings.filter(flagged=True)
    page = Paginator(ratings, 50).get_page(request.GET.get("page"))
    context = {
        "page_obj": page,
        "rows": [_row(rating) for rating in page],
        "batches": batches,
        "chosen": chosen,
        "flagged": bool(request.GET.get("flagged")),
        "progress": mine(member, None),
    }
    return render(request, "annotation/my_ratings.html", _about(member) | context)


@dataclass(frozen=True, slots=True)
class Shown:
    """One score in the list: of which axis, in which words."""

    axis: str
    shown: str
    label: str


def _row(rating: Assignment) -> dict[str, Any]:
    """A line of the list, from `codes` alone: no query for its scores."""
    given = []
    for scale, code in zip(scales_of(rating.batch.rubric_id), rating.codes, strict=False):
        point = next((point for point in scale.points if point.rank == code), None)
        if point:
            given.append(Shown(scale.label, point.value, point.label))
        else:
            given.append(Shown(scale.label, "–", _("cannot judge") if code == -1 else _("no score")))
    talk = conversation(rating.item)
    return {
        "rating": rating,
        "given": given,
        "question": excerpt(talk.question.text, 90),
        "answer": excerpt(talk.answer.text, 120),
    }


def _own(member: Member) -> Any:
    return _with_card(Assignment.objects.filter(rater=member))


def _with_card(seats: Any) -> Any:
    return seats.select_related("batch__rubric", "item__prompt", "item__response")


def _about(member: Member) -> dict[str, Any]:
    return {"project": member.project, "member": member}


def _was_kept(member: Member, key: uuid.UUID, earlier: list[uuid.UUID]) -> bool:
    """Whether an earlier submit of this page did arrive, only its answer did not: then this one is a change."""
    if not earlier:
        return False
    kept = [Submission.Outcome.KEPT, Submission.Outcome.LATE, Submission.Outcome.CHANGED]
    return Submission.objects.filter(
        pk__in=earlier, rater=member, outcome__in=kept, assignment__key=key, assignment__state="submitted"
    ).exists()


def _after_change(request: Request, member: Member, form: RatingForm) -> HttpResponse:
    messages.success(request, _("Your rating was changed."))
    target = reverse("annotation:my_ratings", args=[member.project.slug])
    if not request.htmx:
        return redirect(target)
    response = HttpResponse()
    response[SAVED] = str(form.cleaned_data["submission"])
    response["HX-Redirect"] = target
    return response


def _again(
    request: Request, member: Member, key: uuid.UUID, form: RatingForm, problems: InvalidScores | None
) -> HttpResponse:
    """The same item with what was sent, and what is wrong with it."""
    # Also a seat that was the rater's and went to somebody else meanwhile: what was typed is not lost.
    held = Assignment.objects.filter(
        Exists(LapsedSeat.objects.filter(assignment=OuterRef("pk"), rater=member))
    )
    seat = get_object_or_404(_with_card(Assignment.objects.filter(rater=member) | held), key=key)
    typed = card.Typed(
        form.answered(seat.batch.rubric_id, problems),
        comment=str(form.data.get("comment", "")),
        flagged=bool(form.data.get("flagged")),
        form=form,
    )
    return card.show(request, member, seat, alone=bool(request.htmx), typed=typed, status=422)


def _refused(request: Request, member: Member, error: HandingOutError) -> HttpResponse:
    """Why it cannot be kept, in words. The page keeps what was typed."""
    status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 409)
    if request.htmx:
        return HttpResponse(str(error), status=status, content_type="text/plain; charset=utf-8")
    messages.error(request, str(error))
    return redirect("annotation:rate", member.project.slug)
