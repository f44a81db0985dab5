"""Judges: everything that a comparison prints."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bench.coverage_studies.found import Found, estimates
from bench.coverage_studies.population import Cell, Study, draw
from stats.agreement import Interval
from stats.arrays import Floats
from stats.estimate import Reason
from stats.judges.alt_test import alt_test
from stats.judges.bias import length_bias
from stats.judges.comparing import compare_judges
from stats.judges.error import error_figures
from stats.judges.family import own_family
from stats.judges.figures import FigureSet, measure
from stats.judges.grid import Grid
from stats.judges.kappa import kappa_figures
from stats.judges.length_control import length_controlled_win_rate
from stats.judges.levels import LEVELS, at_level
from stats.judges.pairs import difference_figures
from stats.judges.panel import judge_panel
from stats.judges.ppi import ppi_models
from stats.judges.separability import separability

OF_THIS_SIZE = ("panel.spa", "separability.")
"""They ask how sure a study is, so that their truth grows with its size."""

SAME = (".tau23", ".ln_length")
"""Other units of a figure that is there."""

_MORE = 3
"""Times as many prompts that the judge alone scored, for prediction-powered means."""


def study(cell: Cell, rng: np.random.Generator, replicates: int) -> Found:
    drawn = draw(cell, rng)
    grid, interval = drawn.grid(), Interval(replicates=replicates, fewest=min(replicates, 1000))
    found = estimates(judge_panel(grid, interval=interval, rng=rng), "panel")
    found |= estimates(_means(grid, interval, rng), "means")
    test = alt_test(grid, interval=interval, rng=rng)
    found |= estimates(test.advantage, "alt_test.advantage")
    found |= estimates(test.annotators, "alt_test")
    found |= estimates(length_bias(grid, interval=interval, rng=rng), "length")
    families = ["own"] * 2 + ["others"] * (cell.models - 2)
    found |= estimates(own_family(grid, families, "own", interval=interval, rng=rng), "own_family")
    won = length_controlled_win_rate(
        drawn.judge,
        np.exp(drawn.ln_length),
        grid.prompt,
        model=cell.models - 2,
        baseline=0,
        interval=interval,
        rng=rng,
    )
    found |= estimates(won, "win_rate")
    found |= _between(drawn, interval, rng)
    if cell.prompts <= 1000:
        found |= estimates(separability(grid, interval=interval, rng=rng), "separability")
        found |= _ppi(drawn, rng)
    else:  # people's mean is the truth of all three
        means = {m: one for (name, m), one in found.items() if name == "means.people"}
        found |= {
            (f"ppi.{name}", m): one for name in ("tuned", "plain", "people") for m, one in means.items()
        }
        found |= {("ppi.sample", m): replace(one, value=0.0) for m, one in means.items()}  # type: ignore[type-var]
    return {key: one for key, one in found.items() if not key[0].endswith(SAME)}


def _means(grid: Grid, interval: Interval, rng: np.random.Generator) -> dict[str, object]:
    """Means of models, and of each the difference to the next, for people and for the judge."""
    m = grid.human.shape[1]

    def means(table: Floats):  # type: ignore[no-untyped-def]
        def of(weights: Floats) -> Floats:
            found = weights @ table / weights.sum(axis=1, keepdims=True)
            return np.concatenate([found, np.diff(found, axis=1)], axis=1)

        return of

    sets = []
    for side, table in (("people", grid.human), ("judge", grid.judge)):
        names = tuple(f"{side}.{i}" for i in range(m)) + tuple(f"{side}_difference.{i}" for i in range(m - 1))
        size = len(names)
        sets.append(FigureSet(names, means(table), (len(table),) * size, (Reason.NO_SCORES,) * size))
    found = measure(sets, grid.prompt, interval=interval, rng=rng)
    by_name: dict[str, list[object]] = {}
    for name, one in found.items():
        by_name.setdefault(name.split(".")[0], []).append(one)
    return dict(by_name)


def _between(drawn: Study, interval: Interval, rng: np.random.Generator) -> Found:
    """The second judge less the first."""
    sets = {}
    for name, scores in (("second", drawn.other), ("first", drawn.judge)):
        grid = drawn.grid(scores).shared()
        sets[name] = [
            *(at_level(grid, level).figures for level in LEVELS),
            difference_figures(grid),
            *(one for one in error_figures(grid) if "bias" not in one.names),
            *(one for one in kappa_figures(grid)[0] if one.names != ("qwk.people",)),
        ]
    found = compare_judges(sets, grid.prompt, interval=interval, rng=rng)
    return {(f"between.{one.figure}", 0): one.difference for one in found.differences}


def _ppi(drawn: Study, rng: np.random.Generator) -> Found:
    """People on some prompts, the judge on those and three times as many more."""
    alone = draw(drawn.cell.larger(_MORE * drawn.cell.prompts), rng)
    human = np.concatenate([drawn.score.mean(axis=2), np.full(alone.quality.shape, np.nan)])
    grid = Grid.of(human, np.concatenate([drawn.judge, alone.judge]))
    found = estimates(ppi_models(grid), "ppi")
    return {key: one for key, one in found.items() if key[0] != "ppi.gain"}
