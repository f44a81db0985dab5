from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext
from tqdm import tqdm

from projects.loading import NotLoaded, Options, Report, load, read_model_names, try_load
from projects.loading.recognising import format_names
from projects.models import Project
from projects.tables import Problem, Refused, say
from projects.tables.messages import _


class Command(BaseCommand):
    help = (
        "Load prompts, responses, existing ratings or judge scores: all that the files hold, or nothing. Loading the "
        "same again adds nothing. Formats are told from what the files hold; docs/formats.md describes them."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="the project's slug")
        parser.add_argument("files", nargs="+", metavar="FILE", type=Path, help="files, or folders of files")
        parser.add_argument(
            "--format",
            default="",
            metavar="NAME",
            help=f"one of: {', '.join(format_names())}; by default told from the files",
        )
        parser.add_argument(
            "--map",
            nargs="+",
            action="extend",
            default=[],
            metavar="FIELD=COLUMN",
            help="which column holds a field that it is not named after: --map prompt=質問 model=モデル",
        )
        parser.add_argument(
            "--na-value",
            nargs="+",
            action="extend",
            default=[],
            metavar="VALUE",
            help="what stands for “cannot judge” in a column of scores, besides an empty cell",
        )
        parser.add_argument(
            "--repeats", action="store_true", help="a rater’s later scores of one item are repeats"
        )
        parser.add_argument(
            "--batch",
            default="",
            metavar="NAME",
            help="the batch to put ratings in (default: named after the file)",
        )
        parser.add_argument(
            "--names", type=Path, metavar="FILE", help="names of models by letter, for llm-human-eval-jp"
        )
        parser.add_argument(
            "--skip-failed",
            action="store_true",
            help="leave out answers that only say that generating them failed",
        )
        parser.add_argument(
            "--model",
            default="",
            metavar="NAME",
            help="whose answers they are, where the files do not say it",
        )
        parser.add_argument(
            "--judge", default="", metavar="NAME", help="who judged, where the files do not say it"
        )
        parser.add_argument(
            "--axis",
            default="",
            metavar="KEY",
            help="the axis of judgments that name none (default: overall, or the only one)",
        )
        parser.add_argument(
            "--partial",
            action="store_true",
            help="load conversations that are not whole as far as they go",
        )
        parser.add_argument(
            "--new-version",
            action="store_true",
            help="another text under a known id becomes the next sample instead of a conflict",
        )
        parser.add_argument("--encoding", default="", help="by default detected")
        parser.add_argument("--delimiter", default="", help="of CSV; by default detected")
        parser.add_argument("--sheet", default="", help="of XLSX; by default the first that holds anything")
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would be loaded, and load nothing"
        )
        parser.add_argument("--json", action="store_true", help="print the report as JSON")

    def handle(self, *, project: str, files: Sequence[Path], dry_run: bool, **options: Any) -> None:
        as_json: bool = options["json"]
        try:
            report = self._load(project, files, dry_run=dry_run, options=options)
        except KeyboardInterrupt:
            raise CommandError("Stopped; nothing was loaded.", returncode=130) from None
        if as_json:
            self.stdout.write(
                json.dumps({"project": project, **report.as_json(gettext)}, ensure_ascii=False, indent=2)
            )
        else:
            self._tell(project, report)
        if report.refused:
            raise SystemExit(1)

    def _load(self, slug: str, files: Sequence[Path], *, dry_run: bool, options: dict[str, Any]) -> Report:
        project = Project.objects.filter(slug=slug).first()
        if project is None:
            known = ", ".join(Project.objects.values_list("slug", flat=True)[:20]) or "–"
            return _refusal(
                Problem(
                    say(_("There is no project “%(slug)s”; there are: %(known)s."), slug=slug, known=known)
                )
            )
        try:
            chosen = Options(
                format=options["format"],
                columns=_columns(options["map"]),
                na_values=tuple(options["na_value"]),
                repeats=options["repeats"],
                batch=options["batch"],
                model_names=read_model_names(options["names"]) if options["names"] else {},
                skip_failed=options["skip_failed"],
                model=options["model"],
                judge=options["judge"],
                axis=options["axis"],
                partial=options["partial"],
                new_version=options["new_version"],
                encoding=options["encoding"],
                delimiter=options["delimiter"].replace("\\t", "\t"),
                sheet=options["sheet"],
            )
        except Refused as refused:
            return _refusal(refused.problem)
        with tqdm(unit="B", unit_scale=True, disable=True if options["json"] else None, leave=False) as bar:

            def progress(done: int, whole: int, what: str) -> None:
                bar.total = whole
                bar.set_description(what, refresh=False)
                bar.update(done - bar.n)

            if dry_run:
                return try_load(project=project, files=files, options=chosen, progress=progress)
            try:
                return load(project=project, files=files, options=chosen, progress=progress)
            except NotLoaded as refused:
                return refused.report

    def _tell(self, slug: str, report: Report) -> None:
        for file in report.files:
            facts = ", ".join(
                str(fact) for name, fact in file.items() if name in ("format", "encoding", "sheet")
            )
            self.stdout.write(f"{file['name']}: {facts}, rows: {file['rows'] or 0}")
        if report.refused and report.dry_run:
            head = f"Could not be loaded into “{slug}” like this (dry run, nothing was changed):"
        elif report.refused:
            head = f"Nothing was loaded into “{slug}”."
        elif report.dry_run:
            head = f"Would be loaded into “{slug}” (dry run, nothing was changed):"
        elif report.adds_nothing:
            head = f"Everything was there already; nothing was added to “{slug}”."
        else:
            head = f"Loaded into “{slug}” in {report.seconds:.1f} s:"
        self.stdout.write(head)
        for name, n in report.outcome.items():
            self.stdout.write(
                f"  {name}: {n['new']} new, {n['same']} there already, {n['conflict']} in conflict, {n['unknown']} unknown"
            )
        for name, created in report.created.items() if not report.dry_run else ():
            self.stdout.write(f"  {name}: {created} new, {report.unchanged.get(name, 0)} there already")
        for why, times in report.all_left_out.items():
            self.stdout.write(f"  {why}: {times}")
        self._list("Notes", report.notes, len(report.notes))
        self._list("Warnings", report.warnings, report.n_warnings, report.n_warnings - len(report.warnings))
        self._list("Conflicts", report.conflicts, report.n_conflicts, report.more_conflicts)
        self._list("Errors", report.errors, report.n_errors, report.more_errors)

    def _list(self, title: str, problems: Sequence[Problem], n: int, more: int = 0) -> None:
        if not n:
            return
        out = self.stdout if title in ("Notes", "Warnings") else self.stderr
        out.write(f"{title}: {n}")
        for problem in problems:
            out.write(f"  {problem.said(gettext)}")
        if more:
            out.write(f"  … and {more} more.")


def _columns(said: Sequence[str]) -> dict[str, str]:
    columns: dict[str, str] = {}
    for one in said:
        field, equals, column = one.partition("=")
        if not equals or not field.strip() or not column.strip():
            reason = say(_("“%(said)s” should be FIELD=COLUMN, such as prompt=質問."), said=one)
            raise Refused(Problem(reason, field="--map"))
        if field.strip() in columns:
            raise Refused(
                Problem(say(_("The field “%(field)s” is mapped twice."), field=field.strip()), field="--map")
            )
        columns[field.strip()] = column.strip()
    return columns


def _refusal(problem: Problem) -> Report:
    return Report(errors=[problem], n_errors=1)
