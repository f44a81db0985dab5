"""The raters of a project, or of one of its batches: the one function behind pages and commands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.utils import timezone

from annotation.agreement.project import axes_of, by_rubric
from annotation.models import Batch
from annotation.models.batch import Purpose
from annotation.raters.reading import read, read_repeats
from projects.models import Axis, LanguageModel, Member, Project
from stats.agreement.systems import SystemReliability, system_reliability
from stats.estimate import Undefined
from stats.raters import READING_SPEED, RaterPanel, Sheet, rater_panel
from stats.raters.clusters import LEVEL

SEED = 1
"""Of the splits of raters into halves."""


@dataclass(frozen=True, slots=True)
class RatedAxis:
    """An axis, over all rubric versions in which it has the same key, kind and points."""

    axis: Axis
    """As the newest of these versions has it."""
    versions: tuple[int, ...]
    """Their numbers."""


@dataclass(frozen=True, slots=True)
class ProjectRaters:
    project: Project
    batch: Batch | None
    """None: all batches of the project."""
    purpose: str
    """Of the ratings that were counted."""
    level: float
    reading_speed: float
    computed_at: datetime
    axes: list[RatedAxis]
    pseudonyms: list[str]
    """Of raters as the panel numbers them."""
    models: list[str]
    """Their names, as the panel numbers them."""
    reliability: list[SystemReliability | None]
    """Of the models' means, by axis: would other raters of this kind have ordered them alike? None without an order."""
    panel: RaterPanel | Undefined
    """Undefined (`anonymous`) where ratings were loaded by their place in a list: a place is not a person."""

    @property
    def does_not_count(self) -> bool:
        """Whether the batch is of a purpose whose ratings are not independent, so that none was counted."""
        return self.batch is not None and self.batch.purpose != self.purpose


def raters(
    *,
    project: Project,
    batch: Batch | None = None,
    level: float = LEVEL,
    reading_speed: float = READING_SPEED,
) -> ProjectRaters:
    """Every figure about each rater, with intervals and flags.

    Counted are independent ratings of the design, as for agreement: submitted ones of purpose `main`, or `calibration` for a
    calibration batch that is named; repeats beside them, for how stable somebody is. Nothing is drawn by chance.
    """
    purpose = Purpose.MAIN
    if batch is not None and batch.purpose == Purpose.CALIBRATION:
        purpose = Purpose.CALIBRATION
    every = by_rubric(project)
    batches = by_rubric(project, batch) if batch else every
    found = axes_of(project, batches)
    scales = [scale for _axis, _versions, scale in found]
    members = list(
        Member.objects.filter(project=project).order_by("pk").values_list("pk", "pseudonym", "kind")
    )
    models = list(LanguageModel.objects.filter(project=project).order_by("pk").values_list("pk", "name"))
    keys = [pk for pk, _pseudonym, _kind in members]
    positions = {pk for pk, _pseudonym, kind in members if kind == Member.Kind.POSITION}
    sheet = read(
        project=project.pk,
        batches=batches,
        purpose=purpose,
        scales=scales,
        ordered=[axis.kind != Axis.Kind.NOMINAL for axis, _versions, _scale in found],
        raters=keys,
        positions=positions,
        models=[pk for pk, _name in models],
    )
    repeats = read_repeats(batches=batches, again_in=every, scales=scales, raters=keys, positions=positions)
    return ProjectRaters(
        project=project,
        batch=batch,
        purpose=purpose,
        level=level,
        reading_speed=reading_speed,
        computed_at=timezone.now(),
        axes=[RatedAxis(axis, versions) for axis, versions, _scale in found],
        pseudonyms=[pseudonym for _pk, pseudonym, _kind in members],
        models=[name for _pk, name in models],
        reliability=[_reliability(sheet, place, level) for place in range(len(found))],
        panel=rater_panel(sheet, repeats=repeats, reading_speed=reading_speed, level=level),
    )


def _reliability(sheet: Sheet, place: int, level: float) -> SystemReliability | None:
    if not sheet.ordered[place] or sheet.model is None:
        return None
    scored = sheet.axis(place)
    assert scored.model is not None
    return system_reliability(
        item=scored.item,
        model=scored.model,
        prompt=scored.prompt,
        value=scored.value,
        level=level,
        rng=np.random.default_rng(SEED),
    )
