"""The study that `bench.rating_loop` rates."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.core.management import call_command
from django.db import connection

from annotation.rendering import render_waiting
from annotation.services import make_batch
from bench.served_urls import TABLE
from projects.models import Item, LanguageModel, Member, Project, Prompt, Response, User
from projects.rubric_files import make_project, read_rubric

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
    "\n\n",
    "**結論**",
    "から",
    "言う",
    "と",
    "、",
    "次",
    "の",
    "三",
    "点",
    "です",
    "。",
    "\n\n-",
    "まず\n-",
    "つぎに\n\n",
    "`print(1)`",
    "とくに",
    "重要",
    "な",
    "の",
    "は",
    "手順",
    "を",
    "守る",
    "こと",
    "です",
    "。",
]


@dataclass
class Study:
    slug: str
    items: int
    axes: tuple[str, ...]
    sessions: list[str]


def recreate_database() -> None:
    """The bench's own, empty but for its tables."""
    call_command("migrate", interactive=False, verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT string_agg(format('%I', tablename), ', ') FROM pg_tables WHERE schemaname = 'public'"
            " AND tablename NOT LIKE 'django_migrations%' AND tablename NOT LIKE 'procrastinate%'"
            " AND tablename <> 'django_content_type' AND tablename <> 'auth_permission'"
        )
        cursor.execute(f"TRUNCATE {cursor.fetchone()[0]} CASCADE")
        cursor.execute(TABLE)


def prepare(*, items: int, raters: int) -> Study:
    """A project with so many items, ten models, and raters who are logged in."""
    rng = random.Random(items)
    slug = f"bench-{items}"
    project = make_project(slug=slug, spec=read_rubric("llm-jp"))
    models = LanguageModel.objects.bulk_create(
        LanguageModel(project=project, name=f"model-{n}") for n in range(10)
    )
    prompts = Prompt.objects.bulk_create(
        (
            Prompt(project=project, key=f"p{n}", turns=[{"role": "user", "content": text(rng, 40)}])
            for n in range(-(-items // 10))
        ),
        batch_size=5000,
    )
    for start in range(0, items, 5000):
        responses = Response.objects.bulk_create(
            Response(prompt=prompts[n // 10], model=models[n % 10], turns=[text(rng, 180)])
            for n in range(start, min(start + 5000, items))
        )
        Item.objects.bulk_create(Item(project=project, prompt=r.prompt, response=r) for r in responses)
    sessions = [session_of(member(project, number).user) for number in range(1, raters + 1)]
    began = time.perf_counter()
    make_batch(project=project, name="main", raters_per_item=2, seed=1)
    print(f"{items} items × 2 seats made in {time.perf_counter() - began:.2f} s", flush=True)
    began = time.perf_counter()
    rendered, _ = render_waiting()  # the worker's, who has done it before the raters come
    print(f"{rendered} responses rendered in {time.perf_counter() - began:.1f} s", flush=True)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")
    axes = tuple(project.current_rubric().axes.order_by("position").values_list("key", flat=True))
    return Study(slug, items, axes, sessions)


def text(rng: random.Random, median: int) -> str:
    """Log-normal in length, as responses are: half are longer than about two characters times `median`."""
    return "".join(rng.choices(WORDS, k=max(5, int(rng.lognormvariate(0, 0.6) * median))))


def member(project: Project, number: int) -> Member:
    user = User.objects.create(username=f"{project.slug}-{number}", password="!", language="ja")
    return Member.objects.create(project=project, user=user, pseudonym=f"R{number:03}", is_rater=True)


def session_of(user: User) -> str:
    """A session as logging in makes it."""
    store = import_module(settings.SESSION_ENGINE).SessionStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.create()
    return str(store.session_key)


def reset_statistics() -> None:
    """A pause for what the last measurement left to do."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE annotation_assignment")
        cursor.execute("CHECKPOINT")


def count_ratings(slug: str) -> int:
    return _one("SELECT count(*) FROM annotation_submission s JOIN projects_member m ON m.id = s.rater_id"
                " JOIN projects_project p ON p.id = m.project_id WHERE p.slug = %s", slug)  # fmt: skip


def look_at_seats(slug: str) -> dict[str, int]:
    """Items with more or fewer seats or raters than they should have, and ratings that are not whole."""
    of = " JOIN annotation_batch b ON b.id = a.batch_id JOIN projects_project p ON p.id = b.project_id WHERE p.slug = %s"
    return {
        "over_filled": _one(
            "SELECT count(*) FROM (SELECT a.item_id FROM annotation_assignment a" + of +
            " AND a.state = 'submitted' GROUP BY a.item_id HAVING count(*) > 2 OR count(*) <> count(DISTINCT a.rater_id))"
            " AS wrong", slug,
        ),
        "under_filled": _one(
            "SELECT count(*) FROM (SELECT a.item_id FROM annotation_assignment a" + of +
            " AND a.state NOT IN ('skipped', 'withdrawn') GROUP BY a.item_id HAVING count(*) <> 2) AS wrong", slug,
        ),
        "not_whole": _one(
            "SELECT count(*) FROM annotation_assignment a" + of + " AND a.state = 'submitted' AND 5 <>"
            " (SELECT count(*) FROM annotation_score s WHERE s.assignment_id = a.id)", slug,
        ),
    }  # fmt: skip


def _one(query: str, *terms: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(query, terms)
        return int(cursor.fetchone()[0])
