"""Compile the message catalogues: `python -m config.messages`. Needs Babel, not GNU gettext.

locale/ja/LC_MESSAGES/django.po becomes django.mo beside it. English needs none: its words are the ids. Compiled files are
never committed.
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


def catalogue_of(source: Path, language: str) -> Catalog:
    """The messages of a django.po that are translated; refuses a file that cannot be read or that would show wrong words."""
    try:
        with source.open("rb") as lines:
            read = read_po(lines, locale=language, abort_invalid=True)
    except PoFileError as error:
        raise BadCatalogue(f"{source.name}: {error}") from None
    translated = Catalog(locale=language, domain="django")
    wrong: list[str] = []
    for message in read:
        if not message.id or not message.string or message.fuzzy:
            continue
        if _placeholders(message.id) != _placeholders(message.string):
            wrong.append(f"{message.id!r}: the translation has other placeholders")
        translated[message.id] = message
    if wrong:
        raise BadCatalogue("\n".join(wrong))
    return translated


def _placeholders(words: str | Sequence[str] | None) -> set[str]:
    """Named ones, in whatever order; Babel's own check takes “95 % interval” for one of Python's."""
    return set(PLACEHOLDER.findall(words if isinstance(words, str) else " ".join(words or ())))


def compile_catalogues() -> None:
    """Write each django.mo that is older than what it is made of."""
    for language in LANGUAGES:
        source = LOCALE / language / "LC_MESSAGES" / "django.po"
        target = source.with_suffix(".mo")
        newest = max(path.stat().st_mtime_ns for path in (source, Path(__file__)))
        if target.exists() and target.stat().st_mtime_ns > newest:
            continue
        catalogue = catalogue_of(source, language)
        fresh = target.with_name(f"{target.name}.{os.getpid()}")
        with fresh.open("wb") as out:
            write_mo(out, catalogue)
        fresh.replace(target)


if __name__ == "__main__":
    try:
        compile_catalogues()
    except BadCatalogue as error:
        sys.exit(str(error))
