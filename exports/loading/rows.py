"""Judge scores and verdicts in rows, one a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from exports.models import Failure
from projects.loading.fields import Columns, Fields
from projects.loading.formats.base import LONGEST_KEY, LONGEST_MODEL, LONGEST_WORD, MOST_SAMPLES, MOST_TURNS
from projects.loading.formats.rows import RowKind
from projects.loading.records import Record
from projects.tables import is_empty, listed, quoted, say
from projects.tables.messages import _

if TYPE_CHECKING:
    from projects.loading.loading import Loading

MOST_REPEATS = 1_000_000
LONGEST_PROMPT = 100_000
LONGEST_VERDICT = 20


@dataclass(slots=True)
class JudgeScoreRecord(Record):
    """One score of a judge, or one failure. Values are as the file has them."""

    kind: ClassVar[str] = "judge_scores"
    prompt: str
    model: str
    judge: str
    axis: str
    score: Any
    sample: int = 0
    turn: int = 1
    #: None where the file does not say.
    repeat: int | None = None
    failure: str = ""
    reason: str = ""
    judge_prompt: str = ""
    response_sha256: str = ""
    #: Whether the same once more is a repeat, whatever the options say.
    again: bool = False
    #: What else there is to say of the judge, for its run.
    version: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class VerdictRecord(Record):
    """What a judge said of two responses of one prompt; `first` is the one that it was shown first."""

    kind: ClassVar[str] = "verdicts"
    prompt: str
    first: str
    second: str
    judge: str
    #: 1 if `first` is the better, -1 if it is the worse, 0 for a tie, between where the judge is not so sure.
    value: float | None
    verdict: str = ""
    failure: str = ""
    reason: str = ""
    sample: int = 0
    turn: int = 1
    axis: str = ""
    judge_prompt: str = ""
    repeat: int | None = None
    #: Of the second response; None: the same as of the first.
    second_sample: int | None = None
    #: Of the texts that the judge saw, where the file says so.
    first_sha256: str = ""
    second_sha256: str = ""
    version: dict[str, Any] = field(default_factory=dict)


class JudgeScoreRow(RowKind):
    name = "judge_scores"
    needs = "prompt_id, model, judge, axis, score"
    fields = (
        "prompt_id", "model", "judge", "axis", "score", "turn", "sample", "repeat", "failure", "reason",
        "judge_prompt", "response_sha256",
    )  # fmt: skip
    reads_scores = True

    @classmethod
    def aliases(cls, loading: Loading) -> Mapping[str, str]:
        return {"judge_name": "judge", "judge_model": "judge"}

    @classmethod
    def holds(cls, names: Columns | set[str]) -> bool:
        named = all(name in names for name in ("prompt_id", "model", "judge", "axis"))
        return named and ("score" in names or "failure" in names)

    @classmethod
    def is_meant(cls, filled: set[str]) -> bool:
        return "judge" in filled and not VerdictRow.is_meant(filled)

    def records(self, fields: Fields, metadata: dict[str, Any]) -> Iterator[Record]:
        yield JudgeScoreRecord(
            row=fields.row,
            prompt=fields.name("prompt_id", LONGEST_KEY),
            model=fields.name("model", LONGEST_MODEL),
            judge=fields.name("judge", LONGEST_WORD),
            axis=fields.name("axis", LONGEST_WORD),
            score=fields.raw("score"),
            sample=fields.integer("sample", 0, least=0, most=MOST_SAMPLES),
            turn=fields.integer("turn", 1, least=1, most=MOST_TURNS),
            repeat=fields.integer("repeat", 1, least=0, most=MOST_REPEATS) if fields.has("repeat") else None,
            failure=fields.text("failure").strip(),
            reason=fields.text("reason").strip(),
            judge_prompt=fields.text("judge_prompt", LONGEST_PROMPT).strip(),
            response_sha256=fields.text("response_sha256").strip().lower(),
        )


class VerdictRow(RowKind):
    """As `manage.py export` writes them."""

    name = "verdicts"
    needs = "prompt_id, first_model, second_model, judge, value"
    fields = (
        "prompt_id", "first_model", "second_model", "judge", "value", "verdict", "axis", "turn", "sample",
        "second_sample", "repeat", "failure", "reason", "judge_prompt",
    )  # fmt: skip
    reads_scores = True

    @classmethod
    def holds(cls, names: Columns | set[str]) -> bool:
        named = all(name in names for name in ("prompt_id", "first_model", "second_model", "judge"))
        return named and ("value" in names or "failure" in names)

    @classmethod
    def is_meant(cls, filled: set[str]) -> bool:
        return "judge" in filled and not filled.isdisjoint({"first_model", "second_model"})

    def records(self, fields: Fields, metadata: dict[str, Any]) -> Iterator[Record]:
        first, second = (fields.name(name, LONGEST_MODEL) for name in ("first_model", "second_model"))
        if first == second:
            raise fields.refuse("second_model", say(_("Both sides are the same model.")))
        sample = fields.integer("sample", 0, least=0, most=MOST_SAMPLES)
        value, failure = self._value(fields)
        yield VerdictRecord(
            row=fields.row,
            prompt=fields.name("prompt_id", LONGEST_KEY),
            first=first,
            second=second,
            judge=fields.name("judge", LONGEST_WORD),
            value=value,
            verdict=fields.text("verdict", LONGEST_VERDICT).strip(),
            failure=failure,
            reason=fields.text("reason").strip(),
            sample=sample,
            second_sample=fields.integer("second_sample", sample, least=0, most=MOST_SAMPLES),
            turn=fields.integer("turn", 1, least=1, most=MOST_TURNS),
            axis=fields.text("axis", LONGEST_WORD).strip(),
            judge_prompt=fields.text("judge_prompt", LONGEST_PROMPT).strip(),
            repeat=fields.integer("repeat", 1, least=0, most=MOST_REPEATS) if fields.has("repeat") else None,
        )

    @staticmethod
    def _value(fields: Fields) -> tuple[float | None, str]:
        """The verdict, or why there is none: one of the two."""
        failure = fields.text("failure").strip()
        if failure and failure not in Failure.values:
            reason = say(
                _("“%(value)s” is none of: %(known)s."), value=quoted(failure), known=listed(Failure.values)
            )
            raise fields.refuse("failure", reason)
        if not fields.has("value") or is_empty(fields.raw("value")):
            return None, failure or Failure.UNPARSED.value
        value = fields.number("value")
        if failure:
            raise fields.refuse("failure", say(_("Here are both a verdict and a failure.")))
        if value is None or not -1 <= value <= 1:
            reason = say(
                _(
                    "“%(value)s” is no verdict: 1 is for the first response, -1 for the second, 0 for neither."
                ),
                value=quoted(str(fields.raw("value"))),
            )
            raise fields.refuse("value", reason)
        return value, ""
