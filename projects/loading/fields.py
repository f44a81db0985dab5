"""The fields of one row, under our names for them, whatever its columns are called."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from projects.tables import (
    BadCell,
    Message,
    Problem,
    Problems,
    Row,
    as_id,
    as_integer,
    as_list,
    as_moment,
    as_number,
    as_object,
    as_text,
    is_empty,
    say,
    wrecked,
)
from projects.tables.messages import _

T = TypeVar("T")
#: Which a spreadsheet may have made of an id.
MONTHS = frozenset(["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"])
_SEPARATORS = re.compile(r"[\s_-]+")


class BadRow(Exception):
    """A row that cannot be taken, with everything that is wrong with it.

    `why` is one of FAILED, UNKNOWN and ASKED where nothing is wrong with the row as such: a dry run counts it, and looks at
    the others.
    """

    FAILED, UNKNOWN, ASKED = "failed", "unknown", "asked"

    def __init__(self, *problems: Problem, why: str = "") -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems
        self.why = why


def plain(name: str) -> str:
    """A column's name without what people vary: case, width, spaces.

    >>> plain("Prompt ID"), plain("ＭＯＤＥＬ ")
    ('prompt_id', 'model')
    """
    return _SEPARATORS.sub("_", unicodedata.normalize("NFKC", name).strip().lower())


class Columns:
    """Which column of a table holds which field: as the user said, else by name."""

    def __init__(
        self,
        names: list[str],
        said: Mapping[str, str],
        known: frozenset[str],
        aliases: Mapping[str, str] | None = None,
        *,
        only_said: bool = False,
    ) -> None:
        """`aliases` are other names for fields, plain ones, for fields that no column is named after.

        With `only_said` no column is taken by its name; fields that none was said for have the column "", which
        no table has.
        """
        self.by_field = {field: column for field, column in said.items() if column in names}
        if only_said:
            self.by_field = {field: self.by_field.get(field, "") for field in (*known, *self.by_field)}
            return
        taken = set(self.by_field.values())
        by_plain: dict[str, str] = {}
        for name in names:
            if name not in taken:
                by_plain.setdefault(name if name in known else plain(name), name)
        for name in known:
            if name not in self.by_field and name in by_plain:
                self.by_field[name] = by_plain[name]
        taken = set(self.by_field.values())
        for alias, name in (aliases or {}).items():
            if name not in self.by_field and alias in by_plain and by_plain[alias] not in taken:
                self.by_field[name] = by_plain[alias]

    def of(self, field: str) -> str:
        """The column of a field as errors name it; of one that no column was found for, its own name."""
        return self.by_field.get(field) or field

    def __contains__(self, field: str) -> bool:
        return bool(self.by_field.get(field))

    def numbered(self, field: str) -> list[str]:
        """`field`, field_2, field_3 … as far as there are columns for them."""
        names = [field] if field in self else []
        while (following := f"{field}_{len(names) + 1}") in self:
            names.append(following)
        return names

    def __iter__(self) -> Iterator[str]:
        """The fields that there is a column for."""
        return (field for field, column in self.by_field.items() if column)


class Fields:
    """One row's values by field. What is not what it should be raises BadRow with the place of its cell."""

    __slots__ = ("_column_of", "_values", "columns", "problems", "row")

    def __init__(self, row: Row, columns: Columns, problems: Problems) -> None:
        self.row = row
        self.columns = columns
        self.problems = problems
        self._values = row.values
        self._column_of = columns.by_field

    def has(self, field: str) -> bool:
        return not is_empty(self.raw(field))

    def raw(self, field: str) -> Any:
        return self._values.get(self._column_of.get(field, field))

    def problem(self, field: str, reason: Message, advice: Message | None = None) -> Problem:
        column = self.columns.of(field)
        return Problem(reason, self.row.place(column), column, advice)

    def refuse(self, field: str, reason: Message, advice: Message | None = None) -> BadRow:
        return BadRow(self.problem(field, reason, advice))

    def text(self, field: str, longest: int | None = None) -> str:
        if self.raw(field) is None:  # nearly all fields of nearly all rows
            return ""
        return self._checked_length(field, self._read(field, as_text), longest)

    def name(self, field: str, longest: int) -> str:
        """An id, which must be there. What a spreadsheet seems to have done to it is warned of."""
        found = self._checked_length(field, self._read(field, as_id), longest)
        if not found:
            raise self.refuse(field, say(_("This is empty.")))
        if found[0].isdigit() or found[:3].title() in MONTHS:
            self._warn_of_wreck(field)
        return found

    def _warn_of_wreck(self, field: str) -> None:
        value = self.raw(field)
        table = self.row.table
        if table.format == "xlsx" and isinstance(value, int) and not isinstance(value, bool):
            reason = say(_("This id is stored as a number: leading zeros, and digits beyond 15, are lost."))
            advice = say(_("If the ids had any, format the column as text and fill it again."))
        elif sign := wrecked(value):
            reason, advice = sign, None
        else:
            return
        column = self.columns.of(field)
        self.problems.warn(
            Problem(reason, self.row.place(column), column, advice),
            key=("wreck", table.name, column, reason.text),
        )

    def integer(self, field: str, default: int, *, least: int, most: int) -> int:
        if not self.has(field):
            return default
        return self._read(field, lambda value: as_integer(value, least=least, most=most))

    def number(self, field: str) -> float | None:
        return self._read(field, as_number) if self.has(field) else None

    def moment(self, field: str) -> Any:
        return self._read(field, as_moment) if self.has(field) else None

    def items(self, field: str) -> list[Any]:
        return self._read(field, as_list)

    def mapping(self, field: str) -> dict[str, Any]:
        return self._read(field, as_object)

    def truth(self, field: str) -> bool:
        said = self.text(field).strip().lower()
        if said in ("", "false", "0", "no"):
            return False
        if said in ("true", "1", "yes"):
            return True
        raise self.refuse(field, say(_("Here should be true or false.")))

    def _read(self, field: str, read: Callable[[Any], T]) -> T:
        try:
            return read(self.raw(field))
        except BadCell as bad:
            raise self.refuse(field, bad.reason, bad.advice) from None

    def _checked_length(self, field: str, text: str, longest: int | None) -> str:
        if longest is not None and len(text) > longest:
            raise self.refuse(field, say(_("This is longer than %(most)s characters."), most=longest))
        return text
