"""JSON lines: an object a line, every column in every line, null for what is not there."""

import json
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

from exports.files.book import Book, Row, Table
from exports.files.columns import Column, Kind, number, time


def _tidy(value: float | None) -> float | None:
    """Whole numbers as such: 4, not 4.0."""
    return None if value is None else json.loads(number(value))


_AS_JSON: dict[Kind, Callable[[Any], Any]] = {
    Kind.NUMBER: _tidy,
    Kind.TIME: lambda value: None if value is None else time(value),
}


class JsonLinesTable(Table):
    def __init__(self, target: BinaryIO, columns: Sequence[Column]) -> None:
        super().__init__(columns)
        self._target = target
        self._names = [column.name for column in columns]
        self._changed = [(at, _AS_JSON[one.kind]) for at, one in enumerate(columns) if one.kind in _AS_JSON]
        self._encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode

    def _write(self, chunk: Sequence[Row]) -> None:
        columns: list[Any] = list(zip(*chunk, strict=True))
        for at, change in self._changed:
            columns[at] = map(change, columns[at])
        lines = [self._encode(dict(zip(self._names, row, strict=True))) for row in zip(*columns, strict=True)]
        self._target.write("".join(f"{line}\n" for line in lines).encode())


class JsonLinesBook(Book):
    def _table(self, name: str, columns: Sequence[Column]) -> Table:
        return JsonLinesTable(self.target, columns)
