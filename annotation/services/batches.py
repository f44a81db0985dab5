"""Making batches: which items, how many seats, for whom; and pausing, closing and opening them again."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Self

import numpy as np
from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.models import Batch, BatchRater
from annotation.models.batch import Purpose
from annotation.services import errors
from annotation.tasks import render_soon
from projects.models import Item, LanguageModel, Member, Project, User
from stats.design import balanced_assignment, side_by_side_assignment

Progress = Callable[[int, int], None]
"""Told how many items are done, of how many."""

_ITEMS_AT_ONCE = 20_000


@dataclass(frozen=True)
class Raters:
    """Whom a batch is given to."""

    open_to: Batch.OpenTo = Batch.OpenTo.ALL
    group: str = ""
    named: tuple[Member, ...] = ()

    @classmethod
    def everybody(cls) -> Self:
        return cls()

    @classmethod
    def of_group(cls, name: str) -> Self:
        return cls(Batch.OpenTo.GROUP, group=name)

    @classmethod
    def by_name(cls, members: Sequence[Member]) -> Self:
        return cls(Batch.OpenTo.NAMED, named=tuple(members))

    @classmethod
    def parse(cls, text: str, *, project: Project) -> Self:
        """From `all`, `group:students` or `R001,R002`."""
        text = text.strip()
        if text == "all":
            return cls.everybody()
        if text.startswith("group:"):
            return cls.of_group(text.removeprefix("group:").strip())
        names = [name for name in (part.strip() for part in text.split(",")) if name]
        found = {member.pseudonym: member for member in _can_rate(project).filter(pseudonym__in=names)}
        if unknown := [name for name in names if name not in found]:
            raise errors.UnknownRaters(unknown)
        return cls.by_name([found[name] for name in dict.fromkeys(names)])

    def of(self, project: Project) -> list[Member]:
        """The members who may rate today, by pseudonym."""
        members = _can_rate(project)
        if self.open_to == Batch.OpenTo.GROUP:
            members = members.filter(group=self.group)
        elif self.open_to == Batch.OpenTo.NAMED:
            members = members.filter(pk__in=[member.pk for member in self.named])
        return list(members.order_by("pseudonym"))


def _can_rate(project: Project) -> QuerySet[Member]:
    return Member.objects.filter(project=project).raters().persons()


@dataclass(frozen=True)
class Selection:
    """Which items of a project. Nothing said means all."""

    models: Sequence[str] = ()
    sources: Sequence[str] = ()
    tags: Sequence[str] = ()
    """Prompts with any of them."""
    categories: Sequence[str] = ()
    turns: Sequence[int] = ()
    sample_prompts: int | None = None
    """That many prompts by chance, out of those that fit."""

    def items(self, project: Project, *, seed: int) -> QuerySet[Item]:
        """Single responses that fit. The same seed draws the same prompts."""
        items = Item.objects.filter(project=project, second_response=None)
        if self.models:
            known = dict(LanguageModel.objects.filter(project=project).values_list("name", "pk"))
            if unknown := [name for name in self.models if name not in known]:
                raise errors.UnknownModels(unknown)
            items = items.filter(response__model__in=[known[name] for name in self.models])
        if self.sources:
            items = items.filter(prompt__source__in=self.sources)
        if self.categories:
            items = items.filter(prompt__category__in=self.categories)
        if self.tags:
            items = items.filter(prompt__tags__overlap=list(self.tags))
        if self.turns:
            items = items.filter(turn__in=self.turns)
        if self.sample_prompts is not None:
            items = items.filter(prompt__in=self._sample(items, seed))
        return items

    def _sample(self, items: QuerySet[Item], seed: int) -> list[int]:
        wanted = self.sample_prompts or 0
        # By key: the draw does not depend on the order of loading.
        prompts = items.order_by("prompt__key").values_list("prompt", flat=True).distinct()
        there = list(prompts)
        if not 1 <= wanted <= len(there):
            raise errors.TooFewPrompts(wanted=wanted, there=len(there))
        drawn = np.random.default_rng(seed).choice(len(there), size=wanted, replace=False)
        return [there[index] for index in drawn]

    def as_json(self) -> dict[str, Any]:
        said = {
            "models": list(self.models),
            "sources": list(self.sources),
            "tags": list(self.tags),
            "categories": list(self.categories),
            "turns": list(self.turns),
            "sample_prompts": self.sample_prompts,
        }
        return {name: value for name, value in said.items() if value}


@dataclass(frozen=True)
class Preview:
    """What a batch would be, and what stands in its way."""

    items: int = 0
    prompts: int = 0
    models: int = 0
    raters: int = 0
    seats: int = 0
    problems: list[errors.BatchCannotBeMade] = field(default_factory=list)

    @property
    def seats_per_rater(self) -> float | None:
        return self.seats / self.raters if self.raters else None


def new_seed() -> int:
    return secrets.randbelow(2**31)


def preview(
    *,
    project: Project,
    name: str = "",
    raters_per_item: int = 2,
    purpose: str = Purpose.MAIN,
    filling: str = Batch.Filling.POOL,
    seed: int | None = None,
    raters: Raters | None = None,
    models: Sequence[str] = (),
    sources: Sequence[str] = (),
    tags: Sequence[str] = (),
    categories: Sequence[str] = (),
    turns: Sequence[int] = (),
    sample_prompts: int | None = None,
    confirm_single: bool = False,
) -> Preview:
    """What `make_batch` would make of the same terms. Writes nothing; the problems it would raise are listed."""
    raters = raters or Raters.everybody()
    selection = Selection(models, sources, tags, categories, turns, sample_prompts)
    seed = new_seed() if seed is None else seed
    problems: list[errors.BatchCannotBeMade] = []
    if name:
        problems += _wrong_name(project, name)
    problems += _wrong_terms(project, raters_per_item, purpose, filling, None, confirm_single)
    members = raters.of(project)
    problems += _wrong_raters(raters, members, raters_per_item)
    try:
        items = selection.items(project, seed=seed)
    except errors.BatchCannotBeMade as problem:
        return Preview(raters=len(members), problems=[*problems, problem])
    n_items = items.count()
    if not n_items:
        problems.append(errors.NoItems())
    elif len(members) >= raters_per_item:
        problems += _used_up(
            list(items.values_list("pk", flat=True)), members, raters_per_item, Purpose(purpose)
        )
    return Preview(
        items=n_items,
        prompts=items.values("prompt").distinct().count(),
        models=items.values("response__model").distinct().count(),
        raters=len(members),
        seats=n_items * raters_per_item,
        problems=problems,
    )


@transaction.atomic
def make_batch(
    *,
    project: Project,
    name: str,
    by: User | None = None,
    raters_per_item: int = 2,
    purpose: str = Purpose.MAIN,
    filling: str = Batch.Filling.POOL,
    order: str = Batch.Order.MIXED,
    seed: int | None = None,
    lease: timedelta = timedelta(hours=2),
    raters: Raters | None = None,
    models: Sequence[str] = (),
    sources: Sequence[str] = (),
    tags: Sequence[str] = (),
    categories: Sequence[str] = (),
    turns: Sequence[int] = (),
    sample_prompts: int | None = None,
    due_on: date | None = None,
    confirm_single: bool = False,
    side_by_side: bool = False,
    progress: Progress | None = None,
) -> Batch:
    """Make a batch with all of its seats: `raters_per_item` at each item of the selection.

    In a pool a seat waits for whoever comes; planned seats belong to a rater from the start, by the balancing rule of
    `stats.design` (`side_by_side`: the same raters for all responses to a prompt). Raises BatchCannotBeMade.
    """
    raters = raters or Raters.everybody()
    seed = new_seed() if seed is None else seed
    name = name.strip()
    members = raters.of(project)
    for problem in [
        *_wrong_name(project, name),
        *_wrong_terms(project, raters_per_item, purpose, filling, lease, confirm_single),
        *_wrong_raters(raters, members, raters_per_item),
    ]:
        raise problem
    selection = Selection(models, sources, tags, categories, turns, sample_prompts)
    items = list(selection.items(project, seed=seed).order_by("pk").values_list("pk", flat=True))
    if not items:
        raise errors.NoItems
    for problem in _used_up(items, members, raters_per_item, Purpose(purpose)):
        raise problem
    try:
        with transaction.atomic():
            batch = Batch.objects.create(
                project=project,
                rubric=project.current_rubric(),
                name=name,
                purpose=purpose,
                raters_per_item=raters_per_item,
                filling=filling,
                order=order,
                seed=seed,
                selection=selection.as_json(),
                lease=lease,
                due_on=due_on,
                open_to=raters.open_to,
                group=raters.group,
                created_by=by,
            )
    except IntegrityError as error:  # somebody made one of that name this moment
        raise errors.NameTaken from error
    BatchRater.objects.bulk_create(BatchRater(batch=batch, rater=member) for member in raters.named)
    plan = _plan(batch, items, members, side_by_side) if filling == Batch.Filling.PLANNED else None
    _make_seats(batch, items, plan, progress)
    transaction.on_commit(render_soon, robust=True)
    return batch


def _wrong_name(project: Project, name: str) -> list[errors.BatchCannotBeMade]:
    if not name.strip() or len(name.strip()) > 120:
        return [errors.NameMissing()]
    return [errors.NameTaken()] if project.batches.filter(name=name.strip()).exists() else []


def _wrong_terms(
    project: Project,
    raters_per_item: int,
    purpose: str,
    filling: str,
    lease: timedelta | None,
    confirm_single: bool,
) -> list[errors.BatchCannotBeMade]:
    found: list[errors.BatchCannotBeMade] = []
    if project.current_rubric() is None:
        found.append(errors.NoRubric())
    if not 1 <= raters_per_item <= 1000:
        found.append(errors.WrongTerms(_("Raters per item: a number from 1 to 1000.")))
    elif raters_per_item == 1 and not confirm_single:
        found.append(errors.SingleRaterNotConfirmed())
    if purpose == Purpose.SURPLUS or purpose not in Purpose.values:
        found.append(errors.WrongTerms(_("No batch can have this purpose.")))
    if filling not in (Batch.Filling.POOL, Batch.Filling.PLANNED):
        found.append(errors.WrongTerms(_("Seats are filled from a pool, or planned.")))
    if purpose == Purpose.REPEAT and filling == Batch.Filling.PLANNED:
        found.append(errors.WrongTerms(_("Repeats are handed out from a pool.")))
    if lease is not None and not timedelta(minutes=1) <= lease <= timedelta(days=60):
        found.append(errors.WrongTerms(_("A lease lasts from a minute to 60 days.")))
    return found


def _wrong_raters(
    raters: Raters, members: Sequence[Member], raters_per_item: int
) -> list[errors.BatchCannotBeMade]:
    if raters.open_to == Batch.OpenTo.GROUP and not members:
        return [errors.UnknownGroup(raters.group)]
    if raters.open_to == Batch.OpenTo.NAMED:
        there = {member.pk for member in members}
        if unknown := [member.pseudonym for member in raters.named if member.pk not in there]:
            return [errors.UnknownRaters(unknown)]
    if len(members) < raters_per_item:
        return [errors.TooFewRaters(wanted=raters_per_item, there=len(members))]
    return []


def _used_up(
    items: Sequence[int], members: Sequence[Member], raters_per_item: int, purpose: Purpose
) -> list[errors.BatchCannotBeMade]:
    """Items at which too few of the raters can still sit."""
    repeat = purpose == Purpose.REPEAT
    most = len(members) - raters_per_item
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT count(*) FROM (
                SELECT item_id FROM annotation_assignment
                WHERE item_id = ANY(%(items)s) AND rater_id = ANY(%(raters)s)
                    AND (occasion = 1 AND (NOT %(repeat)s OR state = 'submitted'))
                GROUP BY item_id HAVING CASE WHEN %(repeat)s THEN count(*) >= %(n)s ELSE count(*) > %(most)s END
            ) AS found
            """,
            {
                "items": list(items),
                "raters": [member.pk for member in members],
                "repeat": repeat,
                "n": raters_per_item,
                "most": most,
            },
        )
        (found,) = cursor.fetchone()
    if repeat and found < len(items):
        return [errors.NothingToRepeat(items=len(items) - found)]
    if not repeat and found:
        return [errors.RatersUsedUp(items=found)]
    return []


