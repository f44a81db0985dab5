"""How far a project is, counted over relation names: seats belong to the next room."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast

from django.db.models import Count, F, Func, IntegerField, OuterRef, QuerySet, Subquery

from projects.models import Item, LanguageModel, Member, Project, Prompt, Response

LIVE_STATES = ["empty", "planned", "open", "submitted"]


def seats_by_state(projects: Collection[int]) -> dict[int, dict[str, int]]:
    """By project and state: the seats that count towards raters per item."""
    found: dict[int, dict[str, int]] = {project: dict.fromkeys(LIVE_STATES, 0) for project in projects}
    if not found:
        return found
    rows = (
        Project.objects.filter(
            pk__in=projects,
            batches__assignments__seat__isnull=False,
            batches__assignments__state__in=LIVE_STATES,
        )
        .order_by()
        .values("pk", "batches__assignments__state")
        .annotate(n=Count("batches__assignments"))
    )
    for row in rows:
        found[row["pk"]][row["batches__assignments__state"]] = row["n"]
    return found


def counts_of(project: Project) -> dict[str, int]:
    """How much there is of everything, in two queries."""
    people = Member.objects.filter(project=OuterRef("pk"), active=True)
    batches = Project.objects.filter(pk=OuterRef("pk"))
    row = (
        Project.objects.filter(pk=project.pk)
        .values(
            n_prompts=_count(Prompt.objects.filter(project=OuterRef("pk"))),
            n_models=_count(LanguageModel.objects.filter(project=OuterRef("pk"))),
            n_responses=_count(Response.objects.filter(prompt__project=OuterRef("pk"))),
            n_items=_count(Item.objects.filter(project=OuterRef("pk"))),
            n_people=_count(people),
            n_raters=_count(people.filter(is_rater=True).exclude(kind="position")),
            n_batches=_count(batches.filter(batches__isnull=False), "batches"),
            n_open_batches=_count(batches.filter(batches__state="open"), "batches"),
        )
        .get()
    )
    seats = seats_by_state([project.pk])[project.pk]
    counts = {name.removeprefix("n_"): n for name, n in cast("dict[str, int]", row).items()}
    return {**counts, **seats, "seats": sum(seats.values())}


def _count(rows: QuerySet[Any], what: str = "pk") -> Subquery:
    # Func rather than Count: an aggregate would group by each row's own columns.
    counted = rows.order_by().annotate(n=Func(F(what), function="count", output_field=IntegerField()))
    return Subquery(counted.values("n"))
