"""What the files of a bundle hold, row by row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from projects.loading.records import Record


@dataclass(slots=True)
class AskedRecord(Record):
    """A conversation of a bundle."""

    kind: ClassVar[str] = "asked"
    job: str
    item: str
    prompt: str
    turns: list[int]
    said: dict[str, Any]


@dataclass(slots=True)
class AnsweredRecord(Record):
    """A finished turn or a failed attempt."""

    kind: ClassVar[str] = "answered"
    #: "" where the line does not say of which job it is.
    job: str
    item: str
    turn: int
    ok: bool
    settled: bool
    #: A failure that trying again would not mend.
    final: bool
    content: str
    #: How the answer was made.
    said: dict[str, Any]
    #: What was read out of it.
    read: dict[str, Any]
    error: str = ""

    @property
    def counts(self) -> bool:
        return self.ok and self.settled
