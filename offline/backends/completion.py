"""A chat completion, as servers and batch services send it."""

from __future__ import annotations

from typing import Any

from offline.backends import Answer, Refusal


def parse_answer(said: Any) -> Answer:
    """A chat completion, as JSON reads it, as an answer. Raises Refusal where it is none, whatever it is."""
    try:
        choice = said["choices"][0]
        message = choice["message"]
        content = _text(message.get("content"))
        reasoning = _text(message.get("reasoning") or message.get("reasoning_content"))
        refusal, finish = message.get("refusal"), choice.get("finish_reason")
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise Refusal("bad_answer", f"not a chat completion: {str(said)[:200]}", retryable=True) from error
    if refusal and not content:
        raise Refusal("refused", str(refusal)[:500], retryable=False)
    usage = said.get("usage")
    return Answer(
        content=content,
        finish_reason=finish if isinstance(finish, str) else None,
        reasoning=reasoning or None,
        usage=usage if isinstance(usage, dict) else {},
        served_model=_name(said.get("model")),
        system_fingerprint=_name(said.get("system_fingerprint")),
    )


def _text(said: Any) -> str:
    """A text, or parts of one, as some servers send it. Raises TypeError, KeyError."""
    if said is None:
        return ""
    if isinstance(said, list):
        return "".join(_text(part["text"]) for part in said)
    if not isinstance(said, str):
        raise TypeError("not a text")
    return said


def _name(said: Any) -> str | None:
    return said if isinstance(said, str) else None
