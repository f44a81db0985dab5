"""Compile the message catalogues: `python -m config.messages`. Needs Babel, not GNU gettext.

locale/ja/LC_MESSAGES/django.po and every locale/ja/parts/*.po become one django.mo. English needs none: its words
are the ids. Compiled files are never committed.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po

LOCALE = Path(__file__).resolve().parent.parent / "locale"
LANGUAGES = ("ja",)
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|\{\w+\}")


class BadCatalogue(Exception):
    """A catalogue that would show wrong words; the message lists what is wrong with it, a line each."""


def merged_catalogue(language: str) -> Catalog:
    """django.po and its parts as one; refuses what cannot be read and two translations of one message."""
    merged = Catalog(locale=language, domain="django")
    said_in: dict[object, Path] = {}
    wrong: list[str] = []
    for file in _sources(language):
        try:
            with file.open("rb") as lines:
                part = read_po(lines, locale=language, abort_invalid=True)
        except PoFileError as error:
            wrong.append(f"{file.name}: {error}")
            continue
        for message in part:
            if not message.id or not message.string or (message.fuzzy and message.id):
                continue
            key = (message.context, message.id if isinstance(message.id, str) else message.id[0])
            known = merged.get(key[1], message.context)
            if known is not None and known.string != message.string:
                both = f"{known.string!r} ({said_in[key].name}), {message.string!r} ({file.name})"
                wrong.append(f"two translations of {key[1]!r}: {both}")
                continue
            said_in[key] = file
            merged[message.id] = message
    for message in merged:
        if message.id and _placeholders(message.id) != _placeholders(message.string):
            wrong.append(f"{message.id!r}: the translation has other placeholders")
    if wrong:
        raise BadCatalogue("\n".join(wrong))
    return merged


def _placeholders(words: str | Sequence[str] | None) -> set[str]:
    """Named ones, in whatever order; Babel's own check takes “95 % interval” for one of Python's."""
    return set(PLACEHOLDER.findall(words if isinstance(words, str) else " ".join(words or ())))


def compile_catalogues() -> None:
    """Write each django.mo that is older than what it is made of."""
    for language in LANGUAGES:
        target = LOCALE / language / "LC_MESSAGES" / "django.mo"
        sources = _sources(language)
        if not sources:
            continue
        # The folder's time, too: a part that was removed must disappear from the catalogue.
        folders = [folder for folder in {file.parent for file in sources} if folder.name == "parts"]
        newest = max(path.stat().st_mtime_ns for path in [*sources, *folders, Path(__file__)])
        if target.exists() and target.stat().st_mtime_ns > newest:
            continue
        catalogue = merged_catalogue(language)
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f"{target.name}.{os.getpid()}")
        with fresh.open("wb") as out:
            write_mo(out, catalogue)
        fresh.replace(target)


def _sources(language: str) -> list[Path]:
    folder = LOCALE / language
    return [*folder.glob("LC_MESSAGES/django.po"), *sorted(folder.glob("parts/*.po"))]


if __name__ == "__main__":
    try:
        compile_catalogues()
    except BadCatalogue as error:
        sys.exit(str(error))
