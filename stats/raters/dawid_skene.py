"""Dawid and Skene's model of labellers, for labels without an order.

Each item has one true label; rater r gives label l to an item of true label c with probability pi_rcl; raters err
independently. Expectation-maximisation finds the most likely prevalences and confusion tables, and with them how likely each
label is for each item. Dawid & Skene (1979).

Not for scores: it knows no order, so 4 for 5 is as wrong as 1 for 5, and it takes whoever presses the modal point for
skilled. On simulated five-point scores its labels correlated with the truth by .73, plain means by .76. And not for two raters
an item, which cannot tell whose error it was.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stats.arrays import Bools, Floats, Ints
from stats.estimate import Reason, Result, Undefined
from stats.raters.clusters import LEVEL, ByRater, Scale

FEWEST_RATERS = 3
"""Labels that an item needs to take part."""


@dataclass(frozen=True)
class DawidSkene:
    """Of I items, R raters, k labels."""

    posterior: Floats
    """(I, k) how likely each label is; NaN for an item that took no part."""
    prevalence: Floats
    """(k,) of the labels."""
    confusion: Floats
    """(R, k, k) probability of each label given (last), by true label."""
    accuracy: list[Result]
    """(R,) share of a rater's labels that are right, given the posterior; intervals clustered by prompt."""
    objective: Floats
    """Log-likelihood plus log-prior after each step of the best start: never falls."""
    log_likelihood: float
    n_items: int
    """Items that took part."""
    n_left_out: int
    """Items with fewer than three labels."""

    def labels(self) -> Ints:
        """(I,) the likeliest label of each item, -1 where it took no part."""
        known = ~np.isnan(self.posterior[:, 0])
        return np.where(known, np.nan_to_num(self.posterior).argmax(axis=1), -1)


def dawid_skene(
    *,
    item: Ints,
    rater: Ints,
    label: Ints,
    n_labels: int,
    ordered: bool,
    prompt: Ints | None = None,
    smoothing: float = 0.1,
    starts: int = 5,
    steps: int = 500,
    tolerance: float = 1e-8,
    level: float = LEVEL,
    rng: np.random.Generator,
) -> DawidSkene | Undefined:
    """From labels (n,) as indices 0 … k - 1, with their items and raters as indices.

    `smoothing`: pseudo-counts in each cell of the confusion tables and for each prevalence, so that a label that a rater never
    gave is not impossible. The first start is the vote, the others are votes shaken by `rng`; the best one counts.

    Raises ValueError for an axis with an order. Undefined: (`anonymous`) without persons, (`no_scores`) without labels,
    (`not_enough`) where no item has three labels, (`not_converged`) when no start came to rest.
    """
    if ordered:
        raise ValueError("Dawid-Skene is for labels without an order; scores have means and severities")
    if not (item.shape == rater.shape == label.shape):
        raise ValueError(f"{item.size} items, {rater.size} raters and {label.size} labels")
    if not smoothing > 0:
        raise ValueError(f"smoothing is above 0, not {smoothing}")
    if label.size == 0:
        return Undefined(Reason.NO_SCORES)
    if label.min() < 0 or label.max() >= n_labels:
        raise ValueError(f"labels are 0 to {n_labels - 1}")
    n_items = int(item.max()) + 1
    if (rater < 0).any():
        return Undefined(Reason.ANONYMOUS, n_items)
    n_raters = int(rater.max()) + 1
    per_item = np.bincount(item, minlength=n_items)
    enough: Bools = per_item >= FEWEST_RATERS
    taking_part = enough[item]
    if not taking_part.any():
        return Undefined(Reason.NOT_ENOUGH, int((per_item > 0).sum()))
    of = _Labels(item[taking_part], rater[taking_part], label[taking_part], n_items, n_raters, n_labels)
    votes = np.bincount(of.item * n_labels + of.label, minlength=n_items * n_labels).reshape(
        n_items, n_labels
    )
    vote = votes / np.maximum(per_item, 1)[:, None]
    best: tuple[Floats, Floats, Floats, list[float]] | None = None
    for start in range(max(starts, 1)):
        begin = vote if start == 0 else 0.5 * vote + 0.5 * rng.dirichlet(np.ones(n_labels), n_items)
        run = _climb(of, begin, enough, smoothing, steps, tolerance)
        if run is not None and (best is None or run[3][-1] > best[3][-1] + 1e-9):
            best = run
    if best is None:
        return Undefined(Reason.NOT_CONVERGED, int(enough.sum()))
    posterior, prevalence, confusion, trace = best
    log_likelihood = trace[-1] - _log_prior(prevalence, confusion, smoothing)
    right = posterior[of.item, of.label]
    prompts = of.item if prompt is None else prompt[taking_part]
    rows = np.lexsort((prompts, of.rater))
    by = ByRater(of.rater[rows], prompts[rows], n_raters)
    share = by.mean(right[rows])
    return DawidSkene(
        posterior=np.where(enough[:, None], posterior, np.nan),
        prevalence=prevalence,
        confusion=confusion,
        accuracy=by.results(
            share,
            right[rows] - share[by.rater],
            scale=Scale.SHARE,
            level=level,
            why=Reason.NO_SCORES,
        ),
        objective=np.array(trace),
        log_likelihood=log_likelihood,
        n_items=int(enough.sum()),
        n_left_out=int(((per_item > 0) & ~enough).sum()),
    )


