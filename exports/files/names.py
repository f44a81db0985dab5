"""Names of files, and files that are whole or not there."""

import os
import re
import secrets
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_NOT_IN_NAMES = re.compile(r"[^\w.-]+")
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)  # Windows opens these as devices


def file_name(*parts: str, extension: str) -> str:
    """A name that any file system takes, made of `parts`: letters and digits of any script, ``_``, ``-`` and dots.

    >>> file_name("My study/2026", "../long", extension="csv")
    'My-study-2026_long.csv'
    """
    cleaned = (_NOT_IN_NAMES.sub("-", unicodedata.normalize("NFC", part)).strip(".-_") for part in parts)
    stem = "_".join(part for part in cleaned if part) or "export"
    if _DEVICES.match(stem):
        stem = f"_{stem}"
    room = 200 - len(extension.encode())
    stem = stem.encode()[:room].decode(errors="ignore").rstrip(".-_")
    return f"{stem}.{extension}"


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write that appears under its name when it is complete and safely on disk, or not at all."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:  # also when stopped from the keyboard
        part.unlink(missing_ok=True)
        raise
