"""Design: variance components of a pilot, and whether intervals come out as wide as the planner says.

Scores here are normal and not rounded, with variances that are known, and the raters are drawn anew: the components speak
of raters like these. Figures stand less their truth, which is that of the study's own raters where the figure is.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bench.coverage_studies.found import Found
from bench.coverage_studies.population import Cell, draw
from stats.agreement import Interval, Method, alpha, estimate
from stats.arrays import Floats, Ints
from stats.design import balanced_assignment
from stats.design.components import DEFAULTS, Estimated, named, variance_components
from stats.design.planner import FIGURES, Agreement, Plan
from stats.estimate import Estimate, Result

OF_THIS_SIZE = ("plan.alpha", "plan of a pilot.alpha")

PILOT = 50
"""Prompts of a pilot with the same models and raters."""

_JACKKNIFE = Interval(Method.CLUSTER_JACKKNIFE)


def study(cell: Cell, rng: np.random.Generator, replicates: int) -> Found:
    severity = np.sqrt(DEFAULTS.rater) * rng.normal(size=cell.raters)
    seats, score = _scores(cell, severity, rng)
    components = _components(seats, score, cell)
    truth = {
        "prompt": DEFAULTS.prompt,
        "prompt_model": DEFAULTS.prompt_model,
        "rater": DEFAULTS.rater,
        "residual": DEFAULTS.residual,
        "model": cell.strength.var(ddof=1),
    }
    truth["total"] = sum(truth.values()) - DEFAULTS.rater + severity.var(ddof=1)
    found: Found = {(f"components.{name}", 0): _less(one, truth[name]) for name, one in named(components)}

    plan = Plan(cell.prompts, cell.models, cell.per_item, cell.raters)
    of_pilot = cell.larger(PILOT)
    pilot = _components(*_scores(of_pilot, severity, rng), of_pilot).components()
    for name, planned in (("plan", plan), ("plan of a pilot", replace(plan, components=pilot))):
        found |= {
            (f"{name}.{key}", i): one for (key, i), one in _means(planned, cell, severity, score).items()
        }
    found |= _alphas(plan, cell, rng)
    return found


def _scores(cell: Cell, severity: Floats, rng: np.random.Generator) -> tuple[Ints, Floats]:
    """Seats (P M, k) and what they give."""
    p, m = cell.prompts, cell.models
    seats = balanced_assignment(
        item_models=np.tile(np.arange(m), p), raters_per_item=cell.per_item, n_raters=cell.raters, rng=rng
    )
    quality = np.sqrt(DEFAULTS.prompt) * rng.normal(size=(p, 1)) + cell.strength
    quality = quality + np.sqrt(DEFAULTS.prompt_model) * rng.normal(size=(p, m))
    noise = np.sqrt(DEFAULTS.residual) * rng.normal(size=seats.shape)
    return seats, quality.ravel()[:, None] + severity[seats] + noise


def _components(seats: Ints, score: Floats, cell: Cell) -> Estimated:
    item = np.repeat(np.arange(len(seats)), cell.per_item)
    return variance_components(
        prompt=item // cell.models, model=item % cell.models, rater=seats.ravel(), value=score.ravel()
    )


def _means(plan: Plan, cell: Cell, severity: Floats, score: Floats) -> Found:
    means = score.mean(axis=1).reshape(-1, cell.models).mean(axis=0)
    off = {
        "mean": means - cell.strength - severity.mean(),
        "mean_other_raters": means - cell.strength,
        "difference": np.diff(means - cell.strength),
    }
    return {
        (name, i): _around(float(one), plan.half_width(name))  # type: ignore[arg-type]
        for name in FIGURES
        if name in off
        for i, one in enumerate(off[name])
    }


def _alphas(plan: Plan, cell: Cell, rng: np.random.Generator) -> Found:
    """Ordinal alpha of rounded scores: of independent items, by the table; of prompts with all their models, by a pilot."""
    alone = estimate(draw(cell, rng, items_alone=True).histogram(), alpha("ordinal"))
    together = estimate(draw(cell, rng).histogram(), alpha("ordinal"), interval=_JACKKNIFE)
    pilot = estimate(draw(cell.larger(PILOT), rng).histogram(), alpha("ordinal"), interval=_JACKKNIFE)
    found: Found = {}
    for name, one, expected in (
        ("plan.alpha", alone, Agreement(_value(alone))),
        ("plan of a pilot.alpha", together, Agreement.of_pilot(pilot, cell.per_item)),
    ):
        assert expected is not None
        width = replace(plan, agreement=expected).half_width("alpha")
        found[name, 0] = _around(_value(one), width)
    return found


def _value(found: Result) -> float:
    assert isinstance(found, Estimate), found
    return found.value


def _around(value: float, half: object) -> Estimate:
    assert isinstance(half, float), half
    return Estimate(value, value - half, value + half, 0.95, Method.NONE, 1, 1)


def _less(found: Result, truth: float) -> Result:
    if not isinstance(found, Estimate):
        return found
    low, high = (None if end is None else end - truth for end in (found.low, found.high))
    return replace(found, value=found.value - truth, low=low, high=high)
