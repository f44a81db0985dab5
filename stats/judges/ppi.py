"""What people would give on all prompts, from people on some of them and a judge on all: prediction-powered inference.

    estimate = lambda mean_N f + mean_n (Y - lambda f)

f: the judge, on N prompts without people and n with them; Y: people. The second term takes the judge's bias out, so that the
estimate is right whatever the judge, and narrower than people alone when the judge goes with them. lambda = 0 is people
alone, lambda = 1 trusts the judge's every point; the best one is estimated, and clipped to [0, 1].

It holds under two conditions that no formula can mend: the prompts with people are a *random* sample of all of them (not
the hard ones, not the ones raters chose), and the judge and its prompt were fixed before these scores were looked at.
`PPI.sample` compares the judge's scores on both kinds of prompts: far from 0, the first condition is in doubt.

The gain is modest: with a correlation rho of judge and people, n labels count for n / (1 - rho^2 N / (N + n)): 1.33 times
as many at most for rho = .5, 1.96 for .7.

Sources: Angelopoulos et al. (2023), Prediction-powered inference; Angelopoulos, Duchi and Zrnic (2023), PPI++.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from stats.agreement.intervals import Method
from stats.arrays import Bools, Floats, Ints
from stats.estimate import Estimate, Reason, Result, Undefined
from stats.judges.grid import Grid
from stats.judges.regression import StandardError, around


@dataclass(frozen=True, slots=True)
class PPI:
    """One mean, three ways."""

    tuned: Result
    """With the best lambda: the estimate to report."""
    plain: Result
    """lambda = 1."""
    people: Result
    """People alone: lambda = 0."""
    tuning: float | None
    """lambda of `tuned`."""
    gain: Result
    """How many times as many labels people alone would need for the interval of `tuned`."""
    sample: Result
    """The judge's mean on items with people less that on items without: near 0 if the former are a random sample."""
    n: int
    """Items with people and judge."""
    more: int
    """Items with the judge alone."""


def ppi_mean(
    human: Floats,
    judge: Floats,
    judge_alone: Floats,
    *,
    cluster: Ints | None = None,
    cluster_alone: Ints | None = None,
    level: float = 0.95,
    as_published: bool = False,
) -> PPI:
    """From people `human` (n,) and the judge `judge` (n,) on the same items, and `judge_alone` (N,) on others.

    `cluster` (n,), `cluster_alone` (N,): the prompt of each item; items of one prompt, on either side, depend on each
    other. Intervals are Student's t with as many degrees of freedom as prompts with people, less one for the mean and
    one for a lambda that was estimated; the SE makes up for both likewise. `as_published`: normal quantiles, variances over n, and items independent, as `ppi_py` has it;
    too narrow for few labels.
    """
    if human.shape != judge.shape or human.ndim != 1 or judge_alone.ndim != 1:
        raise ValueError("human and judge must be (n,), judge_alone (N,)")
    if (cluster is None) != (cluster_alone is None):
        raise ValueError("give the prompts of both kinds of items, or of neither")
    n, more = human.size, judge_alone.size
    if cluster is None or cluster_alone is None:
        cluster, cluster_alone = np.arange(n), np.arange(n, n + more)
    if cluster.shape != human.shape or cluster_alone.shape != judge_alone.shape:
        raise ValueError("each item has one prompt")
    if n == 0 or more == 0:
        why = Undefined(Reason.NOTHING_SHARED if n == 0 else Reason.NO_DATA, n)
        return PPI(
            why, why, why if n == 0 else _people(human, cluster, level, as_published), None, why, why, n, more
        )
    parts = _Parts.of(human, judge, judge_alone, cluster, cluster_alone)
    units = np.unique(cluster).size
    best = _published_tuning(human, judge, judge_alone) if as_published else parts.best()

    def at(tuning: float) -> tuple[Estimate, float]:
        value = tuning * judge_alone.mean() + np.mean(human - tuning * judge)
        fitted = 2 if 0 < tuning < 1 else 1  # the mean, and lambda
        error = np.sqrt(parts.variance(tuning, fitted=None if as_published else fitted))
        return _interval(value, error, units - fitted, units, n, level, as_published), float(error)

    (tuned, error), (plain, _), (people, error_alone) = at(best), at(1.0), at(0.0)
    gain: Result = Undefined(Reason.NO_VARIATION, n)
    if units < 2:
        gain = Undefined(Reason.ONE_PROMPT, n)
    elif error > 1e-9 * max(1.0, error_alone):
        ratio = (error_alone / error) ** 2
        gain = Estimate(ratio, None, None, level, Method.NONE, n, units, no_interval=Reason.NOT_ASKED)
    off = float(judge.mean() - judge_alone.mean())
    sample = _interval(off, parts.error_of_sample(), units - 1, units, n + more, level, as_published)
    return PPI(tuned, plain, people, best, gain, sample, n, more)


