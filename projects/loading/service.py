"""Loading: all of it or nothing, and as often as one likes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from django.db import connection, transaction

from projects.loading import registry
from projects.loading.fields import BadRow
from projects.loading.formats.base import LONGEST_MODEL, LONGEST_WORD, Format
from projects.loading.formats.rows import NUMBERED, RowsFormat
from projects.loading.inputs import expand
from projects.loading.loading import Loading, Progress
from projects.loading.options import Options, Source
from projects.loading.recognising import format_named, format_of
from projects.loading.report import NotLoaded, Report
from projects.models import Project, User
from projects.tables import Place, Problem, Refused, Table, listed, open_table, say
from projects.tables.messages import _

#: Between two looks at how far it is, and at whether somebody wants it stopped.
ROWS_BETWEEN = 200
#: What holds other loads of the same project back until this one is done; the number only has to be ours.
LOCK = 0x4C4F4144
DEFAULTS = Options()


class Stopped(Exception):
    """Somebody wanted it to stop; nothing was loaded."""


class _DryRun(Exception):
    pass


def load(
    *,
    project: Project,
    files: Sequence[Source | Path],
    options: Options = DEFAULTS,
    by: User | None = None,
    progress: Progress | None = None,
) -> Report:
    """Load everything that the files hold into the project, or nothing.

    What is there already is left as it is and counted as unchanged. Raises NotLoaded, with the report, when anything
    contradicts what is known or cannot be read; and lets through whatever `progress` raises to stop it.
    """
    report = _load(Loading(project=project, options=options, by=by), files, progress, dry_run=False)
    if report.refused:
        raise NotLoaded(report)
    return report


def try_load(
    *,
    project: Project,
    files: Sequence[Source | Path],
    options: Options = DEFAULTS,
    by: User | None = None,
    progress: Progress | None = None,
) -> Report:
    """What `load` would do; nothing is kept."""
    return _load(Loading(project=project, options=options, by=by), files, progress, dry_run=True)


class _Refused(Exception):
    pass


def _load(
    loading: Loading, files: Sequence[Source | Path], progress: Progress | None, *, dry_run: bool
) -> Report:
    started = time.monotonic()
    loading.dry_run = dry_run
    try:
        with transaction.atomic():
            _lock(loading.project)
            with loading.copying.until_done():
                _run(loading, files, progress or _quiet)
            if loading.problems or loading.conflicts:
                raise _Refused
            if dry_run:
                raise _DryRun
    except (_DryRun, _Refused):
        pass
    refused = bool(loading.problems or loading.conflicts)
    return Report(
        created={} if refused else loading.created,
        unchanged={} if refused else loading.unchanged,
        conflicts=loading.conflicts.errors,
        errors=loading.problems.errors,
        warnings=loading.problems.warnings,
        outcome=loading.outcome() if dry_run else {},
        n_conflicts=loading.conflicts.n_errors,
        n_errors=loading.problems.n_errors,
        n_warnings=loading.problems.n_warnings,
        left_out=dict(loading.left_out),
        notes=loading.notes,
        files=loading.report_files(),
        seconds=time.monotonic() - started,
        dry_run=dry_run,
    )


def _lock(project: Project) -> None:
    """One load of a project at a time: two would each see the other's rows as missing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK, project.pk])
        # Triggers keep the plans that they made while their tables were small, and a load makes them large at one
        # blow: with the old plans, 100,000 scores took minutes.
        cursor.execute("SET LOCAL plan_cache_mode = force_custom_plan")
        # Long texts are compressed as they are stored, and this way several times quicker, where the server can.
        cursor.execute(
            "SELECT set_config(name, 'lz4', true) FROM pg_settings"
            " WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)"
        )


