"""All figures of one judge on one axis, from the same resamples: what a comparison prints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stats.agreement.intervals import Interval
from stats.estimate import Result, Undefined
from stats.judges import ceiling as ceilings
from stats.judges import error, kappa, pairs, ties
from stats.judges.ceiling import Ceiling
from stats.judges.error import Confusion, Errors, Isotonic, confusion, isotonic_map
from stats.judges.figures import measure
from stats.judges.grid import Grid
from stats.judges.kappa import Kappas
from stats.judges.levels import LEVELS, Correlations, Level, at_level
from stats.judges.pairs import PairAccuracy, difference_figures
from stats.judges.soft import soft_figures
from stats.judges.ties import TieCalibration
from stats.resampling import CLUSTER_BOOTSTRAP


@dataclass(frozen=True, slots=True)
class JudgePanel:
    """One judge and people on one axis. Everything is over responses that both scored."""

    n_items: int
    """Responses that both scored."""
    n_prompts: int
    n_models: int
    correlations: dict[Level, Correlations]
    """By level; each says how many groups had a correlation and how many were dropped."""
    pairs: dict[Level, PairAccuracy]
    """By level."""
    ties: TieCalibration
    """acc-eq, on level item."""
    spa: Result
    """Soft pairwise accuracy, on level system."""
    pairwise_difference: Result
    """Pearson over all differences of two models on one prompt."""
    error: Errors
    isotonic: Isotonic | Undefined
    confusion: Confusion | Undefined
    """Against single ratings; a judge's score between points is moved to the nearest."""
    kappa: Kappas
    ceiling: Ceiling

    @property
    def pooled(self) -> Correlations:
        return self.correlations["none"]

    @property
    def item(self) -> Correlations:
        return self.correlations["item"]

    @property
    def sys(self) -> Correlations:
        return self.correlations["sys"]

    @property
    def system(self) -> Correlations:
        return self.correlations["system"]

    @property
    def pairwise_accuracy(self) -> Result:
        """Share of pairs of models that their means put in the same order."""
        return self.pairs["system"].acc23


def judge_panel(
    grid: Grid, *, interval: Interval = CLUSTER_BOOTSTRAP, rng: np.random.Generator
) -> JudgePanel:
    """Every figure of the judge's agreement with people, with intervals over prompts from one set of resamples.

    Chance comes in with `rng`: resamples, permutations and the split of prompts. The same state of it draws the same
    prompts for another judge of the same responses.
    """
    shared = grid.shared()
    chance, drawing = rng.spawn(2)
    levels = {level: at_level(shared, level) for level in LEVELS}
    tie_sets, halves = ties.tie_figures(shared, rng=chance)
    kappa_sets, raters, rater_pairs = kappa.kappa_figures(shared)
    people = ceilings.ceiling_figures(shared)
    found = measure(
        [
            *(at.figures for at in levels.values()),
            *tie_sets,
            soft_figures(shared, rng=chance),
            difference_figures(shared),
            *error.error_figures(shared),
            *kappa_sets,
            *people.figures,
        ],
        shared.prompt,
        interval=interval,
        rng=drawing,
    )
    return JudgePanel(
        n_items=shared.n_items,
        n_prompts=shared.n_prompts,
        n_models=shared.n_models,
        correlations={level: at.correlations(found) for level, at in levels.items()},
        pairs={level: pairs.gathered(found, at) for level, at in levels.items()},
        ties=ties.gathered(found, shared, halves),
        spa=found["spa"],
        pairwise_difference=found["pairwise_difference"],
        error=error.gathered(found, shared),
        isotonic=isotonic_map(shared),
        confusion=confusion(shared, rounding="nearest"),
        kappa=kappa.gathered(found, raters, rater_pairs),
        ceiling=people.gather(found),
    )
