"""How long it takes to load what came back from a GPU node: `python -m bench.load_results [--results N] [--turns N]`.

Makes a bundle of N / turns conversations (Japanese text of realistic length) with its journal in two shards, loads it into a
database of its own, loads it again (which adds nothing), and prints a line of JSON with seconds, rows per second and memory.
A result is a line of the journal: an answered turn. Some of them failed first.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from pathlib import Path

from bench.load import text, timed  # sets Django up

from django.test.utils import setup_databases, teardown_databases  # isort: skip

from offline.bundle import SAMPLING, SEED_RULE, Manifest, make_item, sha256, write_bundle
from projects.loading import load
from projects.rubric_files import make_project, read_rubric

SHARDS = 2
FAILED_FIRST = 0.02


def write(folder: Path, results: int, turns: int) -> tuple[Path, Path]:
    """The file of prompts, and the bundle."""
    rng = random.Random(1)
    prompts = [
        (f"bench-{number:07}", [{"role": "user", "content": text(rng)[:200]} for _ in range(turns)])
        for number in range(max(1, results // turns))
    ]
    with (folder / "prompts.jsonl").open("w", encoding="utf-8") as file:
        for key, asked in prompts:
            file.write(json.dumps({"prompt_id": key, "turns": asked}, ensure_ascii=False) + "\n")
    of = Manifest(
        kind="generate",
        model={"name": "bench-7b", "path": "bench/bench-7b"},
        sampling=dict(SAMPLING),
        seed={"base": 1, "rule": SEED_RULE},
    )
    items = [make_item(of, prompt_id=key, turns=asked) for key, asked in prompts]
    manifest = write_bundle(folder / "bundle", of, items)
    answers = [text(rng) for _ in range(1000)]  # to draw texts for each would take longer than to load them
    journals = [
        (folder / "bundle" / f"results-{k + 1}-of-{SHARDS}.jsonl").open("w", encoding="utf-8")
        for k in range(SHARDS)
    ]
    for number, item in enumerate(items):
        journal = journals[int(item.item_id[:8], 16) % SHARDS]
        for turn in range(1, turns + 1):
            line = {
                "v": 1, "job_id": manifest.job_id, "run_id": "bench", "item_id": item.item_id, "custom_id": f"{item.item_id}-{turn}",
                "prompt_id": item.prompt_id, "turn": turn, "attempt": 0, "seed": number, "request_sha256": sha256(item.item_id),
                "started_at": "2026-01-01T00:00:00.000Z",
            }  # fmt: skip
            if rng.random() < FAILED_FIRST:
                error = {"type": "timeout", "message": "no answer in time", "retryable": True}
                journal.write(json.dumps({**line, "status": "error", "error": error}) + "\n")
                line["attempt"] = 1
            line |= {
                "status": "ok", "settled": True, "content": f"{number} {answers[(number * turns + turn) % len(answers)]}",
                "reasoning": None, "finish_reason": "stop", "truncated": False,
                "usage": {"prompt_tokens": 100, "completion_tokens": 400, "total_tokens": 500}, "served_model": "bench/bench-7b",
                "system_fingerprint": "vllm-0", "finished_at": "2026-01-01T00:00:01.000Z",
            }  # fmt: skip
            journal.write(json.dumps(line, ensure_ascii=False) + "\n")
    for journal in journals:
        journal.close()
    return folder / "prompts.jsonl", folder / "bundle"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=int, default=200_000)
    parser.add_argument("--turns", type=int, default=2)
    arguments = parser.parse_args()
    databases = setup_databases(verbosity=0, interactive=False)
    try:
        with tempfile.TemporaryDirectory() as name:
            prompts, bundle = write(Path(name), arguments.results, arguments.turns)
            project = make_project(slug="bench", spec=read_rubric("llm-jp"))
            load(project=project, files=[prompts])
            result = {
                "results": arguments.results,
                "megabytes": round(sum(file.stat().st_size for file in bundle.iterdir()) / 1e6, 1),
                "first": timed(project, [bundle]),
                "again": timed(project, [bundle]),
            }
            for one in (result["first"], result["again"]):
                one["results_per_second"] = round(arguments.results / one["seconds"])
            print(json.dumps(result, ensure_ascii=False, indent=2))
    finally:
        teardown_databases(databases, verbosity=0)


if __name__ == "__main__":
    main()
