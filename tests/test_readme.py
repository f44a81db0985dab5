"""The two READMEs say the same, and what they point at is there."""

import re
from pathlib import Path

import pytest

from config.environment import VARIABLES

ROOT = Path(__file__).resolve().parent.parent
TWINS = ["README.md", "README.ja.md"]
DOCUMENTS = [
    *TWINS,
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    *(str(p.relative_to(ROOT)) for p in ROOT.glob("docs/**/*.md")),
]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def commands(text: str) -> list[str]:
    return re.findall(r"```sh\n(.*?)```", text, re.DOTALL)


def test_both_readmes_give_the_same_commands():
    english, japanese = map(read, TWINS)

    assert len(commands(english)) > 5
    assert commands(english) == commands(japanese)


@pytest.mark.parametrize("name", TWINS)
def test_a_readme_lists_each_setting_with_its_default(name):
    rows = re.findall(r"^\| `([A-Z_]+)` \| (\S+) \|", read(name), re.MULTILINE)

    assert rows == [(v.name, f"`{v.default}`" if v.default else "–") for v in VARIABLES]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_a_document_points_at_is_there(name):
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", read(name))
    here = [target for target in targets if not target.startswith(("http:", "https:"))]

    assert [target for target in here if not ((ROOT / name).parent / target).exists()] == []
