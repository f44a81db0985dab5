"""A bundle's requests through Ray Data, where a cluster is run with Ray.

    python -m offline.batch_file write BUNDLE        the requests of this round
    python docs/examples/ray_data.py BUNDLE MODEL    answers them
    python -m offline.batch_file read BUNDLE         puts the answers into the journal; write again for the next round

Ray brings a vLLM of its own, often an older one: its environment is not the one of `hyotei[vllm]`. What it leaves out is asked
again in the next round, so a lost node costs what it had not written.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

LEFT_OUT = (
    "model",
    "messages",
    "chat_template",
    "chat_template_kwargs",
    "response_format",
    "structured_outputs",
)


def asked(row: dict[str, Any]) -> dict[str, Any]:
    """A request as the engine's stage takes it. Each carries its own seed and every sampling field."""
    body = row["body"]
    if body.get("response_format") or body.get("structured_outputs"):
        raise ValueError(
            "constrained answers are for servers: the stage's sampling parameters know no schema"
        )
    sampling = {name: value for name, value in body.items() if name not in LEFT_OUT and value is not None}
    return {
        "custom_id": row["custom_id"],
        "messages": body["messages"],
        "sampling_params": sampling,
        "model": body["model"],
    }


def answered(row: dict[str, Any]) -> dict[str, Any]:
    """An answer as a line of batch output, which `offline.batch_file` reads."""
    tokens = int(row.get("num_generated_tokens") or 0)
    longest = int(row["sampling_params"].get("max_tokens") or 0)
    body = {
        "model": row["model"],
        # The stage does not say why it ended; an answer of the longest length was cut off.
        "choices": [
            {
                "index": 0,
                "finish_reason": "length" if longest and tokens >= longest else "stop",
                "message": {"role": "assistant", "content": row["generated_text"]},
            }
        ],
        "usage": {"prompt_tokens": int(row.get("num_input_tokens") or 0), "completion_tokens": tokens},
    }
    return {
        "custom_id": row["custom_id"],
        "response": {"status_code": 200, "request_id": "ray", "body": body},
        "error": None,
    }


def main(bundle: Path, model: str) -> None:
    import ray  # type: ignore[import-not-found]
    from ray.data.llm import (  # type: ignore[import-not-found]
        build_processor,
        vLLMEngineProcessorConfig,
    )

    newest = max((bundle / "batch").glob("round-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    config = vLLMEngineProcessorConfig(
        model_source=model,
        engine_kwargs={"tensor_parallel_size": 4, "generation_config": "vllm"},
        concurrency=4,  # replicas
        batch_size=64,
        should_continue_on_error=True,
    )
    processor = build_processor(config, preprocess=asked, postprocess=answered)
    requests = ray.data.read_json(str(newest), file_extensions=["jsonl"])
    processor(requests).write_json(str(bundle / "batch" / "outputs"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
