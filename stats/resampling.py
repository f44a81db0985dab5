"""Bootstrap over prompts, for any figure that can be computed with weights on them.

    def figures(weights: Floats) -> Floats:  # (b, P) how often each row counts -> (b, k) figures
        ...

    results = bootstrap_prompts(figures, prompt, n=n_items, interval=Interval(), rng=rng)

Responses to one prompt, and turns of one conversation, are not independent: what is drawn is prompts. Figures that are
given together come from the same resamples, so that a difference of two of them is a paired one.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from stats.agreement.intervals import Interval, Method
from stats.arrays import Array, Floats, Ints
from stats.estimate import Estimate, Reason, Result, Undefined
from stats.tails import tail

Figures = Callable[[Floats], Floats]
"""Weights (b, P) on rows of prompts, as whole numbers, to figures (b, k); NaN where one does not exist."""

CLUSTER_BOOTSTRAP = Interval(Method.CLUSTER_BOOTSTRAP)

_MOST_UNDEFINED = 0.05
"""Of resamples: with more of them undefined, the rest do not stand for all, and there is no interval."""

_CELLS = 1_000_000
"""Of weights that are held at once."""


def resamples(prompt: Ints, replicates: int, rng: np.random.Generator) -> Floats:
    """(replicates, P) how often each row is drawn when prompts are: `prompt` (P,) names the prompt of each row."""
    _, index = np.unique(prompt, return_inverse=True)
    n = int(index.max(initial=-1)) + 1
    if n == 0:
        return np.zeros((replicates, 0))
    # A multinomial by hand, which is several times quicker: n draws of each resample, counted.
    drawn = rng.integers(n, size=(replicates, n))
    drawn += np.arange(replicates)[:, None] * n
    counts = np.bincount(drawn.ravel(), minlength=replicates * n).reshape(replicates, n)
    return counts.astype(np.float64)[:, index]


def by_prompt(prompt: Ints, columns: Iterable[Array]) -> tuple[Ints, Floats]:
    """The names of the prompts (P,), and the sums over each prompt's rows of columns (n,): (P, k). What is a ratio of such sums
    is the quicker resampled from them."""
    names, place = np.unique(prompt, return_inverse=True)
    sums = [np.bincount(place, weights=column, minlength=names.size) for column in columns]
    return names, np.column_stack(sums) if sums else np.empty((names.size, 0))


def draws(
    figures: Figures,
    prompt: Ints,
    *,
    replicates: int,
    rng: np.random.Generator,
    block: int | None = None,
    resampled: Figures | None = None,
) -> tuple[Floats, Floats]:
    """The figures as they are (k,), and of each resample (replicates, k), in blocks so that memory stays flat.

    `resampled`: what the figures of a resample are, where that is not what they are of the data.
    """
    point = figures(np.ones((1, prompt.size)))[0]
    block = block or max(1, _CELLS // max(prompt.size, 1))
    parts = [
        (resampled or figures)(resamples(prompt, min(block, replicates - start), rng))
        for start in range(0, replicates, block)
    ]
    return point, np.concatenate(parts) if parts else np.empty((0, point.size))


def bootstrap_prompts(
    figures: Figures,
    prompt: Ints,
    *,
    n: int | Sequence[int],
    why: Reason | Sequence[Reason] = Reason.CONSTANT,
    interval: Interval = CLUSTER_BOOTSTRAP,
    rng: np.random.Generator,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    units: Sequence[int] | None = None,
) -> list[Result]:
    """Each figure with a percentile interval over prompts, all from the same resamples.

    `n`: items behind each figure; `why`: the reason of each that is NaN; `bounds`: what figures cannot pass; `units`: prompts
    behind each figure, where some are of a part of them.
    """
    point, drawn = draws(figures, prompt, replicates=interval.replicates, rng=rng)
    everything = np.unique(prompt).size
    return summarise(
        point,
        drawn,
        n=n,
        why=why,
        units=everything if units is None else units,
        interval=interval,
        bounds=bounds,
    )


def summarise(
    point: Floats,
    drawn: Floats,
    *,
    n: int | Sequence[int],
    why: Reason | Sequence[Reason],
    units: int | Sequence[int],
    interval: Interval = CLUSTER_BOOTSTRAP,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> list[Result]:
    """Figures (k,) and their resamples (replicates, k) as estimates; a difference of two columns is a figure, too."""
    items = [n] * point.size if isinstance(n, int) else n
    reasons = [why] * point.size if isinstance(why, Reason) else why
    behind = [units] * point.size if isinstance(units, int) else units
    return [
        _summary(float(point[i]), drawn[:, i], items[i], reasons[i], behind[i], interval, bounds)
        for i in range(point.size)
    ]


def _summary(
    value: float,
    drawn: Floats,
    n: int,
    why: Reason,
    units: int,
    interval: Interval,
    bounds: tuple[float, float],
) -> Result:
    if not np.isfinite(value):
        return Undefined(why, n)
    known = drawn[np.isfinite(drawn)]
    undefined = drawn.size - known.size
    reason: Reason | None = None
    low = high = None
    if drawn.size == 0:
        reason = Reason.NOT_ASKED
    elif units < 2:
        reason = Reason.ONE_UNIT
    elif undefined > _MOST_UNDEFINED * drawn.size:
        reason = Reason.UNDEFINED_RESAMPLES
    elif np.ptp(known) < 1e-9:
        reason = Reason.NO_SPREAD
    elif (beyond := tail(interval.level, units)) * known.size < 1:
        reason = Reason.NOT_ENOUGH  # the ends lie beyond all resamples
    else:
        low, high = (float(end) for end in np.quantile(known, [beyond, 1 - beyond]).clip(*bounds))
    return Estimate(
        value=value,
        low=low,
        high=high,
        level=interval.level,
        method=Method.CLUSTER_BOOTSTRAP if drawn.size else Method.NONE,
        n=n,
        units=units,
        replicates=int(drawn.size),
        undefined_replicates=int(undefined),
        no_interval=reason,
    )
