"""Bradley-Terry: one strength for each model, from who beat whom.

P(m beats n) = 1 / (1 + exp(-(b_m - b_n))); a tie is half a win each. Source: Bradley and Terry (1952), Rank analysis of
incomplete block designs; on when there is a solution, Ford (1957), Solution of a ranking problem from binary comparisons.

Where every model answered every prompt, strengths add nothing to mean scores: they are for verdicts on pairs and for grids
with gaps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special

from stats.agreement.intervals import Interval
from stats.arrays import Bools, Floats
from stats.estimate import Reason, Result, Undefined
from stats.ranking.battles import Battles
from stats.resampling import CLUSTER_BOOTSTRAP, draws, summarise

Scale = Literal["natural", "elo"]

ELO = 400 / math.log(10)
"""Elo points of one unit of strength (a log-odds): 173.7."""

ELO_BASE = 1000.0
"""Elo of a model of strength 0: the mean of all, or the anchor."""

_STEPS = 100
_LONGEST = 3.0
"""What a strength may change by in one step, so that far-off starts do not overshoot."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """Strengths of M models and how they came about."""

    variant: str
    """The model in full: ties, where 0 is, the scale, and the prior if there is one."""
    strengths: list[Result]
    """Of each model. The anchor's own has no interval: it is fixed."""
    probabilities: dict[tuple[int, int], Result]
    """P(m beats n), m < n, where asked for; from the same resamples."""
    groups: tuple[tuple[int, ...], ...]
    """Models between which strengths can be compared: one group if there is a solution. With several, the first has beaten
    the later ones always, or has never met them."""
    n_battles: int
    separated_replicates: int
    """Resamples without a solution. With more than 5 % of them there is no interval."""


def bradley_terry(
    battles: Battles,
    *,
    anchor: int | None = None,
    scale: Scale = "natural",
    prior: float = 0.0,
    probabilities: bool = False,
    interval: Interval = CLUSTER_BOOTSTRAP,
    rng: np.random.Generator,
) -> Ranking:
    """Strengths with intervals from a bootstrap over prompts.

    Prompts are drawn and not battles: the battles of one prompt share responses, and drawn one by one would give intervals
    that are too narrow. Mean 0, or `anchor` at 0; on the scale "elo" 400 / ln 10 times that, plus 1000.

    `prior`: 0 for maximum likelihood. Else `prior` times the sum of squared strengths is taken off the log-likelihood, which
    is a normal prior with standard deviation sqrt(1 / (2 prior)) and choix's `alpha`: then there is always a solution, and it
    is drawn towards 0.

    Undefined: NO_SCORES for a model without a battle, ONE_MODEL, SEPARATED when some models beat the rest always (their
    strengths are infinite), NOT_COMPARED when some never met the rest.
    """
    if prior < 0:
        raise ValueError("a prior's weight is 0 or more")
    if anchor is not None and not 0 <= anchor < battles.n_models:
        raise ValueError(f"no model {anchor} to anchor at")
    met = battles.met
    models = np.flatnonzero(met)
    point = battles.wins()[0][np.ix_(models, models)]
    variant = _variant(anchor, scale, prior)
    per_model = np.bincount(np.r_[battles.first, battles.second], minlength=battles.n_models)
    groups = tuple(tuple(int(models[i]) for i in group) for group in _groups(point))
    why = _why_not(battles, point, prior, anchor)
    if why is not None:
        undefined: list[Result] = [
            Undefined(why if met[m] or battles.n_models == 1 else Reason.NO_SCORES, int(per_model[m]))
            for m in range(battles.n_models)
        ]
        return Ranking(variant, undefined, {}, groups, len(battles), 0)

    pairs = [(m, n) for m in range(models.size) for n in range(m + 1, models.size)] if probabilities else []
    factor, base = (ELO, ELO_BASE) if scale == "elo" else (1.0, 0.0)
    zero = None if anchor is None else int(np.searchsorted(models, anchor))

    def figures(weights: Floats) -> Floats:
        fitted = fit(battles.wins(weights)[:, models[:, None], models], prior=prior)
        beats = [special.expit(fitted[:, m] - fitted[:, n]) for m, n in pairs]
        if zero is not None:
            fitted = fitted - fitted[:, [zero]]
        return np.column_stack([base + factor * fitted, *beats])

    prompts, _ = battles.rows
    values, drawn = draws(figures, prompts, replicates=interval.replicates, rng=rng)
    n = [int(per_model[m]) for m in models] + [int(point[m, n] + point[n, m]) for m, n in pairs]
    found = summarise(values, drawn, n=n, why=Reason.NOT_CONVERGED, units=prompts.size, interval=interval)
    strengths: list[Result] = [Undefined(Reason.NO_SCORES)] * battles.n_models
    for place, m in enumerate(models):
        strengths[m] = found[place]
    return Ranking(
        variant=variant,
        strengths=strengths,
        probabilities={
            (int(models[m]), int(models[n])): result
            for (m, n), result in zip(pairs, found[models.size :], strict=True)
        },
        groups=groups,
        n_battles=len(battles),
        separated_replicates=int(np.isnan(drawn[:, 0]).sum()),
    )


