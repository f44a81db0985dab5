"""Sums over the items that two raters share: all that severity needs to know of the ratings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stats.arrays import Floats, Ints
from stats.raters.ratings import Scored


@dataclass(frozen=True)
class PairSums:
    """For each two of R raters, over the items i that both scored, n_i scores an item:

    `w` (R, R) = sum_i 1 / n_i; `d` (R, R) = sum_i (v_ir - v_iq) / n_i; `q` (R, R) = sum_i (v_ir - v_iq)^2 / n_i;
    `shared` (R, R): how many items. `n` (R,): the rater's scores on items with two scores or more, `units` (R,) the
    prompts of these; `n_items`: how many such items there are.

    w, q and shared are symmetric, d is antisymmetric, diagonals are 0. Sums of studies with different items add up;
    prompts do so where each item of a prompt is in the same study.
    """

    w: Floats
    d: Floats
    q: Floats
    shared: Ints
    n: Ints
    units: Ints
    n_items: int

    @property
    def n_raters(self) -> int:
        return self.n.size

    def __add__(self, other: PairSums) -> PairSums:
        if self.n_raters != other.n_raters:
            raise ValueError(f"sums of {self.n_raters} and of {other.n_raters} raters")
        return PairSums(
            self.w + other.w,
            self.d + other.d,
            self.q + other.q,
            self.shared + other.shared,
            self.n + other.n,
            self.units + other.units,
            self.n_items + other.n_items,
        )


def pair_sums(scored: Scored) -> PairSums:
    """One pass over neighbours, one over next but one, … in the order of items: as many as an item has raters."""
    many = scored.n_raters
    item = scored.item[scored.by_item]
    rater = scored.rater[scored.by_item]
    value = scored.value[scored.by_item]
    weight = 1 / scored.per_item[scored.by_item]
    sums = np.zeros((3, many * many))
    shared = np.zeros(many * many, dtype=np.int64)
    first = np.arange(item.size)
    for step in range(1, item.size):
        first = first[first + step < item.size]
        first = first[item[first] == item[first + step]]
        if first.size == 0:
            break
        pair = rater[first] * many + rater[first + step]
        difference = value[first] - value[first + step]
        of = weight[first]
        shared += np.bincount(pair, minlength=many * many)
        for k, x in enumerate((of, of * difference, of * difference**2)):
            sums[k] += np.bincount(pair, weights=x, minlength=many * many)
    w, d, q = sums.reshape(3, many, many)
    both = scored.shared
    rater, prompt = scored.rater[both], scored.prompt[both]
    new = np.ones(rater.size, dtype=bool)
    new[1:] = (rater[1:] != rater[:-1]) | (prompt[1:] != prompt[:-1])
    once = shared.reshape(many, many)
    return PairSums(
        w=w + w.T,
        d=d - d.T,
        q=q + q.T,
        shared=once + once.T,
        n=np.bincount(rater, minlength=many),
        units=np.bincount(rater[new], minlength=many),
        n_items=scored.n_pairable,
    )
