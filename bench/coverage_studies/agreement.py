"""Agreement: the panel over prompts and over items, pairs of raters, complete sets, means of models."""

from __future__ import annotations

import numpy as np
from scipy import special

from bench.coverage_studies.found import Found, estimates
from bench.coverage_studies.population import POINTS, Cell, draw, rounded
from stats.agreement import Interval, Method, icc_two_way, pair, panel, system_reliability
from stats.arrays import Floats

OF_THIS_SIZE = ("systems.",)
"""Figures whose truth depends on the number of prompts: it is what studies of that size give on average."""

_RATERS_OF_ALL = 4


def study(cell: Cell, rng: np.random.Generator, replicates: int) -> Found:
    drawn = draw(cell, rng)
    hard = -3.5 + 1.5 * rng.normal(size=(cell.prompts, cell.models, 1))
    na = rng.random(drawn.who.shape) < special.expit(hard)
    histogram = drawn.histogram(na)
    found: Found = {}
    for method in (Method.CLUSTER_BOOTSTRAP, Method.CLUSTER_JACKKNIFE):
        found |= estimates(panel(histogram, interval=_by(method, replicates), rng=rng), f"panel {method}")
    alone = draw(cell, rng, items_alone=True).histogram()
    for method in (Method.ITEM_BOOTSTRAP, Method.ITEM_JACKKNIFE):
        found |= estimates(panel(alone, interval=_by(method, replicates), rng=rng), f"panel {method}")

    scores = complete_set(cell, rng)
    prompts = np.arange(cell.prompts * cell.models) // cell.models
    for method in (Method.CLUSTER_BOOTSTRAP, Method.CLUSTER_JACKKNIFE):
        interval = _by(method, replicates)
        two = pair(scores[:, 0], scores[:, 1], values=POINTS, cluster=prompts, interval=interval, rng=rng)
        found |= estimates(two, f"pair {method}")
        complete = icc_two_way(scores, interval=interval, cluster=prompts, rng=rng)
        found |= estimates(complete, f"icc {method}")
    found |= estimates(icc_two_way(normal_scores(cell.prompts, rng)), "icc f_distribution")
    if cell.prompts <= 1000:  # its truth is that of the size, not of the population
        reliable = system_reliability(
            item=drawn.item,
            model=drawn.model,
            prompt=drawn.prompt,
            value=drawn.score.ravel(),
            splits=50,
            rng=rng,
        )
        found |= estimates(reliable, "systems")
    return found


def _by(method: Method, replicates: int) -> Interval:
    return Interval(method, replicates=replicates, fewest=min(replicates, 1000))


def complete_set(cell: Cell, rng: np.random.Generator) -> Floats:
    """What the first four raters give to all responses (P M, 4)."""
    quality = draw(cell, rng).quality.reshape(-1, 1)
    noise = cell.noise[:_RATERS_OF_ALL] * rng.normal(size=(quality.size, _RATERS_OF_ALL))
    return rounded(quality + cell.severity[:_RATERS_OF_ALL] + noise)


ITEMS, RATERS, ERROR = 0.55, 0.12, 0.45
"""Variances of the normal scores that the F distribution is meant for."""


def normal_scores(items: int, rng: np.random.Generator) -> Floats:
    """(items, 4) with raters drawn anew: ICC(A, .) speaks of raters like these."""
    item, rater = rng.normal(size=(items, 1)), rng.normal(size=_RATERS_OF_ALL)
    noise = rng.normal(size=(items, _RATERS_OF_ALL))
    return np.sqrt(ITEMS) * item + np.sqrt(RATERS) * rater + np.sqrt(ERROR) * noise


def closed_form() -> dict[tuple[str, int], float]:
    """Truths that need no population."""
    k = _RATERS_OF_ALL
    one_a, one_c = ITEMS / (ITEMS + RATERS + ERROR), ITEMS / (ITEMS + ERROR)
    mean_a, mean_c = ITEMS / (ITEMS + (RATERS + ERROR) / k), ITEMS / (ITEMS + ERROR / k)
    names = ("agreement_1", "consistency_1", "agreement_k", "consistency_k")
    values = (one_a, one_c, mean_a, mean_c)
    return {(f"icc f_distribution.{name}", 0): of for name, of in zip(names, values, strict=True)}
