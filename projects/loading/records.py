"""What files hold, whatever their layout: prompts, responses, ratings, each with the row it stands in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from projects.tables import Row


@dataclass(slots=True)
class Record:
    """One thing that a row holds; `kind` says which store takes it."""

    kind: ClassVar[str] = ""
    row: Row


@dataclass(slots=True)
class PromptRecord(Record):
    kind: ClassVar[str] = "prompts"
    key: str
    turns: list[dict[str, str]]
    source: str = ""
    category: str = ""
    tags: list[str] = field(default_factory=list)
    reference: str = ""
    checklist: list[Any] = field(default_factory=list)
    options: list[Any] = field(default_factory=list)
    answer: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    #: Fields that the file gives; what it does not mention contradicts nothing.
    given: tuple[str, ...] = ()


@dataclass(slots=True)
class ResponseRecord(Record):
    kind: ClassVar[str] = "responses"
    prompt: str
    model: str
    turns: list[str]
    sample: int = 0
    generation: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    #: Turns, from 1, that were cut off; None where only `generation` may say so.
    truncated: list[int] | None = None


@dataclass(slots=True)
class RatingRecord(Record):
    """One score, or one "cannot judge". Values are as the file has them: the project's rubric says what they mean."""

    kind: ClassVar[str] = "ratings"
    prompt: str
    model: str
    rater: str
    axis: str
    score: Any
    #: Where in the row the score stands, for errors.
    score_field: str = "score"
    axis_field: str = "axis"
    sample: int = 0
    turn: int = 1
    #: “person”, “position” (a place in a list, which stands for nobody in particular) or “simulated”.
    rater_kind: str = "person"
    na_reason: str = ""
    rated_at: Any = None
    comment: str = ""
    purpose: str = ""
    occasion: int | None = None
    seconds: float | None = None
    flagged: bool = False
    batch: str = ""
    #: The same number on scores that were given together, where the file says so.
    sitting: int | None = None