def _run(loading: Loading, files: Sequence[Source | Path], progress: Progress) -> None:
    formats = _open(loading, files)
    if loading.problems:
        return
    loading.use(registry.stores())
    try:
        whole = sum(table.path.stat().st_size for table in loading.tables)
        done = 0
        for form in sorted(formats, key=lambda form: form.rank):
            _read(loading, form, progress, done, whole)
            done += form.table.path.stat().st_size
    except Refused as refused:
        loading.problems.add(refused.problem)
    if not loading.goes_on:  # what was left out would be missed further on
        return
    for store in loading.settling():
        progress(whole, whole, store.kind)
        store.flush()
        store.settle()
    for finisher in registry.finishers():
        finisher(loading)
    for store in loading.stores:
        store.close()
    _check_references()


def _check_references() -> None:
    """Now rather than at the commit, and by plans that are kept: the tables are as large as they will be, and counted."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL plan_cache_mode = auto")
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def _open(loading: Loading, files: Sequence[Source | Path]) -> list[Format]:
    """Each file as a table with its layout; what is wrong with any of them is told for all at once."""
    formats: list[Format] = []
    try:
        if loading.options.format:
            format_named(loading.options.format)
        sources = expand(files)
        _check_fields(loading)
    except Refused as refused:
        loading.problems.add(refused.problem)
    if loading.problems:
        return []
    options = loading.options
    for source in sources:
        try:
            table = open_table(
                source.path,
                name=source.shown,
                encoding=options.encoding,
                delimiter=options.delimiter,
                sheet=options.sheet,
            )
            form = format_of(table, loading)
        except Refused as refused:
            loading.problems.add(refused.problem)
            continue
        _tell_guess(loading, table)
        loading.add(table, form.columns_of(table, loading))
        formats.append(form)
    if not loading.problems:
        _check_columns(loading)
    return formats


def _tell_guess(loading: Loading, table: Table) -> None:
    if "encoding_guessed" in (facts := table.facts()):
        reason = say(_("The encoding was guessed to be %(encoding)s."), encoding=facts["encoding"])
        advice = say(_("Look at the text; if it is wrong, name the encoding."))
        loading.problems.warn(Problem(reason, Place(table.name), advice=advice))


def _check_fields(loading: Loading) -> None:
    """Columns that were said to hold something: there must be such fields."""
    options = loading.options
    for option, said, most in (
        ("--model", options.model, LONGEST_MODEL),
        ("--judge", options.judge, LONGEST_WORD),
        ("--axis", options.axis, LONGEST_WORD),
    ):
        if len(said) > most:
            reason = say(_("This is longer than %(most)s characters."), most=most)
            loading.problems.add(Problem(reason, field=option))
    known = set(format_named(RowsFormat.name).fields(loading))
    for field in loading.options.columns:
        if field not in known and not NUMBERED.fullmatch(field):
            fields = listed(sorted(known), 60)
            reason = say(
                _("There is no field “%(field)s”; there are: %(fields)s."), field=field, fields=fields
            )
            loading.problems.add(Problem(reason))


def _check_columns(loading: Loading) -> None:
    """And there must be such columns."""
    for field, column in loading.options.columns.items():
        if any(column in table.columns or table.format in ("jsonl", "json") for table in loading.tables):
            continue
        columns = listed(dict.fromkeys(name for table in loading.tables for name in table.columns), 30)
        reason = say(
            _("There is no column “%(column)s” to hold %(field)s; there are: %(columns)s."),
            column=column,
            field=field,
            columns=columns,
        )
        loading.problems.add(Problem(reason))


def _read(loading: Loading, form: Format, progress: Progress, done: int, whole: int) -> None:
    table = form.table
    size = table.path.stat().st_size
    n = 0
    for n, row in enumerate(form.rows(), 1):
        if n % ROWS_BETWEEN == 1:
            progress(done + table.position * size // max(1, table.size), whole, "reading")
        try:
            for record in form.records(row):
                loading.take(record)
        except BadRow as bad:
            loading.refuse(bad)
        except RecursionError:
            loading.problems.add(Problem(say(_("This is nested too deeply.")), row.place()))
    form.finish()
    loading.count_rows(table, n)


def _quiet(done: int, whole: int, what: str) -> None:
    pass
