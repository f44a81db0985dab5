"""Reference figures that other implementations computed, where this machine has them."""

import json
from pathlib import Path
from typing import Any

import pytest

VECTORS = Path(__file__).parents[3] / "shared" / "vectors.json"


@pytest.fixture(scope="session")
def vectors() -> dict[str, dict[str, Any]]:
    if not VECTORS.exists():
        pytest.skip("no reference vectors here (../shared/vectors.json)")
    return {entry["id"]: entry for entry in json.loads(VECTORS.read_text(encoding="utf-8"))["vectors"]}
