"""Judge scores in rows, one score a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from projects.loading.fields import Columns, Fields
from projects.loading.formats.base import LONGEST_KEY, LONGEST_MODEL, LONGEST_WORD, MOST_SAMPLES, MOST_TURNS
from projects.loading.formats.rows import RowKind
from projects.loading.records import Record

if TYPE_CHECKING:
    from projects.loading.loading import Loading

MOST_REPEATS = 1_000_000
LONGEST_PROMPT = 100_000


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
        return "judge" in filled

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
