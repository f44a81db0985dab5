"""Sentences that are translated when they are shown, not when they are found.

Reading files knows nothing of Django; whoever shows a sentence brings the translation along.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Translate = Callable[[str], str]
LONGEST_QUOTE = 60


def untranslated(text: str) -> str:
    return text


_ = untranslated


@dataclass(frozen=True)
class Message:
    """A sentence in English with named gaps, and what goes into them.

    >>> str(Message("“%(value)s” is not a number.", {"value": "x"}))
    '“x” is not a number.'
    """

    text: str
    values: dict[str, Any] = field(default_factory=dict)

    def said(self, translate: Translate = untranslated) -> str:
        """The sentence in the language of `translate`; messages within it, too."""
        values = {name: _said(value, translate) for name, value in self.values.items()}
        return translate(self.text) % values

    def __str__(self) -> str:
        return self.said()


def say(text: str, **values: Any) -> Message:
    return Message(text, values)


def _said(value: Any, translate: Translate) -> Any:
    return value.said(translate) if hasattr(value, "said") else value


def quoted(value: Any, longest: int = LONGEST_QUOTE) -> str:
    """A value as an error shows it: on one line, and short.

    >>> quoted("a\\nb"), quoted(3.0), quoted("x" * 100, longest=5)
    ('a b', '3.0', 'xxxx…')
    """
    text = " ".join(str(value).split()) if isinstance(value, str) else repr(value)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def listed(names: Any, most: int = 12) -> str:
    """Names in a row, the first few of them.

    >>> listed(["a", "b"]), listed("abc", most=2)
    ('a, b', 'a, b, …')
    """
    names = [quoted(str(name), 40) for name in names]
    return ", ".join(names[:most] + (["…"] if len(names) > most else []))
