"""Two scores of the same models in each row of a table: a prompt, or a resample's means."""

from __future__ import annotations

import numpy as np

from stats.arrays import Array, Bools, Floats
from stats.judges.joint import PairCounts
from stats.judges.moments import Sums, ratio

_SAME = 1e-12
"""Scores closer than this share of the largest are tied."""

_BLOCK = 4_000_000


def row_sums(x: Floats, y: Floats, present: Bools) -> Sums:
    """Sums over the models of each row, each (n,); `x`, `y`, `present` (n, M)."""
    count = present.sum(axis=1).astype(np.float64)
    safe = np.maximum(count, 1)[:, None]
    # each row less its own means, or models far from 0 would leave nothing but rounding
    a, b = (np.where(present, t, 0) for t in (x, y))
    a, b = (np.where(present, t - t.sum(axis=1, keepdims=True) / safe, 0) for t in (a, b))
    largest = [np.where(present, np.abs(t), 0).max(axis=1, initial=0, keepdims=True) for t in (x, y)]
    a, b = (np.where(np.abs(t) > _SAME * top, t, 0) for t, top in zip((a, b), largest, strict=True))
    return Sums(
        count,
        a.sum(axis=1),
        b.sum(axis=1),
        (a * a).sum(axis=1),
        (b * b).sum(axis=1),
        (a * b).sum(axis=1),
        (0, 0),
    )


def row_pearson(x: Floats, y: Floats, present: Bools) -> Floats:
    """(n,) NaN where a side is constant."""
    return row_sums(x, y, present).pearson


def row_order(x: Floats, y: Floats, present: Bools) -> tuple[Floats, PairCounts]:
    """Spearman's correlation (n,), NaN where a side is constant, and the pairs (n,) of each row."""
    models = x.shape[1]
    step = max(1, _BLOCK // max(models * models, 1))
    parts = [
        _order(x[i : i + step], y[i : i + step], present[i : i + step])
        for i in range(0, max(len(x), 1), step)
    ]
    spearman = np.concatenate([rho for rho, _ in parts])
    return spearman, PairCounts(
        *(np.concatenate(c) for c in zip(*(counts for _, counts in parts), strict=True))
    )


def _order(x: Floats, y: Floats, present: Bools) -> tuple[Floats, PairCounts]:
    signs_x, signs_y = _signs(x, present), _signs(y, present)
    # half the sum of a thing's signs is its mid-rank less the mean rank
    ranks_x, ranks_y = signs_x.sum(axis=2, dtype=np.float64), signs_y.sum(axis=2, dtype=np.float64)
    spread = np.sqrt((ranks_x**2).sum(axis=1) * (ranks_y**2).sum(axis=1))
    spearman = ratio((ranks_x * ranks_y).sum(axis=1), spread).clip(-1, 1)

    def half(t: Bools) -> Floats:
        return np.asarray(np.count_nonzero(t, axis=(1, 2)) / 2)

    n = present.sum(axis=1)
    pairs = n * (n - 1) / 2
    untied_x, untied_y = half(signs_x != 0), half(signs_y != 0)
    either = half((signs_x != 0) | (signs_y != 0))
    balance = np.einsum("nij,nij->n", signs_x, signs_y, dtype=np.int64, casting="unsafe") / 2
    return spearman, PairCounts(pairs, pairs - untied_x, pairs - untied_y, pairs - either, balance)


def _signs(x: Floats, present: Bools) -> Array:
    """(n, M, M) whether a model's score is above (+1) or below (-1) another's; 0 where tied or not both there."""
    known = np.where(present, x, 0)
    apart = known[:, :, None] - known[:, None, :]
    same = np.abs(apart) <= _SAME * np.abs(known).max(axis=1, initial=0)[:, None, None]
    signs: Array = np.sign(apart).astype(np.int8)
    signs[same | ~(present[:, :, None] & present[:, None, :])] = 0
    return signs
