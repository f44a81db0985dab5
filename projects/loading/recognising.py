"""Which layout a table has."""

from __future__ import annotations

from itertools import islice

from projects.loading import registry
from projects.loading.formats.base import Format
from projects.loading.formats.rows import RowsFormat
from projects.loading.loading import Loading
from projects.tables import Problem, Problems, Refused, Row, Table, listed, say
from projects.tables.messages import _

FIRST_ROWS = 20


class UnknownFormat(Refused):
    """No layout of that name, or none that fits the file, or more than one."""


class NothingFits(UnknownFormat):
    """The file has none of the layouts there are; somebody may still say which column holds what."""


def format_names() -> list[str]:
    """What `--format` takes."""
    return [RowsFormat.name, *registry.row_kinds(), *registry.formats()]


def format_named(name: str) -> type[Format]:
    kinds = registry.row_kinds()
    if name == RowsFormat.name:
        return RowsFormat.only(list(kinds.values()))
    if name in kinds:
        return RowsFormat.only([kinds[name]])
    if name in registry.formats():
        return registry.formats()[name]
    reason = say(
        _("There is no format “%(name)s”; there are: %(names)s."), name=name, names=listed(format_names(), 30)
    )
    raise UnknownFormat(Problem(reason))


def format_of(table: Table, loading: Loading) -> Format:
    """The layout that was named, or the one that the first rows look like."""
    if loading.options.format:
        return format_named(loading.options.format)(loading, table)
    rows = first_rows(table)
    candidates: list[type[Format]] = [*registry.formats().values(), format_named(RowsFormat.name)]
    fitting = [kind for kind in candidates if kind.recognises(rows, kind.columns_of(table, loading))]
    if (certain := [kind for kind in fitting if kind.certain]) and not loading.options.columns:
        fitting = certain
    if len(fitting) == 1:
        return fitting[0](loading, table)
    place = table.place(None)
    if fitting:
        reason = say(
            _("This file could be any of: %(formats)s."), formats=listed(kind.name for kind in fitting)
        )
        raise UnknownFormat(
            Problem(reason, place, advice=say(_("Name the one that is meant as the format.")))
        )
    reason = say(
        _("It is not clear what this file holds; its columns are: %(columns)s."),
        columns=listed(table.columns, 30) or "–",
    )
    needed = "; ".join(f"{kind.name} ({kind.needs})" for kind in registry.row_kinds().values())
    advice = say(
        _(
            "Say which column holds what, such as prompt_id=ID, or name the format. Rows of ours are: %(needed)s."
        ),
        needed=needed,
    )
    raise NothingFits(Problem(reason, place, advice=advice))


def first_rows(table: Table) -> list[Row]:
    return list(islice(table.rows(Problems()), FIRST_ROWS))
