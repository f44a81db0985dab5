"""Loading from the browser: upload, look at what it is, check it against the project, load it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from projects.access import Request, for_data, project_page
from projects.load_forms import OptionsForm, TwiceChosen, UploadForm, chosen_columns
from projects.loading import registry, runs
from projects.loading.packing import unpacked
from projects.loading.preview import ABOUT, Preview, preview
from projects.loading.report import Report
from projects.models import LoadRun, Member
from projects.tables import Problem, Refused

LATEST = 20
OPTIONS = {
    "--na-value": "Values that mean “cannot judge”",
    "--repeats": "Later scores of the same rater are repeats",
    "--partial": "Load conversations that are not whole as far as they go",
    "--skip-failed": "Leave out answers that only say that generating them failed",
}
KINDS = {
    "prompts": _("prompts"),
    "checklists": _("checklists"),
    "models": _("models"),
    "responses": _("responses"),
    "raters": _("raters"),
    "ratings": _("scores"),
    "judge_scores": _("judge scores"),
    "verdicts": _("verdicts on pairs"),
    "answered": _("answers to no item of a bundle"),
}
LEFT_OUT = {
    "failed": _("conversations that failed"),
    "incomplete": _("conversations that are not answered to their end"),
    "loaded in part": _("conversations loaded in part"),
}


@require_http_methods(["GET", "POST"])
@for_data
def load(request: Request, member: Member) -> HttpResponse:
    """What was loaded so far, and a place for more."""
    form = UploadForm(request.POST, request.FILES) if request.method == "POST" else UploadForm()
    if form.is_valid():
        run = runs.keep_files(project=member.project, files=form.cleaned_data["uploads"], by=request.user)
        return redirect("projects:load_run", member.project.slug, run.key)
    latest = LoadRun.objects.filter(project=member.project).select_related("created_by")[:LATEST]
    context = {"form": form, "runs": latest}
    return project_page(request, member, "projects/load.html", context, status=422 if form.errors else 200)


@require_GET
@for_data
def load_run(request: Request, member: Member, key: uuid.UUID) -> HttpResponse:
    """How one upload stands: what it holds, how far it is, what came of it."""
    run = _run(member, key)
    if request.htmx:
        # Once it is over, other parts of the page change as well.
        if not run.is_under_way:
            return HttpResponse(headers={"HX-Refresh": "true"})
        return project_page(request, member, "projects/load_run.html#progress", {"run": run})
    return _page(request, member, run)


@require_POST
@for_data
def load_check(request: Request, member: Member, key: uuid.UUID) -> HttpResponse:
    """Take what was said about the files; show them anew, or check them against the project."""
    run = _run(member, key)
    form = OptionsForm(request.POST)
    columns, twice = None, ""
    try:
        if "column" in request.POST:
            columns = chosen_columns(request.POST.getlist("column"), request.POST.getlist("field"))
    except TwiceChosen as chosen:
        twice = chosen.field
    if not form.is_valid() or twice:
        if twice:
            about = ABOUT.get(twice, twice)
            form.add_error(
                None, gettext("Two columns are said to hold the same: %(field)s.") % {"field": about}
            )
        return _page(request, member, run, form=form, status=422)
    if run.may_begin and runs.has_files(run):
        runs.keep_options(run, form.options(columns))
        if "look" in request.POST:
            LoadRun.objects.filter(pk=run.pk).update(state=LoadRun.State.NEW, report=None)
        else:
            runs.begin(run, dry_run=True)
    return _back(run)


@require_POST
@for_data
def load_confirm(request: Request, member: Member, key: uuid.UUID) -> HttpResponse:
    """Load what was checked."""
    run = _run(member, key)
    if run.state == LoadRun.State.CHECKED and runs.has_files(run):
        runs.begin(run, dry_run=False)
    else:
        messages.info(request, gettext("It has to be checked before it can be loaded."))
    return _back(run)


@require_POST
@for_data
def load_stop(request: Request, member: Member, key: uuid.UUID) -> HttpResponse:
    run = _run(member, key)
    runs.ask_to_stop(run)
    return _back(run)


@require_POST
@for_data
def load_discard(request: Request, member: Member, key: uuid.UUID) -> HttpResponse:
    """Forget an upload."""
    run = _run(member, key)
    if not runs.discard(run):
        messages.warning(request, gettext("It is under way. Stop it first."))
        return _back(run)
    messages.success(request, gettext("The upload is discarded."))
    return redirect("projects:load", member.project.slug)


def _run(member: Member, key: uuid.UUID) -> LoadRun:
    return get_object_or_404(
        LoadRun.objects.select_related("project", "created_by"), project=member.project, key=key
    )


def _back(run: LoadRun) -> HttpResponse:
    return redirect("projects:load_run", run.project.slug, run.key)


def _page(
    request: Request, member: Member, run: LoadRun, *, form: OptionsForm | None = None, status: int = 200
) -> HttpResponse:
    report = unpacked(run.report) if run.report else None
    context: dict[str, Any] = {"run": run, "report": report, "has_files": runs.has_files(run)}
    if report:
        context |= {
            "counts": _counts(report),
            "left_out": [(LEFT_OUT.get(why, why), times) for why, times in report.all_left_out.items()],
            "notes": _said(report.notes),
            "conflicts": _said(report.conflicts),
            "errors": _said(report.errors),
            "warnings": _said(report.warnings),
            "more_conflicts": report.more_conflicts,
            "more_errors": report.more_errors,
        }
    if run.may_begin and context["has_files"]:
        options = runs.options_of(run)
        try:
            found: Preview | None = preview(project=member.project, files=runs.sources(run), options=options)
        except Refused as refused:
            found = None
            context["unreadable"] = refused.problem.said(gettext)
        context |= {
            "preview": found,
            "form": form or OptionsForm.of(options),
            "files": _shown_files(found) if found else [],
            "may_be_checked": found is not None and any(file.facts for file in found.files),
            "has_ratings": found is not None and _has_ratings(found),
            "is_anonymous": found is not None
            and any(registry.formats()[name].names_vary for name in found.uses & registry.formats().keys()),
            "is_foreign": found is not None
            and any(registry.formats()[name].asks_more for name in found.uses & registry.formats().keys()),
        }
    return project_page(request, member, "projects/load_run.html", context, status=status)


def _counts(report: Report) -> list[dict[str, Any]]:
    """A row for each kind of thing that the files hold; of a check, with what stands against it."""
    found: Mapping[str, Mapping[str, int]] = report.outcome or {
        name: {"new": created, "same": report.unchanged.get(name, 0)}
        for name, created in report.created.items()
    }
    order = [*KINDS, *sorted(found.keys() - KINDS.keys())]
    return [{"name": KINDS.get(name, name), **found[name]} for name in order if name in found]


def _said(problems: list[Problem]) -> list[str]:
    return [problem.said(_translate) for problem in problems]


def _translate(text: str) -> str:
    """As gettext, but what commands call options is called here as the form does."""
    return gettext("“%(option)s”") % {"option": gettext(OPTIONS[text])} if text in OPTIONS else gettext(text)


def _shown_files(found: Preview) -> list[dict[str, Any]]:
    return [
        {
            "file": file,
            "problem": file.problem.said(_translate) if file.problem else "",
            "problems": _said(file.problems),
            "format": gettext(str(file.format.about)) if file.format else "",
        }
        for file in found.files
    ]


def _has_ratings(found: Preview) -> bool:
    """Whether it makes sense to ask how scores are to be read."""
    fields = {column.field for column in found.columns}
    return bool(fields & {"rater", "score"}) or any(field.startswith("score.") for field in fields)
