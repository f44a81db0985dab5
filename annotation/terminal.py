"""Text in columns, for a terminal: letters of East Asia take two."""

from __future__ import annotations

import unicodedata


def width(text: str) -> int:
    """Columns that the text takes.

    >>> width("alpha"), width("評価")
    (5, 4)
    """
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def padded(text: str, to: int, *, left: bool = True) -> str:
    """With spaces up to a width: at the left end of its column, or at the right one."""
    space = " " * max(0, to - width(text))
    return text + space if left else space + text
