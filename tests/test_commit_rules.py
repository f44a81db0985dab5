"""What is in the repository can be built anywhere, from it alone."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
REGISTRIES = re.compile(
    r"\b(?:files\.)?(?:pypi\.org|pythonhosted\.org|npmjs\.(?:org|com)|deb\.debian\.org|jsdelivr\.net|unpkg\.com)\b"
)
PATHS = re.compile(rf"(?:/(?:root|home/\w+|Users/\w+)/|{re.escape(str(ROOT))}\b)")
SECRETS = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY|\bghp_[A-Za-z0-9]{20}|\bAKIA[A-Z0-9]{16}\b")
GENERATED = {".mo", ".pyc", ".sqlite3"}


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git repository")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def texts(tracked) -> dict[str, str]:
    found = {}
    for file in tracked:
        content = file.read_bytes()
        if b"\0" not in content and file != Path(__file__):
            found[str(file.relative_to(ROOT))] = content.decode("utf-8", "replace")
    return found


def places(texts: dict[str, str], pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{name}:{number}: {line.strip()[:120]}"
        for name, text in texts.items()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_path_of_one_machine(texts):
    assert places(texts, PATHS) == []


def test_no_address_of_a_package_registry(texts):
    assert places(texts, REGISTRIES) == []


def test_no_secret(texts):
    assert places(texts, SECRETS) == []


def test_nothing_generated(tracked):
    names = [file.relative_to(ROOT) for file in tracked]
    assert [str(name) for name in names if name.suffix in GENERATED or name.parts[0] == "var"] == []
    assert not any(name.name == "uv.lock" for name in names)


def test_every_package_is_pinned_with_hashes():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    entries = re.findall(r"^[a-zA-Z0-9._-]+.*?(?=^\S|\Z)", lock, re.MULTILINE | re.DOTALL)
    assert len(entries) > 50
    assert [
        entry.splitlines()[0] for entry in entries if "==" not in entry or "--hash=sha256:" not in entry
    ] == []