def ppi_models(grid: Grid, *, level: float = 0.95) -> list[PPI]:
    """Each model's mean over all prompts that the judge scored, people's scores being known for some of them.

    Only what the judge scored counts; a prompt that people scored and the judge did not is left out.
    """
    found = []
    for human, judge in zip(grid.human.T, grid.judge.T, strict=True):
        scored = ~np.isnan(judge)
        both, alone = scored & ~np.isnan(human), scored & np.isnan(human)
        found.append(
            ppi_mean(
                human[both],
                judge[both],
                judge[alone],
                cluster=grid.prompt[both],
                cluster_alone=grid.prompt[alone],
                level=level,
            )
        )
    return found


@dataclass(frozen=True)
class _Parts:
    """What each of G prompts adds to the error of the estimate, a_c + lambda b_c; (G,) each."""

    a: Floats
    """Of people: sum of Y - mean Y, over n."""
    b_with: Floats
    """Of the judge on items with people: minus the sum of f - mean f, over n."""
    b_alone: Floats
    """Of the judge alone: sum of f - mean f, over N."""
    of_people: Bools
    """Prompts with people."""

    @classmethod
    def of(
        cls, human: Floats, judge: Floats, judge_alone: Floats, cluster: Ints, cluster_alone: Ints
    ) -> _Parts:
        _, index = np.unique(np.concatenate([cluster, cluster_alone]), return_inverse=True)
        size, n = int(index.max()) + 1, human.size

        def over(index: Ints, values: Floats) -> Floats:
            return np.asarray(
                np.bincount(index, weights=(values - values.mean()) / values.size, minlength=size), float
            )

        return cls(
            a=over(index[:n], human),
            b_with=-over(index[:n], judge),
            b_alone=over(index[n:], judge_alone),
            of_people=np.bincount(index[:n], minlength=size) > 0,
        )

    def variance(self, tuning: float, *, fitted: int | None) -> float:
        """sum_c (a_c + lambda b_c)^2, times n / (n - fitted) for the prompts with people; None leaves it as it is."""
        error = self.a + tuning * (self.b_with + self.b_alone)
        with_people = self.of_people
        few = int(with_people.sum())
        correction = 1.0 if fitted is None else few / max(few - fitted, 1)
        return float(correction * np.sum(error[with_people] ** 2) + np.sum(error[~with_people] ** 2))

    def best(self) -> float:
        """The lambda of the least variance."""
        b = self.b_with + self.b_alone
        size = float(b @ b)
        return float(np.clip(-(self.a @ b) / size, 0, 1)) if size > 0 else 0.0

    def error_of_sample(self) -> float:
        b = self.b_with + self.b_alone
        return float(np.sqrt(b @ b))


def _published_tuning(human: Floats, judge: Floats, judge_alone: Floats) -> float:
    """lambda = cov_n(Y, f) / ((1 + n / N) var(f)), n-divisor for the covariance, pooled n + N - 1 for the variance."""
    n, more = human.size, judge_alone.size
    covariance = np.mean((human - human.mean()) * (judge - judge.mean()))
    variance = np.concatenate([judge, judge_alone]).var(ddof=1)
    return float(np.clip(covariance / ((1 + n / more) * variance), 0, 1)) if variance > 0 else 0.0


def _people(human: Floats, cluster: Ints, level: float, as_published: bool) -> Estimate:
    """People alone, where the judge has nothing to add."""
    parts = _Parts.of(human, human, human[:1], cluster, cluster[:1])
    units = np.unique(cluster).size
    error = np.sqrt(parts.variance(0.0, fitted=None if as_published else 1))
    return _interval(float(human.mean()), float(error), units - 1, units, human.size, level, as_published)


def _interval(
    value: float, error: float, df: int, units: int, n: int, level: float, as_published: bool
) -> Estimate:
    method = StandardError.CLUSTERED
    found = around(float(value), float(error), df, level=level, method=method, n=n, units=units)
    if as_published and found.no_interval is None:
        half = float(special.ndtri(0.5 + level / 2)) * float(error)
        found = Estimate(found.value, value - half, value + half, level, method, n, units)
    return found
