"""Parquet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from projects.tables.messages import _, quoted, say
from projects.tables.problems import Place, Problem, Problems, Refused
from projects.tables.rows import Row, Table, checked_header

ROWS_AT_ONCE = 1000


class ParquetTable(Table):
    """A Parquet file, a batch of rows at a time; lists and structures come as lists and objects."""

    format = "parquet"

    def __init__(self, path: Path, name: str) -> None:
        super().__init__(path, name)
        try:
            with pq.ParquetFile(path) as file:
                names = file.schema_arrow.names
                self.size = file.metadata.num_rows
        except (pa.ArrowException, OSError, ValueError) as bad:
            raise Refused(self._unreadable(bad)) from bad
        self._columns = list(checked_header(names, Place(name)).values())

    @property
    def columns(self) -> list[str]:
        return self._columns

    def place(self, line: int | None, field: str = "") -> Place:
        return Place(self.name, line, counts_rows=True)

    def rows(self, problems: Problems) -> Iterator[Row]:
        self.replaced = 0
        self.position = 0
        names = self._columns
        try:
            with pq.ParquetFile(self.path) as file:
                for batch in file.iter_batches(batch_size=ROWS_AT_ONCE):
                    columns = [_texts(column).to_pylist() for column in batch.columns]
                    for cells in zip(*columns, strict=True):
                        self.position += 1
                        values: dict[str, Any] = dict(zip(names, cells, strict=True))
                        yield Row(self, self.position, self._cleaned(self.position, values, problems))
        except (pa.ArrowException, OSError, ValueError) as bad:
            raise Refused(self._unreadable(bad)) from bad

    def _unreadable(self, bad: Exception) -> Problem:
        reason = say(_("This Parquet file cannot be read: %(what)s"), what=quoted(str(bad), 120))
        return Problem(reason, Place(self.name, self.position or None, counts_rows=True))


def _texts(column: pa.Array) -> pa.Array:
    """Bytes as text: some writers do not say that a column is text."""
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        return column.cast(pa.string() if pa.types.is_binary(column.type) else pa.large_string())
    return column
