"""A report as JSON to keep, in no language: its sentences are said when somebody reads them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from projects.loading.report import Report
from projects.tables import Message, Place, Problem

_PROBLEMS = ("conflicts", "errors", "warnings", "notes")


def packed(report: Report) -> dict[str, Any]:
    facts = {one.name: getattr(report, one.name) for one in fields(report)}
    return facts | {name: [_pack(problem) for problem in facts[name]] for name in _PROBLEMS}


def unpacked(kept: dict[str, Any]) -> Report:
    return Report(
        **{**kept, **{name: [_unpack(problem) for problem in kept.get(name, ())] for name in _PROBLEMS}}
    )


def _pack(value: Any) -> Any:
    for kind in (Message, Place, Problem):
        if isinstance(value, kind):
            return {
                "is": kind.__name__,
                **{one.name: _pack(getattr(value, one.name)) for one in fields(kind)},
            }
    if isinstance(value, dict):
        return {name: _pack(part) for name, part in value.items()}
    if isinstance(value, tuple):
        return [_pack(part) for part in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _unpack(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_unpack(part) for part in value)
    if not isinstance(value, dict):
        return value
    parts = {name: _unpack(part) for name, part in value.items() if name != "is"}
    kinds: dict[str, Any] = {"Message": Message, "Place": Place, "Problem": Problem}
    return kinds[value["is"]](**parts) if "is" in value else parts
