"""What llm-jp-judge says of answers: `<name>_raw_output_table.json`, an array of objects.

Quality has a column per axis. Where an answer of the judge could not be read, llm-jp-judge leaves the axes' *names* in
these columns: anything but a whole number from 1 to 5 is no score. Other benchmarks have one `metric` and its `score`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from exports.loading.judging_formats import JudgmentFormat, text_of
from exports.loading.rows import JudgeScoreRecord
from exports.models import Failure
from projects.loading.fields import BadRow, Columns
from projects.loading.formats.base import LONGEST_KEY, LONGEST_WORD
from projects.loading.formats.foreign import model_beside
from projects.loading.records import Record
from projects.tables import Problem, Row, say
from projects.tables.messages import _

AXES = ("正確性", "流暢性", "詳細性", "関連性", "総合評価")
JUDGE = "llm-jp-judge"


class EvaluationFormat(JudgmentFormat):
    name = "llm-jp-judge-evaluation"
    about = _("llm-jp-judge: what a judge said of answers (…_raw_output_table.json)")
    called: ClassVar = {"prompt_id": "id"}

    @classmethod
    def recognises(cls, rows: Sequence[Row], columns: Columns) -> bool:
        return bool(rows) and all(
            "id" in row.values
            and (set(AXES) <= set(row.values) or {"metric", "score"} <= set(row.values))
            and ("evaluation response" in row.values or "evaluation errors" in row.values)
            for row in rows
        )

    def records(self, row: Row) -> Iterator[Record]:
        values = row.values
        said = text_of(values.get("evaluation response"))
        common: dict[str, Any] = {
            "row": row,
            "prompt": self.fields_of(row).name("prompt_id", LONGEST_KEY),
            "model": self._model(row),
            "judge": self.loading.options.judge or JUDGE,
            "reason": said,
            "judge_prompt": self._prompt(row),
            "again": True,
        }
        if set(AXES) <= set(values):
            for axis in AXES:
                score = values[axis] if _is_score(values[axis]) else None
                yield JudgeScoreRecord(
                    axis=axis, score=score, failure=self._failure(row, score, said), **common
                )
            return
        score = values.get("score")
        score = (
            None if isinstance(score, bool) or not isinstance(score, int | float) or score == -1 else score
        )
        yield JudgeScoreRecord(
            axis=self.loading.options.axis or str(values["metric"])[:LONGEST_WORD],
            score=score,
            turn=self.turn(row),
            failure=self._failure(row, score, said),
            **common,
        )

    def _model(self, row: Row) -> str:
        name = self.loading.options.model or model_beside(self.loading, self.table)
        if not name:
            reason = say(_("This file does not say whose answers were judged."))
            advice = say(_("Name the model (%(option)s)."), option=say("--model"))
            raise BadRow(Problem(reason, row.place(), advice=advice))
        return self.loading.options.model_names.get(name, name)

    def _prompt(self, row: Row) -> str:
        """Not the prompt as it was sent, which differs from row to row; only which evaluation it was."""
        if "metric" not in row.values:
            return "llm-jp-judge quality"
        words = ["llm-jp-judge", text_of(row.values.get("metric"))]
        words += ["with reference"] if row.values.get("use reference") else []
        return " ".join(words)

    @staticmethod
    def _failure(row: Row, score: Any, said: str) -> str:
        if score is not None:
            return ""
        return (Failure.UNPARSED if said or not _errors(row) else Failure.API_ERROR).value


def _is_score(value: Any) -> bool:
    return not isinstance(value, bool) and (
        (isinstance(value, int) and 1 <= value <= 5)
        or (isinstance(value, float) and value in (1, 2, 3, 4, 5))
    )


def _errors(row: Row) -> bool:
    said = row.values.get("evaluation errors")
    if isinstance(said, str):
        try:
            said = json.loads(said)
        except ValueError:
            return bool(said)
    return any(bool(one) for one in said) if isinstance(said, list) else bool(said)
