"""Plain functions that make a valid row; a test names only what it is about."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from annotation.models import Assignment, Batch, Score
from projects.models import Axis, Item, LanguageModel, Member, Point, Project, Prompt, Response, Rubric, User

_numbers = itertools.count(1)


def create_user(**fields: Any) -> User:
    username = fields.pop("username", None) or f"user{next(_numbers)}"
    return User.objects.create_user(username, password=fields.pop("password", "pass"), **fields)


def create_project(
    *,
    slug: str | None = None,
    axes: Sequence[str] = ("relevance", "fluency"),
    points: Sequence[float] = (1, 2, 3, 4, 5),
    allow_na: bool = True,
    kind: str = "ordinal",
    **fields: Any,
) -> Project:
    """A project with one rubric version."""
    slug = slug or f"project-{next(_numbers)}"
    project = Project.objects.create(slug=slug, **{"name": slug.title(), **fields})
    create_rubric(project, axes=axes, points=points, allow_na=allow_na, kind=kind)
    return project


def create_rubric(
    project: Project,
    *,
    axes: Sequence[str] = ("relevance", "fluency"),
    points: Sequence[float] = (1, 2, 3, 4, 5),
    allow_na: bool = True,
    kind: str = "ordinal",
) -> Rubric:
    rubric = Rubric.objects.create(project=project, number=project.rubrics.count() + 1, name="Test rubric")
    for position, key in enumerate(axes, 1):
        axis = Axis.objects.create(
            rubric=rubric,
            key=key,
            position=position,
            kind=kind,
            allow_na=allow_na,
            label_en=key.title(),
            label_ja=f"{key}（日本語）",
        )
        Point.objects.bulk_create(
            Point(axis=axis, value=value, rank=rank, label_en=f"point {rank}", label_ja=f"段階{rank}")
            for rank, value in enumerate(points, 1)
        )
    return rubric


def create_member(project: Project, *, user: User | None = None, login: bool = True, **fields: Any) -> Member:
    """A rater with a login; `login=False` for one without."""
    if not any(fields.get(role) for role in ("is_rater", "is_coordinator", "is_researcher")):
        fields["is_rater"] = True
    if user is None and login and fields.get("kind") != "position":
        user = create_user()
    Project.objects.filter(pk=project.pk).update(people_so_far=project.people_so_far + 1)
    project.refresh_from_db(fields=["people_so_far"])
    fields.setdefault("pseudonym", f"R{project.people_so_far:03}")
    return Member.objects.create(project=project, user=user, **fields)


def create_prompt(project: Project, **fields: Any) -> Prompt:
    number = next(_numbers)
    return Prompt.objects.create(
        project=project,
        **{"key": f"p{number}", "turns": [{"role": "user", "content": f"Question {number}?"}], **fields},
    )


def create_model(project: Project, name: str | None = None) -> LanguageModel:
    return LanguageModel.objects.create(project=project, name=name or f"model-{next(_numbers)}")


def create_response(
    project: Project, *, prompt: Prompt | None = None, model: LanguageModel | None = None, **fields: Any
) -> Response:
    """A response with an item for each of its turns."""
    response = Response.objects.create(
        prompt=prompt or create_prompt(project),
        model=model or create_model(project),
        **{"turns": [f"Answer {next(_numbers)}."], **fields},
    )
    Item.objects.bulk_create(
        Item(project=project, prompt=response.prompt, response=response, turn=turn)
        for turn, _ in enumerate(response.turns, 1)
    )
    return response


def create_item(project: Project, **fields: Any) -> Item:
    return create_response(project, **fields).items.get(turn=1)


def create_batch(project: Project, *, items: Sequence[Item] | None = None, **fields: Any) -> Batch:
    """A batch with its seats, at `items` or at all items of the project."""
    batch = Batch.objects.create(
        project=project,
        **{"rubric": project.current_rubric(), "name": f"batch {next(_numbers)}", "seed": 1, **fields},
    )
    Assignment.objects.bulk_create(
        Assignment(batch=batch, item=item, seat=seat, purpose=batch.purpose)
        for item in (project.items.all() if items is None else items)
        for seat in range(1, batch.raters_per_item + 1)
    )
    return batch


@transaction.atomic
def rate(seat: Assignment, rater: Member, values: dict[str, float | None]) -> Assignment:
    """Fill an empty seat with a submitted rating, past all services; None is "cannot judge"."""
    Assignment.objects.filter(pk=seat.pk).update(
        state="submitted", rater=rater, submitted_at=timezone.now(), opened_at=timezone.now()
    )
    axes = {axis.key: axis for axis in seat.batch.rubric.axes.all()}
    Score.objects.bulk_create(
        Score(
            assignment=seat,
            axis=axes[key],
            value=value,
            na_reason="unsure" if value is None else None,
        )
        for key, value in values.items()
    )
    seat.refresh_from_db()
    return seat