def _variant(anchor: int | None, scale: Scale, prior: float) -> str:
    zero = f"{ELO_BASE:g}" if scale == "elo" else "0"
    parts = ["Bradley-Terry", "ties half a win each"]
    parts.append(f"mean {zero}" if anchor is None else f"model {anchor} at {zero}")
    if scale == "elo":
        parts.append("Elo scale (400 / ln 10)")
    if prior:
        parts.append(f"normal prior with SD {math.sqrt(1 / (2 * prior)):.3g}")
    return ", ".join(parts)


def _why_not(battles: Battles, wins: Floats, prior: float, anchor: int | None) -> Reason | None:
    """Why there are no strengths."""
    if battles.n_models == 1:
        return Reason.ONE_MODEL
    if len(battles) == 0:
        return Reason.NO_SCORES
    if anchor is not None and not battles.met[anchor]:
        return Reason.NOT_COMPARED
    if prior:
        return None
    if not strongly_connected((wins + wins.T)[None])[0]:
        return Reason.NOT_COMPARED
    return None if strongly_connected(wins[None])[0] else Reason.SEPARATED


def fit(wins: Floats, *, prior: float = 0.0) -> Floats:
    """(b, M) strengths with mean 0 for b win tables (b, M, M); NaN where a table has no solution.

    Newton's method on the log-likelihood sum_mn w_mn ln P(m beats n) - prior sum_m b_m^2, which is concave. Its gradient is
    wins won less wins expected, its Hessian the Laplacian of the information n_mn p_mn p_nm; adding 1 / M to every cell fixes
    the mean at 0, which nothing else does.
    """
    b, m = wins.shape[:2]
    games = wins + wins.transpose(0, 2, 1)
    strengths = np.zeros((b, m))
    active = np.flatnonzero(strongly_connected(wins)) if prior == 0 else np.arange(b)
    strengths[np.setdiff1d(np.arange(b), active)] = np.nan
    likelihood = _log_likelihood(wins[active], strengths[active], prior)
    tolerance = 1e-10 * np.maximum(1, games.sum(axis=(1, 2)))
    diagonal = np.arange(m)
    for _ in range(_STEPS):
        if active.size == 0:
            return strengths
        now, played = strengths[active], games[active]
        p = special.expit(now[:, :, None] - now[:, None, :])
        gradient = (wins[active] - played * p).sum(axis=2) - 2 * prior * now
        information = played * p * (1 - p)
        hessian = 1 / m - information
        hessian[:, diagonal, diagonal] += information.sum(axis=2) + 2 * prior
        step = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
        step *= np.minimum(1, _LONGEST / np.maximum(np.abs(step).max(axis=1, initial=0), 1e-300))[:, None]
        for _halving in range(30):
            reached = _log_likelihood(wins[active], now + step, prior)
            worse = reached < likelihood - 1e-12 * np.abs(likelihood)
            if not worse.any():
                break
            step[worse] /= 2
        after = now + step
        strengths[active] = after - after.mean(axis=1, keepdims=True)
        left = np.abs(gradient).max(axis=1, initial=0) > tolerance[active]
        active, likelihood = active[left], reached[left]
    strengths[active] = np.nan
    return strengths


def _log_likelihood(wins: Floats, strengths: Floats, prior: float) -> Floats:
    """(b,) up to a constant."""
    ahead = strengths[:, :, None] - strengths[:, None, :]
    likelihood: Floats = -(wins * np.logaddexp(0, -ahead)).sum(axis=(1, 2)) - prior * np.square(
        strengths
    ).sum(axis=1)
    return likelihood


def strongly_connected(wins: Floats) -> Bools:
    """(b,) whether each model can be reached from each other along wins: then, and only then, is there a solution."""
    reached = _reached(wins)
    connected: Bools = np.logical_and.reduce(reached, axis=(1, 2))
    return connected


def _reached(wins: Floats) -> Bools:
    """(b, M, M) whom one beat, or beat one who beat, or …; oneself always."""
    m = wins.shape[1]
    reached: Bools = np.asarray(wins > 0, dtype=bool)
    reached[:, np.arange(m), np.arange(m)] = True
    for _ in range(max(1, (m - 1).bit_length())):
        step = reached.astype(np.float32)
        reached[...] = step @ step > 0
    return reached


def _groups(wins: Floats) -> list[list[int]]:
    """Models that each reach each other along wins, those first who reach the most."""
    reached = _reached(wins[None])[0]
    mutual = reached & reached.T
    found = {tuple(np.flatnonzero(row).tolist()) for row in mutual}
    return [list(group) for group in sorted(found, key=lambda group: (-reached[group[0]].sum(), group))]
