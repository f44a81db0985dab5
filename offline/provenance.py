"""What a run ran on: the model's files, its chat template, the GPUs. For `runs.jsonl`; nothing here may stop a run."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from offline.bundle import Manifest, hash_of_file, sha256

HASHED = (
    "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "tokenizer.model",
    "special_tokens_map.json", "chat_template.jinja", "chat_template.json", "model.safetensors.index.json",
    "pytorch_model.bin.index.json", "adapter_config.json",
)  # fmt: skip


def of_node(manifest: Manifest, path: str | None = None) -> dict[str, Any]:
    """The GPUs of this node, and the files of the model where they are at hand."""
    said: dict[str, Any] = {"gpus": gpus()}
    path = path or manifest.model.get("path") or manifest.model["name"]
    if folder := folder_of(str(path), manifest.model.get("revision")):
        said["model_files"] = of_model(folder)
    return said


def gpus() -> list[str]:
    """Name, memory and driver of each, as nvidia-smi has them."""
    program = shutil.which("nvidia-smi")
    if not program:
        return []
    asked = [program, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]


def folder_of(path: str, revision: str | None = None) -> Path | None:
    """Where a model's files are: the path itself, or its snapshot in Hugging Face's cache."""
    if Path(path).is_dir():
        return Path(path)
    home = Path(os.environ.get("HF_HOME") or Path("~/.cache/huggingface").expanduser())
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub") / f"models--{path.replace('/', '--')}"
    name = revision or "main"
    try:
        commit = (cache / "refs" / name).read_text().strip() if (cache / "refs" / name).is_file() else name
        found = cache / "snapshots" / commit
        return found if found.is_dir() else None
    except OSError:
        return None


def of_model(folder: Path) -> dict[str, Any]:
    """Hashes of what decides how a model reads and speaks. Of weights, the index; without one, header and size."""
    said: dict[str, Any] = {"sha256": {}, "weights": {}}
    if folder.parent.name == "snapshots":
        said["commit"] = folder.name
    try:
        for name in HASHED:
            if (folder / name).is_file():
                said["sha256"][name] = hash_of_file(folder / name)
        for path in sorted(folder.glob("*.safetensors")):
            said["weights"][path.name] = {"bytes": path.stat().st_size, "header_sha256": _header(path)}
        if text := chat_template(folder):
            said["chat_template"] = {"text": text, "sha256": sha256(text)}
        if (folder / "generation_config.json").is_file():
            said["generation_config"] = json.loads((folder / "generation_config.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        said["error"] = f"{type(error).__name__}: {error}"
    return said


def chat_template(folder: Path) -> str | None:
    """As transformers looks for it: a file of its own first, then the tokenizer's configuration. Raises OSError, ValueError."""
    if (folder / "chat_template.jinja").is_file():
        return (folder / "chat_template.jinja").read_text("utf-8")
    for name in ("chat_template.json", "tokenizer_config.json"):
        if (folder / name).is_file():
            found = json.loads((folder / name).read_text("utf-8")).get("chat_template")
            if isinstance(found, list):  # several, by name
                found = {one.get("name"): one.get("template") for one in found}.get("default")
            if isinstance(found, str):
                return found
    return None


def _header(path: Path) -> str:
    """A safetensors file begins with the length of its header, then names, shapes and places of all tensors."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        return hashlib.sha256(file.read(min(size, 1 << 26))).hexdigest()
