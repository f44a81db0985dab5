"""A chat completion, as servers and batch services send it."""

from __future__ import annotations

import json
from typing import Any

from offline.backends import Answer, Refusal


def parse_answer(text: str | dict[str, Any]) -> Answer:
    """A chat completion as an answer. Raises Refusal where it is none."""
    try:
        said = json.loads(text) if isinstance(text, str) else text
        choice = said["choices"][0]
        message = choice["message"]
        content = message.get("content")
        reasoning = message.get("reasoning") or message.get("reasoning_content")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise Refusal("bad_answer", f"not a chat completion: {str(text)[:200]}", retryable=True) from error
    if message.get("refusal") and not content:
        raise Refusal("refused", str(message["refusal"])[:500], retryable=False)
    return Answer(
        content=content or "",
        finish_reason=choice.get("finish_reason"),
        reasoning=reasoning,
        usage=said.get("usage") or {},
        served_model=said.get("model"),
        system_fingerprint=said.get("system_fingerprint"),
    )
