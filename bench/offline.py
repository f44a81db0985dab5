"""What the runner itself costs: `python -m bench.offline [--items N] [--in-flight N] [--json]`.

Works through a bundle of N one-turn conversations against a fake server that answers at once (tests/offline/server.py, a process
of its own), with the runner on one core; then once more, when all is done and only the journal is read. Prints requests per
second, and memory at the beginning and at most: it must not grow with the bundle. Ends with status 1 where fewer than 500
requests/s were answered, or memory grew by more than 10 % after the first quarter.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from offline.bundle import SAMPLING, SEED_RULE, Item, Manifest, make_item, write_bundle

ROOT = Path(__file__).resolve().parent.parent
TEXT = "日本の四季について、具体例を挙げながら三百字程度で説明してください。" * 4


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=200_000)
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.offline.server"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout
        os.sched_setaffinity(server.pid, {cores[-1]})
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
        with tempfile.TemporaryDirectory() as folder:
            bundle = Path(folder) / "bundle"
            write_bundle(bundle, (of := manifest()), items(of, options.items))
            found: dict[str, Any] = {
                name: run(bundle, url, options.in_flight, cores[0]) for name in ("answering", "again")
            }
            found["journal_mb"] = round((bundle / "results-1-of-1.jsonl").stat().st_size / 1e6, 1)
    finally:
        server.terminate()
        server.wait()
    found["answering"]["requests_per_second"] = round(options.items / found["answering"]["seconds"])
    answering = found["answering"]
    # What it would be on a core of its own, where others are at work on this one.
    answering["requests_per_processor_second"] = round(options.items / answering["processor_seconds"])
    grown = answering["mb_at_most"] / answering["mb_in_first_quarter"] - 1
    found["holds"] = {
        "500 requests/s": answering["requests_per_second"] >= 500,
        "flat memory": grown <= 0.1,
    }
    if options.json:
        print(json.dumps({"items": options.items, "in_flight": options.in_flight, **found}))
    else:
        for name, said in found.items():
            print(f"{name:>12}: {said}")
    if not all(found["holds"].values()):
        raise SystemExit(1)


def manifest() -> Manifest:
    return Manifest(
        kind="generate",
        model={"name": "tiny", "path": "tiny"},
        sampling=dict(SAMPLING),
        seed={"base": 1, "rule": SEED_RULE},
    )


def items(of: Manifest, n: int) -> Iterator[Item]:
    for number in range(n):
        yield make_item(of, prompt_id=f"p{number}", turns=[{"role": "user", "content": f"{number}: {TEXT}"}])


def run(bundle: Path, url: str, in_flight: int, core: int) -> dict[str, Any]:
    """A run in a process of its own, whose memory is looked at ten times a second."""
    import psutil

    began, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(
        [sys.executable, "-m", "offline.generate", bundle, "--base-url", url, "--in-flight", str(in_flight)],
        cwd=ROOT, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.sched_setaffinity(process.pid, {core})
    seen = []
    while process.poll() is None:
        try:
            seen.append(psutil.Process(process.pid).memory_info().rss / 2**20)
        except psutil.Error:
            break
        time.sleep(0.1)
    if process.wait():
        raise SystemExit(f"the runner ended with {process.returncode}")
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    quarter = max(1, len(seen) // 4)
    return {
        "seconds": round(time.perf_counter() - began, 2),
        "processor_seconds": round(now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime, 2),
        "mb_in_first_quarter": round(max(seen[:quarter]), 1),
        "mb_at_most": round(max(seen), 1),
    }


if __name__ == "__main__":
    main()
