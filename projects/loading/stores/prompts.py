"""Prompts into the project."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar

from projects.loading.records import PromptRecord
from projects.loading.store import Store
from projects.tables import say
from projects.tables.messages import _

#: What raters and judges are shown: a difference is a conflict.
SHOWN = ("turns", "reference", "checklist", "options", "answer")
#: What only describes: what is stored stays, and the difference is told.
DESCRIBING = ("source", "category", "tags", "metadata")

FIRSTS = "loading_prompt_first"


class PromptStore(Store):
    kind = "prompts"
    order = 10
    staging = "loading_prompt"
    columns: ClassVar = {
        "key": "text",
        "turns": "jsonb",
        "source": "text",
        "category": "text",
        "tags": "varchar[]",
        "reference": "text",
        "checklist": "jsonb",
        "options": "jsonb",
        "answer": "text",
        "metadata": "jsonb",
        "given": "text[]",
    }

    def staged(self, record: PromptRecord) -> Sequence[Any]:
        return (
            record.key,
            _json(record.turns),
            record.source,
            record.category,
            record.tags,
            record.reference,
            _json(record.checklist),
            _json(record.options),
            record.answer,
            _json(record.metadata),
            list(record.given),
        )

    def settle(self) -> None:
        project = {"project": self.project.pk}
        self.run(f"ANALYZE {self.staging}")
        self.analyse("projects_prompt")
        self.run(
            f"CREATE TEMPORARY TABLE {FIRSTS} ON COMMIT DROP AS"  # noqa: S608  # names are constants
            " SELECT DISTINCT ON (l.key) l.key, l.n, p.id AS known"
            f" FROM {self.staging} l LEFT JOIN projects_prompt p ON p.project_id = %(project)s AND p.key = l.key"
            " ORDER BY l.key, l.n",
            project,
        )
        self.run(f"ANALYZE {FIRSTS}")
        self._tell_contradictions_within()
        self._tell_conflicts()
        self._tell_differences()
        created = self.run(
            "INSERT INTO projects_prompt (project_id, key, turns, source, category, tags, reference, checklist,"  # noqa: S608
            " options, answer, metadata, created_at)"
            " SELECT %(project)s, l.key, l.turns, l.source, l.category, l.tags, l.reference, l.checklist,"
            f" l.options, l.answer, l.metadata, now() FROM {FIRSTS} f JOIN {self.staging} l ON l.n = f.n"
            " WHERE f.known IS NULL ORDER BY l.n",
            project,
        )
        unchanged = self.value(f"SELECT count(*) FROM {FIRSTS} WHERE known IS NOT NULL")  # noqa: S608
        self.count("prompts", created=created, unchanged=unchanged)
        self.run(f"DROP TABLE {FIRSTS}")
        self.analyse("projects_prompt")

    def _tell_contradictions_within(self) -> None:
        """The same id twice in the files, with different words."""
        for field in SHOWN:
            for key, file, line, first_file, first_line in self.found(
                f"SELECT l.key, l.file, l.line, o.file, o.line FROM {FIRSTS} f"  # noqa: S608
                f" JOIN {self.staging} o ON o.n = f.n JOIN {self.staging} l ON l.key = f.key AND l.n > f.n"
                f" WHERE l.{field} IS DISTINCT FROM o.{field} AND %(field)s = ANY (l.given)"
                " AND %(field)s = ANY (o.given) ORDER BY l.n",
                {"field": field},
            ):
                other = self.place(first_file, first_line)
                self.error(
                    file,
                    line,
                    field,
                    say(_("The prompt “%(id)s” stands in %(other)s with other words."), id=key, other=other),
                    say(_("Give the prompts different ids, or remove one of them.")),
                    other=other,
                )

    def _tell_conflicts(self) -> None:
        for field in SHOWN:
            for key, file, line, known, given in self.found(
                f"SELECT l.key, l.file, l.line, p.{field}::text, l.{field}::text FROM {FIRSTS} f"  # noqa: S608
                f" JOIN projects_prompt p ON p.id = f.known JOIN {self.staging} l ON l.n = f.n"
                f" WHERE l.{field} IS DISTINCT FROM p.{field} AND %(field)s = ANY (l.given) ORDER BY l.n",
                {"field": field},
                into=self.loading.conflicts,
            ):
                reason = say(_("The prompt “%(id)s” is known with other words."), id=key)
                self.conflict(file, line, field, reason, _shown(field, known), _shown(field, given))
        if self.conflicting:  # in how many fields; here, of how many prompts
            differs = " OR ".join(
                f"l.{one} IS DISTINCT FROM p.{one} AND '{one}' = ANY (l.given)" for one in SHOWN
            )
            self.conflicting = self.value(
                f"SELECT count(*) FROM {FIRSTS} f JOIN projects_prompt p ON p.id = f.known"  # noqa: S608
                f" JOIN {self.staging} l ON l.n = f.n WHERE {differs}"
            )

    def _tell_differences(self) -> None:
        for field in DESCRIBING:
            same = (
                f"p.{field} @> l.{field}"
                if field == "metadata"
                else f"l.{field} IS NOT DISTINCT FROM p.{field}"
            )
            found = self.rows(
                f"SELECT min(l.n), count(*) FROM {FIRSTS} f JOIN projects_prompt p ON p.id = f.known"  # noqa: S608
                f" JOIN {self.staging} l ON l.n = f.n WHERE NOT ({same}) AND %(field)s = ANY (l.given)",
                {"field": field},
            )
            if (first := found[0][0]) is not None:
                ((file, line),) = self.rows(f"SELECT file, line FROM {self.staging} WHERE n = %s", [first])  # noqa: S608
                reason = say(_("This differs from what is stored, which stays as it is."))
                self.warn(file, line, field, reason, times=found[0][1])


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _shown(field: str, text: str) -> str:
    """A value of the database as people read it: of turns, what was said."""
    if field == "turns":
        turns = json.loads(text)
        if all(turn["role"] == "user" for turn in turns):
            return " / ".join(turn["content"] for turn in turns)
        return " / ".join(f"{turn['role']}: {turn['content']}" for turn in turns)
    return text
