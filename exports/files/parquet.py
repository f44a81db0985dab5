"""Parquet with the types that a column says: scores are nullable doubles, times are in UTC."""

from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from exports.files.book import Book, Row, Table, Valve
from exports.files.columns import Column, Kind, as_json

ROWS_PER_GROUP = 30_000
BYTES_PER_GROUP = 16 * 2**20  # so that a table of long texts does not pile up in memory

_TYPES: dict[Kind, pa.DataType] = {
    Kind.TEXT: pa.string(),
    Kind.CATEGORY: pa.dictionary(pa.int32(), pa.string()),
    Kind.INTEGER: pa.int64(),
    Kind.NUMBER: pa.float64(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.TIME: pa.timestamp("us", tz="UTC"),
    Kind.LIST: pa.list_(pa.string()),
    Kind.JSON: pa.string(),
}


def _json(value: Any) -> str | None:
    return None if value is None else as_json(value)


class ParquetTable(Table):
    def __init__(self, target: Valve, columns: Sequence[Column]) -> None:
        super().__init__(columns)
        self._schema = pa.schema(
            [
                pa.field(
                    one.name,
                    _TYPES[one.kind],
                    metadata={"about": str(one.about)} if one.about else None,
                )
                for one in columns
            ]
        )
        self._changed: list[tuple[int, Callable[[Any], Any]]] = [
            (at, _json) for at, one in enumerate(columns) if one.kind is Kind.JSON
        ]
        self._writer = pq.ParquetWriter(pa.PythonFile(target, mode="w"), self._schema, compression="zstd")
        self._held: list[pa.RecordBatch] = []
        self._held_rows = self._held_bytes = 0

    def _write(self, chunk: Sequence[Row]) -> None:
        columns: list[Any] = list(zip(*chunk, strict=True))
        for at, change in self._changed:
            columns[at] = [change(value) for value in columns[at]]
        arrays = [
            pa.array(values, type=field.type) for values, field in zip(columns, self._schema, strict=True)
        ]
        for one, array in zip(self.columns, arrays, strict=True):
            if one.kind is Kind.NUMBER and pc.all(pc.is_finite(array)).as_py() is False:
                raise ValueError(f"{one.name}: not a number that a file can hold; what is missing is None")
        batch = pa.RecordBatch.from_arrays(arrays, schema=self._schema)
        self._held.append(batch)
        self._held_rows += batch.num_rows
        self._held_bytes += batch.nbytes
        if self._held_rows >= ROWS_PER_GROUP or self._held_bytes >= BYTES_PER_GROUP:
            self._put()

    def _put(self) -> None:
        if self._held:
            table = pa.Table.from_batches(self._held, schema=self._schema).unify_dictionaries()
            self._writer.write_table(table, row_group_size=self._held_rows)
            self._held.clear()
            self._held_rows = self._held_bytes = 0

    def close(self) -> None:
        self._put()
        self._writer.close()


class ParquetBook(Book):
    def __init__(self, target: BinaryIO) -> None:
        super().__init__(target)
        self._valve = Valve(target)

    def _table(self, name: str, columns: Sequence[Column]) -> Table:
        return ParquetTable(self._valve, columns)

    def abandon(self) -> None:
        self._valve.shut = True
