"""Every address there is, so that a page added tomorrow is looked at too."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence, Set

from django.urls import URLPattern, URLResolver, get_resolver


def addresses(fill: Mapping[str, Sequence[object]], *, leave_out: Set[str] = frozenset()) -> Iterator[str]:
    """Each address, each name in it filled with all that `fill` has for it; `leave_out` names views and rooms."""
    for route in _routes(get_resolver().url_patterns, "/", leave_out):
        parts = re.split(r"<(?:\w+:)?(\w+)>", route)
        for chosen in itertools.product(*(fill.get(name, ["1"]) for name in parts[1::2])):
            filled = "".join(text + str(value) for text, value in zip(parts[::2], [*chosen, ""], strict=True))
            if not re.search(r"[\\^$?(*]", filled):  # what is left are regular expressions of other packages
                yield filled


def _routes(patterns: Sequence[URLPattern | URLResolver], prefix: str, leave_out: Set[str]) -> Iterator[str]:
    for entry in patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            if entry.app_name not in leave_out:
                yield from _routes(entry.url_patterns, route, leave_out)
        elif entry.name not in leave_out:
            yield route
