"""Writing a bundle, and saying what was written."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from offline.bundle import ITEMS, MANIFEST, BundleError, Item, Manifest, read_items, seed_of, write_bundle
from offline.conversation import messages, request, turns_of
from projects.bundles.errors import NotPrepared

#: Lets a caller watch rows go by: given their name, how many there are and the rows.
Watch = Callable[[str, int, Iterable[Any]], Iterable[Any]]

MOST_SHARDS = 10_000
URL = "/v1/chat/completions"


def check_shards(shards: int) -> None:
    """Raises NotPrepared."""
    if not 0 <= shards <= MOST_SHARDS:
        raise NotPrepared(_("Shards are from 1 to %(most)s.") % {"most": f"{MOST_SHARDS:,}"}, field="shards")


def unwatched(_name: str, _count: int, rows: Iterable[Any]) -> Iterable[Any]:
    return rows


@dataclass(frozen=True)
class Written:
    """What came out."""

    folder: Path
    manifest: Manifest
    files: list[str]
    counts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        manifest = self.manifest
        return {
            "project": manifest.project,
            "folder": str(self.folder),
            "kind": manifest.kind,
            "job_id": manifest.job_id,
            "digest": manifest.digest(),
            "model": manifest.model,
            **({"judge": manifest.judge} if manifest.judge else {}),
            "sampling": manifest.sampling,
            "samples": manifest.samples,
            "variants": manifest.variants,
            "counts": {**self.counts, "items": manifest.n_items, "turns": manifest.n_turns},
            "items_sha256": manifest.items_sha256,
            "files": self.files,
            "notes": self.notes,
        }


def write(
    folder: Path, manifest: Manifest, items: Iterable[Item], *, shards: int = 0
) -> tuple[Manifest, list[str]]:
    """The bundle, and with `shards` the first turns as that many batch files beside it: all of it or nothing.

    Raises NotPrepared.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise NotPrepared(
            _("%(folder)s is there already, and not empty; name another folder.") % {"folder": folder},
            field="out",
        )
    try:
        if not shards:
            return write_bundle(folder, manifest, items), [MANIFEST, ITEMS]
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as name:
            fresh = Path(name) / "bundle"
            whole = write_bundle(fresh, manifest, items)
            files = [_write_batch_file(fresh, whole, (k, shards)) for k in range(1, shards + 1)]
            if folder.exists():
                folder.rmdir()
            fresh.rename(folder)
        return whole, [MANIFEST, ITEMS, *files]
    except BundleError as error:
        raise NotPrepared(str(error)) from error


def _write_batch_file(folder: Path, manifest: Manifest, shard: tuple[int, int]) -> str:
    """Requests for `vllm run-batch`, or for a hosted batch service."""
    name = f"requests-{shard[0]}-of-{shard[1]}.jsonl"
    with (folder / name).open("w", encoding="utf-8") as out:
        for item in read_items(folder, shard=shard):
            turn, place = next(iter(turns_of(item).items()))
            body = request(
                manifest, item, messages(item, place, {}), seed_of(manifest.seed["base"], item, turn=turn)
            )
            line = {"custom_id": f"{item.item_id}-{turn}", "method": "POST", "url": URL, "body": body}
            out.write(json.dumps(line, ensure_ascii=False) + "\n")
        out.flush()
        os.fsync(out.fileno())
    return name
