"""A table of a selection: its columns, and its rows as they stream."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from exports.files import Column, Row
from exports.selection import Selection


class ExportTable(ABC):
    """A table of a selection, under the name of its file or sheet."""

    name: str

    def __init__(self, selection: Selection) -> None:
        self.selection = selection

    @property
    @abstractmethod
    def columns(self) -> Sequence[Column]: ...

    @abstractmethod
    def count(self) -> int: ...

    @abstractmethod
    def rows(self, limit: int | None = None) -> Iterator[Row]:
        """All rows as they stream, or those of the first `limit` things that the table is made from."""

    def first(self) -> Row | None:
        return next(self.rows(limit=20), None)
