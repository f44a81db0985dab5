"""Severity: how far above or below other raters somebody scores the same items.

Two-way least squares v_ir = mu_i + s_r + e_ir with sum_r s_r = 0; s > 0 is lenient. Items drop out of the normal equations,
and a system of the size of the raters remains: A s = b, A_rr = sum_q w_rq, A_rq = -w_rq, b_r = sum_q d_rq, with the sums over
pairs of `stats.raters.pairs`. A is the Laplacian of the graph of shared items: where it falls into components, severities
are measured against one's own component, and nothing compares one component with another.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from stats.arrays import Bools, Floats, Ints
from stats.estimate import Estimate, Reason, Result, Undefined
from stats.raters.clusters import LEVEL, ByRater, RaterMethod, results
from stats.raters.pairs import PairSums, pair_sums
from stats.raters.ratings import Scored

ALONE = -1
"""The component of a rater who shares no item with anybody."""


@dataclass(frozen=True)
class Severity:
    """Of R raters, in the units of the axis."""

    estimates: list[Result]
    """Undefined (`nothing_shared`) for a rater who shares no item with anybody."""
    effect: Floats
    """(R,) the same as numbers, NaN where undefined."""
    component: Ints
    """(R,) which group of linked raters somebody belongs to, the largest first; `ALONE` for who shares nothing."""
    inverse: Floats
    """(R, R) pseudo-inverse of A."""
    residual_variance: float
    """Of a single score, items and severities taken out: residual sum of squares by degrees of freedom; NaN without any."""
    degrees: int
    """Of freedom: scores - items - raters + components."""

    @property
    def n_components(self) -> int:
        return int(self.component.max(initial=-1)) + 1

    @property
    def connected(self) -> bool:
        """Whether all raters who share something can be compared with each other."""
        return self.n_components <= 1

    def against_all(self) -> list[Result]:
        """Severity against all raters: undefined (`not_connected`) where there are several components."""
        if self.connected:
            return self.estimates
        return [Undefined(Reason.NOT_CONNECTED, one.n) for one in self.estimates]


def fit(sums: PairSums) -> Severity:
    """Severities from sums over pairs; standard errors from A's pseudo-inverse and the residual variance.

    These take all raters for equally noisy. `severity` has errors that need not.
    """
    return _fit(sums, None, LEVEL)


def severity(scored: Scored, *, sums: PairSums | None = None, level: float = LEVEL) -> Severity:
    """Severities from scores, with errors clustered by prompt: A^+ (sum_p g_p g_p') A^+, g_pr the sum of r's residuals on
    prompt p, and Student's t with as many degrees of freedom as r has prompts, less one.

    Noisy raters get wider intervals than careful ones, which the residual variance of all does not give them.
    """
    return _fit(pair_sums(scored) if sums is None else sums, scored, level)


def residuals(scored: Scored, effect: Floats) -> Floats:
    """(n,) e_ir = (v_ir - s_r) - mean over the item's raters of the same; 0 on an item with one score."""
    adjusted = scored.value - np.nan_to_num(effect)[scored.rater]
    total = np.bincount(scored.item, weights=adjusted, minlength=1)[scored.item]
    return np.asarray(adjusted - total / scored.per_item)


def _fit(sums: PairSums, scored: Scored | None, level: float) -> Severity:
    component = components(sums.shared)
    degree = sums.w.sum(axis=1)
    laplacian = np.diag(degree) - sums.w
    known = component != ALONE
    # Within a component A's null space is the vector of ones: fill it, invert, and empty it again.
    same = (component[:, None] == component) & known[:, None]
    size = np.bincount(component[known], minlength=1)
    scale = degree[known].mean() if known.any() else 1.0
    ones = np.where(same, 1 / np.maximum(size[np.maximum(component, 0)], 1), 0.0)
    inverse = np.zeros_like(laplacian)
    if known.any():
        inside = np.ix_(known, known)
        inverse[inside] = np.linalg.inv(laplacian[inside] + scale * ones[inside]) - ones[inside] / scale
    right = sums.d.sum(axis=1)
    effect = np.where(known, inverse @ right, np.nan)
    spread = float(sums.q.sum() / 2 - np.nan_to_num(effect) @ right)
    n_components = int(component.max(initial=-1)) + 1
    degrees = int(sums.n.sum()) - sums.n_items - (int(known.sum()) - n_components)
    variance = max(spread, 0.0) / degrees if degrees > 0 else np.nan
    of = Severity([], effect, component, inverse, variance, degrees)
    why = Reason.NOTHING_SHARED
    if scored is None:
        error = np.sqrt(np.maximum(np.diag(inverse), 0) * variance)
        estimates = _classical(effect, error, sums.n, degrees, level)
    else:
        variances = np.einsum("ij,ij->i", inverse @ meat(scored, effect), inverse)
        error = np.sqrt(np.maximum(variances, 0))
        with np.errstate(invalid="ignore", divide="ignore"):
            error *= np.sqrt(sums.units / (sums.units - 1))
        estimates = results(effect, error, n=np.maximum(sums.n, 1), units=sums.units, level=level, why=why)
    estimates = [one if known[r] else Undefined(why, int(sums.n[r])) for r, one in enumerate(estimates)]
    return Severity(estimates, effect, component, inverse, of.residual_variance, degrees)


def prompt_sums(scored: Scored, x: Floats) -> tuple[Ints, Ints, Floats]:
    """(n,) to sums by rater and prompt, over items with two scores or more: who, which prompt, how much."""
    both = scored.shared
    return ByRater(scored.rater[both], scored.prompt[both], scored.n_raters).cells(x[both])


def meat(scored: Scored, effect: Floats) -> Floats:
    """(R, R) sum over prompts of g_p g_p'."""
    import scipy.sparse as sp  # 50 MB that most of what stands beside this does without

    who, prompt, sums = prompt_sums(scored, residuals(scored, effect))
    shape = (int(scored.prompt.max(initial=0)) + 1, scored.n_raters)
    g = sp.csr_array((sums, (prompt, who)), shape=shape)
    return np.asarray((g.T @ g).toarray())


def _classical(effect: Floats, error: Floats, n: Ints, degrees: int, level: float) -> list[Result]:
    found: list[Result] = []
    half = special.stdtrit(max(degrees, 1), 0.5 + level / 2) * error
    for r in range(effect.size):
        known = bool(np.isfinite(half[r]) and half[r] > 0)
        found.append(
            Estimate(
                value=float(effect[r]),
                low=float(effect[r] - half[r]) if known else None,
                high=float(effect[r] + half[r]) if known else None,
                level=level,
                method=RaterMethod.LEAST_SQUARES,
                n=int(n[r]),
                units=int(n[r]),
                no_interval=None if known else Reason.NO_SPREAD,
            )
        )
    return found


def components(shared: Ints) -> Ints:
    """(R,) groups of raters that are linked by shared items, the largest first; `ALONE` without any link."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    if shared.shape[0] == 0:
        return np.zeros(0, dtype=np.int64)
    _, label = connected_components(csr_array(shared > 0), directed=False)
    linked: Bools = np.asarray(shared.any(axis=1))
    labels, first, size = np.unique(label[linked], return_index=True, return_counts=True)
    rank = np.full(int(label.max()) + 1, ALONE)
    rank[labels[np.lexsort((first, -size))]] = np.arange(labels.size)
    return np.where(linked, rank[label], ALONE)
