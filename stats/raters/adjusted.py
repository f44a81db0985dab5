"""Means of items and of models with severity taken out, beside the plain ones.

An item that happened to get two severe raters looks worse than it is. The adjusted mean of an item is that of v - s over its
raters; of a model, the mean over its items, each counted once.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from scipy import special

from stats.arrays import Bools, Floats, Ints
from stats.estimate import Reason, Result, Undefined
from stats.raters.clusters import LEVEL, ByRater, results
from stats.raters.ratings import Scored
from stats.raters.severity import Severity, prompt_sums, residuals, severity

_CELLS = 4_000_000
"""Of prompts by models that are held at once."""


@dataclass(frozen=True)
class ItemMeans:
    """(I,) each; NaN for an item without a score."""

    value: Floats
    low: Floats
    high: Floats
    n: Ints
    """Scores that the mean is of."""
    level: float


def item_means(scored: Scored, of: Severity | None = None, *, level: float = LEVEL) -> ItemMeans:
    """Means of items, severity taken out if `of` is given, with the interval of value +- t sqrt(variance / n_i).

    The variance of a single score is pooled over items: what is left after items and severities, or, in plain means, after
    items alone, so that severity counts as error there. It takes all raters for equally noisy. NaN ends where no item has two
    scores. Raters who share nothing have no severity, and are left out of adjusted means. Raises ValueError if raters are not
    connected: adjusted means of different groups do not compare.
    """
    if of is not None and not of.connected:
        raise ValueError("raters fall into groups that share no item: their severities do not compare")
    used = _used(scored, of)
    value = scored.value - (0.0 if of is None else np.nan_to_num(of.effect)[scored.rater])
    n = np.bincount(scored.item[used], minlength=scored.n_items)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(scored.item[used], weights=value[used], minlength=scored.n_items) / n
    if of is None:
        within = scored.value - scored.item_mean
        degrees = scored.value.size - int((n > 0).sum())
        variance = float(within @ within) / degrees if degrees > 0 else np.nan
    else:
        degrees, variance = of.degrees, of.residual_variance
    with np.errstate(invalid="ignore", divide="ignore"):
        half = special.stdtrit(max(degrees, 1), 0.5 + level / 2) * np.sqrt(variance / n)
    return ItemMeans(mean, mean - half, mean + half, n, level)


def model_means(
    scored: Scored, of: Severity | None = None, *, n_models: int | None = None, level: float = LEVEL
) -> list[Result]:
    """Means of models (M,), severity taken out if `of` is given, with intervals over prompts.

    Linearised and clustered by prompt (`stats.raters.clusters`). That severities were estimated from the same prompts is part
    of the error: with c_mr the share of r in model m's mean, prompt p moves it by (A^+ c_m)' g_p less. Undefined
    (`not_connected`) if raters fall into groups that share nothing.
    """
    if scored.model is None:
        raise ValueError("means of models need the model of each score")
    many = int(scored.model.max(initial=-1)) + 1 if n_models is None else n_models
    used = _used(scored, of)
    items = np.flatnonzero(np.bincount(scored.item[used], minlength=scored.n_items))
    if of is not None and not of.connected:
        per_model = np.bincount(_of_items(scored, scored.model)[items], minlength=many)
        return [Undefined(Reason.NOT_CONNECTED, n) for n in per_model.tolist()]
    value = item_means(scored, of).value[items]
    model, prompt = _of_items(scored, scored.model)[items], _of_items(scored, scored.prompt)[items]
    rows = np.argsort(model * (int(prompt.max(initial=0)) + 1) + prompt, kind="stable")
    value, model, prompt = value[rows], model[rows], prompt[rows]
    by = ByRater(model, prompt, many)
    mean = by.mean(value)
    influence = value - mean[model]
    if of is None:
        return by.results(mean, influence, level=level, why=Reason.NO_SCORES)

    n_items = np.maximum(by.n, 1)
    squares = np.zeros(many)
    share = _shares(scored, used, many) / n_items[:, None]
    pull = of.inverse @ share.T  # (R, M)
    which, of_prompt, sums = by.cells(influence)
    who, with_prompt, residual = prompt_sums(scored, residuals(scored, of.effect))
    prompts = int(scored.prompt.max(initial=-1)) + 1
    block = min(max(1, _CELLS // max(many, 1)), prompts)
    for start in range(0, prompts, max(block, 1)):
        moved = np.zeros((block, many))
        here = (of_prompt >= start) & (of_prompt < start + block)
        moved[of_prompt[here] - start, which[here]] = sums[here] / n_items[which[here]]
        here = (with_prompt >= start) & (with_prompt < start + block)
        for m in range(many):
            moved[:, m] -= np.bincount(
                with_prompt[here] - start, weights=residual[here] * pull[who[here], m], minlength=block
            )
        squares += (moved**2).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.sqrt(squares * by.units / (by.units - 1))
    return results(mean, error, n=by.n, units=by.units, level=level, why=Reason.NO_SCORES)


@dataclass(frozen=True)
class ModelMeans:
    """Means of models (M,) four times: as they are and with severity taken out, with all raters and without some."""

    plain: list[Result]
    adjusted: list[Result]
    plain_without: list[Result]
    adjusted_without: list[Result]
    left_out: tuple[int, ...]
    """Raters that are left out in the last two."""


def means_with_and_without(
    scored: Scored,
    left_out: Collection[int],
    *,
    of: Severity | None = None,
    n_models: int | None = None,
    level: float = LEVEL,
) -> ModelMeans:
    """What leaving out raters, such as flagged ones, does to the means. Severities are estimated anew without them."""
    if scored.model is None:
        raise ValueError("means of models need the model of each score")
    many = int(scored.model.max(initial=-1)) + 1 if n_models is None else n_models
    whole = severity(scored) if of is None else of
    plain = model_means(scored, n_models=many, level=level)
    adjusted = model_means(scored, whole, n_models=many, level=level)
    if not left_out:
        return ModelMeans(plain, adjusted, plain, adjusted, ())
    rest = scored.kept(~np.isin(scored.rater, list(left_out)))
    return ModelMeans(
        plain,
        adjusted,
        model_means(rest, n_models=many, level=level),
        model_means(rest, severity(rest), n_models=many, level=level),
        tuple(sorted(left_out)),
    )


def _used(scored: Scored, of: Severity | None) -> Bools:
    """(n,) scores that enter a mean."""
    if of is None:
        return np.ones(scored.value.size, dtype=bool)
    return np.asarray(~np.isnan(of.effect)[scored.rater])


def _of_items(scored: Scored, x: Ints) -> Ints:
    """(n,) of rows to (I,) of items."""
    found = np.zeros(scored.n_items, dtype=np.int64)
    found[scored.item] = x
    return found


def _shares(scored: Scored, used: Bools, n_models: int) -> Floats:
    """(M, R) sum over a model's items of what each rater weighs in them."""
    assert scored.model is not None
    n = np.bincount(scored.item[used], minlength=scored.n_items)
    cell = scored.model[used] * scored.n_raters + scored.rater[used]
    weight = 1 / n[scored.item[used]]
    shares = np.bincount(cell, weights=weight, minlength=n_models * scored.n_raters)
    return np.asarray(shares, dtype=np.float64).reshape(n_models, scored.n_raters)
