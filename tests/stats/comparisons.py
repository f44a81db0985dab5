"""Studies for tests of judges: made up, from reference vectors, and figures computed the slow way."""

from collections.abc import Callable

import numpy as np

from stats.agreement import Interval, Method
from stats.estimate import Estimate, Result
from stats.judges.grid import Grid, Ratings

POINT = Interval(Method.NONE)
FEW = Interval(replicates=60, fewest=2)


def rng(seed: int = 3) -> np.random.Generator:
    return np.random.default_rng(seed)


def value(found: Result) -> float:
    assert isinstance(found, Estimate), found
    return found.value


def study(
    prompts: int = 30,
    models: int = 4,
    raters: int = 6,
    per_item: int = 2,
    *,
    seed: int = 1,
    judge: str = "points",
    missing: float = 0.0,
    turns: int = 1,
) -> Grid:
    """People of different severity and a judge, both after the same quality of the response."""
    r = np.random.default_rng(seed)
    rows = prompts * turns
    quality = 3.3 + r.normal(size=(1, models)) * 0.4 + r.normal(size=(rows, models)) * 0.8
    who = r.permuted(np.tile(np.arange(raters), (rows, models, 1)), axis=2)[:, :, :per_item]
    noise = r.normal(size=raters)[who] * 0.3 + r.normal(size=who.shape) * 0.6
    ratings = np.clip(np.round(quality[:, :, None] + noise), 1, 5)
    scores = quality + r.normal(size=quality.shape) * 0.6
    if judge == "points":
        scores = np.clip(np.round(scores), 1, 5)
    scores[r.random(scores.shape) < missing] = np.nan
    row, model, _ = np.indices(ratings.shape)
    return Grid(
        ratings.mean(axis=2),
        scores,
        np.repeat(np.arange(prompts), turns),
        np.arange(1, 6.0),
        Ratings(row.ravel(), model.ravel(), who.ravel(), ratings.ravel()),
    )


def drawn_by_index(grid: Grid, weights: np.ndarray) -> Grid:
    """The study with its rows written out as often as they are drawn."""
    rows = np.repeat(np.arange(len(weights)), weights.astype(int))
    ratings = None
    if grid.ratings is not None:
        of = grid.ratings
        parts = [np.flatnonzero(of.row == row) for row in rows]
        take = np.concatenate(parts)
        ratings = Ratings(
            np.repeat(np.arange(rows.size), [part.size for part in parts]),
            of.model[take],
            of.rater[take],
            of.value[take],
        )
    return Grid(grid.human[rows], grid.judge[rows], np.arange(rows.size), grid.values, ratings)


def over_groups(grid: Grid, level: str, figure: Callable[[np.ndarray, np.ndarray], float]) -> float:
    """A figure of two lists, at a level, group by group; NaN groups are left out of the mean."""
    h, j = np.where(grid.both, grid.human, np.nan), np.where(grid.both, grid.judge, np.nan)
    if level == "system":
        with np.errstate(invalid="ignore"):
            n = grid.both.sum(axis=0)
            h, j = (np.nansum(t, axis=0)[None] / n for t in (h, j))
    groups = {"none": (h.reshape(1, -1), j.reshape(1, -1)), "sys": (h.T, j.T)}.get(level, (h, j))
    found = []
    for x, y in zip(*groups, strict=True):
        known = ~(np.isnan(x) | np.isnan(y))
        if known.sum() >= 2:
            found.append(figure(x[known], y[known]))
    found = [f for f in found if not np.isnan(f)]
    return float(np.mean(found)) if found else float("nan")
