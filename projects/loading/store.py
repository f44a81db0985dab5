"""Where records go: a table of the transaction's own first, then what is new of them into the project."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from django.db import connection

from projects.loading.copying import Rows
from projects.loading.records import Record
from projects.tables import Message, Place, Problem, Problems, say
from projects.tables.messages import _

if TYPE_CHECKING:
    from projects.loading.loading import Loading

#: Bytes of rows that are sent together.
SENT_AT_ONCE = 1 << 15
#: From so many rows on it matters that the planner knows how large tables are.
ANALYSED_FROM = 100
#: Rows with something wrong that are read to see which of them are alike; beyond them they are only counted.
ALIKE = 500
SHOWN_OF_A_TEXT = 90
BEFORE_DIFFERENCE = 25


class Store(ABC):
    """Takes records of one kind: `take` copies them into a temporary table, `settle` compares and inserts.

    Names of tables and columns are constants of the classes; values only ever travel as parameters.
    """

    kind: ClassVar[str]
    #: Stores settle in this order: what others point at comes first.
    order: ClassVar[int]
    staging: ClassVar[str]
    #: Columns of the staging table besides n, file and line, with their types.
    columns: ClassVar[Mapping[str, str]]

    def __init__(self, loading: Loading) -> None:
        self.loading = loading
        self.project = loading.project
        self.taken = 0
        #: Rows in conflict: of what is known, and of what is new.
        self.conflicting = 0
        self.conflicting_new = 0
        self._rows = Rows(self.staging, {"file": "smallint", "line": "integer", **self.columns})

    def open(self) -> None:
        columns = ", ".join(f"{name} {kind}" for name, kind in self.columns.items())
        self.run(
            f"CREATE TEMPORARY TABLE {self.staging} (n bigint GENERATED ALWAYS AS IDENTITY,"
            f" file smallint, line integer, {columns}) ON COMMIT DROP"
        )

    def close(self) -> None:
        self.run(f"DROP TABLE {self.staging}")

    def take(self, record: Any) -> None:
        row: Record = record
        staged = self.staged(record)
        if staged is not None:
            self.taken += 1
            self._rows.add((self.loading.number_of(row.row.table), row.row.line, *staged))
            if self._rows.size >= SENT_AT_ONCE:
                self.flush()

    def flush(self) -> None:
        """Send what was taken; the next statement finds all of it."""
        if self._rows.size:
            self.loading.copying.send(self._rows)

    @abstractmethod
    def staged(self, record: Any) -> Sequence[Any] | None:
        """The record as a row of the staging table. What is wrong with it raises BadRow; None leaves it out."""

    @abstractmethod
    def settle(self) -> None:
        """Tell what contradicts the project or itself, insert what is new, and count both.

        After an error nothing will be kept, but what can still be found out is.
        """

    # Helpers of those who settle

    def run(self, sql: str, params: Sequence[Any] | Mapping[str, Any] = ()) -> int:
        """Execute; answers how many rows were written."""
        with connection.cursor() as cursor:
            cursor.execute(sql, params or None)
            return int(cursor.rowcount)

    def value(self, sql: str, params: Sequence[Any] | Mapping[str, Any] = ()) -> Any:
        with connection.cursor() as cursor:
            cursor.execute(sql, params or None)
            row = cursor.fetchone()
            return row[0] if row else None

    def analyse(self, *tables: str) -> None:
        """Count these tables anew before a large load joins them, and after it filled them.

        Autovacuum sees nothing of a transaction that is under way, and may just have counted a table as empty that we,
        or the load before us, filled: then each row would be compared with every other one. Tables in the order
        of the stores, so that two loads wait for each other rather than lock each other out.
        """
        if self.taken >= ANALYSED_FROM:
            self.run(f"ANALYZE {', '.join(tables)}")

    def rows(self, sql: str, params: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(sql, params or None)
            return list(cursor.fetchall())

    def found(
        self,
        sql: str,
        params: Sequence[Any] | Mapping[str, Any] = (),
        *,
        into: Problems | None = None,
        unknown: bool = False,
        new: bool = False,
    ) -> Iterator[tuple[Any, ...]]:
        """The first rows of a query for what is wrong; the others are only counted, `into` errors by default.

        Of errors more are read than are told: those in the same words become one.

        `unknown`: they speak of something that the project does not have. `new`: they contradict it without being known.
        """
        into = self.loading.problems if into is None else into
        most = into.most if into is self.loading.conflicts else ALIKE
        rows = self.rows(f"SELECT *, count(*) OVER () FROM ({sql}) AS found LIMIT {most}", params)  # noqa: S608
        for row in rows:
            yield row[:-1]
        if not rows:
            return
        n = rows[0][-1]
        into.n_errors += n - len(rows)
        if unknown:
            self.loading.tell_unknown(self.kind, n)
        if into is self.loading.conflicts:
            self.conflicting_new += n if new else 0
            self.conflicting += 0 if new else n

    def place(self, file: int, line: int, field: str = "") -> Place:
        return self.loading.place(file, line, field)

    def column(self, file: int, field: str) -> str:
        return self.loading.column(file, field)

    def error(
        self, file: int, line: int, field: str, reason: Message, advice: Message | None = None, **more: Any
    ) -> None:
        column = self.column(file, field)
        self.loading.problems.add(Problem(reason, self.place(file, line, column), column, advice, **more))

    def conflict(
        self, file: int, line: int, field: str, reason: Message, known: str, given: str, **more: Any
    ) -> None:
        """Something known says otherwise: told with both sides."""
        column = self.column(file, field)
        known, given = apart(known, given)
        said = say(
            _("%(what)s Known: “%(known)s”. In the file: “%(given)s”."), what=reason, known=known, given=given
        )
        self.loading.conflicts.add(
            Problem(said, self.place(file, line, column), column, known=known, given=given, **more)
        )

    def tell_unknown_prompts(self) -> None:
        """Rows whose `prompt` is the key of none that the project has."""
        for file, line, prompt in self.found(
            f"SELECT l.file, l.line, l.prompt FROM {self.staging} l WHERE NOT EXISTS"  # noqa: S608
            " (SELECT FROM projects_prompt p WHERE p.project_id = %(project)s AND p.key = l.prompt) ORDER BY l.n",
            {"project": self.project.pk},
            unknown=True,
        ):
            self.error(file, line, "prompt_id", *self.loading.unknown_prompt(prompt))

    def warn(self, file: int, line: int, field: str, reason: Message, *, times: int = 1) -> None:
        column = self.column(file, field) if field else ""
        self.loading.problems.warn(Problem(reason, self.place(file, line, column), column), times=times)

    def count_targets(self, targets: str, known: str) -> None:
        """Of a table of targets, in a dry run: those that have something `known`, and those that do not."""
        ((created, unchanged),) = self.rows(
            f"SELECT count(*) FILTER (WHERE {known} IS NULL), count({known}) FROM {targets}"  # noqa: S608
        )
        self.count(self.kind, created=created, unchanged=unchanged)

    def count(self, kind: str, *, created: int, unchanged: int) -> None:
        self.loading.created[kind] = self.loading.created.get(kind, 0) + created
        self.loading.unchanged[kind] = self.loading.unchanged.get(kind, 0) + unchanged


#: A value as JSON, to be stored.
as_json = json.JSONEncoder(ensure_ascii=False).encode


def apart(first: str, second: str, longest: int = SHOWN_OF_A_TEXT) -> tuple[str, str]:
    """Two texts on one line each, shortened to where they differ.

    >>> apart("a" * 200 + "x", "a" * 200 + "y", longest=30)
    ('…aaaaaaaaaaaaaaaaaaaaaaaaax', '…aaaaaaaaaaaaaaaaaaaaaaaaay')
    """
    at = next(
        (n for n, (a, b) in enumerate(zip(first, second, strict=False)) if a != b),
        min(len(first), len(second)),
    )
    start = max(0, at - BEFORE_DIFFERENCE) if max(len(first), len(second)) > longest else 0
    return _cut(first, start, longest), _cut(second, start, longest)


def _cut(text: str, start: int, longest: int) -> str:
    shown = text[start : start + longest]
    shown = shown.replace("\r", "␍").replace("\n", "⏎")
    return ("…" if start else "") + shown + ("…" if start + longest < len(text) else "")
