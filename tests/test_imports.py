"""Imports point one way: projects ← annotation ← exports; stats and offline stand alone."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("projects", "annotation", "exports", "stats", "offline", "config", "tests", "bench")
MAY_IMPORT = {
    "projects": {"projects", "stats", "offline", "config"},
    "annotation": {"annotation", "projects", "stats", "offline", "config"},
    "exports": {"exports", "annotation", "projects", "stats", "offline", "config"},
    "stats": {"stats"},
    "offline": {"offline"},
}
# Nothing of these may be needed where there is no web server and no database.
FAR_FROM_THE_WEB = {"stats", "offline"}
WEB = {"django", "rest_framework", "psycopg", "allauth", "procrastinate"}


def imported(source: str) -> set[str]:
    """First parts of what a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
        elif (
            isinstance(node, ast.Call)
            and getattr(node.func, "attr", getattr(node.func, "id", "")) in {"import_module", "__import__"}
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            found.add(str(node.args[0].value).partition(".")[0])
    return found


def files() -> list[Path]:
    return [
        file
        for room in MAY_IMPORT
        for file in sorted((ROOT / room).rglob("*.py"))
        if "migrations"
        not in file.parts  # a foreign key names the other room's migration, in both directions
    ]


def test_imports_are_found_wherever_they_stand():
    source = """
import os, exports.views as v
from annotation.models import Batch
def later():
    from projects import models
    importlib.import_module("stats.core")
"""
    assert imported(source) == {"os", "exports", "annotation", "projects", "stats"}


@pytest.mark.parametrize("file", files(), ids=lambda file: str(file.relative_to(ROOT)))
def test_a_room_imports_only_what_stands_below_it(file):
    room = file.relative_to(ROOT).parts[0]
    found = imported(file.read_text(encoding="utf-8"))
    assert found & set(ROOMS) <= MAY_IMPORT[room]
    if room in FAR_FROM_THE_WEB:
        assert not found & WEB
