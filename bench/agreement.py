"""How long agreement takes, and how much memory: `python -m bench.agreement [--small] [--prompts N] [--models N]`.

Fills a server of its own (var/postgres-bench) with submitted ratings on five axes, two raters per item, by default
50,000 prompts × 10 models: 1,000,000 assignments, 5,000,000 scores. Ratings lie in the table in the order in which raters
came by, not item by item. Then, each in a process of its own:

- `agreement()` as the monitor and the command call it: all axes, all figures, all intervals. Cold is the first call of a
  fresh process after the server was started anew, its buffers empty (the system's file cache is not dropped); warm is the
  best of the calls after it. `processor` counts the time that process and database worked, whoever else was at it.
- the krippendorff package, on the same ratings: alpha alone, without an interval, in three metrics on five axes.

Prints one line of JSON, with the ratios. Score rows are left out: agreement reads `Assignment.codes`, which triggers keep.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import subprocess
import sys
import time
import uuid
from typing import Any

import numpy as np
import psutil

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

from config import settings
from config.database import embedded_database, embedded_server
from tests import settings as test_settings

DATA = settings.VAR_DIR / "postgres-bench"
test_settings.DATABASES["default"] = embedded_database(DATA, volatile=True) | {"CONN_MAX_AGE": None}

import django  # noqa: E402

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402

from annotation.agreement import agreement  # noqa: E402
from annotation.models import Batch  # noqa: E402
from projects.models import Project  # noqa: E402
from stats.agreement import Interval, Method  # noqa: E402
from stats.estimate import Estimate  # noqa: E402
from tests.factories import create_member, create_project  # noqa: E402

AXES = ("relevance", "fluency", "accuracy", "detail", "overall")
RATERS = 53
PER_ITEM = 2
CHUNK = 50_000


def memory() -> int:
    """Of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


# The data


def fill(slug: str, prompts: int, models: int) -> None:
    """A project with `prompts` × `models` items, each rated by two of 53 raters."""
    project = create_project(slug=slug, axes=AXES)
    raters = [create_member(project, login=False).pk for _ in range(RATERS)]
    batch = Batch.objects.create(project=project, rubric=project.current_rubric(), name="main", seed=1)
    items = prompts * models
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # no triggers: codes are written as they are
        first = (
            _next(cursor, "projects_prompt"),
            _next(cursor, "projects_response"),
            _next(cursor, "projects_item"),
        )
        cursor.execute(
            "INSERT INTO projects_languagemodel (project_id, name, metadata, created_at)"
            " SELECT %s, 'model ' || n, '{}', now() FROM generate_series(1, %s) n RETURNING id",
            [project.pk, models],
        )
        systems = [row[0] for row in cursor.fetchall()]
        for table, columns, query, count in [
            (
                "projects_prompt",
                "id, project_id, key, turns, source, category, tags, reference, checklist, options, answer, metadata, created_at",
                f"{first[0]} + n, {project.pk}, 'p' || n, '[]', '', '', '{{}}', '', '[]', '[]', '', '{{}}', now()",
                prompts,
            ),
            (
                "projects_response",
                "id, prompt_id, model_id, sample, turns, generation, metadata, created_at",
                f"{first[1]} + n, {first[0]} + n / {models}, ('{{{','.join(map(str, systems))}}}'::bigint[])"
                f"[n %% {models} + 1], 0, ARRAY['応答 ' || n], '{{}}', '{{}}', now()",
                items,
            ),
            (
                "projects_item",
                "id, project_id, prompt_id, response_id, turn",
                f"{first[2]} + n, {project.pk}, {first[0]} + n / {models}, {first[1]} + n, 1",
                items,
            ),
        ]:
            cursor.execute(
                f"INSERT INTO {table} ({columns}) SELECT {query} FROM generate_series(0, %s) n", [count - 1]
            )
        _fill_seats(cursor, batch.pk, raters, first[2], prompts, models)
        for table in ("projects_prompt", "projects_response", "projects_item"):
            cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}")
        cursor.execute("RESET session_replication_role")
        cursor.execute("VACUUM ANALYZE")


def _next(cursor: Any, table: str) -> int:
    cursor.execute(f"SELECT coalesce(max(id), 0) + 1 FROM {table}")
    return int(cursor.fetchone()[0])


def _fill_seats(cursor: Any, batch: int, raters: list[int], first: int, prompts: int, models: int) -> None:
    rng = np.random.default_rng(1)
    items = prompts * models
    who = rng.integers(RATERS, size=items)
    second = (who + rng.integers(1, RATERS, size=items)) % RATERS
    quality = np.repeat(rng.normal(scale=0.5, size=prompts), models) + rng.normal(size=items)
    columns = (
        "key, batch_id, item_id, seat, rater_id, occasion, purpose, origin, state, position, opened_at,"
        " submitted_at, seconds, comment, flagged, skip_reason, codes"
    )
    order = rng.permutation(items * PER_ITEM)
    with cursor.copy(f"COPY annotation_assignment ({columns}) FROM STDIN") as copy:
        for start in range(0, len(order), CHUNK):
            chunk = order[start : start + CHUNK]
            item, seat = np.divmod(chunk, PER_ITEM)
            codes = np.clip(
                np.round(3.4 + 0.8 * quality[item][:, None] + 0.7 * rng.normal(size=(len(chunk), len(AXES)))),
                1,
                5,
            ).astype(int)
            codes[rng.random(codes.shape) < 0.01] = -1  # cannot judge
            rater = np.array(raters)[np.where(seat == 0, who[item], second[item])]
            lines = io.StringIO()
            for n, i, s, r, c in zip(
                chunk.tolist(), item.tolist(), seat.tolist(), rater, codes.tolist(), strict=True
            ):
                key = uuid.UUID(int=(n * 0x9E3779B97F4A7C15F39CC0605CEDC835 + first) % (1 << 128))
                lines.write(
                    f"{key}\t{batch}\t{first + i}\t{s + 1}\t{r}\t1\tmain\there\tsubmitted\t{n / len(order)}\t"
                    f"2026-01-01 09:00+00\t2026-01-01 09:01+00\t61.5\t\tf\t\t{{{','.join(map(str, c))}}}\n"
                )
            copy.write(lines.getvalue())


