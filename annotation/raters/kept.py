"""What the page of raters shows, computed seldom: everything about everybody takes longer than a page may."""

from __future__ import annotations

import time

from django.core.cache import cache

from annotation.models import Assignment, Batch
from annotation.raters.project import ProjectRaters, raters
from projects.models import Project

SHORTEST = 60.0
SHARE_OF_TIME = 0.05
MOST_FOR_A_PAGE = 300_000
"""Ratings beyond which nobody waits for a page: `manage.py raters` has the same."""


def too_many(*, project: Project, batch: Batch | None = None) -> bool:
    """Whether there are more ratings than a page computes with."""
    seats = Assignment.objects.submitted().filter(batch__project=project)
    seats = seats.filter(batch=batch) if batch else seats
    return seats.order_by()[: MOST_FOR_A_PAGE + 1].count() > MOST_FOR_A_PAGE


def kept_raters(*, project: Project, batch: Batch | None = None) -> ProjectRaters:
    """Recent figures: of the last minute, or of twenty times as long as they took."""
    key = f"raters:{project.pk}:{batch.pk if batch else 0}"
    kept: ProjectRaters | None = cache.get(key)
    if kept is not None:
        return kept
    began = time.perf_counter()
    found = raters(project=project, batch=batch)
    cache.set(key, found, max(SHORTEST, (time.perf_counter() - began) / SHARE_OF_TIME))
    return found
