"""How a response is dressed: the marks of Markdown that judges may like for their own sake."""

import re
from typing import NamedTuple

_CODE = re.compile(r"```.*?(```|\Z)", re.DOTALL)
_HEADER = re.compile(r"^ {0,3}#{1,6}\s", re.MULTILINE)
_ITEM = re.compile(r"^\s*([-*+]|\d+[.)])\s", re.MULTILINE)
_BOLD = re.compile(r"\*\*[^*\n]+\*\*|__[^_\n]+__")


class Style(NamedTuple):
    """What stands in a response, fenced code left out."""

    headers: int
    list_items: int
    bold: int


def style(text: str) -> Style:
    """Counts of headers, list items and bold passages.

    >>> style("# One\\n- **two**\\n- three\\n1. four")
    Style(headers=1, list_items=3, bold=1)
    """
    text = _CODE.sub("", text)
    return Style(*(len(mark.findall(text)) for mark in (_HEADER, _ITEM, _BOLD)))
