"""Judge scores into runs: what one judge says with one prompt."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any, ClassVar

from annotation.loading.items import ItemStore
from exports.loading.rows import JudgeScoreRecord
from exports.models import Failure, JudgeRun
from projects.models import Axis
from projects.tables import BadCell, Problem, as_number, as_text, listed, quoted, say
from projects.tables.messages import _

TARGETS = "loading_judge_score_target"
RUNS = "loading_judge_run"
#: A judge with more prompts than this was given the prompts as they were sent, and not what they were made from.
MOST_PROMPTS = 100
SHA256 = re.compile(r"[0-9a-f]{64}")


class JudgeScoreStore(ItemStore):
    kind = "judge_scores"
    order = 40
    staging = "loading_judge_score"
    columns: ClassVar = {
        "prompt": "text",
        "model": "text",
        "sample": "integer",
        "turn": "integer",
        "run": "integer",
        "axis_id": "bigint",
        "value": "double precision",
        "failure": "text",
        "reason": "text",
        "repeat": "integer",
        "again": "boolean",
        "sha256": "text",
    }

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._range = {pk: (min(points), max(points)) for pk, points in self.points.items() if points}
        #: By judge the hashes of its prompts, each with its number in this load.
        self._runs: dict[str, dict[str, int]] = {}
        self._prompts: dict[str, str] = {"": ""}
        self._files: dict[int, set[int]] = {}
        self._versions: dict[int, dict[str, Any]] = {}
        self._has_hashes = False

    # One row

    def staged(self, record: JudgeScoreRecord) -> Sequence[Any]:
        axis = self.axis_of(record, record.axis)
        value, failure = self._score(record, axis)
        if record.response_sha256 and not SHA256.fullmatch(record.response_sha256):
            reason = say(_("Here should be a SHA-256 in hexadecimal digits."))
            raise self.bad(record, "response_sha256", reason)
        self._has_hashes |= bool(record.response_sha256)
        return (
            record.prompt,
            record.model,
            record.sample,
            record.turn,
            self._run(record),
            axis.pk,
            value,
            failure,
            record.reason,
            record.repeat,
            record.again,
            record.response_sha256,
        )

    def _score(self, record: JudgeScoreRecord, axis: Axis) -> tuple[float | None, str | None]:
        if self.is_no_score(record.score):
            return None, self._failure(record)
        if record.failure:
            raise self.bad(record, "failure", say(_("Here are both a score and a failure.")))
        try:
            value = as_number(record.score)
        except BadCell as bad:
            advice = bad.advice or say(
                _("If it stands for a failure, leave it empty, or say so (%(option)s)."),
                option=say("--na-value"),
            )
            raise self.bad(record, "score", bad.reason, advice) from None
        low, high = self._range.get(axis.pk, (value, value))
        if not low <= value <= high:
            reason = say(
                _("%(value)s is out of the range of “%(axis)s”: %(low)s to %(high)s."),
                value=quoted(as_text(record.score)),
                axis=axis.key,
                low=f"{low:g}",
                high=f"{high:g}",
            )
            raise self.bad(record, "score", reason)
        return value, None

    def _failure(self, record: JudgeScoreRecord) -> str:
        if not record.failure:
            column = self.column(self.loading.number_of(record.row.table), "score")
            reason = say(
                _("Here is no score and no failure: taken for an answer without a score (unparsed).")
            )
            self.loading.problems.warn(
                Problem(reason, record.row.place(column), column), key=("no score", record.row.table.name)
            )
            return Failure.UNPARSED.value
        if record.failure not in Failure.values:
            reason = say(
                _("“%(value)s” is none of: %(known)s."),
                value=quoted(record.failure),
                known=listed(Failure.values),
            )
            raise self.bad(record, "failure", reason)
        return record.failure

    def _run(self, record: JudgeScoreRecord) -> int:
        text = record.judge_prompt
        sha256 = hashlib.sha256(text.encode()).hexdigest() if text else ""
        of_judge = self._runs.setdefault(record.judge, {})
        if sha256 not in of_judge:
            if len(of_judge) >= MOST_PROMPTS:
                reason = say(
                    _("“%(judge)s” has more than %(most)s different prompts here."),
                    judge=quoted(record.judge),
                    most=MOST_PROMPTS,
                )
                advice = say(
                    _("Give the template or its name, rather than the prompts that were made from it.")
                )
                raise self.bad(record, "judge_prompt", reason, advice)
            of_judge[sha256] = len(self._files)
            self._prompts[sha256] = text
            self._files[of_judge[sha256]] = set()
        number = of_judge[sha256]
        if record.version and number not in self._versions:
            self._versions[number] = record.version
        self._files[number].add(self.loading.number_of(record.row.table))
        return number

    # All rows

    def settle(self) -> None:
        self.run(f"ANALYZE {self.staging}")
        self.analyse(
            "projects_prompt",
            "projects_languagemodel",
            "projects_response",
            "projects_item",
            "exports_judgescore",
        )
        self.tell_unknown_items()
        self._settle_runs()
        self._resolve()
        self._tell_twice()
        if self._has_hashes:
            self._tell_other_texts()
        self._tell_conflicts()
        if not self.loading.problems and not self.loading.conflicts:
            created = self._insert()
            self.count(self.kind, created=created, unchanged=self.taken - created)
        elif self.loading.dry_run:
            self.count_targets(TARGETS, "score_id")
        self.run(f"DROP TABLE {TARGETS}, {RUNS}")

    def _settle_runs(self) -> None:
        """Fill the table `loading_judge_run` with the run that each number stands for, making those that are missing."""
        self.run(f"CREATE TEMPORARY TABLE {RUNS} (number integer, run_id bigint) ON COMMIT DROP")
        for judge, prompts in self._runs.items():
            for sha256, number in prompts.items():
                files = [self.loading.tables[file].name for file in sorted(self._files[number])]
                found, _created = JudgeRun.objects.get_or_create(
                    project=self.project,
                    name=judge,
                    prompt_sha256=sha256,
                    defaults={
                        "prompt": self._prompts[sha256],
                        "loaded_from": files,
                        "version": self._versions.get(number, {}),
                        "created_by": self.loading.by,
                    },
                )
                self.run(f"INSERT INTO {RUNS} VALUES (%s, %s)", [number, found.pk])  # noqa: S608  # names are constants
        self.run(f"ANALYZE {RUNS}")

    def _resolve(self) -> None:
        """Each row with its item, its run, which repeat it is, and the score that is known of it."""
        self.run(
            f"CREATE TEMPORARY TABLE {TARGETS} ON COMMIT DROP AS"  # noqa: S608
            " WITH resolved AS (SELECT l.n, l.axis_id, l.repeat, l.again, i.id AS item_id, k.run_id"
            f" FROM {self.staging} l JOIN {RUNS} k ON k.number = l.run {self.ITEM} WHERE i.id IS NOT NULL),"
            " counted AS (SELECT n, axis_id, item_id, run_id, COALESCE(repeat, CASE WHEN NOT (%(repeats)s OR again) THEN 1 ELSE"
            " row_number() OVER (PARTITION BY run_id, item_id, axis_id, repeat IS NULL ORDER BY n) END)::integer"
            " AS repeat FROM resolved)"
            " SELECT c.*, x.id AS score_id FROM counted c JOIN projects_axis axis ON axis.id = c.axis_id"
            " LEFT JOIN (exports_judgescore x JOIN projects_axis of ON of.id = x.axis_id)"
            " ON x.run_id = c.run_id AND x.item_id = c.item_id AND x.repeat = c.repeat AND of.key = axis.key",
            {"project": self.project.pk, "repeats": self.loading.options.repeats},
        )
        self.run(f"ANALYZE {TARGETS}")

    def _tell_twice(self) -> None:
        for file, line, judge, axis, first_file, first_line in self.found(
            f"SELECT l.file, l.line, j.name, x.key, o.file AS of, o.line AS ol FROM (SELECT n, axis_id, run_id,"  # noqa: S608
            f" min(n) OVER (PARTITION BY run_id, item_id, axis_id, repeat) AS first FROM {TARGETS}) t"
            f" JOIN {self.staging} l ON l.n = t.n JOIN {self.staging} o ON o.n = t.first"
            " JOIN projects_axis x ON x.id = t.axis_id JOIN exports_judgerun j ON j.id = t.run_id"
            " WHERE t.n <> t.first ORDER BY l.n"
        ):
            other = self.place(first_file, first_line, self.column(first_file, "score"))
            reason = say(
                _("“%(judge)s” judges this item on “%(axis)s” here and in %(other)s."),
                judge=quoted(judge),
                axis=axis,
                other=other,
            )
            advice = say(
                _("If the later one is a repeat, number them in a column “repeat”, or say so (%(option)s)."),
                option=say("--repeats"),
            )
            self.error(file, line, "score", reason, advice, other=other)

    def _tell_other_texts(self) -> None:
        for file, line, model, prompt, known, given in self.found(
            f"WITH texts AS MATERIALIZED (SELECT i.id, encode(sha256(convert_to(r.turns[i.turn], 'UTF8')), 'hex') AS sha256"  # noqa: S608
            f" FROM projects_item i JOIN projects_response r ON r.id = i.response_id"
            f" WHERE i.id IN (SELECT item_id FROM {TARGETS}))"
            f" SELECT l.file, l.line, l.model, l.prompt, texts.sha256 AS known, l.sha256 AS given FROM {TARGETS} t"
            f" JOIN {self.staging} l ON l.n = t.n JOIN texts ON texts.id = t.item_id"
            " WHERE l.sha256 <> '' AND l.sha256 <> texts.sha256 ORDER BY l.n",
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
        for file, line, judge, axis, known, given, known_reason, given_reason in self.found(
            "SELECT l.file, l.line, j.name, x.key, COALESCE(s.value::text, s.failure) AS known,"  # noqa: S608
            " COALESCE(l.value::text, l.failure) AS given, s.reason AS known_reason, l.reason AS given_reason"
            f" FROM {TARGETS} t JOIN {self.staging} l ON l.n = t.n JOIN exports_judgescore s ON s.id = t.score_id"
            " JOIN projects_axis x ON x.id = t.axis_id JOIN exports_judgerun j ON j.id = t.run_id"
            " WHERE s.value IS DISTINCT FROM l.value OR s.failure IS DISTINCT FROM l.failure"
            " OR l.reason <> '' AND l.reason <> s.reason ORDER BY l.n",
            into=self.loading.conflicts,
        ):
            named = {"judge": quoted(judge), "axis": axis}
            if known != given:
                reason = say(
                    _("The score of the judge “%(judge)s” on “%(axis)s” is known with another value."),
                    **named,
                )
                self.conflict(file, line, "score", reason, known, given)
            else:
                reason = say(
                    _("The score of the judge “%(judge)s” on “%(axis)s” is known with another reason."),
                    **named,
                )
                self.conflict(file, line, "reason", reason, known_reason, given_reason)

    def _insert(self) -> int:
        return self.run(
            "INSERT INTO exports_judgescore"  # noqa: S608
            " (run_id, item_id, axis_id, repeat, value, failure, reason, response_sha256)"
            " SELECT t.run_id, t.item_id, t.axis_id, t.repeat, l.value, l.failure, l.reason, l.sha256"
            f" FROM {TARGETS} t JOIN {self.staging} l ON l.n = t.n WHERE t.score_id IS NULL"
            " ORDER BY t.run_id, t.item_id, t.axis_id, t.repeat"
        )
