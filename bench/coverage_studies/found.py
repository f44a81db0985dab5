"""Estimates out of whatever holds them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from stats.estimate import Estimate, Result, Undefined

Found = dict[tuple[str, int], Result]
"""By the figure's name, and which of several it is: the rater, the model; 0 where there is one."""


def estimates(of: Any, name: str = "") -> Found:
    """All estimates in a dataclass, a list or a mapping, however deep, as "field.field"."""
    found: Found = {}
    for key, result in _walk(of, name, 0):
        assert key not in found, key
        found[key] = result
    return found


def _walk(of: Any, name: str, place: int) -> Iterator[tuple[tuple[str, int], Result]]:
    if isinstance(of, (Estimate, Undefined)):
        yield (name, place), of
    elif is_dataclass(of) and not isinstance(of, type):
        place = int(getattr(of, "rater", place))
        for field in fields(of):
            yield from _walk(getattr(of, field.name), _joined(name, field.name), place)
    elif isinstance(of, Mapping):
        for key, value in of.items():
            if isinstance(key, str):
                yield from _walk(value, _joined(name, key), place)
            else:
                yield from _walk(value, name, key[0] * 1000 + key[1] if isinstance(key, tuple) else int(key))
    elif isinstance(of, (list, tuple)):
        for i, value in enumerate(of):
            yield from _walk(value, name, place * 1000 + i if place else i)


def _joined(name: str, field: str) -> str:
    return f"{name}.{field}" if name else field
