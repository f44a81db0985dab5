"""The agreement of a project, or of one of its batches: the one function behind pages, commands and exports."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.utils import timezone

from annotation.agreement.reading import Scale, read
from annotation.models import Batch
from annotation.models.batch import Purpose
from projects.models import Axis, Member, Project
from stats.agreement import Interval, Kind, Panel, panel

_KINDS: dict[str, Kind] = {"ordinal": "ordinal", "nominal": "nominal", "binary": "binary"}


@dataclass(frozen=True, slots=True)
class AxisAgreement:
    """One axis, over all rubric versions in which it has the same key, kind and points."""

    axis: Axis
    """As the newest of these versions has it."""
    versions: tuple[int, ...]
    """Their numbers."""
    panel: Panel
    n_raters: int | None
    """Persons who scored here or could not judge. None where ratings were loaded by their place in a list:
    a place is not a person."""


@dataclass(frozen=True, slots=True)
class ProjectAgreement:
    project: Project
    batch: Batch | None
    """None: all batches of the project."""
    purpose: str
    """Of the ratings that were counted."""
    interval: Interval
    """As it was asked for; each figure says what it got."""
    seed: int
    computed_at: datetime
    axes: list[AxisAgreement]

    @property
    def does_not_count(self) -> bool:
        """Whether the batch is of a purpose whose ratings are not independent, so that none was counted."""
        return self.batch is not None and self.batch.purpose != self.purpose


def agreement(
    *, project: Project, batch: Batch | None = None, interval: Interval | None = None, seed: int = 1
) -> ProjectAgreement:
    """Agreement on each axis of a project, with intervals.

    Counted are independent ratings of the design: submitted ones of purpose `main`, or `calibration` for a
    calibration batch that is named. By default intervals come from a bootstrap over prompts; the same `seed`
    gives the same ones again.
    """
    interval = interval or Interval()
    purpose = Purpose.MAIN
    if batch is not None and batch.purpose == Purpose.CALIBRATION:
        purpose = Purpose.CALIBRATION
    batches = by_rubric(project, batch)
    found = axes_of(project, batches or _newest(project))
    members = dict(Member.objects.filter(project=project).values_list("pk", "kind"))
    positions = {pk for pk, kind in members.items() if kind == Member.Kind.POSITION}
    counted = read(
        project=project.pk,
        batches=batches,
        purpose=purpose,
        scales=[scale for _axis, _versions, scale in found],
        raters=members,
    )
    streams = np.random.default_rng(seed).spawn(
        len(found)
    )  # so that one axis does not move another's interval
    return ProjectAgreement(
        project=project,
        batch=batch,
        purpose=purpose,
        interval=interval,
        seed=seed,
        computed_at=timezone.now(),
        axes=[
            AxisAgreement(
                axis=axis,
                versions=versions,
                panel=panel(of.histogram, kind=_KINDS[axis.kind], interval=interval, rng=rng),
                n_raters=len(of.raters) if of.raters.isdisjoint(positions) else None,
            )
            for (axis, versions, _scale), of, rng in zip(found, counted, streams, strict=True)
        ],
    )


def by_rubric(project: Project, batch: Batch | None = None) -> dict[int, list[int]]:
    """Ids of the project's batches, or of one, by the rubric that they were made under."""
    found: dict[int, list[int]] = {}
    chosen = project.batches.filter(pk=batch.pk) if batch else project.batches.all()
    for pk, rubric in chosen.order_by("pk").values_list("pk", "rubric_id"):
        found.setdefault(rubric, []).append(pk)
    return found


def _newest(project: Project) -> list[int]:
    """Without a batch, nobody has used a rubric: the axes are those of the newest."""
    current = project.current_rubric()
    return [current.pk] if current else []


def axes_of(project: Project, rubrics: Iterable[int]) -> list[tuple[Axis, tuple[int, ...], Scale]]:
    """Axes of these rubrics, newest version first, with the versions that have them; those that differ in points or
    kind stand apart."""
    numbers = dict(project.rubrics.filter(pk__in=list(rubrics)).values_list("pk", "number"))
    same: dict[tuple[object, ...], tuple[Axis, list[int], Scale]] = {}
    axes = Axis.objects.filter(rubric__in=numbers).prefetch_related("points")
    for axis in axes.order_by("-rubric__number", "position"):
        values = sorted(point.value for point in axis.points.all())
        if len(values) < 2:
            continue
        name = (axis.key, axis.kind, *values)
        _first, versions, scale = same.setdefault(name, (axis, [], Scale(np.array(values), {})))
        versions.append(numbers[axis.rubric_id])
        scale.places[axis.rubric_id] = axis.position
    return [(axis, tuple(sorted(versions)), scale) for axis, versions, scale in same.values()]
