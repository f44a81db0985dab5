"""Several judges against each other on one axis, on the responses that people and all of them scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from exports.comparison.reading import JudgedAxis
from stats.agreement.intervals import Interval
from stats.estimate import Undefined
from stats.judges.comparing import (
    Comparison,
    Level,
    Significance,
    compare_judges,
    on_shared_cells,
    pearson_with,
    perm_both,
    williams_test,
)
from stats.judges.error import error_figures
from stats.judges.figures import FigureSet
from stats.judges.grid import Grid
from stats.judges.levels import at_level
from stats.judges.pairs import difference_figures

LOWER_IS_BETTER = ("mae", "rmse")
PERMUTED: tuple[Level, ...] = ("none", "item", "system")
PERMUTATIONS = 2000


@dataclass(frozen=True, slots=True)
class PairOfJudges:
    """Tests that papers print, one-sided: is the first the better one?"""

    first: str
    second: str
    perm_both: dict[Level, Significance | Undefined]
    """By level: whole prompts change places between the judges."""
    williams: Significance | Undefined
    """Of pooled cells, taking responses for independent: it finds too much."""


@dataclass(frozen=True, slots=True)
class AxisBetween:
    axis: str
    n_items: int
    n_prompts: int
    comparison: Comparison
    pairs: tuple[PairOfJudges, ...]


def compare_judges_on_axis(
    judged: JudgedAxis, names: Sequence[str], *, interval: Interval, rng: np.random.Generator
) -> AxisBetween:
    grids = [grid.shared() for grid in on_shared_cells(judged.grids)]
    first = grids[0]
    comparison = compare_judges(
        {name: _figures(grid) for name, grid in zip(names, grids, strict=True)},
        first.prompt,
        lower_is_better=LOWER_IS_BETTER,
        interval=interval,
        rng=rng,
    )
    both = first.both
    pairs = [
        PairOfJudges(
            names[a],
            names[b],
            {
                level: perm_both(
                    grids[a].judge,
                    grids[b].judge,
                    pearson_with(first.human, level),
                    permutations=PERMUTATIONS,
                    rng=rng,
                    prompt=first.prompt,
                )
                for level in PERMUTED
            },
            williams_test(first.human[both], grids[a].judge[both], grids[b].judge[both]),
        )
        for a, b in combinations(range(len(names)), 2)
    ]
    return AxisBetween(judged.axis.key, first.n_items, first.n_prompts, comparison, tuple(pairs))


def _figures(grid: Grid) -> list[FigureSet]:
    """What is compared: few figures, for each more makes all of them less sure."""
    levels = [_some(at_level(grid, level).figures, level) for level in PERMUTED]
    errors = [one for one in error_figures(grid) if one.names == LOWER_IS_BETTER]
    return [*levels, difference_figures(grid), *errors]


def _some(figures: FigureSet, level: str) -> FigureSet:
    """Of a level: Pearson, and the share of pairs in people's order."""
    wanted = [figures.names.index(f"{level}.{name}") for name in ("pearson", "acc23")]
    return FigureSet(
        tuple(figures.names[i] for i in wanted),
        lambda weights: figures.of(weights)[:, wanted],
        tuple(figures.n[i] for i in wanted),
        tuple(figures.why[i] for i in wanted),
        figures.bounds,
    )