def _plan(
    batch: Batch, items: Sequence[int], members: Sequence[Member], side_by_side: bool
) -> list[list[int]]:
    """Whose seats: for each item, raters' primary keys."""
    rater_index = {member.pk: index for index, member in enumerate(members)}
    item_index = {item: index for index, item in enumerate(items)}
    models, prompts = {}, {}
    for item, model, prompt in (
        Item.objects.filter(pk__in=items).values_list("pk", "response__model", "prompt").iterator()
    ):
        models[item], prompts[item] = model, prompt
    terms: dict[str, Any] = {
        "item_models": np.unique([models[item] for item in items], return_inverse=True)[1],
        "raters_per_item": batch.raters_per_item,
        "n_raters": len(members),
        "rng": np.random.default_rng(batch.seed),
        "forbidden": [(item_index[item], rater_index[rater]) for item, rater in _had_before(items, members)],
    }
    try:
        if side_by_side:
            seats = side_by_side_assignment(
                item_prompts=np.unique([prompts[item] for item in items], return_inverse=True)[1], **terms
            )
        else:
            seats = balanced_assignment(**terms)
    except ValueError as error:
        raise errors.WrongTerms(str(error)) from error
    keys = np.array([member.pk for member in members])
    rows: list[list[int]] = keys[seats].tolist()
    return rows


