"""How long it takes to load what came back from a GPU node: `python -m bench.load_results [--results N] [--turns N]`.

Makes a bundle of N / turns conversations (Japanese text of realistic length) with its journal in two shards, loads it into a
database of its own, loads it again (which adds nothing), and prints seconds, results per second and memory as JSON; of
several sizes (`--results 50000 200000`) also how much more memory the last took than the first, each in a process of its own.
A result is a line of the journal: an answered turn. Some of them failed first.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from bench.load import text, timed  # sets Django up

from django.db import connections  # isort: skip
from django.test.utils import setup_databases, teardown_databases  # isort: skip

from offline.bundle import SAMPLING, SEED_RULE, Manifest, make_item, sha256, write_bundle
from projects.loading import load
from projects.models import Project
from projects.rubric_files import make_project, read_rubric

T = TypeVar("T")
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


def in_a_process(do: Callable[..., T], *arguments: object) -> T:
    """What it answers, done in a process of its own: what others needed does not count as its memory."""
    connections.close_all()
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        return pool.submit(do, *arguments).result()


def loaded(project: Project, bundle: Path, results: int) -> dict[str, Any]:
    seen = timed(project, [bundle])
    return seen | {"results_per_second": round(results / seen["seconds"])}


def measured(results: int, turns: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        prompts, bundle = in_a_process(write, Path(name), results, turns)
        project = make_project(slug=f"bench-{results}", spec=read_rubric("llm-jp"))
        load(project=project, files=[prompts])
        return {
            "results": results,
            "megabytes": round(sum(file.stat().st_size for file in bundle.iterdir()) / 1e6, 1),
            "first": in_a_process(loaded, project, bundle, results),
            "again": in_a_process(loaded, project, bundle, results),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--results", type=int, nargs="+", default=[50_000, 200_000], help="one size after the other"
    )
    parser.add_argument("--turns", type=int, default=2)
    arguments = parser.parse_args()
    databases = setup_databases(verbosity=0, interactive=False)
    try:
        sizes = []
        for results in arguments.results:
            sizes.append(measured(results, arguments.turns))
            print(json.dumps(sizes[-1], ensure_ascii=False, indent=2), flush=True)
        if len(sizes) > 1:
            grown = {
                when: sizes[-1][when]["mb_at_most"] - sizes[0][when]["mb_at_most"]
                for when in ("first", "again")
            }
            print(json.dumps({"mb_more_for_the_last_than_for_the_first": grown}))
    finally:
        teardown_databases(databases, verbosity=0)


if __name__ == "__main__":
    main()
