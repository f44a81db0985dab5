"""From assignments to histograms of patterns.

PostgreSQL packs each submitted assignment into one number (item, rater, the ranks on all axes), glues the
numbers of a range of items together and sends them as a handful of long binary rows: a million rows of their
own would take longer to send than to compute with. NumPy takes a range at a time, so memory stays flat.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from django.db import connection
from psycopg import sql

from annotation.agreement.glued import copied
from annotation.models import Assignment
from projects.models import Item
from stats.agreement import MISSING, PatternHistogram, merge
from stats.arrays import Bools, Floats, Ints

_RANGE = 17
"""Items whose ids differ in the last 17 bits only are read together: some megabytes."""

_ITEM = np.dtype([("item", ">i8"), ("prompt", ">i8")])

_NEW = -1
"""The prompt of an item that was loaded and rated after we had looked which items there are: not counted."""

_WORD = 63
"""Bits of a bigint, without its sign."""


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis as it is counted: the points, and its place (from 1) on each rubric version that has it."""

    values: Floats
    places: dict[int, int]


@dataclass(frozen=True, slots=True)
class Counted:
    """What was said on a scale."""

    histogram: PatternHistogram
    raters: frozenset[int]
    """Who scored there or could not judge: ids of members."""


@dataclass(slots=True)
class _Layout:
    """Which bits of which word hold what: the item's last bits, the rater, then rank + 1 on each scale."""

    scales: Sequence[Scale]
    first_rater: int
    last_rater: int
    fields: list[tuple[int, int, int]] = field(default_factory=list)
    """(word, shift, bits) of each scale."""
    words: int = 1

    @property
    def rater_bits(self) -> int:
        return (self.last_rater - self.first_rater).bit_length()

    def __post_init__(self) -> None:
        used = _RANGE + self.rater_bits
        for scale in self.scales:
            bits = (scale.values.size + 1).bit_length()
            if used + bits > _WORD:
                self.words, used = self.words + 1, 0
            self.fields.append((self.words - 1, used, bits))
            used += bits

    def packed(self, rubric: int) -> sql.Composable:
        """SQL of an assignment's words, made under that rubric; NULL where no axis has a score yet."""
        words: list[list[sql.Composable]] = [[] for _ in range(self.words)]
        words[0] += [
            sql.SQL("(item_id & {})").format((1 << _RANGE) - 1),
            sql.SQL("((rater_id - {}) << {})").format(self.first_rater, _RANGE),
        ]
        for scale, (word, shift, _bits) in zip(self.scales, self.fields, strict=True):
            if place := scale.places.get(rubric):
                words[word].append(sql.SQL("((codes[{}] + 1)::bigint << {})").format(place, shift))
            else:
                words[word].append(sql.SQL("(1::bigint << {})").format(shift))  # missing
        return sql.SQL(" || ").join(
            sql.SQL("int8send({})").format(sql.SQL(" | ").join(parts)) for parts in words
        )

    def item(self, words: Ints) -> Ints:
        return words[:, 0] & ((1 << _RANGE) - 1)

    def rater(self, words: Ints) -> Ints:
        return (words[:, 0] >> _RANGE) & ((1 << self.rater_bits) - 1)

    def rank(self, words: Ints, scale: int) -> Ints:
        word, shift, bits = self.fields[scale]
        return ((words[:, word] >> shift) & ((1 << bits) - 1)) - 1


def read(
    *,
    project: int,
    batches: dict[int, list[int]],
    purpose: str,
    scales: Sequence[Scale],
    raters: Collection[int],
) -> list[Counted]:
    """What was said on each scale in submitted assignments of that purpose.

    `batches` are the ids of the batches to count, by rubric; `raters` the ids of everybody who may have rated.
    """
    layout = _Layout(scales, min(raters, default=0), max(raters, default=0))
    shards: list[list[PatternHistogram]] = [[] for _ in scales]
    seen: list[Bools] = [np.zeros(1 << layout.rater_bits, bool) for _ in scales]
    prompts = _Prompts(project)
    for number, words in _ranges(layout, batches, purpose) if scales and batches else ():
        prompt = prompts.of(number)[layout.item(words)]
        if (prompt == _NEW).any():
            words, prompt = words[prompt != _NEW], prompt[prompt != _NEW]
        item, rater = layout.item(words), layout.rater(words)
        ranks = [layout.rank(words, scale) for scale in range(len(scales))]
        for rank, raters_seen in zip(ranks, seen, strict=True):
            raters_seen[rater[rank != MISSING]] = True
        values = [of.values for of in scales]
        histograms = PatternHistogram.of_axes(values=values, item=item, ranks=ranks, cluster=prompt)
        for shard, histogram in zip(shards, histograms, strict=True):
            shard.append(histogram)
    return [
        Counted(
            histogram=merge(shards[scale]) if shards[scale] else PatternHistogram.empty(of.values),
            raters=frozenset((np.flatnonzero(seen[scale]) + layout.first_rater).tolist()),
        )
        for scale, of in enumerate(scales)
    ]


def _ranges(layout: _Layout, batches: dict[int, list[int]], purpose: str) -> Iterator[tuple[int, Ints]]:
    """(which range of items, the words of all its ratings (n, layout.words))."""
    rated = sql.SQL(" UNION ALL ").join(
        sql.SQL(
            "SELECT item_id >> {bits} AS range, {packed} AS words FROM {assignments}"
            " WHERE batch_id = ANY({batches}) AND state = 'submitted' AND purpose = {purpose}"
            # Somebody may have joined and rated since the ids of raters were read: there are no bits for them.
            " AND rater_id BETWEEN {first} AND {last}"
        ).format(
            bits=_RANGE,
            packed=layout.packed(rubric),
            assignments=sql.Identifier(Assignment._meta.db_table),
            batches=ids,
            purpose=purpose,
            first=layout.first_rater,
            last=layout.last_rater,
        )
        for rubric, ids in batches.items()
    )
    query = sql.SQL(
        "COPY (SELECT range, string_agg(words, ''::bytea) FROM ({rated}) AS rated GROUP BY range)"
        " TO STDOUT (FORMAT binary)"
    ).format(rated=rated)
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        copy.set_types(["int8", "bytea"])
        for number, words in copy.rows():
            if words is not None:
                yield number, np.frombuffer(words, ">i8").astype(np.int64).reshape(-1, layout.words)


class _Prompts:
    """Which prompt an item belongs to."""

    def __init__(self, project: int) -> None:
        query = sql.SQL(
            "SELECT string_agg(int8send(id) || int8send(prompt_id), ''::bytea)"
            " FROM {items} WHERE project_id = {project} GROUP BY id >> {bits}"
        ).format(items=sql.Identifier(Item._meta.db_table), project=project, bits=_RANGE)
        table = copied(query, _ITEM)
        order = np.argsort(table["item"], kind="stable")
        self._item, self._prompt = (table[name][order].astype(np.int64) for name in ("item", "prompt"))

    def of(self, number: int) -> Ints:
        """Prompts of the items of a range, by the last bits of their ids."""
        low, high = np.searchsorted(self._item, [number << _RANGE, (number + 1) << _RANGE])
        prompts = np.full(1 << _RANGE, _NEW)
        prompts[self._item[low:high] & ((1 << _RANGE) - 1)] = self._prompt[low:high]
        return prompts
