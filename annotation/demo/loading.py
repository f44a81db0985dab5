"""Making the demo project: loaded, handed out and rated through the same services as a real study."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from django.contrib.auth.models import Permission
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from annotation import services
from annotation.demo.judges import Judged, judge_rows
from annotation.demo.simulation import SimulatedRaters
from annotation.models import Assignment, Batch, NAReason
from projects import demo
from projects.accounts import next_pseudonym
from projects.loading import load
from projects.models import Item, LanguageModel, Member, Project, Rubric, User
from projects.rubric_files import make_project, read_rubric

SLUG = "demo"
PASSWORD = "hyotei-demo"  # noqa: S105  # known to everybody, and said so where the accounts are made
ACCOUNTS = {
    "rater1": {"is_rater": True},
    "rater2": {"is_rater": True},
    "rater3": {"is_rater": True},
    "coordinator": {"is_coordinator": True},
    "researcher": {"is_researcher": True},
}
SEED = 20261122
SIMULATED = 8
FIRST_ROUND = [
    "business",
    "language",
    "summarization",
    "advice",
    "fiction",
    "knowledge",
    "creative",
    "culture",
]
SECOND_ROUND = ["coding", "math", "writing", "science"]
# How many of the second round each has rated before anybody looks at the demo.
DONE_BY_HAND = {"rater1": 4, "rater2": 3, "rater3": 1}
DONE_BY_SIMULATED = 2
# What they have open: the first thing one sees should have maths and a table in it.
OPEN = {"rater1": ("demo-ja-03", "hoshizora-70b"), "rater2": ("demo-en-01", "hoshizora-70b")}


class AccountsExist(Exception):
    """Names of the demo's accounts are taken by accounts that the demo did not make."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(", ".join(names))
        self.names = list(names)


def is_there() -> bool:
    return Project.objects.filter(slug=SLUG).exists()


@transaction.atomic
def load_demo() -> bool:
    """Make the demo project, or leave it as it is; says whether it was made."""
    if is_there():
        return False
    if taken := list(User.objects.filter(username__in=ACCOUNTS).values_list("username", flat=True)):
        raise AccountsExist(sorted(taken))
    project = make_project(
        slug=SLUG,
        spec=read_rubric("llm-jp"),
        name="Demo: four invented models",
        name_ja="デモ：架空の4モデルの評価",
        is_simulated=True,
    )
    people = {name: _person(project, name, roles) for name, roles in ACCOUNTS.items()}
    _may_make_projects(people["coordinator"])
    simulated = [_simulated_rater(project) for _ in range(SIMULATED)]
    load(project=project, files=[Path(demo.__path__[0]) / "prompts_and_responses.jsonl"])
    now = timezone.now()
    _began(project, at=now - timedelta(days=13), used=now - timedelta(days=12))
    first = _first_round(project, simulated, by=people["coordinator"].user)
    second = _second_round(project, people, simulated)
    _judges(project, first, second)
    return True


def close_accounts() -> int:
    """Make the demo's accounts unusable; answers how many were open."""
    return _open_accounts().update(is_active=False)


def accounts_are_open() -> bool:
    return _open_accounts().exists()


def _open_accounts() -> QuerySet[User]:
    members = Member.objects.filter(project__slug=SLUG)
    return User.objects.filter(username__in=ACCOUNTS, memberships__in=members, is_active=True)


def _person(project: Project, name: str, roles: dict[str, bool]) -> Member:
    user = User.objects.create_user(name, password=PASSWORD)
    return Member.objects.create(project=project, user=user, pseudonym=next_pseudonym(project), **roles)


def _may_make_projects(member: Member) -> None:
    """So that whoever tries the demo can make a study of their own in it."""
    assert member.user
    member.user.user_permissions.add(
        Permission.objects.get(content_type__app_label="projects", codename="add_project")
    )


def _simulated_rater(project: Project) -> Member:
    return Member.objects.create(
        project=project,
        pseudonym=next_pseudonym(project),
        kind=Member.Kind.SIMULATED,
        is_rater=True,
        group="simulated",
    )


def _first_round(project: Project, raters: Sequence[Member], by: User | None) -> SimulatedRaters:
    """A finished batch: planned seats, all of them rated, closed."""
    batch = services.make_batch(
        project=project,
        name="Round 1",
        by=by,
        raters_per_item=3,
        filling=Batch.Filling.PLANNED,
        seed=SEED,
        raters=services.Raters.of_group("simulated"),
        categories=FIRST_ROUND,
    )
    minds = SimulatedRaters(raters=len(raters), seed=SEED)
    seats = batch.assignments.select_related("rater", "item__prompt", "item__response__model").order_by(
        "position"
    )
    for seat in seats:
        _rate(seat, minds, raters.index(seat.rater))
    services.close(batch=batch)
    _backdate(batch, begin=timezone.now() - timedelta(days=12), days=4)
    return minds


