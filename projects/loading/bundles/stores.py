"""Answers find the conversations they belong to, in tables of the transaction's own: there may be millions of both."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, ClassVar

from django.db import connection

from projects.loading import registry
from projects.loading.bundles.kinds import Asked
from projects.loading.bundles.known import Bundles
from projects.loading.bundles.records import AnsweredRecord, AskedRecord
from projects.loading.bundles.waiting import Numbers, Waiting
from projects.loading.fields import BadRow
from projects.loading.store import Store, as_json
from projects.tables import Problem, Row, quoted, say
from projects.tables.messages import _

ASKED, BEST = "loading_asked", "loading_best"
FETCHED_AT_ONCE = 1000
LOOKED_UP_AT_ONCE = 1000
#: Characters of answers that wait in memory until their conversations are whole.
MOST_WAITING = 8_000_000


class AskedStore(Store):
    kind = "asked"
    order = 4
    staging = ASKED
    columns: ClassVar = {
        "job": "text",
        "item": "text",
        "prompt": "text",
        "turns": "integer[]",
        "said": "text",
    }

    def staged(self, record: AskedRecord) -> Sequence[Any]:
        return (record.job, record.item, record.prompt, record.turns, as_json(record.said))

    def complete(self) -> None:
        """All of them are there: make them quick to find."""
        self.flush()
        self.run(f"CREATE INDEX ON {ASKED} (item)")
        self.run(f"ANALYZE {ASKED} (n, item)")

    def number(self) -> int:
        return int(self.value(f"SELECT count(DISTINCT item) FROM {ASKED}"))  # noqa: S608  # names are constants

    def find(self, items: list[str]) -> dict[str, tuple[int, Asked]]:
        """These items, each with its number; of those that stand twice, the first."""
        tables = self.loading.tables
        return {
            item: (n, Asked(Row(tables[file], line, {}), job, item, prompt, turns, _read(said)))
            for n, file, line, job, item, prompt, turns, said in self.rows(
                f"SELECT DISTINCT ON (item) n, file, line, job, item, prompt, turns, said FROM {ASKED}"  # noqa: S608
                " WHERE item = ANY (%s) ORDER BY item, n",
                [items],
            )
        }

    def settle(self) -> None:
        for file, line, item, first_file, first_line in self.found(
            "SELECT l.file, l.line, l.item, o.file AS of, o.line AS ol FROM"  # noqa: S608
            f" (SELECT n, min(n) OVER (PARTITION BY item) AS first FROM {ASKED}) t"
            f" JOIN {ASKED} l ON l.n = t.n JOIN {ASKED} o ON o.n = t.first"
            " WHERE t.n <> t.first AND (l.prompt, l.said::jsonb) IS DISTINCT FROM (o.prompt, o.said::jsonb) ORDER BY l.n"
        ):
            other = self.place(first_file, first_line)
            reason = say(_("The item %(item)s stands in %(other)s with other words."), item=item, other=other)
            self.error(file, line, "item_id", reason, other=other)


class AnsweredStore(Store):
    """Hands a conversation on as soon as its last answer is read, so that most texts are written down once.

    Answers to conversations that are not whole yet wait in memory, as many as fit, and the others in a table.
    """

    kind = "answered"
    order = 5
    staging = "loading_answered"
    columns: ClassVar = {
        "job": "text",
        "item": "text",
        "turn": "integer",
        "ok": "boolean",
        "settled": "boolean",
        "final": "boolean",
        "content": "text",
        "said": "text",
        "read": "text",
        "error": "text",
    }

    def open(self) -> None:
        super().open()
        # Read again soon, and not worth compressing until then.
        self.run(f"ALTER TABLE {self.staging} ALTER COLUMN content SET STORAGE EXTERNAL")
        asked = self.loading.store(AskedStore.kind)
        assert isinstance(asked, AskedStore)
        self._asked = asked
        asked.complete()
        self._kinds = {name: kind(self.loading) for name, kind in registry.bundle_kinds().items()}
        self._lines: list[AnsweredRecord] = []
        self._waiting = Waiting()
        self._ready: deque[tuple[Asked, dict[int, AnsweredRecord]]] = deque()
        self._n_ready = 0
        self._handed_on = Numbers()
        #: Conversations that have answers in the table.
        self._in_table = Numbers()

    def staged(self, record: AnsweredRecord) -> Sequence[Any]:
        return (
            record.job,
            record.item,
            record.turn,
            record.ok,
            record.settled,
            record.final,
            record.content,
            as_json(record.said),
            as_json(record.read),
            record.error,
        )

    def take(self, record: AnsweredRecord) -> None:
        """Those that are whole are handed on between the lines, so that the server takes them in while others are read."""
        self._lines.append(record)
        while len(self._ready) * LOOKED_UP_AT_ONCE > self._n_ready * (LOOKED_UP_AT_ONCE - len(self._lines)):
            self._hand_on(*self._ready.popleft())
        if len(self._lines) >= LOOKED_UP_AT_ONCE:
            self._look_up()

    def _look_up(self) -> None:
        """Find out which conversations these lines belong to, and which of them are whole now."""
        self._hand_on_ready()
        wanted = {record.item for record in self._lines} - self._waiting.items
        found = self._asked.find(list(wanted)) if wanted else {}
        for record in self._lines:
            waiting = self._waiting.of(record.item)
            known = (waiting.n, waiting.asked) if waiting else found.get(record.item)
            if known is None:
                super().take(record)
                continue
            n, asked = known
            if record.job not in ("", asked.job):  # two bundles may hold the same item
                self._to_table(record, n)
            elif n in self._handed_on:
                continue  # of two successes the earlier counts
            elif n in self._in_table:
                super().take(record)
            elif answers := self._waiting.add(n, asked, record):
                self._handed_on.add(n)
                self._ready.append((asked, answers))
        self._lines.clear()
        self._n_ready = len(self._ready)
        if self._waiting.size > MOST_WAITING:
            self._all_to_table()

    def _to_table(self, record: AnsweredRecord, n: int) -> None:
        for one in self._waiting.taken(record.item):
            super().take(one)
        super().take(record)
        self._in_table.add(n)

    def _all_to_table(self) -> None:
        for n, records in self._waiting.all_taken():
            self._in_table.add(n)
            for record in records:
                super().take(record)

    def settle(self) -> None:
        self._look_up()
        self._hand_on_ready()
        self._all_to_table()
        self.flush()
        if not self.taken and len(self._handed_on) == self._asked.number():
            return
        self.run(f"ANALYZE {self.staging} (n, item, turn)")  # to look at long texts as well would take long
        # Success beats error, and of two successes the earlier counts.
        self.run(
            f"CREATE TEMPORARY TABLE {BEST} ON COMMIT DROP AS SELECT DISTINCT ON (item, turn) item, turn, n"  # noqa: S608
            f" FROM {self.staging} ORDER BY item, turn, settled DESC, final DESC, n"
        )
        self.run(f"ANALYZE {BEST}")
        self._tell_unknown()
        if self.loading.goes_on:
            for asked, answers in self._left():
                self._hand_on(asked, answers)
        self.run(f"DROP TABLE {BEST}")

    def _hand_on_ready(self) -> None:
        while self._ready:
            self._hand_on(*self._ready.popleft())

    def _hand_on(self, asked: Asked, answers: Mapping[int, AnsweredRecord]) -> None:
        bundles = Bundles.of(self.loading)
        try:
            for record in self._kinds[bundles.by_job[asked.job].kind].records(asked, answers):
                self.loading.take(record)
        except BadRow as bad:
            self.loading.refuse(bad)
        except RecursionError:
            self.loading.problems.add(
                Problem(say(_("This is nested too deeply.")), next(iter(answers.values())).row.place())
            )

    def _tell_unknown(self) -> None:
        for file, line, item in self.found(
            f"SELECT file, line, item FROM {self.staging} l"  # noqa: S608
            f" WHERE NOT EXISTS (SELECT FROM {ASKED} a WHERE a.item = l.item) ORDER BY n",
            unknown=True,
        ):
            reason = say(_("There is no item %(item)s in the bundle."), item=quoted(item))
            advice = say(_("Load it with the items.jsonl and manifest.json that it was made from."))
            self.error(file, line, "item_id", reason, advice)
        for file, line, job in self.found(
            f"SELECT l.file, l.line, l.job FROM {self.staging} l"  # noqa: S608
            f" WHERE l.job <> '' AND EXISTS (SELECT FROM {ASKED} a WHERE a.item = l.item)"
            f" AND NOT EXISTS (SELECT FROM {ASKED} a WHERE a.item = l.item AND a.job = l.job) ORDER BY l.n",
            unknown=True,
        ):
            reason = say(_("This is an answer of another bundle, of the job %(job)s."), job=quoted(job))
            self.error(file, line, "job_id", reason)

    def _left(self) -> Iterator[tuple[Asked, dict[int, AnsweredRecord]]]:
        """The conversations that were not handed on yet, in their order, with the answers that there are."""
        tables = self.loading.tables
        for _item, rows in groupby(self._streamed(), key=itemgetter(0)):
            lines = list(rows)
            _n, file, line, job, item, prompt, turns, said = lines[0][:8]
            asked = Asked(Row(tables[file], line, {}), job, item, prompt, turns, _read(said))
            answers = {
                turn: AnsweredRecord(
                    row=Row(tables[at], at_line, {}),
                    job=job,
                    item=item,
                    turn=turn,
                    ok=ok,
                    settled=settled,
                    final=final,
                    content=content,
                    said=_read(how),
                    read=_read(read),
                    error=error,
                )
                for at, at_line, turn, ok, settled, final, content, how, read, error in (
                    one[8:] for one in lines
                )
                if turn is not None
            }
            yield asked, answers

    def _streamed(self) -> Iterator[tuple[Any, ...]]:
        """Each conversation's lines one after the other, as many at a time as fit."""
        with connection.cursor() as cursor:
            cursor.execute(
                f"DECLARE conversations NO SCROLL CURSOR FOR SELECT a.n, a.file, a.line, a.job, a.item, a.prompt, a.turns,"  # noqa: S608
                " a.said, l.file, l.line, l.turn, l.ok, l.settled, l.final, l.content, l.said, l.read, l.error"
                f" FROM (SELECT DISTINCT ON (item) * FROM {ASKED} ORDER BY item, n) a"
                f" LEFT JOIN {BEST} b ON b.item = a.item LEFT JOIN {self.staging} l ON l.n = b.n"
                " WHERE get_bit(%s, a.n) = 0 ORDER BY a.n, l.turn",
                [self._handed_on.bits(self._asked.taken)],
            )
            while True:
                cursor.execute(f"FETCH {FETCHED_AT_ONCE} FROM conversations")
                rows = cursor.fetchall()
                if not rows:
                    break
                yield from rows
            cursor.execute("CLOSE conversations")


def _read(text: str | None) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text) if text else {}
    return found
