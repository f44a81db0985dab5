"""CSV as RFC 4180 has it, and TSV, which differs by its separator only. UTF-8."""

import codecs
import csv
import io
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

from exports.files.book import Book, Row, Table
from exports.files.columns import TO_TEXT, Column, Kind
from exports.files.guard import guard


def _written(kind: Kind) -> Callable[[Any], str]:
    """How a value is written. Numbers, times and truth stay bare: no text of theirs can be taken for a formula."""
    to_text = TO_TEXT[kind]
    if to_text is None:
        return lambda value: "" if value is None else guard(value)
    return lambda value: "" if value is None else to_text(value)


class DelimitedTable(Table):
    def __init__(self, target: BinaryIO, columns: Sequence[Column], *, separator: str) -> None:
        super().__init__(columns)
        self._target = target
        self._separator = separator
        self._written = [_written(column.kind) for column in columns]
        self._put([[guard(column.name) for column in columns]])

    def _write(self, chunk: Sequence[Row]) -> None:
        # column by column: one call per cell, and none per row
        columns = [
            map(write, values) for write, values in zip(self._written, zip(*chunk, strict=True), strict=True)
        ]
        self._put(zip(*columns, strict=True))

    def _put(self, rows: Any) -> None:
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=self._separator, lineterminator="\r\n").writerows(rows)
        self._target.write(text.getvalue().encode())


class CsvBook(Book):
    separator = ","

    def __init__(self, target: BinaryIO, *, bom: bool = False) -> None:
        super().__init__(target)
        if bom:  # Excel reads UTF-8 as such only when it begins with this
            target.write(codecs.BOM_UTF8)

    def _table(self, name: str, columns: Sequence[Column]) -> Table:
        return DelimitedTable(self.target, columns, separator=self.separator)


class TsvBook(CsvBook):
    separator = "\t"
