"""How long it takes to export a million scores in each format, and how much memory.

    python bench/export.py [--scores 1000000]

Makes a database of its own on the configured server and removes it again. Each format is written in a process of its
own, so that its peak of memory is its own; "before" is what the process held before it began.
"""

# ruff: noqa: E402
from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup()

from django.db import connection

from annotation.models import Batch
from exports.files import FORMATS
from exports.human_eval import HUMAN_EVAL
from exports.selection import Selection
from exports.services import export
from projects.models import Axis, LanguageModel, Member, Point, Project, Rubric

AXES = ("relevance", "fluency", "accuracy", "detail", "overall")
MODELS, RATERS, PER_ITEM = 10, 53, 2


def fill(scores: int) -> None:
    """A project of that many scores: items rated by two of 53 raters on five axes, one score in 50 "cannot judge"."""
    prompts = scores // (MODELS * PER_ITEM * len(AXES))
    project = Project.objects.create(slug="bench", name="Bench")
    rubric = Rubric.objects.create(project=project, number=1, name="bench")
    for position, key in enumerate(AXES, 1):
        axis = Axis.objects.create(rubric=rubric, key=key, position=position, label_en=key)
        Point.objects.bulk_create(Point(axis=axis, value=value, rank=value) for value in range(1, 6))
    models = LanguageModel.objects.bulk_create(
        LanguageModel(project=project, name=f"model-{number}") for number in range(MODELS)
    )
    raters = Member.objects.bulk_create(
        Member(project=project, pseudonym=f"R{number:03}", is_rater=True) for number in range(1, RATERS + 1)
    )
    batch = Batch.objects.create(project=project, rubric=rubric, name="main-1", seed=1)
    first_axis = rubric.axes.earliest("position").pk
    with connection.cursor() as cursor:
        cursor.execute(
            "SET session_replication_role = replica"
        )  # no triggers: the rows are made as they would leave them
        cursor.execute(
            """INSERT INTO projects_prompt
                (project_id, key, turns, source, category, tags, reference, checklist, options, answer, metadata, created_at)
            SELECT %s, 'bench###' || n, jsonb_build_array(jsonb_build_object('role', 'user', 'content', repeat('日本語の質問', 20))),
                'bench', '', '{}', '', '[]', '[]', '', '{}', now() FROM generate_series(1, %s) n""",
            [project.pk, prompts],
        )
        cursor.execute(
            """INSERT INTO projects_response (prompt_id, model_id, sample, turns, generation, metadata, created_at)
            SELECT p.id, m, 0, ARRAY[repeat('これは応答です。', 60)], '{}', '{}', now()
            FROM projects_prompt p, generate_series(%s, %s) m WHERE p.project_id = %s ORDER BY p.id, m""",
            [models[0].pk, models[-1].pk, project.pk],
        )
        cursor.execute(
            """INSERT INTO projects_item (project_id, prompt_id, response_id, turn)
            SELECT %s, prompt_id, id, 1 FROM projects_response ORDER BY id""",
            [project.pk],
        )
        cursor.execute(
            """INSERT INTO annotation_assignment (key, batch_id, item_id, seat, rater_id, occasion, purpose, origin,
                state, submitted_at, seconds, comment, flagged, skip_reason, codes)
            SELECT gen_random_uuid(), %s, i.id, s, %s + (i.id * 2 + s) %% %s, 1, 'main', 'here', 'submitted',
                now() - random() * interval '30 days', round((random() * 300)::numeric, 1),
                CASE WHEN random() < 0.1 THEN '根拠が不明です。' ELSE '' END, random() < 0.02, '', '{1,2,3,4,5}'
            FROM projects_item i, generate_series(1, %s) s ORDER BY i.id, s""",
            [batch.pk, raters[0].pk, RATERS, PER_ITEM],
        )
        cursor.execute(
            """INSERT INTO annotation_score (assignment_id, axis_id, value, na_reason)
            SELECT a.id, x, CASE WHEN a.id %% 50 = 0 THEN NULL ELSE 1 + (a.id + x) %% 5 END,
                CASE WHEN a.id %% 50 = 0 THEN 'unsure' END
            FROM annotation_assignment a, generate_series(%s, %s) x ORDER BY a.id, x""",
            [first_axis, first_axis + len(AXES) - 1],
        )
        cursor.execute("SET session_replication_role = origin")
        cursor.execute("ANALYZE")


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(
    name: str, tables: str, answer: multiprocessing.Queue[tuple[float, float, float, float, int]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        before = megabytes()
        started, worked = time.perf_counter(), time.process_time()
        manifest = export(
            selection=Selection(Project.objects.get(slug="bench")),
            folder=Path(folder),
            format_name=name,
            tables=tables,
        )
        took, used = time.perf_counter() - started, time.process_time() - worked
        size = sum(file["bytes"] for file in manifest["files"])
        answer.put((took, used, before, megabytes(), size))
    connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scores", type=int, default=1_000_000)
    parser.add_argument("--only", nargs="*", help="these formats")
    options = parser.parse_args()
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        started = time.perf_counter()
        fill(options.scores)
        print(f"{options.scores:,} scores made in {time.perf_counter() - started:.0f} s")
        connection.close()
        print(f"{'format':<20}{'seconds':>9}{'of CPU':>9}{'MB before':>11}{'MB peak':>9}{'file, MB':>10}")
        fork = multiprocessing.get_context("fork")
        for name, tables in [
            *((name, "long") for name in FORMATS),
            *((name, "wide") for name in ("csv", "parquet")),
            (HUMAN_EVAL, "both"),
        ]:
            if options.only and name not in options.only:
                continue
            answer = fork.Queue()
            process = fork.Process(target=measure, args=(name, tables, answer))
            process.start()
            took, used, before, peak, size = answer.get()
            process.join()
            label = f"{name} ({tables})" if name in FORMATS and name != "xlsx" else name
            print(f"{label:<20}{took:>9.1f}{used:>9.1f}{before:>11.0f}{peak:>9.0f}{size / 1e6:>10.1f}")
    finally:
        connection.creation.destroy_test_db("", verbosity=0)


if __name__ == "__main__":
    main()
