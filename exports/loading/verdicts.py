"""Verdicts on pairs of responses into runs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, ClassVar

from exports.loading.judge_scores import MOST_PROMPTS
from exports.loading.rows import LONGEST_VERDICT, VerdictRecord
from exports.models import JudgeRun
from projects.loading.fields import BadRow
from projects.loading.store import Store
from projects.tables import Problem, quoted, say
from projects.tables.messages import _

TARGETS = "loading_verdict_target"


class VerdictStore(Store):
    kind = "verdicts"
    order = 45
    staging = "loading_verdict"
    columns: ClassVar = {
        "prompt": "text",
        "model_a": "text",
        "model_b": "text",
        "sample": "integer",
        "sample_b": "integer",
        "turn": "integer",
        "run_id": "bigint",
        "axis": "text",
        "value": "double precision",
        "verdict": "text",
        "failure": "text",
        "reason": "text",
        "repeat": "integer",
        "sha256_a": "text",
        "sha256_b": "text",
    }
    RESOLVED: ClassVar = (
        " LEFT JOIN projects_prompt p ON p.project_id = %(project)s AND p.key = l.prompt"
        " LEFT JOIN projects_languagemodel ma ON ma.project_id = %(project)s AND ma.name = l.model_a"
        " LEFT JOIN projects_languagemodel mb ON mb.project_id = %(project)s AND mb.name = l.model_b"
        " LEFT JOIN projects_response a ON a.prompt_id = p.id AND a.model_id = ma.id AND a.sample = l.sample"
        " AND cardinality(a.turns) >= l.turn"
        " LEFT JOIN projects_response b ON b.prompt_id = p.id AND b.model_id = mb.id AND b.sample = l.sample_b"
        " AND cardinality(b.turns) >= l.turn"
    )

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._runs: dict[tuple[str, str], int] = {}

    def staged(self, record: VerdictRecord) -> Sequence[Any]:
        return (
            record.prompt,
            record.first,
            record.second,
            record.sample,
            record.sample if record.second_sample is None else record.second_sample,
            record.turn,
            self._run(record),
            record.axis,
            record.value,
            record.verdict[:LONGEST_VERDICT],
            record.failure or None,
            record.reason,
            record.repeat,
            record.first_sha256,
            record.second_sha256,
        )

    def _run(self, record: VerdictRecord) -> int:
        key = record.judge, record.judge_prompt
        if key not in self._runs:
            if sum(judge == record.judge for judge, _prompt in self._runs) >= MOST_PROMPTS:
                raise self._too_many_prompts(record)
            sha256 = hashlib.sha256(record.judge_prompt.encode()).hexdigest() if record.judge_prompt else ""
            run, _created = JudgeRun.objects.get_or_create(
                project=self.project,
                name=record.judge,
                prompt_sha256=sha256,
                defaults={
                    "prompt": record.judge_prompt,
                    "loaded_from": [record.row.table.name],
                    "version": record.version,
                    "created_by": self.loading.by,
                },
            )
            self._runs[key] = run.pk
        return self._runs[key]

    def _too_many_prompts(self, record: VerdictRecord) -> BadRow:
        reason = say(
            _("“%(judge)s” has more than %(most)s different prompts here."),
            judge=quoted(record.judge),
            most=MOST_PROMPTS,
        )
        advice = say(_("Give the template or its name, rather than the prompts that were made from it."))
        column = self.column(self.loading.number_of(record.row.table), "judge_prompt")
        return BadRow(Problem(reason, record.row.place(column), column, advice))

    def settle(self) -> None:
        project = {"project": self.project.pk}
        self.run(f"ANALYZE {self.staging}")
        self.analyse("projects_prompt", "projects_languagemodel", "projects_response", "exports_judgeverdict")
        self._tell_unknown()
        self.run(
            f"CREATE TEMPORARY TABLE {TARGETS} ON COMMIT DROP AS WITH numbered AS ("  # noqa: S608  # names are constants
            " SELECT l.n, l.run_id, a.id AS first_id, b.id AS second_id, l.turn, l.axis, COALESCE(l.repeat,"
            " row_number() OVER (PARTITION BY l.run_id, a.id, b.id, l.turn, l.axis, l.repeat IS NULL ORDER BY l.n))::integer AS repeat"
            f" FROM {self.staging} l {self.RESOLVED} WHERE a.id IS NOT NULL AND b.id IS NOT NULL)"
            " SELECT t.*, v.id AS known FROM numbered t LEFT JOIN exports_judgeverdict v USING"
            " (run_id, first_id, second_id, turn, axis, repeat)",
            project,
        )
        self.run(f"ANALYZE {TARGETS}")
        self._tell_twice()
        self._tell_other_texts()
        self._tell_conflicts()
        if not self.loading.problems and not self.loading.conflicts:
            created = self.run(
                "INSERT INTO exports_judgeverdict"  # noqa: S608
                " (run_id, first_id, second_id, turn, axis, repeat, value, verdict, failure, reason)"
                " SELECT t.run_id, t.first_id, t.second_id, t.turn, t.axis, t.repeat, l.value, l.verdict, l.failure, l.reason"
                f" FROM {TARGETS} t JOIN {self.staging} l ON l.n = t.n WHERE t.known IS NULL ORDER BY l.n"
            )
            self.count(self.kind, created=created, unchanged=self.taken - created)
        elif self.loading.dry_run:
            self.count_targets(TARGETS, "known")
        self.run(f"DROP TABLE {TARGETS}")

    def _tell_unknown(self) -> None:
        for file, line, prompt, sample, model, prompt_id in self.found(
            "SELECT l.file, l.line, l.prompt, CASE WHEN a.id IS NULL THEN l.sample ELSE l.sample_b END AS sample,"  # noqa: S608
            " CASE WHEN a.id IS NULL THEN l.model_a ELSE l.model_b END AS model,"
            f" p.id FROM {self.staging} l {self.RESOLVED} WHERE a.id IS NULL OR b.id IS NULL ORDER BY l.n",
            {"project": self.project.pk},
            unknown=True,
        ):
            if prompt_id is None:
                self.error(file, line, "prompt_id", *self.loading.unknown_prompt(prompt))
                continue
            reason = say(
                _("There is no response of “%(model)s” to “%(prompt)s”, sample %(sample)s."),
                model=quoted(model),
                prompt=quoted(prompt),
                sample=sample,
            )
            self.error(file, line, "model", reason)

    def _tell_twice(self) -> None:
        for file, line, first_file, first_line in self.found(
            "SELECT l.file, l.line, o.file AS of, o.line AS ol FROM (SELECT n, min(n) OVER"  # noqa: S608
            f" (PARTITION BY run_id, first_id, second_id, turn, axis, repeat) AS first FROM {TARGETS}) t"
            f" JOIN {self.staging} l ON l.n = t.n JOIN {self.staging} o ON o.n = t.first WHERE t.n <> t.first ORDER BY l.n"
        ):
            other = self.place(first_file, first_line)
            self.error(
                file,
                line,
                "model",
                say(_("The same pair is judged here and in %(other)s."), other=other),
                other=other,
            )

    def _tell_other_texts(self) -> None:
        for side, other in (("a", "first"), ("b", "second")):
            for file, line, model, prompt, known, given in self.found(
                f"WITH texts AS (SELECT t.n, encode(sha256(convert_to(r.turns[t.turn], 'UTF8')), 'hex') AS sha256"  # noqa: S608
                f" FROM {TARGETS} t JOIN {self.staging} l ON l.n = t.n AND l.sha256_{side} <> ''"
                f" JOIN projects_response r ON r.id = t.{other}_id)"
                f" SELECT l.file, l.line, l.model_{side}, l.prompt, x.sha256 AS known, l.sha256_{side} AS given"
                f" FROM texts x JOIN {self.staging} l ON l.n = x.n WHERE l.sha256_{side} <> x.sha256 ORDER BY l.n",
                into=self.loading.conflicts,
                new=True,
            ):
                reason = say(
                    _("The judge saw another text than the response of “%(model)s” to “%(prompt)s” here."),
                    model=quoted(model),
                    prompt=quoted(prompt),
                )
                self.conflict(file, line, "response_sha256", reason, known, given)

    def _tell_conflicts(self) -> None:
        for file, line, known, given, known_reason, given_reason in self.found(
            "SELECT l.file, l.line, COALESCE(v.value::text, v.failure) AS known, COALESCE(l.value::text, l.failure) AS given,"  # noqa: S608
            f" v.reason AS kr, l.reason AS gr FROM {TARGETS} t JOIN {self.staging} l ON l.n = t.n"
            " JOIN exports_judgeverdict v ON v.id = t.known"
            " WHERE v.value IS DISTINCT FROM l.value OR v.failure IS DISTINCT FROM l.failure"
            " OR l.reason <> '' AND l.reason <> v.reason ORDER BY l.n",
            into=self.loading.conflicts,
        ):
            reason = say(_("The verdict on this pair is known as another."))
            if known != given:
                self.conflict(file, line, "verdict", reason, known, given)
            else:
                self.conflict(file, line, "reason", reason, known_reason, given_reason)
