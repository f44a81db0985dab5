"""Figures of a comparison as functions of how often each row of prompts is drawn, so that all share their resamples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from stats.agreement.intervals import Interval, Method
from stats.arrays import Floats, Ints
from stats.estimate import Reason, Result, Undefined
from stats.resampling import CLUSTER_BOOTSTRAP, Figures, draws, summarise

_CELLS = 50_000
"""Of weights that are held at once: what is computed from them is some times larger, and should stay in the cache."""


@dataclass(frozen=True)
class FigureSet:
    """k figures that are computed together.

    `of`: weights (b, P) on rows to figures (b, k), NaN where one does not exist. `n` (k): items behind each. `why` (k):
    the reason when there is none. `bounds`: what these figures cannot pass. `resampled`: what they are of a resample, where
    a resample brings in an error that the data do not have.
    """

    names: tuple[str, ...]
    of: Figures
    n: tuple[int, ...]
    why: tuple[Reason, ...]
    bounds: tuple[float, float] = (-np.inf, np.inf)
    resampled: Figures | None = None
    units: tuple[int, ...] | None = None
    """(k) prompts behind each figure, where some are of a part of them: few of them take a wider interval."""
    biased: frozenset[str] = frozenset()
    """Figures that are off on average, as means over small groups are, and whose intervals make up for it: what resamples
    are off from the data, the data are off from the truth. It is in resamples twice, and taken off twice."""

    def __post_init__(self) -> None:
        if not len(self.names) == len(self.n) == len(self.why):
            raise ValueError(
                f"{len(self.names)} names, {len(self.n)} numbers of items, {len(self.why)} reasons"
            )

    def __len__(self) -> int:
        return len(self.names)


def measure(
    sets: Sequence[FigureSet],
    prompt: Ints,
    *,
    interval: Interval = CLUSTER_BOOTSTRAP,
    rng: np.random.Generator,
) -> dict[str, Result]:
    """Each figure of all sets with an interval over prompts, from the same resamples; `prompt` (P,) as in a Grid.

    Intervals are percentiles of a bootstrap over prompts, whichever bootstrap or jackknife `interval` asks for; with
    `Method.NONE` nothing is drawn.
    """
    names = [name for one in sets for name in one.names]
    if len(names) != len(set(names)):
        raise ValueError("two figures of one name")
    if not names:
        return {}

    def together(figures: Sequence[Figures]) -> Figures:
        def of(weights: Floats) -> Floats:
            by_column = np.asfortranarray(
                weights
            )  # its transpose is contiguous, and that is what sets work on
            return np.concatenate([one(by_column) for one in figures], axis=1)

        return of

    replicates = 0 if interval.method is Method.NONE else interval.replicates
    block = max(1, _CELLS // max(prompt.size, 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        point, drawn = draws(
            together([one.of for one in sets]),
            prompt,
            replicates=replicates,
            rng=rng,
            block=block,
            resampled=together([one.resampled or one.of for one in sets]),
        )
    found: dict[str, Result] = {}
    start, units = 0, np.unique(prompt).size
    for one in sets:
        stop = start + len(one)
        values, of_resamples = point[start:stop], drawn[:, start:stop]
        biased = np.array([name in one.biased for name in one.names], dtype=bool)
        results = summarise(
            values,
            np.where(biased, _without_bias(values, of_resamples), of_resamples)
            if biased.any()
            else of_resamples,
            n=one.n,
            why=one.why,
            units=units if one.units is None else one.units,
            interval=interval,
            bounds=one.bounds,
        )
        found |= zip(one.names, map(_around_value, results), strict=True)
        start = stop
    return found


def _without_bias(point: Floats, drawn: Floats) -> Floats:
    """Resamples (b, k) of figures (k,), moved by twice what their mean is off."""
    known = np.isfinite(drawn)
    n = known.sum(axis=0)
    mean = np.where(known, drawn, 0).sum(axis=0) / np.where(n > 0, n, 1)
    return np.asarray(drawn - 2 * (mean - point))


def _around_value(found: Result) -> Result:
    """With the figure itself between the ends, wherever a bias that was taken off has moved them."""
    if isinstance(found, Undefined) or found.low is None or found.high is None:
        return found
    if found.low <= found.value <= found.high:
        return found
    return replace(found, low=min(found.low, found.value), high=max(found.high, found.value))
