"""Several judges against each other on one axis, on the responses that people and all of them scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from exports.comparison.reading import JudgedAxis
from stats.agreement.intervals import Interval
from stats.estimate import Undefined
from stats.judges.alt_test import Setting, advantage_figures
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
from stats.judges.kappa import kappa_figures
from stats.judges.levels import at_level
from stats.judges.pairs import difference_figures
from stats.judges.separability import separability_figures
from stats.judges.soft import soft_figures

#: The name of each level in JSON: all items together are “pooled”.
LEVEL_KEYS: dict[Level, str] = {"none": "pooled", "item": "item", "sys": "sys", "system": "system"}
LOWER_IS_BETTER = ("mae", "rmse", "pair_rank_brier")
PERMUTED: tuple[Level, ...] = ("none", "item", "system")
PERMUTATIONS = 2000
_OF_LEVELS = ("pearson", "acc23")
_OF_SEPARABILITY = ("agreement_with_confidence.b", "pair_rank_brier")


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
    judged: JudgedAxis,
    names: Sequence[str],
    *,
    setting: Setting | None,
    interval: Interval,
    rng: np.random.Generator,
) -> AxisBetween:
    grids = [grid.shared() for grid in on_shared_cells(judged.grids)]
    first = grids[0]
    seed = int(rng.integers(2**63))  # so that the same models' signs are flipped for all judges
    judges = {
        name: _figures(grid, setting, interval.level, np.random.default_rng(seed))
        for name, grid in zip(names, grids, strict=True)
    }
    comparison = compare_judges(
        judges,
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


def _figures(grid: Grid, setting: Setting | None, level: float, rng: np.random.Generator) -> list[FigureSet]:
    """What is compared, of each kind the headline: with every further figure all of them are called less sure."""
    kappa_sets, _raters, _pairs = kappa_figures(grid)
    return [
        *(
            only(
                at_level(grid, at).figures,
                {f"{at}.{name}": f"{LEVEL_KEYS[at]}.{name}" for name in _OF_LEVELS},
            )
            for at in PERMUTED
        ),
        difference_figures(grid),
        soft_figures(grid, rng=rng),
        *(one for one in error_figures(grid) if one.names == ("mae", "rmse")),
        *(one for one in kappa_sets if one.names == ("qwk.judge",)),
        advantage_figures(grid, setting),
        only(separability_figures(grid, level=level), {name: name for name in _OF_SEPARABILITY}),
    ]


def only(figures: FigureSet, names: Mapping[str, str]) -> FigureSet:
    """Some figures of a set, under other names."""
    wanted = [figures.names.index(name) for name in names]
    return FigureSet(
        tuple(names.values()),
        lambda weights: figures.of(weights)[:, wanted],
        tuple(figures.n[i] for i in wanted),
        tuple(figures.why[i] for i in wanted),
        figures.bounds,
    )
