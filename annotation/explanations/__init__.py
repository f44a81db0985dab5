"""What each figure means, and when not to trust it: the words of the page, for people without statistics.

Long prose stands in a file for each language, `en.toml` and `ja.toml`, with the same keys in the same order. A key is the
anchor of its entry on the page.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

LANGUAGES = ("en", "ja")
_HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Entry:
    """One figure, or a few that are read together."""

    key: str
    name: str
    says: str
    example: str
    read: str
    beware: str
    formula: str = ""
    """Markdown with maths."""
    source: str = ""

    @property
    def scores(self) -> list[tuple[str, list[tuple[int, bool]]]]:
        """Who gave which scores in the example, and where they differ from the first one's."""
        who = SHOWN_AGAIN.get(self.key, ())
        return [
            (
                name[0].upper(),
                [(one, one != first) for one, first in zip(EXAMPLE[name], EXAMPLE[who[0]], strict=True)],
            )
            for name in who
        ]


@dataclass(frozen=True, slots=True)
class Chapter:
    key: str
    name: str
    intro: str
    """Markdown."""
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Scores:
    """The words around the scores that the examples are computed from."""

    caption: str
    column: str
    rows: dict[str, str]


@dataclass(frozen=True, slots=True)
class Explanations:
    scores: Scores
    chapters: tuple[Chapter, ...]

    def entry(self, key: str) -> Entry:
        return next(entry for chapter in self.chapters for entry in chapter.entries if entry.key == key)


EXAMPLE: dict[str, tuple[int, ...]] = {
    "A": (4, 5, 3, 2, 4, 5, 1, 3, 4, 2),
    "B": (4, 4, 3, 3, 4, 5, 2, 3, 2, 2),
    "judge": (5, 4, 3, 3, 5, 5, 2, 4, 4, 3),
}
"""Scores of ten answers on five points."""

_BOTH, _ALL = ("A", "B"), ("A", "B", "judge")
SHOWN_AGAIN: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ["interval", "alpha", "alpha-metrics", "exact", "within-one", "mean-abs-difference"], _BOTH
    ),
    **dict.fromkeys(["ac2", "ac1", "brennan-prediger", "icc-1-1", "icc-1-k", "rest-correlation"], _BOTH),
    "entropy": ("A",),
    **dict.fromkeys(["levels", "correlation", "acc-eq", "bias", "error", "qwk", "ceiling"], _ALL),
}
"""Whose scores stand in the example of an entry once more, since the table is far up the page by then."""


@cache
def explanations(language: str) -> Explanations:
    """In one of `LANGUAGES`; in English where there is no such file."""
    file = _HERE / f"{language if language in LANGUAGES else 'en'}.toml"
    read = tomllib.loads(file.read_text(encoding="utf-8"))
    return Explanations(
        scores=Scores(**read["scores"]),
        chapters=tuple(
            Chapter(
                key=chapter["key"],
                name=chapter["name"],
                intro=chapter["intro"],
                entries=tuple(Entry(**entry) for entry in chapter["entry"]),
            )
            for chapter in read["chapter"]
        ),
    )
