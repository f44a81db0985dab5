"""Reliability of a ranking of models: would other raters of this kind have put them in the same order?

The raters of each item are split into two halves at random, each half gives every model a mean, and the two lists of
means are correlated. The halves are as reliable as half of the raters; Spearman and Brown's formula steps up to all of
them. This is about models, not items: it can be .99 where alpha is .4.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from stats.agreement.coefficients import spearman_brown
from stats.agreement.intervals import About, Interval, Method, Rows, resample
from stats.arrays import Floats, Ints
from stats.estimate import Reason, Result, Undefined

_CELLS = 8_000_000
"""Half means (prompts x models x halves x splits) that are held at once."""

_FEWEST_MODELS = 3
"""Two models are correlated with 1 or -1, whatever the raters said."""

_FEWEST_SPLITS = 10


@dataclass(frozen=True, slots=True)
class SystemReliability:
    """How reliable the means of models are, as far as raters go."""

    n_models: int
    n_prompts: int
    n_items: int
    """Items with two scores or more; only these can be split."""
    splits: int
    """Random splits that `halves` is the mean over."""
    halves: Result
    """Pearson's correlation of model means between two halves of the raters, mean over splits, as it is."""
    stepped_up: Result
    """The same for all of the raters, by Spearman and Brown: 2 r / (1 + r)."""


def system_reliability(
    *,
    item: npt.ArrayLike,
    model: npt.ArrayLike,
    prompt: npt.ArrayLike,
    value: npt.ArrayLike,
    splits: int = 200,
    level: float = 0.95,
    rng: np.random.Generator,
) -> SystemReliability:
    """From one row per score: `item`, `model` and `prompt` (n,) any integers, `value` (n,) in the units of the axis.

    A half's mean of a model is the mean over items of the half's mean of the item, so that every item counts once. An
    odd rater goes to either half by chance. The interval is a jackknife over prompts on Fisher's scale, z = artanh r,
    with the same splits throughout. (Resampled prompts would not do: they add the noise of prompts a second time, and
    correlations of means fall.) Raises ValueError for lists of different lengths and an item of two models or prompts.
    """
    items, models, prompts = (np.asarray(of, dtype=np.int64) for of in (item, model, prompt))
    values = np.asarray(value, dtype=np.float64)
    if not items.shape == models.shape == prompts.shape == values.shape or items.ndim != 1:
        raise ValueError("item, model, prompt and value must be lists of one length")
    _, of_item, n_scores = np.unique(items, return_inverse=True, return_counts=True)
    kept = n_scores[of_item] >= 2
    if not kept.any():
        why = Reason.SINGLE_RATINGS if items.size else Reason.NO_SCORES
        return SystemReliability(0, 0, 0, 0, Undefined(why), Undefined(why))
    _, of_item, n_scores = np.unique(items[kept], return_inverse=True, return_counts=True)
    model_keys, of_model = np.unique(models[kept], return_inverse=True)
    prompt_keys, of_prompt = np.unique(prompts[kept], return_inverse=True)
    n_models, n_prompts, n_items = model_keys.size, prompt_keys.size, n_scores.size
    cell = np.zeros(n_items, np.int64)
    cell[of_item] = of_prompt * n_models + of_model
    if not np.array_equal(cell[of_item], of_prompt * n_models + of_model):
        raise ValueError("an item is of two models or prompts")

    splits = max(min(splits, _CELLS // (2 * n_prompts * n_models)), min(splits, _FEWEST_SPLITS))
    shape = (n_prompts, n_models)
    there = np.bincount(cell, minlength=n_prompts * n_models).reshape(shape).astype(np.float64)
    sums = [there]
    by_size = _by_size(of_item, n_scores)
    for _ in range(splits):
        first, second = _halves(by_size, values[kept] - values[kept].mean(), n_items, rng)
        for half in (first, second):
            sums.append(np.bincount(cell, half, n_prompts * n_models).astype(np.float64).reshape(shape))

    about = About(n_items, _why_none(n_models, sums), -np.inf, np.inf)
    [found] = resample(
        Rows(np.concatenate(sums, axis=1), np.ones(n_prompts, np.int64), copies=4),
        lambda of: _fisher_z(of, n_models),
        [about],
        interval=Interval(Method.CLUSTER_JACKKNIFE, level=level),
    )
    halves, stepped_up = (_on_scale_of_r(found, k) for k in (1, 2))
    return SystemReliability(n_models, n_prompts, n_items, splits, halves, stepped_up)


def _by_size(of_item: Ints, n_scores: Ints) -> list[tuple[Ints, Ints]]:
    """For each number of scores: the items that have so many, and where each one's scores are (items, scores)."""
    order = np.argsort(of_item, kind="stable")
    start = np.cumsum(n_scores) - n_scores
    return [
        (which, order[start[which][:, None] + np.arange(size)])
        for size in np.unique(n_scores)
        for which in [np.flatnonzero(n_scores == size)]
    ]


def _halves(
    by_size: list[tuple[Ints, Ints]], values: Floats, n_items: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """(n_items,) the mean of each item's scores in either half of a random split."""
    first, second = np.empty(n_items), np.empty(n_items)
    for which, rows in by_size:
        size = rows.shape[1]
        shuffled = rng.permuted(values[rows], axis=1)
        half = size // 2
        one, other = shuffled[:, :half].mean(axis=1), shuffled[:, half:].mean(axis=1)
        swap = rng.random(which.size) < 0.5 if size % 2 else np.zeros(which.size, bool)
        first[which], second[which] = np.where(swap, other, one), np.where(swap, one, other)
    return first, second


def _fisher_z(sums: Floats, n_models: int) -> Floats:
    """(b, 1) artanh of the mean correlation, from sums over prompts (b, models + models x halves x splits)."""
    if n_models < _FEWEST_MODELS:
        return np.full((len(sums), 1), np.nan)
    items = sums[:, None, None, :n_models]
    means = sums[:, n_models:].reshape(len(sums), -1, 2, n_models) / np.where(items > 0, items, np.nan)
    means = means - means.mean(axis=-1, keepdims=True)
    first, second = means[:, :, 0], means[:, :, 1]
    squares = np.sum(first**2, axis=-1) * np.sum(second**2, axis=-1)
    r = np.sum(first * second, axis=-1) / np.sqrt(np.where(squares > _ROUNDING, squares, np.nan))
    varied = ~np.isnan(r)  # by chance, a half may give all models one mean
    mean = np.where(varied, r, 0).sum(axis=1) / np.where(varied.any(axis=1), varied.sum(axis=1), np.nan)
    z: Floats = np.arctanh(mean.clip(-_MOST, _MOST))[:, None]
    return z


_ROUNDING = 1e-24
"""Spread of model means, to the fourth power, that is none."""

_MOST = 1 - 1e-12
"""Where artanh ends."""


def _why_none(n_models: int, sums: list[Floats]) -> Reason:
    if n_models == 1:
        return Reason.ONE_MODEL
    return Reason.NOT_ENOUGH if n_models < _FEWEST_MODELS else Reason.CONSTANT


def _on_scale_of_r(found: Result, k: int) -> Result:
    """From Fisher's z of r to the reliability of `k` halves."""
    if isinstance(found, Undefined):
        return found

    def back(z: float) -> float:
        return float(spearman_brown(float(np.tanh(z)), k))

    ends = (None, None) if found.low is None or found.high is None else (back(found.low), back(found.high))
    return replace(found, value=back(found.value), low=ends[0], high=ends[1])
