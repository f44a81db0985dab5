"""What came of a load."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from projects.tables import Problem
from projects.tables.messages import Translate, untranslated

#: Always told, also when there was none: scripts look for them.
COUNTED = ("prompts", "models", "responses", "raters", "ratings", "judge_scores")


@dataclass
class Report:
    """Counts are of what files hold: a rating is one score, a conversation of two turns one response.

    The first 20 different errors and conflicts are kept, and the first 20 kinds of warnings; the numbers say how many there were.
    """

    created: Mapping[str, int] = field(default_factory=dict)
    unchanged: Mapping[str, int] = field(default_factory=dict)
    #: Of a dry run, by kind: how many are new, the same, in conflict, unknown. Also where the load would be refused.
    outcome: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    conflicts: list[Problem] = field(default_factory=list)
    errors: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    n_conflicts: int = 0
    n_errors: int = 0
    n_warnings: int = 0
    #: Conversations that were left out, by why: "failed", "incomplete".
    left_out: Mapping[str, int] = field(default_factory=dict)
    notes: list[Problem] = field(default_factory=list)
    #: What was found out about each file: name, format, encoding, rows.
    files: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    dry_run: bool = False

    @property
    def refused(self) -> bool:
        return bool(self.n_errors or self.n_conflicts)

    @property
    def all_left_out(self) -> dict[str, int]:
        """What was left out, by why; a dry run of answers or judgments says so too where nothing was."""
        answers = self.outcome.keys() & {"responses", "judge_scores", "verdicts", "checklists", "answered"}
        return (dict.fromkeys(("failed", "incomplete"), 0) if answers else {}) | dict(self.left_out)

    @property
    def more_errors(self) -> int:
        """That are not told."""
        return self.n_errors - sum(problem.times for problem in self.errors)

    @property
    def more_conflicts(self) -> int:
        return self.n_conflicts - sum(problem.times for problem in self.conflicts)

    @property
    def adds_nothing(self) -> bool:
        return not self.refused and not any(self.created.values())

    def as_json(self, translate: Translate = untranslated) -> dict[str, Any]:
        return {
            "created": {
                name: self.created.get(name, 0) for name in (*COUNTED, *(set(self.created) - set(COUNTED)))
            },
            "unchanged": {
                name: self.unchanged.get(name, 0)
                for name in (*COUNTED, *(set(self.unchanged) - set(COUNTED)))
            },
            **(
                {"outcome": {kind: dict(counts) for kind, counts in self.outcome.items()}}
                if self.dry_run
                else {}
            ),
            "conflicts": [problem.as_json(translate) for problem in self.conflicts],
            "errors": [problem.as_json(translate) for problem in self.errors],
            "warnings": [problem.as_json(translate) for problem in self.warnings],
            "n_conflicts": self.n_conflicts,
            "n_errors": self.n_errors,
            "n_warnings": self.n_warnings,
            "left_out": dict(self.left_out),
            "notes": [problem.as_json(translate) for problem in self.notes],
            "files": self.files,
            "dry_run": self.dry_run,
            "seconds": round(self.seconds, 3),
        }


class NotLoaded(Exception):
    """Something was refused, so nothing was loaded; `report` says what."""

    def __init__(self, report: Report) -> None:
        first = (report.errors or report.conflicts)[:1]
        super().__init__(str(first[0]) if first else "nothing was loaded")
        self.report = report
