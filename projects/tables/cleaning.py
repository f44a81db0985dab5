"""Characters that a database cannot hold: U+0000, and halves of surrogate pairs."""

from __future__ import annotations

import re
from typing import Any

_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")
REPLACEMENT = "\ufffd"


def clean(value: Any) -> tuple[Any, int]:
    """The value with such characters replaced, and how many there were; lists and objects all the way down.

    >>> clean({"a": ["x\\x00y", 1]})
    ({'a': ['x\ufffdy', 1]}, 1)
    """
    if isinstance(value, str):
        return _NOT_STORABLE.subn(REPLACEMENT, value)
    if isinstance(value, list):
        pairs = [clean(part) for part in value]
        return [part for part, _ in pairs], sum(count for _, count in pairs)
    if isinstance(value, dict):
        total = 0
        cleaned = {}
        for name, part in value.items():
            clean_name, in_name = _NOT_STORABLE.subn(REPLACEMENT, str(name))
            cleaned[clean_name], in_part = clean(part)
            total += in_name + in_part
        return cleaned, total
    return value, 0
