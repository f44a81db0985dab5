"""Subsets that are like the whole: stratified, random, and the same again from the same seed."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from stats.arrays import Floats, Ints

Allocation = Literal["proportional", "equal"]


def stratified_subset(
    strata: npt.ArrayLike,
    size: int,
    *,
    allocation: Allocation = "proportional",
    rng: np.random.Generator,
) -> Ints:
    """Indices of `size` things, ascending, drawn at random within strata.

    `strata` (n,) or (n, c): what each is stratified by: source, tag, model or any combination of columns, as numbers or text.
    "proportional": each stratum has its share of the whole; "equal": each has as many, and what a small stratum lacks goes to
    the others. Places that do not come out whole go to the largest remainders, between equal ones to whom chance decides.
    Asked for more than there are, all are taken.
    """
    if size < 0:
        raise ValueError("a subset has 0 things or more")
    stratum = _codes(strata)
    counts = np.bincount(stratum)
    take = allocate(counts, size, allocation=allocation, rng=rng)
    shuffled = rng.permutation(stratum.size)
    order = shuffled[np.argsort(stratum[shuffled], kind="stable")]
    place = np.arange(stratum.size) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.sort(order[place < np.repeat(take, counts)]).astype(np.int64)


def allocate(
    counts: npt.ArrayLike, size: int, *, allocation: Allocation = "proportional", rng: np.random.Generator
) -> Ints:
    """(S,) how many of `size` each stratum gets, when it has `counts` (S,): never more than it has."""
    there = np.asarray(counts, dtype=np.int64)
    size = min(size, int(there.sum()))
    share: Floats = np.asarray(there * (size / max(int(there.sum()), 1)), dtype=np.float64)
    if allocation == "equal":
        share = np.zeros(there.size, dtype=np.float64)
        while size - share.sum() > 1e-9:  # what is left goes to those that have room, until none overflows
            room = share < there
            share += room * np.minimum(there - share, (size - share.sum()) / max(int(room.sum()), 1))
    return _largest_remainder(share, size, there, rng)


def _largest_remainder(share: Floats, size: int, there: Ints, rng: np.random.Generator) -> Ints:
    """Whole numbers that sum to `size`, each the share rounded down or, for the largest remainders, up."""
    whole = np.floor(share + 1e-9).astype(np.int64)
    remainder = np.where(whole < there, (share - whole).round(9), -1.0)
    up = np.lexsort((rng.random(share.size), -remainder))[: size - int(whole.sum())]
    whole[up] += 1
    return whole


def _codes(strata: npt.ArrayLike) -> Ints:
    """(n,) a number for each different combination of the columns."""
    table = np.asarray(strata)
    columns = table[:, None] if table.ndim == 1 else table
    if columns.ndim != 2:
        raise ValueError("strata must be (n,) or (n, columns)")
    codes = np.zeros(len(columns), np.int64)
    for column in columns.T:
        names, code = np.unique(column, return_inverse=True)
        codes = np.unique(codes * max(names.size, 1) + code, return_inverse=True)[1].astype(np.int64)
    return codes
