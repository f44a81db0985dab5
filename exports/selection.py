"""What is taken away: the ratings of a project or of one of its batches, read as they stream from the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from django.contrib.postgres.expressions import ArraySubquery
from django.db import connection, transaction
from django.db.models import Count, Func, IntegerField, Max, OuterRef, QuerySet, Sum
from django.db.models.functions import Coalesce, JSONArray

from annotation.models import Assignment, Batch, Score
from projects.models import Axis, Item, LanguageModel, Member, Project, Prompt, Response, User

CHUNK = 2_000


class BatchFacts(NamedTuple):
    name: str
    rubric: int
    axes: tuple[tuple[int, str], ...]  # primary key and key, in the rubric's order


class Rating(NamedTuple):
    """One assignment that a rater has done with. `scores` holds (value, na_reason) by the axis' primary key."""

    prompt: str
    model: str
    turn: int
    sample: int
    rater: str
    rater_kind: str
    batch: BatchFacts
    purpose: str
    occasion: int
    state: str
    origin: str
    comment: str
    flagged: bool
    skip_reason: str
    seconds: float | None
    submitted_at: datetime | None
    scores: dict[int, tuple[float | None, str | None]]


@dataclass(frozen=True)
class Selection:
    """The ratings of `project`, or of one batch of it.

    Raters are known by pseudonym alone: nothing in here reads a user, a mail address or a name from a loaded file.
    Pairs of responses are left out: what was said of two responses is no score of one.
    """

    project: Project
    batch: Batch | None = None
    #: Whoever takes it away, where that is somebody; a command may read everything.
    seen_by: User | None = None

    @property
    def batches(self) -> QuerySet[Batch]:
        batches = Batch.objects.filter(project=self.project)
        return batches.filter(pk=self.batch.pk) if self.batch else batches

    @property
    def items(self) -> QuerySet[Item]:
        """Items that something is known of: those of the batch, or all of the project."""
        items = Item.objects.filter(project=self.project, second_response=None)
        return items.filter(assignments__batch=self.batch).distinct() if self.batch else items

    @property
    def prompts(self) -> QuerySet[Prompt]:
        prompts = Prompt.objects.visible_to(self.seen_by) if self.seen_by else Prompt.objects.all()
        prompts = prompts.filter(project=self.project).order_by("pk")
        return prompts.filter(pk__in=self.items.values("prompt")) if self.batch else prompts

    @property
    def responses(self) -> QuerySet[Response]:
        responses = Response.objects.visible_to(self.seen_by) if self.seen_by else Response.objects.all()
        responses = responses.filter(prompt__project=self.project).order_by("prompt_id", "pk")
        return responses.filter(pk__in=self.items.values("response")) if self.batch else responses

    @property
    def assignments(self) -> QuerySet[Assignment]:
        """Seats that a rater has done with: submitted or skipped. Withdrawn ratings stay behind."""
        seats = Assignment.objects.visible_to(self.seen_by) if self.seen_by else Assignment.objects.all()
        return seats.filter(
            batch__in=self.batches,
            item__second_response=None,
            state__in=[Assignment.State.SUBMITTED, Assignment.State.SKIPPED],
        )

    @cached_property
    def counts(self) -> dict[str, Any]:
        """How much there is: assignments, scores, skips, and when the last one was submitted."""
        given = Func(
            Func("codes", 0, function="array_remove"), function="cardinality", output_field=IntegerField()
        )
        by_state: dict[str, Any] = {
            row["state"]: row
            for row in self.assignments.order_by()
            .values("state")
            .annotate(n=Count("pk"), n_scores=Coalesce(Sum(given), 0), last=Max("submitted_at"))
        }
        submitted = by_state.get("submitted", {"n": 0, "n_scores": 0, "last": None})
        return {
            "submitted": submitted["n"],
            "skipped": by_state.get("skipped", {"n": 0})["n"],
            "scores": submitted["n_scores"],
            "last_submitted_at": submitted["last"],
        }

    @cached_property
    def axes(self) -> tuple[str, ...]:
        """Keys of all axes that the batches were rated on, those of the newest rubric first."""
        keys = (
            Axis.objects.filter(rubric__in=self.batches.values("rubric"))
            .order_by("-rubric__number", "position")
            .values_list("key", flat=True)
        )
        return tuple(dict.fromkeys(keys))

    def ratings(self, limit: int | None = None) -> Iterator[Rating]:
        """Every rating, or the first `limit`, in the order in which the seats were made: items of a batch stand together.

        One statement reads an assignment with its scores, through a cursor of the server: memory stays flat.
        """
        axes: dict[int, list[tuple[int, str]]] = {}
        for pk, rubric, key in (
            Axis.objects.filter(rubric__project=self.project)
            .order_by("position")
            .values_list("pk", "rubric_id", "key")
        ):
            axes.setdefault(rubric, []).append((pk, key))
        batches = {
            batch.pk: BatchFacts(batch.name, batch.rubric.number, tuple(axes.get(batch.rubric_id, ())))
            for batch in self.batches.select_related("rubric")
        }
        raters = {
            pk: (pseudonym, kind)
            for pk, pseudonym, kind in Member.objects.filter(project=self.project).values_list(
                "pk", "pseudonym", "kind"
            )
        }
        models = dict(LanguageModel.objects.filter(project=self.project).values_list("pk", "name"))
        scores = Score.objects.filter(assignment=OuterRef("pk")).order_by()
        rows = (
            self.assignments.order_by("pk")
            .annotate(given=ArraySubquery(scores.values(score=JSONArray("axis_id", "value", "na_reason"))))
            .values_list(
                "item__prompt__key",
                "item__response__model_id",
                "item__turn",
                "item__response__sample",
                "rater_id",
                "batch_id",
                "purpose",
                "occasion",
                "state",
                "origin",
                "comment",
                "flagged",
                "skip_reason",
                "seconds",
                "submitted_at",
                "given",
            )
        )
        row: Any
        for row in rows[:limit].iterator(chunk_size=CHUNK):
            prompt, model, turn, sample, rater, batch, *rest, given = row
            by_axis = {axis: (value, na_reason) for axis, value, na_reason in given}
            yield Rating._make(
                [prompt, models[model], turn, sample, *raters[rater], batches[batch], *rest, by_axis]
            )


@contextmanager
def one_snapshot() -> Iterator[None]:
    """All tables written inside see the database as it was at one moment, however long writing takes."""
    nested = connection.in_atomic_block
    with transaction.atomic():
        if not nested:  # it is the first statement of a transaction or an error
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield
