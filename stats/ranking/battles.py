"""Battles: which of two models' responses to one prompt was the better.

They come from scores (one battle for each prompt and pair of models) or from verdicts on pairs, given in both orders.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt

from stats.arrays import Bools, Floats, Ints

_SLACK = 1e-12
"""Two means of the same scores may differ by that much."""

_CELLS = 8_000_000
"""Of win tables that are held at once."""


@dataclass(frozen=True)
class Battles:
    """One row for each battle. `prompt`, `first`, `second` (n,): indices; `points` (n,): of `first`: 1 for a win,
    1/2 for a tie, 0 for a loss. `n_models`: how many models there are, with or without a battle."""

    prompt: Ints
    first: Ints
    second: Ints
    points: Floats
    n_models: int

    def __post_init__(self) -> None:
        if not self.prompt.shape == self.first.shape == self.second.shape == self.points.shape:
            raise ValueError("a battle has one prompt, two models and points")
        if self.first.size and not (
            min(self.first.min(), self.second.min()) >= 0
            and max(self.first.max(), self.second.max()) < self.n_models
        ):
            raise ValueError("a battle names a model that there is not")
        if (self.first == self.second).any():
            raise ValueError("no model fights itself")

    @classmethod
    def from_scores(
        cls, scores: npt.ArrayLike, prompt: npt.ArrayLike | None = None, *, margin: float = 0.0
    ) -> Self:
        """A battle for each row and each pair of models that both have a score there.

        `scores` (P, M), NaN where there is none; `prompt` (P,) the prompt of each row, each its own by default. It is
        a tie if the scores differ by `margin` or less, in their units.
        """
        table = np.asarray(scores, dtype=np.float64)
        if table.ndim != 2:
            raise ValueError("scores must be (rows, models)")
        rows = np.arange(len(table)) if prompt is None else np.asarray(prompt, dtype=np.int64)
        if rows.shape != table.shape[:1]:
            raise ValueError(f"{len(table)} rows and {rows.size} prompts")
        first, second = np.triu_indices(table.shape[1], 1)
        ahead = table[:, first] - table[:, second]
        where, pair = np.nonzero(~np.isnan(ahead))
        ahead = ahead[where, pair]
        points = np.where(np.abs(ahead) <= margin + _SLACK, 0.5, (ahead > 0).astype(np.float64))
        return cls(rows[where], first[pair], second[pair], points, table.shape[1])

    def __len__(self) -> int:
        return self.prompt.size

    @cached_property
    def rows(self) -> tuple[Ints, Ints]:
        """The prompts with a battle (P,), and the place among them of each battle's (n,)."""
        names, place = np.unique(self.prompt, return_inverse=True)
        return names.astype(np.int64), place.astype(np.int64)

    @property
    def met(self) -> Bools:
        """(M,) models with a battle."""
        return np.bincount(np.r_[self.first, self.second], minlength=self.n_models) > 0

    def wins(self, weights: Floats | None = None) -> Floats:
        """(b, M, M) how often the row's model beat the column's, ties half; `weights` (b, P) on prompts of `rows`."""
        names, _ = self.rows
        over = np.ones((1, names.size)) if weights is None else weights
        total = np.zeros((len(over), self.n_models**2))
        for prompts, table in self._tables():
            total += over[:, prompts] @ table
        return total.reshape(len(over), self.n_models, self.n_models)

    def _tables(self) -> Iterable[tuple[slice, Floats]]:
        """Win tables (prompts, M * M) of a block of prompts after the other; kept where one block is all."""
        small = self.rows[0].size * self.n_models**2 <= _CELLS
        return self._kept if small else self._made()

    @cached_property
    def _kept(self) -> list[tuple[slice, Floats]]:
        return [*self._made()]

    @cached_property
    def _sorted(self) -> tuple[Ints, Ints]:
        """The battles by prompt, and the place of the prompt of each."""
        order = np.argsort(self.rows[1], kind="stable").astype(np.int64)
        return order, self.rows[1][order]

    def _made(self) -> Iterator[tuple[slice, Floats]]:
        (names, place), (order, at) = self.rows, self._sorted
        cells = self.n_models**2
        step = max(1, _CELLS // max(cells, 1))
        for start in range(0, names.size, step):
            stop = min(start + step, names.size)
            chosen = order[slice(*np.searchsorted(at, [start, stop]))]
            row = (place[chosen] - start) * cells
            one, other, points = self.first[chosen], self.second[chosen], self.points[chosen]
            table = np.bincount(
                np.r_[row + one * self.n_models + other, row + other * self.n_models + one],
                weights=np.r_[points, 1 - points],
                minlength=(stop - start) * cells,
            )
            yield slice(start, stop), table.astype(np.float64).reshape(stop - start, cells)


@dataclass(frozen=True)
class Verdicts:
    """What a judge said of pairs of responses, shown in both orders.

    One row for each pair that was judged. `prompt`, `first`, `second` (n,): indices. `one` (n,): the verdict with
    `first` shown first; `other` (n,): with `second` shown first. Both are what `first` gets: 1 if it was found the
    better, 1/2 for a tie, 0 if the worse; NaN where the judge failed.
    """

    prompt: Ints
    first: Ints
    second: Ints
    one: Floats
    other: Floats
    n_models: int

    def __post_init__(self) -> None:
        if self.one.shape != self.prompt.shape or self.other.shape != self.prompt.shape:
            raise ValueError("each pair has a verdict in either order")
        given = np.r_[self.one, self.other]
        if not np.isin(given[~np.isnan(given)], [0, 0.5, 1]).all():
            raise ValueError("a verdict is 1, 1/2 or 0")
        self.as_battles(np.zeros(self.prompt.size, bool))

    @property
    def given(self) -> Bools:
        """(n,) pairs with a verdict in both orders. The others are no battles, and no ties either."""
        return ~(np.isnan(self.one) | np.isnan(self.other))

    @property
    def consistent(self) -> Bools:
        """(n,) pairs with the same verdict in both orders."""
        same: Bools = self.given & (self.one == self.other)
        return same

    def battles(self) -> Battles:
        """A win where both orders say so; a tie where either does, or where they contradict each other."""
        return self.as_battles(self.given)

    def as_battles(self, keep: Bools) -> Battles:
        points = np.where(self.one == self.other, self.one, 0.5)
        return Battles(self.prompt[keep], self.first[keep], self.second[keep], points[keep], self.n_models)
