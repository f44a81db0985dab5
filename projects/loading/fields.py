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
)
from projects.tables.messages import _

T = TypeVar("T")
_SEPARATORS = re.compile(r"[\s_-]+")


class BadRow(Exception):
    """A row that cannot be taken, with everything that is wrong with it."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


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
    ) -> None:
        """`aliases` are other names for fields, plain ones, for fields that no column is named after."""
        self._of = {field: column for field, column in said.items() if column in names}
        taken = set(self._of.values())
        by_plain: dict[str, str] = {}
        for name in names:
            if name not in taken:
                by_plain.setdefault(name if name in known else plain(name), name)
        for name in known:
            if name not in self._of and name in by_plain:
                self._of[name] = by_plain[name]
        taken = set(self._of.values())
        for alias, name in (aliases or {}).items():
            if name not in self._of and alias in by_plain and by_plain[alias] not in taken:
                self._of[name] = by_plain[alias]

    def of(self, field: str) -> str:
        """The column of a field; of one that no column was found for, its own name."""
        return self._of.get(field, field)

    def __contains__(self, field: str) -> bool:
        return field in self._of

    def used(self) -> set[str]:
        return set(self._of.values())

    def numbered(self, field: str) -> list[str]:
        """`field`, field_2, field_3 … as far as there are columns for them."""
        names = [field] if field in self else []
        while (following := f"{field}_{len(names) + 1}") in self:
            names.append(following)
        return names

    def __iter__(self) -> Iterator[str]:
        return iter(self._of)


class Fields:
    """One row's values by field. What is not what it should be raises BadRow with the place of its cell."""

    __slots__ = ("columns", "row")

    def __init__(self, row: Row, columns: Columns) -> None:
        self.row = row
        self.columns = columns

    def has(self, field: str) -> bool:
        return not is_empty(self.raw(field))

    def raw(self, field: str) -> Any:
        return self.row.values.get(self.columns.of(field))

    def problem(self, field: str, reason: Message, advice: Message | None = None) -> Problem:
        column = self.columns.of(field)
        return Problem(reason, self.row.place(column), column, advice)

    def refuse(self, field: str, reason: Message, advice: Message | None = None) -> BadRow:
        return BadRow(self.problem(field, reason, advice))

    def text(self, field: str, longest: int | None = None) -> str:
        return self._checked_length(field, self._read(field, as_text), longest)

    def name(self, field: str, longest: int) -> str:
        """An id, which must be there."""
        found = self._checked_length(field, self._read(field, as_id), longest)
        if not found:
            raise self.refuse(field, say(_("This is empty.")))
        return found

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
