"""How often a model would beat a baseline if its answers were as long as the baseline's: length-controlled win rate.

For each prompt x: y = 1 if the model's answer wins, 0 if the baseline's does, 1/2 for a tie;

    P(win) = 1 / (1 + exp(-(theta + phi tanh(d_x) + psi gamma_x)))

d_x: how much longer the model's answer is, over its standard deviation across prompts; gamma_x: how well others do against
the baseline on this prompt. The length term is then set to 0, and the probabilities averaged over prompts.

AlpacaEval fits gamma jointly over its leaderboard and shrinks all coefficients. Here gamma_x is the log odds of the other
models' wins on the prompt (half a win added to either side), and nothing is shrunk: where length and difficulty explain every
win there is no finite solution, and that is said.

Source: Dubois et al. (2024), Length-Controlled AlpacaEval; tatsu-lab/alpaca_eval, metrics/glm_winrate.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stats.agreement.intervals import Interval
from stats.arrays import Floats, Ints
from stats.estimate import Reason, Result, Undefined
from stats.resampling import CLUSTER_BOOTSTRAP, draws, summarise

_STEPS = 30
_FAR = 25.0
"""Log odds that no data ask for: a fit on its way to infinity."""

_CELLS = 100_000
"""Of weights that are held at once: what is computed from them should stay in the cache."""


@dataclass(frozen=True, slots=True)
class WinRate:
    """Of one model against the baseline. `n` is prompts; intervals are over prompts, with one refit per resample."""

    plain: Result
    controlled: Result
    length: Result
    """phi: log odds that a much longer answer gains over one of equal length."""
    ties: float
    """Share of prompts."""


def length_controlled_win_rate(
    score: Floats,
    length: Floats,
    prompt: Ints,
    *,
    model: int,
    baseline: int,
    margin: float = 0.0,
    interval: Interval = CLUSTER_BOOTSTRAP,
    rng: np.random.Generator,
) -> WinRate:
    """`score` (P, M): of a judge or of people; `length` (P, M): characters; `prompt` (P,) as in a Grid.

    Scores no more than `margin` apart are a tie. Prompts without scores or lengths of both models are left out.
    """
    if score.shape != length.shape or prompt.shape != score.shape[:1]:
        raise ValueError("score and length must be (rows, models), prompt (rows,)")
    if model == baseline:
        raise ValueError("a model cannot be its own baseline")
    used = np.isfinite(score[:, [model, baseline]] + length[:, [model, baseline]]).all(axis=1)
    score, length, prompt = score[used], length[used], prompt[used]
    n = int(used.sum())
    if n == 0:
        none = Undefined(Reason.NOTHING_SHARED)
        return WinRate(none, none, none, 0.0)
    won = _wins(score, baseline, margin)
    y = won[:, model]
    longer = length[:, model] - length[:, baseline]
    spread = longer.std()
    columns = [np.ones(n)]
    if spread > 0:
        columns.append(np.tanh(longer / spread))
    difficulty = _difficulty(np.delete(won, [model, baseline], axis=1))
    if np.ptp(difficulty) > 0:
        columns.append(difficulty)
    x = np.column_stack(columns)
    level = x.copy()
    level[:, 1 : 2 if spread > 0 else 1] = 0

    start = logistic(x, y, np.ones((1, n)))[0]

    def figures(weights: Floats) -> Floats:
        beta = logistic(x, y, weights, start=start)
        total = weights.sum(axis=1)
        controlled = (weights * _probability(beta @ level.T)).sum(axis=1) / total
        phi = beta[:, 1] if spread > 0 else np.full(len(weights), np.nan)
        return np.column_stack([weights @ y / total, controlled, phi])

    point, drawn = draws(figures, prompt, replicates=interval.replicates, rng=rng, block=max(1, _CELLS // n))
    plain, controlled, phi = summarise(
        point,
        drawn,
        n=n,
        why=[Reason.NO_DATA, Reason.SEPARATED, Reason.CONSTANT if spread == 0 else Reason.SEPARATED],
        units=np.unique(prompt).size,
        interval=interval,
    )
    return WinRate(plain, controlled, phi, float(np.mean(y == 0.5)))


def _wins(score: Floats, baseline: int, margin: float) -> Floats:
    """(P, M): 1, 1/2 or 0 against the baseline, NaN where there is no score."""
    ahead = score - score[:, [baseline]]
    return np.where(np.isnan(ahead), np.nan, 0.5 + 0.5 * np.sign(ahead) * (np.abs(ahead) > margin + 1e-12))


def _difficulty(others: Floats) -> Floats:
    """(P,) log odds of the other models' wins, half a win added to either side; 0 where there are none."""
    n, wins = (~np.isnan(others)).sum(axis=1), np.nansum(others, axis=1)
    return np.asarray(np.log((wins + 0.5) / (n - wins + 0.5)))


def logistic(x: Floats, y: Floats, weights: Floats, *, start: Floats | None = None) -> Floats:
    """Maximum likelihood by Newton's method: coefficients (b, k) for weights (b, n), NaN where there is no maximum.

    `x` (n, k), `y` (n,) within 0 and 1; `start` (k,) saves steps, and says nothing where it is NaN.
    """
    k = x.shape[1]
    products = (x[:, :, None] * x[:, None, :]).reshape(-1, k * k)
    beta = np.zeros((len(weights), k))
    if start is not None and np.isfinite(start).all():
        beta += start
    for _ in range(_STEPS):
        p = _probability(beta @ x.T)
        gradient = (weights * (y - p)) @ x
        curvature = ((weights * p * (1 - p)) @ products).reshape(-1, k, k)
        size = np.trace(curvature, axis1=1, axis2=2)[:, None, None] + 1e-12
        step = np.linalg.solve(curvature + 1e-10 * size * np.eye(k), gradient[:, :, None])[:, :, 0]
        beta = beta + step / np.maximum(1, np.abs(step).max(axis=1, keepdims=True) / 4)
        beta = beta.clip(-4 * _FAR, 4 * _FAR)
        if np.abs(step).max(initial=0) < 1e-10:
            break
    gradient = (weights * (y - _probability(beta @ x.T))) @ x
    found = (np.abs(gradient).max(axis=1) < 1e-7 * weights.sum(axis=1).clip(min=1)) & (
        np.abs(beta).max(axis=1) < _FAR
    )
    return np.where(found[:, None], beta, np.nan)


def _probability(log_odds: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-log_odds.clip(-500, 500))))
