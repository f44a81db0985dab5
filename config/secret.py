"""A secret key for where nobody gave one: made once, readable by us alone."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def kept_secret(file: Path) -> str:
    """The secret in `file`, made first if need be. Processes that start at once agree on one."""
    try:
        return file.read_text().strip()
    except FileNotFoundError:
        pass
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f"{file.name}.{secrets.token_hex(8)}")  # each of several threads has its own
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(secrets.token_urlsafe(64))
    try:
        os.link(fresh, file)  # fails where another process was quicker: then theirs holds
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    return file.read_text().strip()
