"""A bundle as a file to download: written whole to the disk first, then sent while it is packed."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from django.http import StreamingHttpResponse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _

from projects.bundles.errors import NotPrepared
from projects.bundles.written import Written
from projects.models import Project

BLOCK = 1 << 16
MOST_ITEMS = 100_000
"""That a page prepares while somebody waits; the command has no limit."""


def limit(times: int) -> Callable[[str, int, Iterable[Any]], Iterable[Any]]:
    """Refuses more rows than a page should prepare, each of which makes `times` items."""

    def watch(_name: str, count: int, rows: Iterable[Any]) -> Iterable[Any]:
        if count * times > MOST_ITEMS:
            raise NotPrepared(
                _(
                    "This would be %(n)s items, and a page prepares up to %(most)s: choose fewer, or use the command on "
                    "the server (manage.py)."
                )
                % {"n": f"{count * times:,}", "most": f"{MOST_ITEMS:,}"}
            )
        return rows

    return watch


def archive(project: Project, name: str, prepare: Callable[[Path], Written]) -> StreamingHttpResponse:
    """What `prepare` writes into the folder it is given, as a zip. Raises what `prepare` raises."""
    safe = (
        "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in name)[:80].strip(".-")
        or "bundle"
    )
    stem = f"{project.slug}_{safe}_{timezone.localdate().isoformat()}"
    packed = _Packed(stem)
    try:
        prepare(packed.folder)
    except BaseException:
        packed.close()
        raise
    return StreamingHttpResponse(
        packed,
        content_type="application/zip",
        headers={
            "Content-Disposition": content_disposition_header(True, f"{stem}.zip") or "attachment",
            "Cache-Control": "no-store",
        },
    )


class _Packed:
    """A temporary folder with a bundle, read as a zip; gone when it is sent, or when nobody waits for it any more."""

    def __init__(self, stem: str) -> None:
        self._place = Path(tempfile.mkdtemp(prefix="bundle."))
        self.folder = self._place / stem

    def __iter__(self) -> Iterator[bytes]:
        try:
            pipe = _Pipe()
            with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as whole:
                for path in sorted(self.folder.iterdir(), reverse=True):
                    about = zipfile.ZipInfo.from_file(path, f"{self.folder.name}/{path.name}")
                    about.compress_type = zipfile.ZIP_DEFLATED
                    with path.open("rb") as source, whole.open(about, "w") as target:
                        while block := source.read(BLOCK):
                            target.write(block)
                            yield pipe.taken()
            yield pipe.taken()
        finally:
            self.close()

    def close(self) -> None:
        """Django calls this when the answer is over, however it ended."""
        shutil.rmtree(self._place, ignore_errors=True)


class _Pipe:
    """What is written to it can be taken away; it cannot be gone back in."""

    def __init__(self) -> None:
        self._held = bytearray()

    def write(self, data: bytes) -> int:
        self._held += data
        return len(data)

    def flush(self) -> None:
        """There is nothing behind it."""

    def close(self) -> None:
        """What was not taken yet can still be."""

    def taken(self) -> bytes:
        data = bytes(self._held)
        self._held.clear()
        return data
