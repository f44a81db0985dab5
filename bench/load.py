"""How long loading takes, and how much memory: `python -m bench.load [--responses N] [--raters N] [--judged N]`.

Makes files of N responses (Japanese text of realistic length), of their ratings and of a judge's scores, loads them into
a database of its own, loads them again (which adds nothing), and prints a line of JSON with seconds, rows per second and
memory.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django

django.setup()

from django.db import connection  # noqa: E402
from django.test.utils import setup_databases, teardown_databases  # noqa: E402

from projects.loading import Options, load  # noqa: E402
from projects.models import Project  # noqa: E402
from projects.rubric_files import make_project, read_rubric  # noqa: E402

WORDS = [
    "評価",
    "対象",
    "の",
    "応答",
    "は",
    "日本語",
    "で",
    "書かれ",
    "ており",
    "、",
    "質問",
    "に",
    "対し",
    "て",
    "具体",
    "的",
    "な",
    "例",
    "を",
    "挙げ",
    "ながら",
    "説明",
    "し",
    "ている",
    "。",
    "\n",
]
MODELS = 10


def text(rng: random.Random) -> str:
    """Log-normal in length, as responses are: half are longer than 400 characters."""
    return "".join(rng.choices(WORDS, k=max(5, int(rng.lognormvariate(5.2, 0.6)))))


def write_files(folder: Path, responses: int, raters: int, judged: int) -> list[Path]:
    rng = random.Random(1)
    prompts = max(1, responses // MODELS)
    with (folder / "prompts.jsonl").open("w", encoding="utf-8") as file:
        for number in range(prompts):
            prompt = {"prompt_id": f"bench-{number:06}", "turns": [text(rng)[:200]], "source": "bench"}
            file.write(json.dumps(prompt, ensure_ascii=False) + "\n")
    with (folder / "responses.jsonl").open("w", encoding="utf-8") as file:
        for prompt, model in pairs(prompts):
            row = {
                "prompt_id": prompt,
                "model": model,
                "response": text(rng),
                "generation": {"engine": "vllm", "seed": 1},
            }
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    with (folder / "ratings.csv").open("w", encoding="utf-8") as file:
        file.write("prompt_id,model,rater,axis,score\n")
        for prompt, model in pairs(prompts):
            for rater in rng.sample(range(53), raters):
                for axis in ("relevance", "fluency", "accuracy", "detail", "overall"):
                    file.write(
                        f"{prompt},{model},rater{rater},{axis},{rng.choice(['1', '2', '3', '4', '5', ''])}\n"
                    )
    with (folder / "judged.csv").open("w", encoding="utf-8") as file:
        file.write("prompt_id,model,judge,axis,score,repeat,failure,reason\n")
        for prompt, model in pairs(prompts):
            for repeat in range(1, judged + 1):
                for axis in ("relevance", "fluency", "accuracy", "detail", "overall"):
                    score = rng.choice(["1", "2", "3.25", "4", "5", ""])
                    failure = "" if score else "unparsed"
                    file.write(
                        f"{prompt},{model},judge,{axis},{score},{repeat},{failure},{text(rng)[:60]!r}\n"
                    )
    return sorted(folder.iterdir())


def pairs(prompts: int) -> Iterator[tuple[str, str]]:
    for number in range(prompts):
        for model in range(MODELS):
            yield f"bench-{number:06}", f"model-{model}"


def timed(project: Project, files: list[Path], **options: Any) -> dict[str, Any]:
    before = memory()
    connection.ensure_connection()
    busy_there = database_cpu()
    started, busy = time.perf_counter(), time.process_time()
    report = load(project=project, files=files, options=Options(**options))
    seconds = time.perf_counter() - started
    rows = sum(report.created.values()) + sum(report.unchanged.values())
    return {
        "seconds": round(seconds, 2),
        "cpu_seconds": round(time.process_time() - busy, 2),  # of Python
        "database_cpu_seconds": round(database_cpu() - busy_there, 2),
        "rows_per_second": round(rows / seconds),
        "created": dict(report.created),
        "unchanged": dict(report.unchanged),
        "mb_before": before,
        "mb_at_most": memory(),
    }


def database_cpu() -> float:
    """Processor time of the database's process that serves us, where it runs on this machine."""
    process = Path(f"/proc/{connection.connection.info.backend_pid}/stat")
    if not process.exists():
        return 0.0
    after_name = process.read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--responses", type=int, default=100_000)
    parser.add_argument("--raters", type=int, default=2, help="ratings of each response; 0 for none")
    parser.add_argument(
        "--judged", type=int, default=2, help="times that a judge scored each response; 0 for none"
    )
    arguments = parser.parse_args()
    databases = setup_databases(verbosity=0, interactive=False)  # replaces what a run that was cut off left
    try:
        with tempfile.TemporaryDirectory() as name:
            files = write_files(Path(name), arguments.responses, arguments.raters, arguments.judged)
            responses = [file for file in files if file.suffix == ".jsonl"]
            ratings = [file for file in files if file.name == "ratings.csv"]
            judged = [file for file in files if file.name == "judged.csv"]
            project = make_project(slug="bench", spec=read_rubric("llm-jp"))
            result: dict[str, Any] = {
                "megabytes": round(sum(file.stat().st_size for file in files) / 1e6, 1),
                "prompts_and_responses": timed(project, responses),
                "again": timed(project, responses),
            }
            if arguments.raters:
                result |= {"ratings": timed(project, ratings), "ratings_again": timed(project, ratings)}
            if arguments.judged:
                result |= {
                    "judge_scores": timed(project, judged),
                    "judge_scores_again": timed(project, judged),
                }
            with connection.cursor() as cursor:
                cursor.execute("SHOW server_version")
                result["postgresql"] = cursor.fetchone()[0]
            print(json.dumps(result, ensure_ascii=False, indent=2))
    finally:
        teardown_databases(databases, verbosity=0)


if __name__ == "__main__":
    main()
