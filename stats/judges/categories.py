"""Means by category, as benchmarks report them, and rows that were judged twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stats.agreement.intervals import Interval
from stats.arrays import Array, Floats, Ints
from stats.estimate import Reason, Result, Undefined
from stats.resampling import CLUSTER_BOOTSTRAP, bootstrap_prompts


def _same(keys: Sequence[npt.ArrayLike]) -> Ints:
    """(n,) a number for each different combination of `keys`, each (n,)."""
    places = [np.unique(np.asarray(key), return_inverse=True)[1] for key in keys]
    return np.unique(np.column_stack(places), axis=0, return_inverse=True)[1].astype(np.int64).reshape(-1)


def repeated(*keys: npt.ArrayLike) -> Ints:
    """Rows whose combination of `keys` stood in an earlier row already."""
    same = _same(keys)
    first = np.unique(same, return_index=True)[1]
    return np.setdiff1d(np.arange(same.size), first)


def last_of_each(*keys: npt.ArrayLike) -> Ints:
    """The last row of each combination of `keys`, in the order of the rows: what a later judgment replaced is left out."""
    same = _same(keys)
    last = same.size - 1 - np.unique(same[::-1], return_index=True)[1]
    return np.sort(last).astype(np.int64)


@dataclass(frozen=True, slots=True)
class CategoryMeans:
    """All intervals come from the same resamples of prompts."""

    overall: Result
    """The mean of all rows."""
    macro: Result
    """The mean of the categories' means: each category counts alike."""
    by_category: dict[object, Result]


def category_means(
    values: npt.ArrayLike,
    category: Array,
    *,
    prompt: Ints | None = None,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    interval: Interval = CLUSTER_BOOTSTRAP,
    rng: np.random.Generator,
) -> CategoryMeans:
    """Means of `values` (n,), NaN left out, overall and by `category` (n,), in their own units.

    `prompt` (n,): the prompt of each row, each its own by default. A category whose every value is missing is
    `Undefined`, and then so is the macro mean: the rest of the categories would be another benchmark.
    """
    given = np.asarray(values, dtype=np.float64)
    rows = np.arange(given.size) if prompt is None else prompt
    if not given.shape == category.shape == rows.shape:
        raise ValueError("each value has a category and a prompt")
    names, place = np.unique(category, return_inverse=True)
    known = ~np.isnan(given)
    member = np.zeros((given.size, names.size))
    member[np.arange(given.size), place] = known
    value = np.where(known, given, 0.0)

    def figures(weights: Floats) -> Floats:
        sums, counts = weights @ (member * value[:, None]), weights @ member
        with np.errstate(invalid="ignore"):
            by_category = sums / counts
            overall = sums.sum(axis=1) / counts.sum(axis=1)
        return np.column_stack([overall, by_category.mean(axis=1), by_category])

    n = [int(known.sum())] * 2 + member.sum(axis=0).astype(int).tolist()
    found: list[Result] = [Undefined(Reason.NO_SCORES, size) for size in n]
    if known.any():
        everything = np.unique(rows).size
        found = bootstrap_prompts(
            figures,
            rows,
            n=n,
            why=Reason.NO_SCORES,
            interval=interval,
            rng=rng,
            bounds=bounds,
            units=[everything] * 2 + [np.unique(rows[of > 0]).size for of in member.T],
        )
    return CategoryMeans(found[0], found[1], dict(zip(names.tolist(), found[2:], strict=True)))
