"""Answers find the conversations they belong to, in tables of the transaction's own: there may be millions of both."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, ClassVar

from django.db import connection

from projects.loading import registry
from projects.loading.bundles.kinds import Answered, Asked
from projects.loading.bundles.known import Bundles
from projects.loading.bundles.records import AnsweredRecord, AskedRecord
from projects.loading.fields import BadRow
from projects.loading.store import Store
from projects.tables import Row, quoted, say
from projects.tables.messages import _

ASKED, BEST = "loading_asked", "loading_best"
FETCHED_AT_ONCE = 1000


class AskedStore(Store):
    kind = "asked"
    order = 4
    staging = ASKED
    columns: ClassVar = {
        "job": "text",
        "item": "text",
        "prompt": "text",
        "turns": "integer[]",
        "said": "jsonb",
    }

    def staged(self, record: AskedRecord) -> Sequence[Any]:
        return (
            record.job,
            record.item,
            record.prompt,
            record.turns,
            json.dumps(record.said, ensure_ascii=False),
        )

    def settle(self) -> None:
        for file, line, item, first_file, first_line in self.found(
            "SELECT l.file, l.line, l.item, o.file AS of, o.line AS ol FROM"  # noqa: S608  # names are constants
            f" (SELECT n, min(n) OVER (PARTITION BY item) AS first FROM {ASKED}) t"
            f" JOIN {ASKED} l ON l.n = t.n JOIN {ASKED} o ON o.n = t.first"
            " WHERE t.n <> t.first AND (l.prompt, l.said) IS DISTINCT FROM (o.prompt, o.said) ORDER BY l.n"
        ):
            other = self.place(first_file, first_line)
            reason = say(_("The item %(item)s stands in %(other)s with other words."), item=item, other=other)
            self.error(file, line, "item_id", reason, other=other)


class AnsweredStore(Store):
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
        self.loading.store(AskedStore.kind)

    def staged(self, record: AnsweredRecord) -> Sequence[Any]:
        return (
            record.job,
            record.item,
            record.turn,
            record.ok,
            record.settled,
            record.final,
            record.content,
            json.dumps(record.said, ensure_ascii=False),
            json.dumps(record.read, ensure_ascii=False),
            record.error,
        )

    def settle(self) -> None:
        self.run(f"ANALYZE {self.staging} (n, item, turn)")  # to look at long texts as well would take long
        self.run(f"ANALYZE {ASKED} (n, item)")
        # Success beats error, and of two successes the earlier counts.
        self.run(
            f"CREATE TEMPORARY TABLE {BEST} ON COMMIT DROP AS SELECT DISTINCT ON (item, turn) item, turn, n"  # noqa: S608
            f" FROM {self.staging} ORDER BY item, turn, settled DESC, final DESC, n"
        )
        self.run(f"ANALYZE {BEST}")
        self._tell_unknown()
        if self.loading.goes_on:
            self._hand_on()
        self.run(f"DROP TABLE {BEST}")

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

    def _hand_on(self) -> None:
        kinds = {name: kind(self.loading) for name, kind in registry.bundle_kinds().items()}
        bundles = Bundles.of(self.loading)
        for asked, answers in self._conversations():
            kind = kinds[bundles.by_job[asked.job].kind]
            try:
                for record in kind.records(asked, answers):
                    self.loading.take(record)
            except BadRow as bad:
                self.loading.refuse(bad)

    def _conversations(self) -> Iterator[tuple[Asked, dict[int, Answered]]]:
        tables = self.loading.tables
        for _item, rows in groupby(self._streamed(), key=itemgetter(0)):
            lines = list(rows)
            _n, file, line, job, item, prompt, turns, said = lines[0][:8]
            asked = Asked(Row(tables[file], line, {}), job, item, prompt, turns, _read(said))
            answers = {
                turn: Answered(
                    Row(tables[at], at_line, {}),
                    turn,
                    ok,
                    settled,
                    final,
                    content,
                    _read(how),
                    _read(read),
                    error,
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
                " a.said::text, l.file, l.line, l.turn, l.ok, l.settled, l.final, l.content, l.said, l.read, l.error"
                f" FROM (SELECT DISTINCT ON (item) * FROM {ASKED} ORDER BY item, n) a"
                f" LEFT JOIN {BEST} b ON b.item = a.item LEFT JOIN {self.staging} l ON l.n = b.n ORDER BY a.n, l.turn"
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
