"""Checklists that a judge made for prompts: a prompt that has none gets its own, and none is ever replaced."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django.db.models.expressions import RawSQL

from projects.loading.records import Record
from projects.loading.store import Store
from projects.models import Prompt
from projects.tables import Problem, quoted, say
from projects.tables.messages import _

FIRSTS = "loading_checklist_first"
#: Under this name a prompt's metadata say where its checklist is from.
ORIGIN = "checklist_from"


@dataclass(slots=True)
class ChecklistRecord(Record):
    kind: ClassVar[str] = "checklists"
    prompt: str
    points: list[str]
    #: Who made it, and how.
    origin: dict[str, Any]


class ChecklistStore(Store):
    kind = "checklists"
    order = 15
    staging = "loading_checklist"
    columns: ClassVar = {"prompt": "text", "points": "jsonb", "origin": "jsonb"}

    def staged(self, record: ChecklistRecord) -> Sequence[Any]:
        return (
            record.prompt,
            json.dumps(record.points, ensure_ascii=False),
            json.dumps(record.origin, ensure_ascii=False),
        )

    def settle(self) -> None:
        project = {"project": self.project.pk}
        self.tell_unknown_prompts()
        self.run(
            f"CREATE TEMPORARY TABLE {FIRSTS} ON COMMIT DROP AS"  # noqa: S608  # names are constants
            " SELECT DISTINCT ON (p.id) p.id, l.n, p.checklist <> '[]' AS known"
            f" FROM {self.staging} l JOIN projects_prompt p ON p.project_id = %(project)s AND p.key = l.prompt"
            " ORDER BY p.id, l.n",
            project,
        )
        self._tell_contradictions_within()
        self._tell_conflicts()
        self._tell_shown_already()
        created = self.run(
            "UPDATE projects_prompt p SET checklist = l.points,"  # noqa: S608
            " metadata = p.metadata || jsonb_build_object(%(origin)s::text, l.origin)"
            f" FROM {FIRSTS} f JOIN {self.staging} l ON l.n = f.n WHERE p.id = f.id AND NOT f.known",
            {"origin": ORIGIN},
        )
        unchanged = self.value(f"SELECT count(*) FROM {FIRSTS} WHERE known")  # noqa: S608
        self.count(self.kind, created=created, unchanged=unchanged)
        self.run(f"DROP TABLE {FIRSTS}")

    def _tell_contradictions_within(self) -> None:
        for file, line, prompt, first_file, first_line in self.found(
            f"SELECT l.file, l.line, l.prompt, o.file AS of, o.line AS ol FROM {FIRSTS} f"  # noqa: S608
            f" JOIN {self.staging} o ON o.n = f.n JOIN {self.staging} l ON l.prompt = o.prompt AND l.n > o.n"
            " WHERE l.points <> o.points ORDER BY l.n"
        ):
            other = self.place(first_file, first_line)
            reason = say(
                _("The prompt “%(id)s” has another checklist in %(other)s."), id=quoted(prompt), other=other
            )
            self.error(
                file, line, "checklist", reason, say(_("A prompt has one: load one of the two.")), other=other
            )

    def _tell_conflicts(self) -> None:
        for file, line, prompt, known, given in self.found(
            f"SELECT l.file, l.line, l.prompt, p.checklist::text AS known, l.points::text AS given FROM {FIRSTS} f"  # noqa: S608
            f" JOIN {self.staging} l ON l.n = f.n JOIN projects_prompt p ON p.id = f.id"
            " WHERE f.known AND p.checklist <> l.points ORDER BY l.n",
            into=self.loading.conflicts,
        ):
            reason = say(_("The prompt “%(id)s” has another checklist already."), id=quoted(prompt))
            self.conflict(file, line, "checklist", reason, _shown(known), _shown(given))

    def _tell_shown_already(self) -> None:
        """Raters who see checklists would rate the rest of a prompt with one that they did not have before."""
        if not self.project.raters_see_checklist:
            return
        fresh = RawSQL(f"SELECT id FROM {FIRSTS} WHERE NOT known", [])  # noqa: S608, S611
        prompts = Prompt.objects.filter(pk__in=fresh, items__assignments__state="submitted")
        rated = prompts.distinct().count()
        if rated:
            reason = say(
                _("Raters see checklists, and %(n)s of these prompts have been rated without one."), n=rated
            )
            self.loading.problems.warn(Problem(reason))


def _shown(text: str) -> str:
    return " / ".join(str(point) for point in json.loads(text))
