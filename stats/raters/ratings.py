"""Who gave what to which item: the table that everything about raters is computed from.

A `Sheet` has a row per rating (one rater, one item) and a column per axis; `Scored` is one axis of it, without the rows
that have no score there. Rows stand by rater and, within a rater, by prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from stats.arrays import Array, Bools, Floats, Ints


@dataclass(frozen=True)
class Scored:
    """The scores on one axis, n of them.

    `item`, `rater`, `prompt`, `model` (n,): indices from 0; `value` (n,): in the units of the axis; `points` (k,): its points,
    ascending; `order` (n,): what tells a rater's earlier ratings from later ones (a time, a running number), NaN where
    unknown. `by_item` (n,): the rows in the order of their items; `in_order` (n,): by rater and order.
    """

    item: Ints
    rater: Ints
    prompt: Ints
    value: Floats
    points: Floats
    n_raters: int
    by_item: Ints
    order: Floats | None = None
    in_order: Ints | None = None
    model: Ints | None = None

    @classmethod
    def of(
        cls,
        *,
        item: npt.ArrayLike,
        rater: npt.ArrayLike,
        value: npt.ArrayLike,
        prompt: npt.ArrayLike | None = None,
        model: npt.ArrayLike | None = None,
        order: npt.ArrayLike | None = None,
        points: npt.ArrayLike = (1, 2, 3, 4, 5),
        n_raters: int | None = None,
    ) -> Scored:
        """From arrays (n,); without `prompt` each item is a prompt of its own. NaN is no score."""
        column = np.asarray(value, dtype=np.float64).reshape(-1, 1)
        sheet = Sheet.of(
            item=item,
            rater=rater,
            score=column,
            prompt=prompt,
            model=model,
            order=order,
            points=[points],
            n_raters=n_raters,
        )
        return sheet.axis(0)

    @property
    def n_items(self) -> int:
        """Items that there are, the largest index and one."""
        return int(self.item.max(initial=-1)) + 1

    @property
    def n_pairable(self) -> int:
        """Items with two scores or more."""
        return int((np.bincount(self.item, minlength=1) > 1).sum())

    @cached_property
    def per_item(self) -> Ints:
        """(n,) scores that the row's item has."""
        return np.bincount(self.item, minlength=1)[self.item]

    @cached_property
    def item_mean(self) -> Floats:
        """(n,) mean of the row's item."""
        total = np.bincount(self.item, weights=self.value, minlength=1)[self.item]
        return np.asarray(total / self.per_item)

    @cached_property
    def shared(self) -> Bools:
        """(n,) whether somebody else scored the row's item, too."""
        return np.asarray(self.per_item > 1)

    def kept(self, rows: Bools) -> Scored:
        """Some rows only."""
        return Scored(
            item=self.item[rows],
            rater=self.rater[rows],
            prompt=self.prompt[rows],
            value=self.value[rows],
            points=self.points,
            n_raters=self.n_raters,
            by_item=_sub_order(self.by_item, rows),
            order=None if self.order is None else self.order[rows],
            in_order=None if self.in_order is None else _sub_order(self.in_order, rows),
            model=None if self.model is None else self.model[rows],
        )


