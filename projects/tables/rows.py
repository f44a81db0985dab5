"""A table: rows that know where they stand."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from projects.tables.cleaning import clean
from projects.tables.messages import _, listed, say
from projects.tables.problems import Place, Problem, Problems, Refused


class Row:
    """What one line, row or object holds, by column."""

    __slots__ = ("line", "table", "values")

    def __init__(self, table: Table, line: int, values: dict[str, Any]) -> None:
        self.table = table
        self.line = line
        self.values = values

    def place(self, field: str = "") -> Place:
        """Where the row stands, or the cell of one of its columns."""
        return self.table.place(self.line, field)

    def problem(self, *, field: str, reason: Any, advice: Any = None, **more: Any) -> Problem:
        return Problem(reason, self.place(field), field, advice, **more)

    def __repr__(self) -> str:
        return f"<Row {self.place()} {self.values!r}>"


class Table(ABC):
    """A file of rows, read as often as `rows` is called, and never held whole in memory."""

    format = ""

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        #: What people know the file as: that of an upload is not where it lies.
        self.name = name
        #: How far `rows` has read, in the unit of `size`.
        self.position = 0
        self.size = path.stat().st_size
        #: Characters that no database can hold, replaced while reading.
        self.replaced = 0

    @property
    @abstractmethod
    def columns(self) -> list[str]:
        """Names of the columns; of JSON, the fields of the first objects."""

    @abstractmethod
    def rows(self, problems: Problems) -> Iterator[Row]:
        """The rows in order. A row that cannot be read goes to `problems`, and reading goes on behind it."""

    def facts(self) -> dict[str, str]:
        """What was found out about the file: format, encoding and the like, for reports."""
        return {"format": self.format}

    def place(self, line: int | None, field: str = "") -> Place:
        return Place(self.name, line)

    def _cleaned(self, line: int, values: dict[str, Any], problems: Problems) -> dict[str, Any]:
        values, replaced = clean(values)
        self._tell_replaced(line, replaced, problems)
        return values

    def _tell_replaced(self, line: int, replaced: int, problems: Problems) -> None:
        if replaced:
            self.replaced += replaced
            reason = say(
                _(
                    "A character that cannot be stored (U+0000 or half of a surrogate pair) was replaced by U+FFFD."
                )
            )
            problems.warn(Problem(reason, self.place(line)), times=replaced)


def checked_header(cells: list[str], place: Place) -> dict[int, str]:
    """Column names by position, spaces and byte order marks around them removed.

    Columns without a name are left out here; two with the same name are refused, since one would hide the other.
    """
    named: dict[int, str] = {}
    seen: dict[str, int] = {}
    for position, cell in enumerate(cells):
        name = cell.replace("\ufeff", "").strip()
        if not name:
            continue
        if name in seen:
            reason = say(
                _("Columns %(first)s and %(second)s are both called “%(name)s”."),
                name=name,
                first=seen[name] + 1,
                second=position + 1,
            )
            raise Refused(Problem(reason, place, name, say(_("Rename or remove one of them."))))
        seen[name] = position
        named[position] = name
    if not named:
        raise Refused(
            Problem(
                say(_("The first line names no columns.")),
                place,
                advice=say(_("Put the names of the columns there.")),
            )
        )
    return named


class Header:
    """The columns of a table with a header line, and what is unusual about the lines below it."""

    def __init__(self, cells: list[str], table: Table, place: Place) -> None:
        self.table = table
        self.width = len(cells)
        self.names = checked_header(cells, place)
        self._as_written = [cell.replace("\ufeff", "").strip() for cell in cells]

    def values(self, cells: list[Any], line: int, problems: Problems) -> dict[str, Any] | None:
        """The cells by column name; None for a line that holds nothing, repeats the header or does not fit it."""
        if not any(cell not in (None, "") for cell in cells):
            return None
        if len(cells) != self.width and not self._fits(cells, line, problems):
            return None
        if self._repeats_header(cells):
            reason = say(_("This line repeats the column names and was left out."))
            problems.warn(Problem(reason, self.table.place(line)))
            return None
        if len(self.names) != self.width:
            self._warn_of_unnamed(cells, line, problems)
        return {name: cells[position] for position, name in self.names.items()}

    def _fits(self, cells: list[Any], line: int, problems: Problems) -> bool:
        if len(cells) > self.width and not any(cell not in (None, "") for cell in cells[self.width :]):
            return True
        reason = say(
            _("This line has %(cells)s cells; the first line names %(columns)s columns."),
            cells=len(cells),
            columns=self.width,
        )
        advice = say(
            _("Text that holds a separator, a quotation mark or a line break stands in quotation marks.")
        )
        problems.add(Problem(reason, self.table.place(line), advice=advice))
        return False

    def _repeats_header(self, cells: list[Any]) -> bool:
        position = next(iter(self.names))
        if cells[position] != self._as_written[position]:  # nearly always
            return False
        return [str(cell or "").strip() for cell in cells[: self.width]] == self._as_written

    def _warn_of_unnamed(self, cells: list[Any], line: int, problems: Problems) -> None:
        for position in range(self.width):
            if position not in self.names and cells[position] not in (None, ""):
                reason = say(
                    _("Column %(number)s has no name; what it holds was left out."), number=position + 1
                )
                problems.warn(
                    Problem(reason, self.table.place(line)), key=("unnamed", self.table.name, str(position))
                )


def no_rows(table: Table) -> Refused:
    return Refused(Problem(say(_("This file is empty.")), Place(table.name)))


def known_columns(table: Table) -> str:
    """The columns there are, for an error that misses one."""
    return listed(table.columns)
