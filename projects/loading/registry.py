"""Which layouts can be read, what a row can hold, and where it goes.

Rooms that come later add theirs when their app starts (`AppConfig.ready`): ratings belong to annotation, judge scores to
exports, and neither may be imported here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from projects.loading.bundles.kinds import BundleKind
from projects.loading.formats.base import Format
from projects.loading.formats.rows import RowKind
from projects.loading.store import Store

if TYPE_CHECKING:
    from projects.loading.loading import Loading

F = TypeVar("F", bound=type[Format])
K = TypeVar("K", bound=type[RowKind])
S = TypeVar("S", bound=type[Store])

#: Called when everything else is in, in the same transaction.
Finisher = Callable[["Loading"], None]

_finishers: list[Finisher] = []
_bundle_kinds: dict[str, type[BundleKind]] = {}
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


def register_finisher(finisher: Finisher) -> None:
    """Something to be done once everything else is in."""
    if finisher not in _finishers:
        _finishers.append(finisher)


def register_bundle_kind(kind: type[BundleKind]) -> None:
    """What becomes of the answers of bundles of one kind."""
    _bundle_kinds[kind.kind] = kind


def finishers() -> list[Finisher]:
    return list(_finishers)


def bundle_kinds() -> dict[str, type[BundleKind]]:
    return dict(_bundle_kinds)


def formats() -> dict[str, type[Format]]:
    return dict(_formats)


def row_kinds() -> dict[str, type[RowKind]]:
    return dict(_row_kinds)


def stores() -> dict[str, type[Store]]:
    return dict(_stores)
