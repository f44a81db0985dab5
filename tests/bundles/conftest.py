"""A model server over real HTTP, and commands as people type them."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from offline.bundle import Item, Manifest, read_items
from tests.offline.conftest import serve  # noqa: F401


@pytest.fixture
def prepare(tmp_path: Path) -> Callable[..., tuple[Manifest, list[Item]]]:
    """`prepare("prepare_generation", "study", "--model", "m")` writes a bundle and reads it back."""

    def run(command: str, *arguments: Any, out: str = "bundle") -> tuple[Manifest, list[Item]]:
        said = StringIO()
        call_command(command, *map(str, arguments), "--out", str(tmp_path / out), "--json", stdout=said)
        manifest = Manifest.read(tmp_path / out)
        items = list(read_items(tmp_path / out))
        report = json.loads(said.getvalue())
        assert report["counts"]["items"] == manifest.n_items == len(items)
        assert report["digest"] == manifest.digest()
        return manifest, items

    return run
