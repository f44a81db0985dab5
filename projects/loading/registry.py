"""Which layouts can be read, what a row can hold, and where it goes.

Rooms that come later add theirs when their app starts (`AppConfig.ready`): ratings belong to annotation, judge scores to
exports, and neither may be imported here.
"""

from __future__ import annotations

from typing import TypeVar

from projects.loading.formats.base import Format
from projects.loading.formats.rows import RowKind
from projects.loading.store import Store

F = TypeVar("F", bound=type[Format])
K = TypeVar("K", bound=type[RowKind])
S = TypeVar("S", bound=type[Store])

_formats: dict[str, type[Format]] = {}
_row_kinds: dict[str, type[RowKind]] = {}
_stores: dict[str, type[Store]] = {}


def register_format(format_type: F) -> F:
    """A layout of files of its own."""
    _formats[format_type.name] = format_type
    return format_type


def register_row_kind(row_kind: K) -> K:
    """Something that a row of our own layout can hold."""
    _row_kinds[row_kind.name] = row_kind
    return row_kind


def register_store(store: S) -> S:
    """Where records of one kind go."""
    _stores[store.kind] = store
    return store


def formats() -> dict[str, type[Format]]:
    return dict(_formats)


def row_kinds() -> dict[str, type[RowKind]]:
    return dict(_row_kinds)


def stores() -> dict[str, type[Store]]:
    return dict(_stores)
