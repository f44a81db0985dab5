"""What people and a judge said of the same responses, laid out as prompts by models."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from stats.arrays import Bools, Floats, Ints


@dataclass(frozen=True)
class Ratings:
    """Each score that a person gave on one axis, one row per score; unjudgeable ones have no row.

    `row` (n,) and `model` (n,): where in the grid. `rater` (n,): who, as an index; -1 where raters are positions in a
    list and not persons. `value` (n,): in the units of the axis.
    """

    row: Ints
    model: Ints
    rater: Ints
    value: Floats

    @property
    def anonymous(self) -> bool:
        return bool((self.rater < 0).any())


@dataclass(frozen=True)
class Grid:
    """One axis of a study. P rows, each a prompt at one turn; M columns, each a model.

    `human` (P, M): mean of what people gave, NaN where nobody scored. `judge` (P, M): the judge's score, the mean over
    its repeats, NaN where it failed or was not asked. `prompt` (P,): the prompt of each row, as an index: the turns of
    one conversation share one, and are drawn together. `values` (k,): the points of the axis, ascending.

    `ratings`: the single scores behind `human`. `repeats` (P, M, R): the judge's single scores behind `judge`.
    `length` (P, M): characters of the response.
    """

    human: Floats
    judge: Floats
    prompt: Ints
    values: Floats
    ratings: Ratings | None = None
    repeats: Floats | None = None
    length: Floats | None = None

    def __post_init__(self) -> None:
        if self.human.shape != self.judge.shape or self.human.ndim != 2:
            raise ValueError(f"human {self.human.shape} and judge {self.judge.shape} must be (rows, models)")
        if self.prompt.shape != self.human.shape[:1]:
            raise ValueError(f"{len(self.human)} rows and {self.prompt.size} prompts")
        for name, table in (("repeats", self.repeats), ("length", self.length)):
            if table is not None and table.shape[:2] != self.human.shape:
                raise ValueError(f"{name} must have one entry for each row and model")

    @classmethod
    def of(
        cls, human: npt.ArrayLike, judge: npt.ArrayLike, *, values: npt.ArrayLike = (1, 2, 3, 4, 5)
    ) -> Grid:
        """From two tables (P, M), each row a prompt of its own."""
        people = np.asarray(human, dtype=np.float64)
        return cls(
            people,
            np.asarray(judge, dtype=np.float64),
            np.arange(len(people)),
            np.asarray(values, dtype=np.float64),
        )

    @cached_property
    def both(self) -> Bools:
        """(P, M) where both sides have a score. Every comparison is over these cells alone."""
        return ~(np.isnan(self.human) | np.isnan(self.judge))

    def shared(self) -> Grid:
        """The rows with a cell that both sides scored, and only such ratings: what a comparison is made of, and draws
        from."""
        keep = self.both.any(axis=1)
        ratings = None
        if self.ratings is not None:
            of = self.ratings
            use = self.both[of.row, of.model]
            number = np.cumsum(keep) - 1
            ratings = Ratings(number[of.row[use]], of.model[use], of.rater[use], of.value[use])
        return Grid(
            self.human[keep],
            self.judge[keep],
            self.prompt[keep],
            self.values,
            ratings,
            None if self.repeats is None else self.repeats[keep],
            None if self.length is None else self.length[keep],
        )

    @property
    def n_items(self) -> int:
        return int(self.both.sum())

    @property
    def n_prompts(self) -> int:
        """Different prompts with a shared item."""
        return int(np.unique(self.prompt[self.both.any(axis=1)]).size)

    @property
    def n_models(self) -> int:
        return int(self.both.any(axis=0).sum())
