"""Taking a project's data away."""

from __future__ import annotations

from collections.abc import Iterator

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone, translation
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_GET
from django.views.decorators.vary import vary_on_headers

from exports.contents import Contents, contents
from exports.files import FORMATS, Column, Row, file_name, streamed
from exports.forms import WORKBOOK, DownloadForm
from exports.human_eval import HUMAN_EVAL, HumanEval
from exports.selection import one_snapshot
from exports.services import WORKBOOK_TABLES
from exports.tables import TABLES
from projects.access import Request, for_data, project_page
from projects.models import Member


@vary_on_headers("HX-Request")
@require_GET
@for_data
def download(request: Request, member: Member) -> HttpResponse:
    """Choose what to take away, and see how much it is."""
    form = DownloadForm(request.GET, project=member.project, reader=request.user)
    return _page(request, member, form)


@require_GET
@for_data
def download_file(request: Request, member: Member) -> HttpResponseBase:
    """The file itself, sent while it is written."""
    form = DownloadForm(request.GET, project=member.project, reader=request.user)
    if not form.is_valid():
        return _page(request, member, form)
    media_type, extension = "application/jsonl; charset=utf-8", "jsonl"
    if form.format_name in FORMATS:
        media_type, extension = FORMATS[form.format_name].media_type, FORMATS[form.format_name].extension
    batch = form.cleaned_data["batch"]
    name = file_name(
        member.project.slug,
        *([batch.name] if batch else []),
        form.cleaned_data["table"],
        timezone.localdate().isoformat(),
        extension=extension,
    )
    return StreamingHttpResponse(
        _pieces(form, translation.get_language()),
        content_type=media_type,
        headers={
            "Content-Disposition": content_disposition_header(True, name) or "attachment",
            "Cache-Control": "no-store",
        },
    )


def _pieces(form: DownloadForm, language: str | None) -> Iterator[bytes]:
    """The file piece by piece: read when the server asks for it, after the view and all middleware are done."""
    with translation.override(language), one_snapshot():
        if form.format_name == HUMAN_EVAL:
            yield from HumanEval(form.selection).pieces()
        else:
            yield from streamed(form.format_name, _tables(form), bom=form.with_bom)


def _tables(form: DownloadForm) -> Iterator[tuple[str, tuple[Column, ...], Iterator[Row]]]:
    table = form.cleaned_data["table"]
    selection = form.selection
    for name in WORKBOOK_TABLES if table == WORKBOOK else [table]:
        one = TABLES[name](selection)
        yield name, tuple(one.columns), one.rows()


def _page(request: Request, member: Member, form: DownloadForm) -> HttpResponse:
    valid = form.is_valid()
    inside: list[Contents] = contents(form) if valid else []
    context = {"form": form, "contents": inside}
    if request.headers.get("HX-Request"):
        about = {"project": member.project, "member": member}
        return render(
            request, "exports/download.html#contents", about | context, status=200 if valid else 422
        )
    return project_page(request, member, "exports/download.html", context, status=200 if valid else 422)