@dataclass(frozen=True)
class _Labels:
    item: Ints
    rater: Ints
    label: Ints
    n_items: int
    n_raters: int
    k: int


def _climb(
    of: _Labels, posterior: Floats, enough: Bools, smoothing: float, steps: int, tolerance: float
) -> tuple[Floats, Floats, Floats, list[float]] | None:
    """From a first guess of the posterior (I, k) to a maximum: posterior, prevalence, confusion and the way there."""
    posterior = np.where(enough[:, None], posterior, 0.0)
    trace: list[float] = []
    for _ in range(steps):
        prevalence, confusion = _maximise(of, posterior, smoothing)
        posterior, log_likelihood = _expect(of, prevalence, confusion, enough)
        trace.append(log_likelihood + _log_prior(prevalence, confusion, smoothing))
        if len(trace) > 1 and trace[-1] - trace[-2] < tolerance * (1 + abs(trace[-1])):
            return posterior, prevalence, confusion, trace
    return None


def _maximise(of: _Labels, posterior: Floats, smoothing: float) -> tuple[Floats, Floats]:
    prevalence = posterior.sum(axis=0) + smoothing
    cell = of.rater * of.k + of.label
    confusion = np.stack(
        [
            np.bincount(cell, weights=posterior[of.item, c], minlength=of.n_raters * of.k).reshape(
                of.n_raters, of.k
            )
            for c in range(of.k)
        ],
        axis=1,
    )
    smoothed = np.asarray(confusion, dtype=np.float64) + smoothing
    return prevalence / prevalence.sum(), smoothed / smoothed.sum(axis=2, keepdims=True)


def _expect(of: _Labels, prevalence: Floats, confusion: Floats, enough: Bools) -> tuple[Floats, float]:
    logs = np.log(confusion)
    joint = np.stack(
        [
            np.bincount(of.item, weights=logs[of.rater, c, of.label], minlength=of.n_items)
            for c in range(of.k)
        ],
        axis=1,
    ) + np.log(prevalence)
    top = joint.max(axis=1, keepdims=True)
    likelihood = np.exp(joint - top)
    total = likelihood.sum(axis=1, keepdims=True)
    posterior = np.where(enough[:, None], likelihood / total, 0.0)
    return posterior, float((top + np.log(total))[enough].sum())


def _log_prior(prevalence: Floats, confusion: Floats, smoothing: float) -> float:
    """Of Dirichlet distributions with 1 + smoothing, but for a constant."""
    return smoothing * float(np.log(prevalence).sum() + np.log(confusion).sum())
