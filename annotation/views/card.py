"""The card of an item: all of the rating page that changes from one item to the next."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language

from annotation.conversation import Conversation, Turn, conversation
from annotation.forms import RatingForm
from annotation.models import Assignment, Batch
from annotation.own_progress import Mine, mine
from annotation.scales import Answered, render_guide, render_scales
from projects.markdown import render as markdown
from projects.models import Member

PAGE = "annotation/rate.html"
ALONE = "annotation/rate.html#card"


class Typed(NamedTuple):
    """What stands in the form when it is not empty."""

    answered: list[Answered]
    comment: str = ""
    flagged: bool = False
    form: RatingForm | None = None
    """With what is wrong."""


def show(
    request: HttpRequest,
    member: Member,
    seat: Assignment | None,
    *,
    alone: bool,
    typed: Typed | None = None,
    progress: Mine | None = None,
    said: str = "",
    status: int = 200,
) -> HttpResponse:
    """The page with the card, or the card `alone`; without a seat, the words for nothing left.

    With `progress` the page is known to be one that showed another item of this batch a moment ago.
    """
    if seat and alone and progress and not typed and not said:
        return HttpResponse(_next(request, member, seat, progress), status=status)
    context = _around(member) | {"alone": alone, "said": said}
    if seat is None:
        context |= _nothing_left(member)
    else:
        carried = progress or mine(member, seat.batch)
        context |= _of_batch(seat.batch) | _of_item(member, seat, carried) | _of_form(seat, typed)
        # the page has it already, unless this item is of another batch than the last
        context["guide"] = None if progress else render_guide(seat.batch.rubric)
    return render(request, ALONE if alone else PAGE, context, status=status)


def _around(member: Member) -> dict[str, Any]:
    return {"project": member.project, "member": member, "pseudonym": member.pseudonym, "guide": None}


def _nothing_left(member: Member) -> dict[str, Any]:
    counted = mine(member, None)
    open_batches = Batch.objects.running().given_to(member).exists()
    return {"assignment": None, "done": counted.done, "today": counted.today, "open_batches": open_batches}


def _of_batch(batch: Batch) -> dict[str, Any]:
    return {"batch": batch, "renew_after": int(batch.lease.total_seconds() / 3)}


def _of_item(member: Member, seat: Assignment, progress: Mine) -> dict[str, Any]:
    return {
        "assignment": seat,
        "key": seat.key,
        "submission": uuid.uuid4(),
        "conversation": _conversation(member, seat),
        "planned": bool(progress.planned),
        "number": progress.done + 1,
        "done": progress.done,
        "total": progress.total,
        "today": progress.today,
        "carried": progress.carried,
    }


def _conversation(member: Member, seat: Assignment) -> SafeString:
    prompt = seat.item.prompt
    talk = conversation(seat.item, html=seat.answer_html)
    reference = prompt.reference if member.project.raters_see_reference else ""
    checklist = prompt.checklist if member.project.raters_see_checklist else []
    if talk.answer.html and not (talk.earlier or reference or checklist):
        before, between, after = _plain_conversation(get_language(), talk.cut_off)
        return mark_safe(before + markdown(talk.question.text) + between + talk.answer.html + after)  # noqa: S308
    context = {"talk": talk, "reference": reference, "checklist": checklist}
    return render_to_string("annotation/_conversation.html", context)


@lru_cache(maxsize=20)
def _plain_conversation(language: str, cut_off: bool) -> list[str]:
    """What stands before, between and after a question and an answer with nothing else around them."""
    mark = _Marks.word("text")
    question, answer = (Turn(role, mark, html=mark_safe(mark)) for role in ("user", "assistant"))  # noqa: S308
    context = {"talk": Conversation([], question, answer, cut_off), "reference": "", "checklist": []}
    return render_to_string("annotation/_conversation.html", context).split(mark)


def _of_form(seat: Assignment, typed: Typed | None) -> dict[str, Any]:
    changing = seat.state == Assignment.State.SUBMITTED
    read_only = changing and seat.batch.state != Batch.State.OPEN
    answered = typed.answered if typed else None
    problems = [given for given in answered or () if given.error]
    errors: Sequence[object] = typed.form.errors.get("comment", []) if typed and typed.form else []
    return {
        "changing": changing,
        "read_only": read_only,
        "scales": render_scales(seat.batch.rubric, answered, read_only=read_only),
        "problems": problems,
        "comment_errors": errors,
        "comment": typed.comment if typed else "",
        "flagged": bool(typed and typed.flagged),
    }


# The next item, which is what nearly every request is about. Two fresh cards of one batch differ in a few places
# only: the card is rendered once with a mark in each of them, and then the marks are filled in.


class _Marks:
    key = uuid.UUID("5d0c3f6e-9f52-4b4e-8a0e-3c6f7a1d2b90")
    submission = uuid.UUID("5d0c3f6e-9f52-4b4e-8a0e-3c6f7a1d2b91")
    words = ("pseudonym", "csrf_token", "conversation", "number", "done", "total", "today", "carried")

    @staticmethod
    def word(name: str) -> str:
        return f"5d0c3f6e-{name}-mark"


_MARK = re.compile(f"({_Marks.key}|{_Marks.submission}|5d0c3f6e-[a-z_]+-mark)")
_shells: dict[tuple[object, ...], list[str]] = {}
_MOST = 100


def _next(request: HttpRequest, member: Member, seat: Assignment, progress: Mine) -> str:
    values = _of_item(member, seat, progress) | {
        "csrf_token": get_token(request),
        "pseudonym": member.pseudonym,
    }
    fill = {_Marks.word(name): str(values[name]) for name in _Marks.words}
    fill |= {str(_Marks.key): str(seat.key), str(_Marks.submission): str(values["submission"])}
    parts = _shell(member, seat, progress).copy()
    parts[1::2] = [fill.get(mark, mark) for mark in parts[1::2]]
    return "".join(parts)


def _shell(member: Member, seat: Assignment, progress: Mine) -> list[str]:
    """Text, mark, text, mark and so on."""
    batch, project = seat.batch, member.project
    known = (
        get_language(),
        project.slug,
        project.title,
        batch.pk,
        batch.name,
        batch.lease,
        bool(progress.planned),
    )
    if shell := _shells.get(known):
        return shell
    context = _around(member) | _of_batch(batch) | _of_item(member, seat, progress) | _of_form(seat, None)
    context |= {name: _Marks.word(name) for name in _Marks.words}
    context |= {"alone": True, "said": "", "key": _Marks.key, "submission": _Marks.submission}
    shell = _MARK.split(render_to_string(ALONE, context))
    if batch.rubric.frozen_at:
        if len(_shells) >= _MOST:
            _shells.clear()
        _shells[known] = shell
    return shell
