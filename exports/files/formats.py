"""The formats by name, and a file sent while it is written."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, cast

from exports.files.book import CHUNK, Book, Row, batched
from exports.files.columns import Column
from exports.files.delimited import CsvBook, TsvBook
from exports.files.jsonl import JsonLinesBook
from exports.files.xlsx import XlsxBook


@dataclass(frozen=True, slots=True)
class Format:
    name: str
    extension: str
    media_type: str
    opens: Callable[..., Book]
    several_tables: bool = False
    takes_bom: bool = False


def _parquet(target: BinaryIO) -> Book:
    from exports.files.parquet import ParquetBook  # 40 MB of pyarrow: only for who needs it

    return ParquetBook(target)


FORMATS: dict[str, Format] = {
    one.name: one
    for one in [
        Format("csv", "csv", "text/csv; charset=utf-8", CsvBook, takes_bom=True),
        Format("tsv", "tsv", "text/tab-separated-values; charset=utf-8", TsvBook, takes_bom=True),
        Format(
            "xlsx",
            "xlsx",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            XlsxBook,
            several_tables=True,
        ),
        Format("jsonl", "jsonl", "application/jsonl; charset=utf-8", JsonLinesBook),
        Format("parquet", "parquet", "application/vnd.apache.parquet", _parquet),
    ]
}


def open_book(format_name: str, target: BinaryIO, *, bom: bool = False) -> Book:
    """A book of that format, to be written to `target`, which is written to from front to back and never read."""
    one = FORMATS[format_name]
    if bom and not one.takes_bom:
        raise ValueError(f"{format_name} has no byte order mark")
    return one.opens(target, bom=True) if bom else one.opens(target)


class Sink:
    """A target that gives away what was written to it, piece by piece."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None: ...

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


def streamed(
    format_name: str, tables: Iterable[tuple[str, Sequence[Column], Iterable[Row]]], *, bom: bool = False
) -> Iterator[bytes]:
    """The bytes of a file, while the rows of its tables (name, columns, rows) come in."""
    sink = Sink()
    with open_book(format_name, cast(BinaryIO, sink), bom=bom) as book:
        for name, columns, rows in tables:
            with book.table(name, columns) as table:
                for chunk in batched(rows, CHUNK):
                    table.write(chunk)
                    if piece := sink.take():  # an empty piece would end the response of some servers
                        yield piece
    yield sink.take()