# What is timed, in processes of their own


def ours(slug: str) -> dict[str, Any]:
    project = Project.objects.get(slug=slug)
    before = memory()
    backend = psutil.Process(connection.connection.info.backend_pid)
    seconds, processor = [], []
    for _ in range(6):
        start, worked = time.perf_counter(), time.process_time() + sum(backend.cpu_times()[:2])
        found = agreement(project=project)
        seconds.append(time.perf_counter() - start)
        processor.append(time.process_time() + sum(backend.cpu_times()[:2]) - worked)
    after = memory()
    start = time.perf_counter()
    agreement(project=project, interval=Interval(Method.ITEM_JACKKNIFE))
    live = time.perf_counter() - start
    headline = [axis.panel.alpha["ordinal"] for axis in found.axes]
    return {
        "cold_s": round(seconds[0], 3),
        "warm_s": round(min(seconds[1:]), 3),
        "processor_cold_s": round(processor[0], 3),
        "processor_warm_s": round(min(processor[1:]), 3),
        "over_items_s": round(live, 3),
        "memory_before_mb": before,
        "memory_peak_mb": after,
        "interval": next(str(a.method) for a in headline if isinstance(a, Estimate)),
        "alpha_ordinal": [a.value for a in headline if isinstance(a, Estimate)],
    }


def theirs(slug: str) -> dict[str, Any]:
    """The krippendorff package, on counts per item; reading and counting are not timed."""
    import krippendorff

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT item_id, codes FROM annotation_assignment a JOIN annotation_batch b ON b.id = a.batch_id"
            " JOIN projects_project p ON p.id = b.project_id WHERE p.slug = %s",
            [slug],
        )
        item = np.empty(cursor.rowcount, np.int64)
        codes = np.empty((cursor.rowcount, len(AXES)), np.int64)
        for row, (item_id, said) in enumerate(cursor):
            item[row], codes[row] = item_id, said
    item -= item.min()
    before, seconds, alphas = memory(), {}, []
    worked = time.process_time()
    for metric in ("nominal", "ordinal", "interval"):
        took = 0.0
        for axis in range(len(AXES)):
            scored = codes[:, axis] > 0
            counts = np.bincount(item[scored] * 5 + codes[scored, axis] - 1, minlength=(item.max() + 1) * 5)
            table = counts.reshape(-1, 5).astype(float)
            start = time.perf_counter()
            alpha = krippendorff.alpha(
                value_counts=table, value_domain=[1, 2, 3, 4, 5], level_of_measurement=metric
            )
            took += time.perf_counter() - start
            if metric == "ordinal":
                alphas.append(float(alpha))
        seconds[metric] = round(took, 3)
    return {
        "alpha_only_s": round(sum(seconds.values()), 3),
        "by_metric_s": seconds,
        "processor_s": round(time.process_time() - worked, 3),
        "memory_before_mb": before,
        "memory_peak_mb": memory(),
        "alpha_ordinal": alphas,
    }


def in_a_process(what: str, slug: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.agreement", "--only", what, "--slug", slug],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ
        | {"OPENBLAS_NUM_THREADS": "1"},  # as config sets it, which programs import before NumPy
    )
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--small", action="store_true", help="484 prompts × 10 models, for a quick look")
    parser.add_argument("--prompts", type=int, default=50_000)
    parser.add_argument("--models", type=int, default=10)
    parser.add_argument("--only", choices=["ours", "theirs"], help=argparse.SUPPRESS)
    parser.add_argument("--slug", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        print(json.dumps({"ours": ours, "theirs": theirs}[options.only](options.slug)))
        return
    prompts = 484 if options.small else options.prompts
    slug = f"bench-{prompts}-{options.models}"
    call_command("migrate", verbosity=0)
    if not Project.objects.filter(slug=slug).exists():
        print(f"Making {prompts:,} × {options.models} items, each rated twice …", file=sys.stderr)
        fill(slug, prompts, options.models)
    connection.close()
    embedded_server(DATA, volatile=True).leave()  # the last one out stops it; the next one starts it, cold
    found, package = in_a_process("ours", slug), in_a_process("theirs", slug)
    differ = np.abs(np.subtract(found.pop("alpha_ordinal"), package.pop("alpha_ordinal"))).max()
    print(
        json.dumps(
            {
                "items": prompts * options.models,
                "ratings": prompts * options.models * PER_ITEM,
                "axes": len(AXES),
                "hyotei": found,
                "krippendorff": package,
                "largest_difference_of_alpha": float(differ),
                "package_over_ours_cold": round(package["alpha_only_s"] / found["cold_s"], 2),
                "package_over_ours_warm": round(package["alpha_only_s"] / found["warm_s"], 2),
                "load_average": os.getloadavg()[0],
            }
        )
    )


if __name__ == "__main__":
    main()
