"""Where answers come from. A back end is chosen by name and imported only then."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Answer:
    """What a model said to one request."""

    content: str
    finish_reason: str | None = None
    reasoning: str | None = None
    """What it thought before; never part of the next turn, never read for scores."""
    usage: dict[str, Any] = field(default_factory=dict)
    served_model: str | None = None
    system_fingerprint: str | None = None
    prompt_sha256: str | None = None
    """Of the prompt as the model saw it, where the server tells."""

    @property
    def completion_tokens(self) -> int:
        said = self.usage.get("completion_tokens")
        return said if isinstance(said, int) else 0

    @property
    def truncated(self) -> bool:
        return self.finish_reason == "length"


class Refusal(Exception):
    """No answer. `retryable`: whether the same request may be answered later."""

    def __init__(
        self,
        kind: str,
        message: str,
        *,
        retryable: bool,
        retry_after: float | None = None,
        fatal: bool = False,
    ) -> None:
        super().__init__(message)
        self.kind, self.message, self.retryable = kind, message, retryable
        self.retry_after = retry_after
        """Seconds that the server asks us to wait."""
        self.fatal = fatal
        """Nor will anybody be: the run ends."""


class Backend(Protocol):
    async def start(self) -> dict[str, Any]:
        """Make ready, and say what it is: provenance, for `runs.jsonl`. Raises Refusal."""

    async def answer(self, body: dict[str, Any]) -> Answer:
        """To a request as the OpenAI chat API has it. Raises Refusal."""

    async def close(self) -> None: ...
