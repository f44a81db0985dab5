"""Rows on their way into tables of the transaction's own: the server takes them in while the next are being read.

A COPY stays open until another statement is to be run, and what the server has not taken yet waits in the socket's
buffer. Rows travel in PostgreSQL's binary format: long texts are neither escaped here nor unescaped there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from struct import Struct
from typing import Any

from django.db import connection
from psycopg.copy import LibpqWriter

#: Bytes that may wait on our side: what is not on its way yet is nothing that the server could work at.
FLUSHED_AT_ONCE = 1 << 16
_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER = b"\xff\xff"
_NULL = b"\xff\xff\xff\xff"
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

_int32 = Struct("!i").pack
_array_of = Struct("!iiiii").pack
_smallint, _integer, _bigint, _double = (Struct(code).pack for code in ("!ih", "!ii", "!iq", "!id"))

Encode = Callable[[Any], bytes]


def _text(value: str) -> bytes:
    encoded = value.encode()
    return _int32(len(encoded)) + encoded


def _jsonb(value: str) -> bytes:
    """Of JSON as text."""
    encoded = value.encode()
    return b"%b\x01%b" % (_int32(len(encoded) + 1), encoded)  # its version, then the text


def _boolean(value: bool) -> bytes:
    return b"\x00\x00\x00\x01\x01" if value else b"\x00\x00\x00\x01\x00"


def _moment(value: datetime) -> bytes:
    return _bigint(8, (value - _EPOCH) // _MICROSECOND)


def _array(element: Encode, oid: int) -> Encode:
    def encode(values: Sequence[Any]) -> bytes:
        if not values:
            return _int32(12) + bytes(8) + _int32(oid)
        encoded = b"".join([_NULL if value is None else element(value) for value in values])
        return _int32(20 + len(encoded)) + _array_of(1, 0, oid, len(values), 1) + encoded

    return encode


def _of_smallint(value: int) -> bytes:
    return _smallint(2, value)


def _of_integer(value: int) -> bytes:
    return _integer(4, value)


_ENCODERS: dict[str, Encode] = {
    "text": _text,
    "jsonb": _jsonb,
    "boolean": _boolean,
    "smallint": _of_smallint,
    "integer": _of_integer,
    "bigint": lambda value: _bigint(8, value),
    "double precision": lambda value: _double(8, value),
    "timestamptz": _moment,
    "text[]": _array(_text, 25),
    "varchar[]": _array(_text, 1043),
    "smallint[]": _array(_of_smallint, 21),
    "integer[]": _array(_of_integer, 23),
}


class Rows:
    """Rows of one table, encoded."""

    def __init__(self, table: str, columns: Mapping[str, str]) -> None:
        self.statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT binary)"
        self._encoders = [_ENCODERS[kind] for kind in columns.values()]
        self._width = Struct("!h").pack(len(columns))
        self._encoded: list[bytes] = []
        self.size = 0

    def add(self, row: Sequence[Any]) -> None:
        encoded = [
            _NULL if value is None else encode(value)
            for encode, value in zip(self._encoders, row, strict=True)
        ]
        whole = self._width + b"".join(encoded)
        self._encoded.append(whole)
        self.size += len(whole)

    def taken(self) -> bytes:
        """All of them, which are then forgotten here."""
        whole = b"".join(self._encoded)
        self._encoded.clear()
        self.size = 0
        return whole


class Copying:
    """The one COPY that may be open on the connection."""

    def __init__(self) -> None:
        self._statement = ""
        self._open = ExitStack()
        self._copy: Any = None

    @contextmanager
    def until_done(self) -> Iterator[Copying]:
        """Around everything that copies: other statements wait for the rows before them."""
        with connection.execute_wrapper(self._before_others), self._open:
            yield self
            self.end()

    def send(self, rows: Rows) -> None:
        if self._statement != rows.statement:
            self.end()
            cursor = self._open.enter_context(connection.cursor())
            writer = LibpqWriter(cursor.cursor, flush_threshold=FLUSHED_AT_ONCE)
            self._copy = self._open.enter_context(cursor.copy(rows.statement, writer=writer))
            self._statement = rows.statement
            self._copy.write(_HEADER)
        self._copy.write(rows.taken())

    def end(self) -> None:
        """Wait until the server has all that was sent."""
        if self._statement:
            self._copy.write(_TRAILER)
            self._statement = ""
            self._open.close()

    def _before_others(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
    ) -> Any:
        self.end()
        return execute(sql, params, many, context)
