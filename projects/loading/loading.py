"""One load while it is under way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

from django.db import connection

from projects.loading.copying import Copying
from projects.loading.fields import BadRow, Columns
from projects.loading.options import Options
from projects.loading.records import Record
from projects.loading.store import Store
from projects.models import Axis, Project, Rubric, User
from projects.tables import Message, Place, Problem, Problems, Row, Table, quoted, say
from projects.tables.messages import _

#: Called now and then with how much was read, how much there is, and what is being done. May raise to stop.
Progress = Callable[[int, int, str], None]


class Loading:
    """What stores and formats share: the project, what was found, what was counted."""

    def __init__(self, *, project: Project, options: Options, by: User | None = None) -> None:
        self.project = project
        self.by = by
        self.options = options
        self.problems = Problems()
        self.conflicts = Problems()
        self.created: dict[str, int] = {}
        self.unchanged: dict[str, int] = {}
        self.tables: list[Table] = []
        self._numbers: dict[int, int] = {}
        self._columns: dict[int, Columns] = {}
        self._rows: dict[int, int] = {}
        #: What was read and not loaded, by why: conversations that failed, or are not whole yet.
        self.left_out: dict[str, int] = {}
        #: Whether nothing is to be kept: then it is looked at as far as it can be, whatever is wrong with parts of it.
        self.dry_run = False
        #: What speaks of something that the project does not have, by kind of record.
        self.unknown: Counter[str] = Counter()
        #: Errors that say nothing against the other rows.
        self._apart = 0
        #: What else there is to say about what was loaded.
        self.notes: list[Problem] = []
        #: What formats tell each other.
        self.shared: dict[Any, Any] = {}
        self.copying = Copying()
        self._stores: dict[str, Store] = {}
        self._store_types: dict[str, type[Store]] = {}

    def use(self, store_types: dict[str, type[Store]]) -> None:
        self._store_types = store_types

    def add(self, table: Table, columns: Columns) -> None:
        number = len(self.tables)
        self._numbers[id(table)] = number
        self._columns[number] = columns
        self.tables.append(table)

    def number_of(self, table: Table) -> int:
        return self._numbers[id(table)]

    def place(self, file: int, line: int, column: str = "") -> Place:
        return self.tables[file].place(line, column)

    def column(self, file: int, field: str) -> str:
        return self._columns[file].of(field)

    def has_column(self, file: int, field: str) -> bool:
        return field in self._columns[file]

    def take(self, record: Record) -> None:
        self.store(record.kind).take(record)

    def store(self, kind: str) -> Store:
        """The store of one kind of records, open."""
        if kind not in self._stores:
            store = self._stores[kind] = self._store_types[kind](self)
            store.open()
        return self._stores[kind]

    def fresh_store(self, kind: str) -> Store:
        """The store of one kind of records with nothing in it."""
        if kind in self._stores:
            self._stores.pop(kind).close()
        return self.store(kind)

    def settling(self) -> Iterator[Store]:
        """The stores in their order; one may hand records to another that comes after it."""
        settled: set[str] = set()
        while left := [store for store in self.stores if store.kind not in settled]:
            settled.add(left[0].kind)
            yield left[0]

    @property
    def goes_on(self) -> bool:
        """Whether what comes next can be looked at: nothing is wrong so far, or, in a dry run, nothing but single rows."""
        return self.problems.n_errors <= (self._apart if self.dry_run else 0)

    def refuse(self, bad: BadRow) -> None:
        self.problems.add_all(bad.problems)
        if not bad.why:
            return
        self._apart += len(bad.problems)
        if bad.why == BadRow.FAILED:
            self.leave_out(BadRow.FAILED)
        elif bad.why == BadRow.UNKNOWN:
            self.unknown["responses"] += 1

    def tell_unknown(self, kind: str, times: int) -> None:
        """Rows of the staging table that speak of something unknown; they are errors already."""
        self._apart += times
        self.unknown[kind] += times

    def leave_out(self, why: str, times: int = 1) -> None:
        self.left_out[why] = self.left_out.get(why, 0) + times

    @property
    def stores(self) -> list[Store]:
        """Those that took something, in the order in which they settle."""
        return sorted(self._stores.values(), key=lambda store: store.order)

    @cached_property
    def rubric(self) -> Rubric | None:
        found: Rubric | None = self.project.current_rubric()
        return found

    @cached_property
    def axes(self) -> list[Axis]:
        """The axes of the newest rubric, with their points."""
        return list(Axis.objects.filter(rubric=self.rubric).with_points()) if self.rubric else []

    def unknown_prompt(self, key: str) -> tuple[Message, Message]:
        """Reason and advice for an id that no prompt has; where a spreadsheet changed it, the one that was meant."""
        for meant in _meant(key):
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT key FROM projects_prompt WHERE project_id = %s AND key = %s",
                    [self.project.pk, meant],
                )
                if cursor.fetchone():
                    advice = say(
                        _("There is a prompt “%(id)s”: a spreadsheet may have taken the id for a number."),
                        id=meant,
                    )
                    return say(_("There is no prompt “%(id)s”."), id=quoted(key)), advice
        advice = say(_("Load the prompts first, or together with this file."))
        return say(_("There is no prompt “%(id)s”."), id=quoted(key)), advice

    def tell_skipped(self, row: Row) -> None:
        """An answer that only says that generating it failed, left out as asked."""
        self.leave_out(BadRow.FAILED)
        reason = say(_("This is no answer, but says that generating it failed; it was left out."))
        self.problems.warn(Problem(reason, row.place()))

    def outcome(self) -> dict[str, dict[str, int]]:
        """By kind: what a load would find to be new, the same, in conflict, and of something unknown."""
        stores = {store.kind: store for store in self._stores.values()}
        found = {}
        for kind in dict.fromkeys((*self.created, *self.unchanged, *self.unknown)):
            store = stores.get(kind)
            new, same = (store.conflicting_new, store.conflicting) if store else (0, 0)
            found[kind] = {
                "new": max(0, self.created.get(kind, 0) - new),
                "same": max(0, self.unchanged.get(kind, 0) - same),
                "conflict": new + same,
                "unknown": self.unknown[kind],
            }
        return found

    def count_rows(self, table: Table, rows: int) -> None:
        self._rows[self.number_of(table)] = rows

    def report_files(self) -> list[dict[str, Any]]:
        return [
            {"name": table.name, **table.facts(), "rows": self._rows.get(number)}
            for number, table in enumerate(self.tables)
        ]


def _meant(key: str) -> list[str]:
    """What an id may have been before a spreadsheet took it for a number.

    >>> _meant("12.0"), _meant("7"), _meant("a")
    (['12'], ['07', '007', '0007'], [])
    """
    if key.endswith(".0") and key[:-2].isdigit():
        return [key[:-2]]
    return [key.zfill(width) for width in range(len(key) + 1, len(key) + 4)] if key.isdigit() else []
