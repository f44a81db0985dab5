"""The command that serves a bundle's model: what the manifest asks for, and what this node adds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from offline.bundle import Manifest
from offline.conversation import served_name

CHAT_TEMPLATE = "chat_template.jinja"


def command(
    manifest: Manifest,
    folder: Path,
    *,
    program: list[str],
    port: int,
    more: list[str],
    path: str | None = None,
) -> list[str]:
    """`vllm serve MODEL …`. `more` comes last, so that it decides; `path` is where the model is on this node."""
    model = manifest.model
    said: dict[str, Any] = {"host": "127.0.0.1", "port": port, "generation_config": "vllm"}
    for name in ("revision", "tokenizer_revision", "quantization"):
        said[name] = model.get(name) or None
    said["reasoning_parser"] = manifest.reasoning_parser or None
    if lora := model.get("lora"):
        adapter = lora["path"] if isinstance(lora, Mapping) else lora
        said |= {"enable_lora": True, "lora_modules": f"{served_name(manifest)}={adapter}"}
    else:
        said["served_model_name"] = served_name(manifest)
    if manifest.chat_template:
        template = folder / CHAT_TEMPLATE
        template.write_text(manifest.chat_template["text"], encoding="utf-8")
        # Requests name it as well, as they must where we do not start the server.
        said |= {"chat_template": str(template), "trust_request_chat_template": True}
    if _constrained(manifest):
        # Without it a weak model can fill the rest of its answer with blanks between two tokens of JSON.
        said["structured_outputs_config"] = {"backend": "xgrammar", "disable_any_whitespace": True}
    said["enable_tokenizer_info_endpoint"] = True
    said |= manifest.engine
    return [*program, str(path or model.get("path") or model["name"]), *flags(said), *more]


def flags(said: Mapping[str, Any]) -> list[str]:
    """As vLLM's command line has them: `max_model_len` becomes `--max-model-len`."""
    found: list[str] = []
    for name, value in said.items():
        flag = name.replace("_", "-")
        if value is None:
            continue
        if isinstance(value, bool):
            found.append(f"--{flag}" if value else f"--no-{flag}")
        elif isinstance(value, dict | list):
            found += [f"--{flag}", json.dumps(value, ensure_ascii=False)]
        else:
            found += [f"--{flag}", str(value)]
    return found


def _constrained(manifest: Manifest) -> bool:
    return bool(manifest.sampling.get("response_format") or manifest.sampling.get("structured_outputs"))
