"""What the monitor shows, computed seldom: watching must not slow down those who rate.

A snapshot is kept for ten seconds at least, and for twenty times as long as it took to make: however many people
watch, a process spends at most a twentieth of its time on them. While one request makes a new one, the others get the old.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from threading import Lock

from django.core.cache import cache

from annotation.agreement import ProjectAgreement, agreement
from annotation.counts import Progress, RaterProgress, by_rater, progress_of
from annotation.models import Batch
from projects.models import Project
from stats.agreement import Interval

SHORTEST = 10.0
SHARE_OF_TIME = 0.05
KEPT = 60 * 60
# As the command has it up to 2,000 prompts. Beyond, a jackknife over prompts takes over sooner than there: it agrees
# with the bootstrap to the second digit by then, and somebody waits for the page.
INTERVAL = Interval(budget=4_000_000)

_making: dict[str, Lock] = {}
_making_guard = Lock()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A project, or one batch of it, at one moment."""

    batches: list[tuple[Batch, Progress]]
    raters: list[RaterProgress]
    agreement: ProjectAgreement

    @property
    def progress(self) -> Progress:
        return sum((progress for _batch, progress in self.batches), Progress())

    @property
    def computed_at(self) -> datetime:
        return self.agreement.computed_at

    @property
    def state(self) -> str:
        """Names the moment: what was drawn from this snapshot need not be drawn again."""
        return f"{self.computed_at.timestamp():.3f}"


def snapshot(*, project: Project, batch: Batch | None = None) -> Snapshot:
    """A recent snapshot, of a batch or of the whole project."""
    return _seldom(
        f"monitor:{project.pk}:{batch.pk if batch else 0}", lambda: _make(project=project, batch=batch)
    )


def _make(*, project: Project, batch: Batch | None) -> Snapshot:
    batches = [batch] if batch else list(project.batches.order_by("created_at", "pk"))
    progress = progress_of(batches)
    return Snapshot(
        batches=[(one, progress[one.pk]) for one in batches],
        raters=by_rater(project=project, batch=batch),
        agreement=agreement(project=project, batch=batch, interval=INTERVAL),
    )


def _seldom(key: str, make: Callable[[], Snapshot]) -> Snapshot:
    kept: tuple[float, Snapshot] | None = cache.get(key)
    if kept and time.time() < kept[0]:
        return kept[1]
    with _making_guard:
        lock = _making.setdefault(key, Lock())
    if not lock.acquire(blocking=kept is None):
        assert kept is not None
        return kept[1]
    try:
        if kept is None:
            meanwhile: tuple[float, Snapshot] | None = cache.get(key)
            if meanwhile:
                return meanwhile[1]
        began = time.perf_counter()
        made = make()
        took = time.perf_counter() - began
        cache.set(key, (time.time() + max(SHORTEST, took / SHARE_OF_TIME), made), KEPT)
        return made
    finally:
        lock.release()
