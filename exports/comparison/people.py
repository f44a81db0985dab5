"""People's scores of the responses that a judge was asked about, laid out as prompts by models.

As for agreement, PostgreSQL glues rows of numbers together and sends them as a few long ones; NumPy takes them apart.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from psycopg import sql

from annotation.agreement.glued import copied
from annotation.agreement.reading import Scale
from projects.models import Item, LanguageModel, Member, Project, Response
from stats.arrays import Array, Floats, Ints
from stats.judges.grid import Ratings
from stats.judges.style import Style, style
from stats.raters.adjusted import item_means
from stats.raters.ratings import Scored
from stats.raters.severity import severity

_ITEM = np.dtype([("item", ">i8"), ("prompt", ">i8"), ("model", ">i8"), ("place", ">i8"), ("length", ">i8")])
_TEXTS = 500
_SAMPLES = 1 << 20
"""More than samples of a prompt: turn and sample in one number."""


@dataclass(slots=True)
class Items:
    """Responses at a turn, as places in a grid."""

    item: Ints
    row: Ints
    column: Ints
    prompt: Ints
    """(P,) index of each row's prompt."""
    length: Floats
    """(P, M) characters of the response at its turn."""
    models: tuple[str, ...]
    prompts: tuple[str, ...]
    style: dict[str, Floats]
    shape: tuple[int, int] = field(init=False)

    def __post_init__(self) -> None:
        self.shape = (len(self.prompt), len(self.models))

    def of(self, items: Array) -> tuple[Ints, Ints]:
        """Which of `items` are among these, as places in what was given; and where those are here."""
        if not self.item.size:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        at = np.searchsorted(self.item, items).clip(max=self.item.size - 1)
        known = np.flatnonzero(self.item[at] == items)
        return known, at[known]


@dataclass(frozen=True, slots=True)
class People:
    """What people said of items on one axis."""

    human: Floats
    """(P, M) means, less the raters' severity where that was asked for."""
    ratings: Ratings
    raters: tuple[str, ...]
    """Pseudonyms, by their index in `ratings`."""
    n_na: int
    """How often people could not judge."""
    adjusted: bool | None
    """Whether severity is taken out of the means; None where nobody asked for it."""


def items_of(project: Project, which: sql.Composable, *, with_style: bool = True) -> Items:
    """`which`: a query for ids of items."""
    query = sql.SQL(
        "SELECT string_agg(int8send(i.id) || int8send(i.prompt_id) || int8send(r.model_id)"
        " || int8send(i.turn::bigint * {samples} + r.sample) || int8send(char_length(r.turns[i.turn])), ''::bytea)"
        " FROM {items} i JOIN {responses} r ON r.id = i.response_id WHERE i.id IN ({which}) GROUP BY i.id >> 15"
    ).format(
        samples=_SAMPLES,
        items=sql.Identifier(Item._meta.db_table),
        responses=sql.Identifier(Response._meta.db_table),
        which=which,
    )
    table = copied(query, _ITEM)
    table = table[np.argsort(table["item"], kind="stable")]
    rows, row = np.unique(np.column_stack([table["prompt"], table["place"]]), axis=0, return_inverse=True)
    prompts, prompt = np.unique(rows[:, 0], return_inverse=True)
    columns, column = np.unique(table["model"], return_inverse=True)
    names = dict(LanguageModel.objects.filter(pk__in=columns.tolist()).values_list("pk", "name"))
    keys = dict(project.prompts.values_list("pk", "key"))
    length = np.full((len(rows), columns.size), np.nan)
    row = row.ravel()
    length[row, column] = table["length"]
    return Items(
        item=table["item"].astype(np.int64),
        row=row,
        column=column,
        prompt=prompt.astype(np.int64),
        length=length,
        models=tuple(names[pk] for pk in columns.tolist()),
        prompts=tuple(keys[pk] for pk in prompts.tolist()),
        style=_style(table["item"].astype(np.int64), row, column, length.shape) if with_style else {},
    )


def _style(item: Ints, row: Ints, column: Ints, shape: tuple[int, ...]) -> dict[str, Floats]:
    """Headers, list items and bold passages of each response, which are read as they come."""
    marks = {name: np.full(shape, np.nan) for name in Style._fields}
    for start in range(0, item.size, _TEXTS):
        texts = Item.objects.filter(pk__in=item[start : start + _TEXTS].tolist())
        for pk, turns, turn in texts.values_list("pk", "response__turns", "turn").iterator():
            at = np.searchsorted(item, pk)
            for name, count in style(turns[turn - 1])._asdict().items():
                marks[name][row[at], column[at]] = count
    return marks


def people_of(found: Array, items: Items, scale: Scale, *, adjust: bool) -> People:
    """`found`: rows of `rated`, of any items. With `adjust` means have the severity of their raters taken out, where
    severities compare; single ratings stay."""
    known, at = items.of(found["item"])
    rank, rater = found["rank"][known].astype(np.int64), found["rater"][known].astype(np.int64)
    could = rank > 0
    row, column = items.row[at][could], items.column[at][could]
    value = scale.values[rank[could] - 1]
    people = np.unique(rater[could])
    members = Member.objects.in_bulk(people.tolist())
    who = np.searchsorted(people, rater[could])
    positions = [pk for pk, member in members.items() if member.kind == Member.Kind.POSITION]
    who[np.isin(rater[could], positions)] = -1
    order = np.lexsort((rater[could], column, row))
    ratings = Ratings(row=row[order], model=column[order], rater=who[order], value=value[order])
    adjusted = _without_severity(ratings, items, scale.values) if adjust else None
    return People(
        human=means(row, column, value, items.shape) if adjusted is None else adjusted,
        ratings=ratings,
        raters=tuple(members[pk].pseudonym for pk in people.tolist()),
        n_na=int((~could).sum()),
        adjusted=adjusted is not None if adjust else None,
    )


def _without_severity(ratings: Ratings, items: Items, points: Floats) -> Floats | None:
    """(P, M) means of people's scores less their raters' severity; None where severities do not compare."""
    if ratings.value.size == 0 or ratings.anonymous:
        return None
    cells, item = np.unique(ratings.row * items.shape[1] + ratings.model, return_inverse=True)
    scored = Scored.of(
        item=item,
        rater=ratings.rater,
        value=ratings.value,
        prompt=items.prompt[ratings.row],
        points=points,
    )
    found = severity(scored)
    if found.n_components != 1:
        return None
    human = np.full(items.shape, np.nan)
    human.flat[cells] = item_means(scored, found).value
    return human


def means(row: Ints, column: Ints, value: Floats, shape: tuple[int, int]) -> Floats:
    """(P, M) mean value of each cell, NaN where there is none."""
    cell = row * shape[1] + column
    n = np.bincount(cell, minlength=shape[0] * shape[1])
    total = np.bincount(cell, weights=value, minlength=shape[0] * shape[1])
    with np.errstate(invalid="ignore"):
        mean: Floats = (total / n).reshape(shape)
    return mean
