"""What WildBench's judges said: an array of objects, each a score of one response or a choice between two.

There are two forms: as its scripts write them while a judge runs (`generator`, `ref_generator`, `assignment`, `result`), and as they make
them from batch files (`model_test`, or `model_A` and `model_B`). A pair is judged in one order only, drawn by lot.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from exports.loading.judging_formats import JudgmentFormat, failure_of, text_of
from exports.loading.rows import JudgeScoreRecord, VerdictRecord
from exports.models import Failure
from projects.loading.fields import BadRow, Columns
from projects.loading.formats.base import LONGEST_KEY
from projects.loading.formats.contents import wrong
from projects.loading.records import Record
from projects.tables import Problem, Row, quoted, say
from projects.tables.messages import _

#: What response A gets. The first version had no degrees.
CHOICES = {
    "A++": 1.0,
    "A+": 0.5,
    "A=B": 0.0,
    "B+": -0.5,
    "B++": -1.0,
    "A": 1.0,
    "B": -1.0,
    "tie": 0.0,
}
NONE = ("N/A", "", None)


class WildBenchJudgmentFormat(JudgmentFormat):
    name = "wildbench-judgments"
    about = _("WildBench: scores and choices of a judge (eval_results/…)")
    called: ClassVar = {"prompt_id": "session_id"}
    WANTED: ClassVar = ({"generator", "result"}, {"model_test"}, {"model_A", "model_B"})

    @classmethod
    def recognises(cls, rows: Sequence[Row], columns: Columns) -> bool:
        return bool(rows) and all(
            "session_id" in row.values
            and ("parsed_result" in row.values or "result" in row.values)
            and any(wanted <= set(row.values) for wanted in cls.WANTED)
            for row in rows
        )

    def records(self, row: Row) -> Iterator[Record]:
        prompt = self.fields_of(row).name("prompt_id", LONGEST_KEY)
        name = self._judge(row)
        parsed, said, error = self._parsed(row)
        pair = self._pair(row)
        if pair is None:
            score = None if error else row.values.get("score", parsed.get("score"))
            score = None if score in NONE else score
            yield JudgeScoreRecord(
                row=row,
                prompt=prompt,
                model=self.model(row, "model_test" if "model_test" in row.values else "generator"),
                judge=name,
                axis=self.axis(row),
                score=score,
                failure=self._failure(said, error) if score is None else "",
                reason=error or said,
                judge_prompt="wildbench-score",
                again=True,
            )
            return
        choice = None if error else parsed.get("choice")
        if choice not in NONE and (not isinstance(choice, str) or choice not in CHOICES):
            raise wrong(
                row,
                "parsed_result",
                _("“%(value)s” is none of: %(known)s."),
                value=quoted(str(choice)),
                known=", ".join(CHOICES),
            )
        value = None if choice in NONE else CHOICES[choice]
        yield VerdictRecord(
            row=row,
            prompt=prompt,
            first=pair[0],
            second=pair[1],
            judge=name,
            value=value,
            verdict="" if value is None else str(choice),
            failure=self._failure(said, error) if value is None else "",
            reason=error or said,
            judge_prompt="wildbench-reward",
        )

    def _pair(self, row: Row) -> tuple[str, str] | None:
        """The models whose responses were A and B; None where one response was scored."""
        if "model_A" in row.values:
            pair = self.model(row, "model_A"), self.model(row, "model_B")
        elif isinstance(assigned := row.values.get("assignment"), dict):
            if {"A", "B"} - assigned.keys():
                raise wrong(row, "assignment", _("Here should be the models that were A and B."))
            sides = [str(assigned[side]) for side in ("A", "B")]
            names = self.loading.options.model_names
            pair = names.get(sides[0], sides[0]), names.get(sides[1], sides[1])
        else:
            return None
        if pair[0] == pair[1]:
            raise wrong(
                row,
                "model_B" if "model_A" in row.values else "assignment",
                _("Both sides are the same model."),
            )
        return pair

    def _judge(self, row: Row) -> str:
        """The scripts say it in `eval_config`; batch results do not."""
        config = row.values.get("eval_config")
        said = config.get("gpt") if isinstance(config, dict) else None
        name = said if isinstance(said, str) and said.strip() else self.loading.options.judge
        if not name:
            reason = say(_("It is not said who judged."))
            advice = say(_("Name the judge (%(option)s)."), option=say("--judge"))
            raise BadRow(Problem(reason, row.place("eval_config"), "eval_config", advice))
        return name.strip()

    @staticmethod
    def _failure(said: str, error: str) -> str:
        return Failure.API_ERROR.value if error else failure_of(said)

    @staticmethod
    def _parsed(row: Row) -> tuple[dict[str, Any], str, str]:
        """The answer as an object, what the judge wrote, and what kept it from answering."""
        found, text, error = (
            row.values.get("parsed_result"),
            text_of(row.values.get("result")),
            row.values.get("error"),
        )
        if found is None and text:
            try:
                found = json.loads(text)
            except (ValueError, RecursionError):
                found = None
        parsed = found if isinstance(found, dict) else {}
        said = text or (json.dumps(parsed, ensure_ascii=False) if parsed else "")
        return parsed, said, "" if error in NONE else text_of(error)
