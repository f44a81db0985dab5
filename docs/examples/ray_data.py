"""A bundle's requests through Ray Data, where a cluster is run with Ray.

    python -m offline.batch_file write BUNDLE     the requests of this round
    python docs/examples/ray_data.py BUNDLE       answers them
    python -m offline.batch_file read BUNDLE      puts the answers into the journal; write again for the next round

Written for Ray 2.60. Ray brings a vLLM of its own, often an older one: its environment is not the one of `hyotei[vllm]`. What is
left out is asked again in the next round, so a lost node costs what it had not written.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

ELSEWHERE = (
    "model",
    "messages",
    "chat_template",
    "chat_template_kwargs",
    "response_format",
    "structured_outputs",
)
"""Of a request, what is no sampling parameter. Chat template and its arguments are the same for all, and in the manifest."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path, metavar="BUNDLE")
    parser.add_argument("--model", help="where it is, if not where the manifest says")
    parser.add_argument(
        "--replicas", type=int, default=4, metavar="N", help="engines at once, at most (%(default)s)"
    )
    parser.add_argument(
        "--engine-options", type=json.loads, default={"tensor_parallel_size": 4}, metavar="JSON", help="as %(default)s"
    )  # fmt: skip
    options = parser.parse_args()
    manifest = json.loads((options.bundle / "manifest.json").read_text(encoding="utf-8"))
    newest = max(
        (options.bundle / "batch").glob("round-*"), key=lambda path: int(path.name.rpartition("-")[2])
    )
    said = engine(manifest, model=options.model, more=options.engine_options)

    import ray  # type: ignore[import-not-found]
    from ray.data.llm import build_processor, vLLMEngineProcessorConfig  # type: ignore[import-not-found]

    config = vLLMEngineProcessorConfig(
        **said, concurrency=options.replicas, batch_size=64, should_continue_on_error=True
    )
    # As text: reading JSON would give all rows the fields of each, empty ones too.
    requests = ray.data.read_text([str(path.resolve()) for path in sorted(newest.glob("*.jsonl"))])
    answers = build_processor(config, preprocess=asked)(requests).map(answered)
    answers.write_json(str((options.bundle / "batch" / "outputs").resolve()))


def engine(manifest: dict[str, Any], *, model: str | None, more: dict[str, Any]) -> dict[str, Any]:
    """What the manifest asks for, as Ray's processor takes it."""
    if manifest["reasoning_parser"] or manifest["model"].get("lora"):
        raise SystemExit(
            "a reasoning parser or an adapter needs a server: python -m offline.generate --serve"
        )
    template = manifest["chat_template"] or {}
    return {
        # The engine makes text of tokens, as a server's does; the stage for it leaves halves of characters at the end.
        "detokenize_stage": False,
        "model_source": model or manifest["model"].get("path") or manifest["model"]["name"],
        "engine_kwargs": {"generation_config": "vllm", **manifest["engine"], **more},
        "chat_template_stage": {
            "chat_template": template.get("text"), "chat_template_kwargs": manifest["chat_template_kwargs"] or None,
        },
    }  # fmt: skip


def asked(row: dict[str, str]) -> dict[str, Any]:
    """A request as the engine's stage takes it. Each carries its own seed and every sampling field."""
    request = json.loads(row["text"])
    body = request["body"]
    sampling = {name: value for name, value in body.items() if name not in ELSEWHERE and value is not None}
    if held_to := constraint(body):
        sampling["structured_outputs"] = held_to
    return {
        "custom_id": request["custom_id"],
        "messages": body["messages"],
        "sampling_params": sampling,
        "asked_of": body["model"],  # a column called “model” would name an adapter
        "longest": body.get("max_tokens") or 0,
    }


def constraint(body: dict[str, Any]) -> dict[str, Any]:
    """A schema is given as text: a table would mix up its fields."""
    held_to = dict(body.get("structured_outputs") or {})
    shape = body.get("response_format") or {}
    if shape.get("type") == "json_schema":
        held_to["json"] = json.dumps(shape["json_schema"]["schema"], ensure_ascii=False)
    elif shape.get("type") not in (None, "text"):
        raise ValueError(f"response_format: {shape['type']}: not known here")
    return held_to


def answered(row: dict[str, Any]) -> dict[str, Any]:
    """An answer, or why there is none, as a line of batch output, which `offline.batch_file` reads."""
    if row.get("__inference_error__"):
        return {
            "custom_id": row["custom_id"],
            "response": None,
            "error": {"message": row["__inference_error__"]},
        }
    tokens = int(row["num_generated_tokens"])
    choice = {
        "index": 0,
        # The stage does not say why it ended; an answer of the longest length was cut off.
        "finish_reason": "length" if tokens >= int(row["longest"]) > 0 else "stop",
        "message": {"role": "assistant", "content": row["generated_text"]},
    }
    usage = {"prompt_tokens": int(row["num_input_tokens"]), "completion_tokens": tokens}
    body = {"model": row["asked_of"], "choices": [choice], "usage": usage}
    return {
        "custom_id": row["custom_id"],
        "response": {"status_code": 200, "request_id": "ray", "body": body},
        "error": None,
    }


if __name__ == "__main__":
    main()