def _second_round(
    project: Project, people: dict[str, Member], simulated: Sequence[Member]
) -> SimulatedRaters:
    """A batch under way: some have begun, and there are seats for whoever logs in."""
    batch = services.make_batch(
        project=project,
        name="Round 2",
        by=people["coordinator"].user,
        raters_per_item=2,
        order=Batch.Order.BY_PROMPT,
        seed=SEED + 1,
        lease=timedelta(days=1),
        categories=SECOND_ROUND,
    )
    kept = {people[name]: _keep_seat(people[name], batch, *which) for name, which in OPEN.items()}
    work = [(people[name], count) for name, count in DONE_BY_HAND.items()]
    work += [(rater, DONE_BY_SIMULATED) for rater in simulated]
    minds = SimulatedRaters(raters=len(work), seed=SEED + 1)
    for index, (rater, count) in enumerate(work):
        for _ in range(count):
            seat = services.claim_next(rater=rater, batch=batch)
            assert seat, "there are more seats than the demo's raters fill"
            _rate(seat, minds, index)
    for rater, key in kept.items():
        services.open_seat(rater=rater, key=key)
    _backdate(batch, begin=timezone.now() - timedelta(days=2), days=1)
    return minds


def _judges(project: Project, first: SimulatedRaters, second: SimulatedRaters) -> None:
    """Scores of simulated judges, loaded from a file as those of real ones are."""
    items = [
        Judged(
            prompt=item.prompt.key,
            model=item.response.model.name,
            turn=item.turn,
            length=len(item.response.turns[item.turn - 1]),
            minds=first if item.prompt.category in FIRST_ROUND else second,
        )
        for item in Item.objects.filter(project=project).select_related("prompt", "response__model")
    ]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "simulated_judges.jsonl"
        rows = (json.dumps(row, ensure_ascii=False) for row in judge_rows(items, seed=SEED))
        path.write_text("\n".join(rows), encoding="utf-8")
        load(project=project, files=[path])


def _keep_seat(rater: Member, batch: Batch, prompt: str, model: str) -> uuid.UUID:
    """Plan a seat for the rater, so that nobody takes it before them."""
    seats = batch.assignments.empty().filter(item__prompt__key=prompt, item__response__model__name=model)
    seat: Assignment | None = seats.order_by("seat").first()
    assert seat, "nobody has begun"
    Assignment.objects.filter(pk=seat.pk).update(state=Assignment.State.PLANNED, rater=rater)
    return seat.key


def _rate(seat: Assignment, minds: SimulatedRaters, index: int) -> None:
    item = seat.item
    said = minds.rate(
        index,
        prompt=item.prompt.key,
        model=item.response.model.name,
        turn=item.turn,
        length=len(item.response.turns[item.turn - 1]),
    )
    assert seat.rater
    services.submit(
        rater=seat.rater,
        assignment_key=seat.key,
        submission_id=uuid.uuid4(),
        scores={
            axis: NAReason.NO_KNOWLEDGE if value is None else value for axis, value in said.scores.items()
        },
        comment=said.comment,
        flagged=said.flagged,
        seconds=said.seconds,
    )


def _began(project: Project, *, at: datetime, used: datetime) -> None:
    """The study was set up before its first round: it, its rubric, texts and people are no younger than its ratings."""
    Project.objects.filter(pk=project.pk).update(created_at=at)
    # Before a batch freezes it: from then on nothing of a rubric can be changed.
    Rubric.objects.filter(project=project).update(created_at=at, frozen_at=used)
    Member.objects.filter(project=project).update(created_at=at)
    User.objects.filter(memberships__project=project).update(date_joined=at)
    LanguageModel.objects.filter(project=project).update(created_at=at)


def _backdate(batch: Batch, *, begin: datetime, days: int) -> None:
    """Spread the batch's ratings over `days`, one rater's after the other: nobody rates forty items in a second."""
    rng = np.random.default_rng(batch.seed)
    done = list(Assignment.objects.filter(batch=batch).submitted().order_by("rater", "submitted_at"))
    clocks: dict[int | None, datetime] = {}
    per_rater = {rater: sum(a.rater_id == rater for a in done) for rater in {a.rater_id for a in done}}
    for assignment in done:
        rater = assignment.rater_id
        pause = timedelta(days=days) / (per_rater[rater] + 1) * float(rng.uniform(0.5, 1.0))
        assignment.opened_at = clocks.get(rater, begin) + pause
        assignment.submitted_at = assignment.opened_at + timedelta(seconds=assignment.seconds or 60)
        clocks[rater] = assignment.submitted_at
    Assignment.objects.bulk_update(done, ["opened_at", "submitted_at"])
    closed = {"closed_at": max(clocks.values())} if batch.state == Batch.State.CLOSED else {}
    Batch.objects.filter(pk=batch.pk).update(created_at=begin, **closed)
