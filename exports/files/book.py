"""The interface of all formats: a book holds tables, a table takes rows."""

import itertools
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO, Self

from exports.files.columns import Column

Row = Sequence[Any]
CHUNK = 2_000


def batched(rows: Iterable[Row], size: int) -> Iterator[tuple[Row, ...]]:
    """itertools.batched, which Python 3.11 has not got yet."""
    remaining = iter(rows)
    while chunk := tuple(itertools.islice(remaining, size)):
        yield chunk


class Valve:
    """A target for libraries that complete or close whatever they are let go of: once shut, nothing more gets through.

    It cannot be sought in, so that a file is the same whether it goes to a disk or over a wire.
    """

    def __init__(self, target: BinaryIO) -> None:
        self._target = target
        self.shut = False
        self.closed = False

    def write(self, data: bytes) -> int:
        return len(data) if self.shut else self._target.write(data)

    def flush(self) -> None: ...

    def close(self) -> None:
        """Leaves the target open: whoever opened it closes it."""


class Table(ABC):
    """Rows of one table, written as they come."""

    def __init__(self, columns: Sequence[Column]) -> None:
        names = [column.name for column in columns]
        if len(set(names)) != len(names):
            twice = sorted(name for name, times in Counter(names).items() if times > 1)
            raise ValueError(f"two columns have the same name: {', '.join(twice)}")
        self.columns = tuple(columns)
        self.rows = 0

    def write(self, rows: Iterable[Row]) -> None:
        for chunk in batched(rows, CHUNK):
            self._write(chunk)
            self.rows += len(chunk)

    @abstractmethod
    def _write(self, chunk: Sequence[Row]) -> None: ...

    def close(self) -> None:  # noqa: B027  most formats hold nothing back
        """Write what is still held back."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        if failure is None:
            self.close()


class Book(ABC):
    """One file. Only XLSX takes several tables, one after the other."""

    several_tables = False

    def __init__(self, target: BinaryIO, *, bom: bool = False) -> None:
        self.target = target
        self.bom = bom
        #: What the format could not hold as it was, and how often: to be said to whoever takes the file away.
        self.altered: Counter[str] = Counter()
        self._tables = 0

    def table(self, name: str, columns: Sequence[Column]) -> Table:
        self._tables += 1
        if self._tables > 1 and not self.several_tables:
            raise ValueError(f"{type(self).__name__} holds one table only")
        return self._table(name, columns)

    @abstractmethod
    def _table(self, name: str, columns: Sequence[Column]) -> Table: ...

    def close(self) -> None:  # noqa: B027
        """Complete the file. The target itself stays open: whoever opened it closes it."""

    def abandon(self) -> None:  # noqa: B027
        """Let go of a file that will not be completed."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        if failure is None:
            self.close()
        else:
            self.abandon()
