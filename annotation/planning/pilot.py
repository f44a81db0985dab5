"""What a project's ratings tell of a next study: variance components and agreement, axis by axis.

As for agreement, PostgreSQL glues rows of numbers together and sends them as a few long ones; one axis is held at a time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from psycopg import sql

from annotation.agreement import agreement
from annotation.agreement.glued import copied, rated
from annotation.agreement.project import axes_of, by_rubric
from annotation.agreement.reading import Scale
from annotation.models import Batch
from annotation.models.batch import Purpose
from projects.models import Axis, Item, Member, Project, Response
from stats.agreement import Interval, Method
from stats.arrays import Array, Floats, Ints
from stats.design.components import ANONYMOUS, Estimated, variance_components
from stats.design.planner import Agreement
from stats.estimate import Result

_ITEM = np.dtype([("item", ">i8"), ("prompt", ">i8"), ("model", ">i8"), ("place", ">i8")])
_SAMPLES = 1 << 20
"""More than samples of a prompt: turn and sample in one number."""


@dataclass(frozen=True, slots=True)
class Pilot:
    """What one axis tells."""

    axis: Axis
    versions: tuple[int, ...]
    components: Estimated
    alpha: Result
    """Ordinal, with a jackknife over prompts."""
    agreement: Agreement | None
    """None where alpha is undefined: the defaults then."""


def pilots(*, project: Project, batch: Batch | None = None, level: float = 0.95) -> list[Pilot]:
    """Of each axis with an order, over all rubric versions in which it has the same key, kind and points.

    Counted are independent ratings of the design, as in `agreement`: of all batches, or of one.
    """
    found = agreement(project=project, batch=batch, interval=Interval(Method.CLUSTER_JACKKNIFE, level=level))
    batches = by_rubric(project, batch)
    scales = {(axis.pk, versions): scale for axis, versions, scale in axes_of(project, batches)}
    positions = Member.objects.filter(project=project, kind=Member.Kind.POSITION)
    anonymous = np.array(sorted(positions.values_list("pk", flat=True)), dtype=np.int64)
    items = _items(project)
    return [
        Pilot(
            axis=of.axis,
            versions=of.versions,
            components=_components(
                items,
                _scored(scales.get((of.axis.pk, of.versions)), batches, found.purpose),
                anonymous,
                level,
            ),
            alpha=of.panel.alpha["ordinal"],
            agreement=Agreement.of_pilot(of.panel.alpha["ordinal"], of.panel.raters_per_item),
        )
        for of in found.axes
        if of.axis.kind != Axis.Kind.NOMINAL
    ]


def widest_scale(pilots: Iterable[Pilot]) -> tuple[float, float]:
    """The first and the last point of the widest axis; of the default one without a pilot."""
    points = [[float(point.value) for point in of.axis.points.all()] for of in pilots]
    return max(((min(on), max(on)) for on in points), key=lambda ends: ends[1] - ends[0], default=(1.0, 5.0))


def _components(items: Array, scored: tuple[Array, Floats], anonymous: Ints, level: float) -> Estimated:
    """`scored`: rows of ratings and the value of each."""
    rows, value = scored
    at = np.searchsorted(items["item"], rows["item"]).clip(max=max(items.size - 1, 0))
    known = items["item"][at] == rows["item"] if items.size else np.zeros(rows.size, bool)
    at, rater, value = at[known], rows["rater"][known].astype(np.int64), value[known]
    who = np.unique(rater, return_inverse=True)[1]
    first = np.unique(at * (who.max(initial=0) + 1) + who, return_index=True)[1]
    at, rater, value = at[first], rater[first], value[first]  # one score of each rater and item
    if np.isin(rater, anonymous).any():
        rater = np.full(rater.size, ANONYMOUS)
    prompt, turn = (np.unique(items[name], return_inverse=True)[1] for name in ("prompt", "place"))
    return variance_components(
        prompt=(prompt * (turn.max(initial=0) + 1) + turn)[at],  # at one turn
        model=items["model"][at],
        rater=rater,
        value=value,
        cluster=items["prompt"][at],
        level=level,
    )


def _items(project: Project) -> Array:
    """Items with one response, ascending: their prompt, their model, and their turn and sample as one number."""
    table = copied(
        sql.SQL(
            "SELECT string_agg(int8send(i.id) || int8send(i.prompt_id) || int8send(r.model_id)"
            " || int8send(i.turn::bigint * {samples} + r.sample), ''::bytea)"
            " FROM {items} i JOIN {responses} r ON r.id = i.response_id"
            " WHERE i.project_id = {project} AND i.second_response_id IS NULL GROUP BY i.id >> 15"
        ).format(
            samples=_SAMPLES,
            items=sql.Identifier(Item._meta.db_table),
            responses=sql.Identifier(Response._meta.db_table),
            project=project.pk,
        ),
        _ITEM,
    )
    return table[np.argsort(table["item"], kind="stable")]


def _scored(scale: Scale | None, batches: dict[int, list[int]], purpose: str) -> tuple[Array, Floats]:
    """Ratings on an axis that are scores, and the value of each."""
    if scale is None:
        return np.empty(0, [("item", ">i8"), ("rater", ">i8")]), np.empty(0)
    rows = rated(scale, batches, purpose)
    rows = rows[rows["rank"] > 0]
    return rows, scale.values[rows["rank"] - 1]


def counts_for(project: Project) -> tuple[int, int, int, int]:
    """Prompts, models, raters per item and raters of a project: what a plan for it starts from."""
    last = project.batches.filter(purpose=Purpose.MAIN).order_by("-pk").first()
    return (
        project.prompts.count(),
        project.language_models.count(),
        last.raters_per_item if last else 2,
        Member.objects.filter(project=project, is_rater=True).count(),
    )