@dataclass(frozen=True)
class Sheet:
    """All ratings of a study, n of them, on A axes; made by `Sheet.of`, which puts the rows in order.

    `score` (n, A): NaN where there is none; `na` (n, A): whether the rater said "cannot judge"; `model` (n,): who wrote
    the item; `order` (n,); `seconds` and `characters` (n,): how long the rating took and how long the response is, NaN
    where unknown. `ordered` (A,): whether the points of an axis have an order.
    """

    item: Ints
    rater: Ints
    prompt: Ints
    score: Floats
    points: tuple[Floats, ...]
    ordered: tuple[bool, ...]
    n_raters: int
    by_item: Ints
    model: Ints | None = None
    na: Bools | None = None
    order: Floats | None = None
    seconds: Floats | None = None
    characters: Floats | None = None

    @classmethod
    def of(
        cls,
        *,
        item: npt.ArrayLike,
        rater: npt.ArrayLike,
        score: npt.ArrayLike,
        prompt: npt.ArrayLike | None = None,
        model: npt.ArrayLike | None = None,
        points: Sequence[npt.ArrayLike] | None = None,
        ordered: Sequence[bool] | None = None,
        na: npt.ArrayLike | None = None,
        order: npt.ArrayLike | None = None,
        seconds: npt.ArrayLike | None = None,
        characters: npt.ArrayLike | None = None,
        n_raters: int | None = None,
    ) -> Sheet:
        """From arrays with a row per rating, in any order; `score` (n,) or (n, A).

        Raters are indices, -1 where they are positions in a list and no persons. Raises ValueError where lengths
        differ, or where a rater has two ratings of one item: later ones are repeats, and go to `repeats`.
        """
        scores = np.asarray(score, dtype=np.float64)
        scores = scores[:, None] if scores.ndim == 1 else scores
        n, n_axes = scores.shape
        items = _compact(_column(item, "item", n))
        raters = np.asarray(rater, dtype=np.int64).reshape(-1)
        if raters.size != n:
            raise ValueError(f"{n} rows of scores and {raters.size} of raters")
        many = int(raters.max(initial=-1)) + 1
        if n_raters is not None and n_raters < many:
            raise ValueError(f"rater {many - 1} of {n_raters}")
        prompts = items if prompt is None else _compact(_column(prompt, "prompt", n))
        scales = [np.arange(1.0, 6.0)] * n_axes if points is None else [np.asarray(p, float) for p in points]
        if len(scales) != n_axes:
            raise ValueError(f"{n_axes} axes and points for {len(scales)}")
        kinds = (True,) * n_axes if ordered is None else tuple(ordered)
        if len(kinds) != n_axes:
            raise ValueError(f"{n_axes} axes and {len(kinds)} kinds")
        rows = np.argsort(raters * (int(prompts.max(initial=0)) + 1) + prompts, kind="stable")
        items, raters = items[rows], raters[rows]
        by_item = np.argsort(items * (many + 2) + raters + 1, kind="stable")
        sorted_items, sorted_raters = items[by_item], raters[by_item]
        twice = (sorted_items[1:] == sorted_items[:-1]) & (sorted_raters[1:] == sorted_raters[:-1])
        if (twice & (sorted_raters[1:] >= 0)).any():
            raise ValueError("a rater has two ratings of one item")
        extras = {"order": order, "seconds": seconds, "characters": characters}
        return cls(
            item=items,
            rater=raters,
            prompt=prompts[rows],
            score=scores[rows],
            points=tuple(np.sort(scale) for scale in scales),
            ordered=kinds,
            n_raters=many if n_raters is None else n_raters,
            by_item=by_item,
            model=None if model is None else _column(model, "model", n)[rows],
            na=None if na is None else np.asarray(na, dtype=bool).reshape(n, n_axes)[rows],
            **{name: None if x is None else _numbers(x, name, n)[rows] for name, x in extras.items()},
        )

    @property
    def n_axes(self) -> int:
        return int(self.score.shape[1])

    @property
    def anonymous(self) -> bool:
        return bool((self.rater < 0).any())

    @cached_property
    def in_order(self) -> Ints | None:
        """(n,) the rows by rater and order, those of unknown order last."""
        return None if self.order is None else np.lexsort((self.order, self.rater))

    def axis(self, axis: int) -> Scored:
        """The scores on one axis."""
        value = self.score[:, axis]
        given = ~np.isnan(value)
        everything = bool(given.all())

        def part(x: Array) -> Array:
            return x if everything else x[given]

        return Scored(
            item=part(self.item),
            rater=part(self.rater),
            prompt=part(self.prompt),
            value=np.ascontiguousarray(part(value)),
            points=self.points[axis],
            n_raters=self.n_raters,
            by_item=self.by_item if everything else _sub_order(self.by_item, given),
            order=None if self.order is None else part(self.order),
            in_order=self.in_order
            if everything or self.in_order is None
            else _sub_order(self.in_order, given),
            model=None if self.model is None else part(self.model),
        )


def _column(x: npt.ArrayLike, name: str, n: int) -> Ints:
    column = np.asarray(x, dtype=np.int64).reshape(-1)
    if column.size != n:
        raise ValueError(f"{n} rows of scores and {column.size} of {name}")
    if column.size and column.min() < 0:
        raise ValueError(f"{name} must be indices, 0 or more")
    return column


def _numbers(x: npt.ArrayLike, name: str, n: int) -> Floats:
    column = np.asarray(x, dtype=np.float64).reshape(-1)
    if column.size != n:
        raise ValueError(f"{n} rows of scores and {column.size} of {name}")
    return column


def _compact(index: Ints) -> Ints:
    """Indices that leave wide gaps, such as keys of a database, become 0, 1, 2 …"""
    if index.max(initial=0) <= 4 * index.size + 1000:
        return index
    return np.asarray(np.unique(index, return_inverse=True)[1], dtype=np.int64)


def _sub_order(order: Ints, kept: Bools) -> Ints:
    """The order of the rows that are kept, in their new numbers."""
    number = np.cumsum(kept) - 1
    return np.asarray(number[order[kept[order]]])