def _had_before(items: Sequence[int], members: Sequence[Member]) -> list[tuple[int, int]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT item_id, rater_id FROM annotation_assignment"
            " WHERE item_id = ANY(%s) AND rater_id = ANY(%s)",
            [list(items), [member.pk for member in members]],
        )
        pairs: list[tuple[int, int]] = cursor.fetchall()
        return pairs


def _make_seats(
    batch: Batch, items: Sequence[int], plan: Sequence[Sequence[int]] | None, progress: Progress | None
) -> None:
    """All seats, some thousands of items a statement. Their order is drawn from the batch's seed."""
    n = batch.raters_per_item
    with connection.cursor() as cursor:
        for start in range(0, len(items), _ITEMS_AT_ONCE):
            some = items[start : start + _ITEMS_AT_ONCE]
            whose = plan[start : start + _ITEMS_AT_ONCE] if plan else [[None] * n] * len(some)
            cursor.execute(
                """
                INSERT INTO annotation_assignment
                    (key, batch_id, item_id, seat, rater_id, occasion, purpose, origin, state, position,
                     comment, flagged, skip_reason)
                SELECT gen_random_uuid(), %(batch)s, s.item, s.seat, s.rater, %(occasion)s, %(purpose)s, 'here',
                    CASE WHEN s.rater IS NULL THEN 'empty' ELSE 'planned' END,
                    ('x' || left(md5(%(seed)s || ':' || s.item || ':' || s.seat), 13))::bit(52)::bigint / 2.0 ^ 52,
                    '', false, ''
                FROM unnest(%(items)s::bigint[], %(seats)s::int[], %(raters)s::bigint[]) AS s (item, seat, rater)
                """,
                {
                    "batch": batch.pk,
                    "occasion": 2 if batch.purpose == Purpose.REPEAT else 1,
                    "purpose": batch.purpose,
                    "seed": str(batch.seed),
                    "items": [item for item in some for _seat in range(n)],
                    "seats": list(range(1, n + 1)) * len(some),
                    "raters": [rater for row in whose for rater in row],
                },
            )
            if progress:
                progress(start + len(some), len(items))
        # Claims come at once, and autovacuum's first look only after a minute: without it they would be planned blindly.
        if len(items) > 1000:
            cursor.execute("ANALYZE annotation_assignment")


# A batch's life


def pause(*, batch: Batch) -> None:
    """Hand nothing out for now. What is open may still be submitted."""
    _move(batch, to=Batch.State.PAUSED, since=[Batch.State.OPEN])


def resume(*, batch: Batch) -> None:
    _move(batch, to=Batch.State.OPEN, since=[Batch.State.PAUSED])


def close(*, batch: Batch) -> None:
    """Hand nothing out any more; submitted scores stay as they are. Late work is still taken in."""
    _move(batch, to=Batch.State.CLOSED, since=[Batch.State.OPEN, Batch.State.PAUSED])


def reopen(*, batch: Batch) -> None:
    _move(batch, to=Batch.State.OPEN, since=[Batch.State.CLOSED])


def _move(batch: Batch, *, to: Batch.State, since: Sequence[Batch.State]) -> None:
    """Moving it to where it is already does nothing: two people may press the same button."""
    closed_at = timezone.now() if to == Batch.State.CLOSED else None
    moved = Batch.objects.filter(pk=batch.pk, state__in=since).update(state=to, closed_at=closed_at)
    batch.refresh_from_db(fields=["state", "closed_at"])
    if not moved and batch.state != to:
        raise errors.BatchIsNotOpen
