"""One judge beside people on one axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np

from exports.comparison.reading import Asked, JudgedAxis
from projects.models import Axis
from stats.agreement.intervals import Interval
from stats.arrays import Floats, Ints
from stats.estimate import Estimate, Reason, Result, Undefined
from stats.judges.alt_test import AltTest
from stats.judges.bias import LengthBias, length_bias
from stats.judges.family import OwnFamily, own_family
from stats.judges.figures import FigureSet, measure
from stats.judges.grid import Grid
from stats.judges.length_control import WinRate, length_controlled_win_rate
from stats.judges.levels import system_means
from stats.judges.panel import JudgePanel, judge_panel
from stats.judges.ppi import PPI, ppi_models
from stats.judges.separability import Separability, separability
from stats.ranking import Battles, Ranking, bradley_terry


@dataclass(frozen=True, slots=True)
class ModelMeans:
    """A model's mean over the responses that both sides scored."""

    model: str
    n: int
    human: Result
    judge: Result


@dataclass(frozen=True, slots=True)
class WinRates:
    """How often a model beats the baseline by people's scores and by the judge's, as it is and with length taken out."""

    model: str
    baseline: str
    human: WinRate
    judge: WinRate


@dataclass(frozen=True, slots=True)
class AxisComparison:
    judged: JudgedAxis
    grid: Grid
    asked: Asked
    failure_rate: Result
    """Share of the times that the judge was asked in vain, repeats included."""
    repeats: int
    """The most scores that the judge gave to one response."""
    means: tuple[ModelMeans, ...]
    panel: JudgePanel
    alt_test: AltTest
    separability: Separability
    human_strengths: Ranking
    judge_strengths: Ranking
    length: LengthBias
    style: LengthBias
    """The same with marks of style in the regression."""
    own: tuple[str, ...]
    """Models of the judge's own family, as far as they are here."""
    own_family: OwnFamily | None
    """None where no model was said to be of the family."""
    ppi: tuple[PPI, ...]
    """Of each model: its mean over all responses that the judge scored."""
    win_rates: tuple[WinRates, ...]
    """Against the baseline, where one was named."""


def compare_on_axis(
    judged: JudgedAxis,
    judge: int,
    *,
    alt_test: AltTest,
    own: Sequence[str],
    baseline: str = "",
    interval: Interval,
    rng: np.random.Generator,
) -> AxisComparison:
    """Everything about the judge at that place. Parts draw one after the other from `rng`, in a fixed order.

    On an axis whose points have no order only the confusion table, the alternative annotator test and failures make sense.
    """
    grid, asked = judged.grids[judge], judged.asked[judge]
    shared = grid.shared()
    families = ["own" if model in own else "other" for model in judged.models]
    found = AxisComparison(
        judged=judged,
        grid=grid,
        asked=asked,
        failure_rate=failure_rate(asked, grid.prompt, interval, rng),
        repeats=_repeats(grid),
        means=_means(judged.models, shared, interval, rng),
        panel=judge_panel(grid, interval=interval, rng=rng),
        alt_test=alt_test,
        separability=separability(grid, interval=interval, rng=rng),
        human_strengths=_strengths(shared, shared.human, interval, rng),
        judge_strengths=_strengths(shared, shared.judge, interval, rng),
        length=length_bias(grid, interval=interval, rng=rng),
        style=length_bias(grid, style=judged.style, interval=interval, rng=rng),
        own=tuple(model for model in judged.models if model in own),
        own_family=own_family(grid, families, "own", interval=interval, rng=rng) if own else None,
        ppi=tuple(ppi_models(grid, level=interval.level)),
        win_rates=_win_rates(judged.models, shared, baseline, interval, rng),
    )
    return found if judged.axis.kind != Axis.Kind.NOMINAL else _without_order(found)


def _without_order(found: AxisComparison) -> AxisComparison:
    kept = {name: getattr(found, name) for name in ("judged", "grid", "asked", "failure_rate", "alt_test")}
    changed = {
        one.name: _not_ordered(getattr(found, one.name)) for one in fields(found) if one.name not in kept
    }
    panel: JudgePanel = replace(changed.pop("panel"), confusion=found.panel.confusion)
    return replace(found, panel=panel, **changed)


def _not_ordered(value: Any) -> Any:
    """The same without its figures."""
    if isinstance(value, Estimate | Undefined):
        return Undefined(Reason.NOT_ORDERED, value.n)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{one.name: _not_ordered(getattr(value, one.name)) for one in fields(value)})
    if isinstance(value, tuple | list):
        return type(value)(_not_ordered(part) for part in value)
    if isinstance(value, dict):
        return {name: _not_ordered(part) for name, part in value.items()}
    return value


def failure_rate(asked: Asked, prompt: Ints, interval: Interval, rng: np.random.Generator) -> Result:
    """Share of attempts in vain; `prompt`: of each row of `asked`."""
    tried = asked.asked > 0
    if not tried.any():
        return Undefined(Reason.NO_SCORES)

    def rate(weights: Floats) -> Floats:
        return ((weights @ asked.failed[tried]) / (weights @ asked.asked[tried]))[:, None]

    one = FigureSet(("rate",), rate, (asked.n,), (Reason.NO_SCORES,), bounds=(0, 1))
    return measure([one], prompt[tried], interval=interval, rng=rng)["rate"]


def _repeats(grid: Grid) -> int:
    return 0 if grid.repeats is None else int((~np.isnan(grid.repeats)).sum(axis=2).max(initial=0))


def _means(
    models: Sequence[str], shared: Grid, interval: Interval, rng: np.random.Generator
) -> tuple[ModelMeans, ...]:
    """With intervals over prompts, from the same resamples for both sides and all models."""
    counts = shared.both.sum(axis=0)
    present = np.flatnonzero(counts)

    def of(weights: Floats) -> Floats:
        human, judge, known = system_means(shared, weights)
        return np.where(np.tile(known, 2), np.concatenate([human, judge], axis=1), np.nan)

    m = len(models)
    figures = FigureSet(
        tuple(f"{side}.{place}" for side in ("human", "judge") for place in range(m)),
        of,
        tuple(int(n) for n in np.tile(counts, 2)),
        (Reason.NOTHING_SHARED,) * (2 * m),
    )
    found = measure([figures], shared.prompt, interval=interval, rng=rng) if present.size else {}
    return tuple(
        ModelMeans(models[place], int(counts[place]), found[f"human.{place}"], found[f"judge.{place}"])
        for place in present.tolist()
    )


def _strengths(shared: Grid, scores: Floats, interval: Interval, rng: np.random.Generator) -> Ranking:
    """Bradley-Terry from a battle for each prompt and pair of models, over the cells that both sides scored."""
    table = np.where(shared.both, scores, np.nan)
    return bradley_terry(Battles.from_scores(table, shared.prompt), interval=interval, rng=rng)


def _win_rates(
    models: Sequence[str], shared: Grid, baseline: str, interval: Interval, rng: np.random.Generator
) -> tuple[WinRates, ...]:
    if baseline not in models or shared.length is None:
        return ()
    length = shared.length
    of = models.index(baseline)

    def against(score: Floats, place: int) -> WinRate:
        return length_controlled_win_rate(
            np.where(shared.both, score, np.nan),
            length,
            shared.prompt,
            model=place,
            baseline=of,
            interval=interval,
            rng=rng,
        )

    return tuple(
        WinRates(model, baseline, against(shared.human, place), against(shared.judge, place))
        for place, model in enumerate(models)
        if place != of
    )
