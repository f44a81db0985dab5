"""How sure a figure of agreement is: jackknife and bootstrap, over items or over clusters of items.

Both resample what was rated, not who rated it: an interval is for these raters and for other items
(or prompts) like these. Responses to one prompt are not independent, so generalising to new prompts
takes clusters.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from scipy import special

from stats.agreement import sums
from stats.agreement.coefficients import Coefficient
from stats.agreement.patterns import PatternHistogram
from stats.agreement.sums import Sums, Units
from stats.arrays import Array, Floats, Ints
from stats.estimate import Estimate, Reason, Result, Undefined
from stats.tails import tail


class Method(StrEnum):
    """How an interval is made."""

    CLUSTER_BOOTSTRAP = "cluster_bootstrap"
    CLUSTER_JACKKNIFE = "cluster_jackknife"
    ITEM_BOOTSTRAP = "item_bootstrap"
    ITEM_JACKKNIFE = "item_jackknife"
    NONE = "none"

    @property
    def over_clusters(self) -> bool:
        return self in (Method.CLUSTER_BOOTSTRAP, Method.CLUSTER_JACKKNIFE)

    @property
    def draws(self) -> bool:
        return self in (Method.CLUSTER_BOOTSTRAP, Method.ITEM_BOOTSTRAP)

    @property
    def without_drawing(self) -> "Method":
        """The jackknife over the same units."""
        return Method.CLUSTER_JACKKNIFE if self.over_clusters else Method.ITEM_JACKKNIFE


@dataclass(frozen=True, slots=True)
class Interval:
    """Which interval to make.

    A bootstrap draws `replicates` resamples while that takes no more than `budget` steps, one step
    being one unit drawn. Past it, it draws fewer, down to `fewest`; past that the jackknife over the
    same units takes over, which differs from it in the third digit by then. So it does with less
    than five units or so, where the ends of an interval lie beyond all resamples. The estimate
    names what was done.
    """

    method: Method = Method.CLUSTER_BOOTSTRAP
    level: float = 0.95
    replicates: int = 2000
    fewest: int = 1000
    budget: int = 20_000_000

    def __post_init__(self) -> None:
        if not 0 < self.level < 1:
            raise ValueError(f"a level lies between 0 and 1, not at {self.level}")
        if not 2 <= self.fewest <= self.replicates:
            raise ValueError("2 <= fewest <= replicates must hold")


ITEM_JACKKNIFE = Interval(Method.ITEM_JACKKNIFE)

_MOST_UNDEFINED = 0.05
"""Of resamples: with more of them undefined, the rest do not stand for all, and there is no interval."""


T = TypeVar("T")


class Resampled(Protocol[T]):
    """Independent units, equal ones put together, and T, the sums over them that figures are functions of."""

    @property
    def multiplicity(self) -> Ints:
        """(u,) how many units are of each sort."""

    @property
    def n(self) -> int:
        """How many units there are."""

    @property
    def block(self) -> int:
        """How many rows of sums may be held at a time."""

    def __len__(self) -> int:
        """How many sorts there are."""

    def total(self) -> T:
        """Sums over all units: one row."""

    def weighted(self, weights: Array) -> T:
        """Sums of b samples in which each sort occurs `weights` (b, u) times."""

    def without_one(self, total: T, start: int, stop: int) -> T:
        """`total` less one unit, for one of each sort from `start` to `stop`: (stop - start) rows."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Units that each add a row of numbers, of whatever meaning: the simplest `Resampled`."""

    rows: Floats
    """(u, d) what one unit of each sort adds."""
    multiplicity: Ints
    copies: int = 1
    """How many arrays of the sums' size the figures need at a time."""

    @property
    def n(self) -> int:
        return int(self.multiplicity.sum())

    @property
    def block(self) -> int:
        return max(1, 4_000_000 // max(int(self.rows.shape[1]) * self.copies, 1))

    def __len__(self) -> int:
        return len(self.rows)

    def total(self) -> Floats:
        return self.weighted(self.multiplicity[None, :])

    def weighted(self, weights: Array) -> Floats:
        """(b, d)"""
        return np.asarray(weights, dtype=np.float64) @ self.rows

    def without_one(self, total: Floats, start: int, stop: int) -> Floats:
        return total - self.rows[start:stop]


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a figure besides its value: the items behind it, why it may not exist, what it can be."""

    n: int
    why: Reason
    lowest: float = -np.inf
    highest: float = np.inf


class _Bounds(NamedTuple):
    low: Floats
    high: Floats
    undefined: Ints
    """Per figure: resamples without a value."""
    resamples: int
    method: Method


def resample(
    units: Resampled[T],
    figures: Callable[[T], Floats],
    about: Sequence[About],
    *,
    interval: Interval = ITEM_JACKKNIFE,
    rng: np.random.Generator | None = None,
) -> list[Result]:
    """Each figure with its interval, all from the same resamples of `units`. A bootstrap needs `rng`.

    `figures` takes the sums of b samples and gives (b, m) numbers, NaN where one does not exist; `about` has an
    entry for each of the m.
    """
    if interval.method.draws and rng is None:
        raise ValueError("a bootstrap needs a random generator")
    values = figures(units.total())[0]
    bounds: _Bounds | None = None
    if interval.method is not Method.NONE and units.n >= 2 and not np.isnan(values).all():
        bounds = _bounds(units, figures, interval, rng)
    results: list[Result] = []
    for i, known_of in enumerate(about):
        if np.isnan(values[i]):
            results.append(Undefined(known_of.why, known_of.n))
            continue
        reason: Reason | None = None
        if interval.method is Method.NONE:
            reason = Reason.NOT_ASKED
        elif bounds is None:
            reason = Reason.ONE_UNIT
        elif bounds.undefined[i] > (_MOST_UNDEFINED * bounds.resamples if bounds.method.draws else 0):
            reason = Reason.UNDEFINED_RESAMPLES
        elif bounds.high[i] - bounds.low[i] < 1e-9:
            # Every resample says the same, as when all pairs agree. That is no certainty: the
            # data hold no sign of how it would vary.
            reason = Reason.NO_SPREAD
        known = bounds is not None and reason is None
        results.append(
            Estimate(
                value=float(values[i]),
                low=float(max(bounds.low[i], known_of.lowest)) if bounds and known else None,
                high=float(min(bounds.high[i], known_of.highest)) if bounds and known else None,
                level=interval.level,
                method=bounds.method if bounds else interval.method,
                n=known_of.n,
                units=units.n,
                replicates=bounds.resamples if bounds and bounds.method.draws else 0,
                undefined_replicates=int(bounds.undefined[i]) if bounds and bounds.method.draws else 0,
                no_interval=reason,
            )
        )
    return results


def estimate_all(
    histogram: PatternHistogram,
    coefficients: Sequence[Coefficient],
    *,
    interval: Interval = ITEM_JACKKNIFE,
    rng: np.random.Generator | None = None,
) -> list[Result]:
    """Each coefficient with its interval, all from the same resamples. A bootstrap needs `rng`.

    Coefficients that single scores have a say in resample all scored units, the others only those
    with something to compare, so that items scored once change nothing in them.
    """
    if interval.method.draws and rng is None:
        raise ValueError("a bootstrap needs a random generator")
    units = sums.clusters(histogram) if interval.method.over_clusters else sums.items(histogram)
    pairable, rated = units.pairable(), units.rated()
    everything = range(len(coefficients))
    groups: list[tuple[Sequence[int], Units]] = [(everything, pairable)]
    if pairable.n != rated.n:
        groups = [
            ([i for i in everything if not coefficients[i].singles_count], pairable),
            ([i for i in everything if coefficients[i].singles_count], rated),
        ]
    results: dict[int, Result] = {}
    whole = rated.total()
    for which, over in groups:
        chosen = [coefficients[i] for i in which]
        if chosen:
            results |= zip(which, _estimate(over, whole, chosen, interval, rng), strict=True)
    return [results[i] for i in range(len(coefficients))]


def estimate(
    histogram: PatternHistogram,
    coefficient: Coefficient,
    *,
    interval: Interval = ITEM_JACKKNIFE,
    rng: np.random.Generator | None = None,
) -> Result:
    """One coefficient with its interval."""
    return estimate_all(histogram, [coefficient], interval=interval, rng=rng)[0]


def _estimate(
    units: Units,
    whole: Sums,
    coefficients: Sequence[Coefficient],
    interval: Interval,
    rng: np.random.Generator | None,
) -> list[Result]:
    total = units.total()
    about = [
        About(
            n=int(total.rated[0] if coefficient.singles_count else total.pairable[0]),
            why=coefficient.why_undefined(whole),
            lowest=coefficient.lowest,
            highest=coefficient.highest,
        )
        for coefficient in coefficients
    ]
    return resample(units, lambda of: _evaluate(coefficients, of), about, interval=interval, rng=rng)


def _evaluate(coefficients: Sequence[Coefficient], of: Sums) -> Floats:
    """(b, number of coefficients)"""
    return np.column_stack([coefficient.of(of) for coefficient in coefficients])


def _bounds(
    units: Resampled[T],
    figures: Callable[[T], Floats],
    interval: Interval,
    rng: np.random.Generator | None,
) -> _Bounds:
    if interval.method.draws:
        assert rng is not None
        replicates = min(interval.replicates, interval.budget // _steps(units))
        if replicates >= interval.fewest and tail(interval.level, units.n) * replicates >= 1:
            return _bootstrap(units, figures, interval, replicates, rng)
    return _jackknife(units, figures, interval)


def _jackknife(units: Resampled[T], figures: Callable[[T], Floats], interval: Interval) -> _Bounds:
    """Leave out one unit at a time; one evaluation per sort of unit, however many there are of it.

    SE^2 = (n - 1) / n sum_u (value without u - their mean)^2, and Student's t with n - 1 degrees of
    freedom around the value.
    """
    n, total = units.n, units.total()
    without = np.concatenate(
        [
            figures(units.without_one(total, start, min(start + units.block, len(units))))
            for start in range(0, len(units), units.block)
        ]
    )
    share = units.multiplicity / n
    mean = share @ without
    error = np.sqrt((n - 1) * (share @ (without - mean) ** 2))
    half = float(special.stdtrit(n - 1, 0.5 + interval.level / 2)) * error
    values = figures(total)[0]
    undefined = units.multiplicity @ np.isnan(without)
    return _Bounds(values - half, values + half, undefined, n, interval.method.without_drawing)


_MULTINOMIAL_STEPS = 15
"""What one draw of a multinomial's count costs, in draws of a single unit."""


def _steps(units: Resampled[T]) -> int:
    """What one resample costs, in units drawn; whichever way of drawing is the cheaper."""
    return max(1, min(units.n, _MULTINOMIAL_STEPS * len(units)))


def _bootstrap(
    units: Resampled[T],
    figures: Callable[[T], Floats],
    interval: Interval,
    replicates: int,
    rng: np.random.Generator,
) -> _Bounds:
    """Draw as many units as there are, with replacement; quantiles of what that gives.

    How often each sort of unit occurs in a resample is multinomial, so this is the bootstrap over
    units exactly, and not an approximation of it.
    """
    block = max(1, min(units.block, 4_000_000 // max(units.n if len(units) == units.n else len(units), 1)))
    drawn = np.concatenate(
        [
            figures(units.weighted(_draw(units, min(block, replicates - start), rng)))
            for start in range(0, replicates, block)
        ]
    )
    undefined = np.isnan(drawn).sum(axis=0)
    beyond = tail(interval.level, units.n)
    low, high = np.full((2, drawn.shape[1]), np.nan)
    some = undefined < replicates
    low[some], high[some] = np.nanquantile(drawn[:, some], [beyond, 1 - beyond], axis=0)
    return _Bounds(low, high, undefined, replicates, interval.method)


def _draw(units: Resampled[T], replicates: int, rng: np.random.Generator) -> Ints:
    """(replicates, u) how often each sort of unit is drawn."""
    n, sorts = units.n, len(units)
    if _MULTINOMIAL_STEPS * sorts < n:
        return rng.multinomial(n, units.multiplicity / n, size=replicates)
    index = rng.integers(n, size=(replicates, n))
    if sorts < n:
        index = np.repeat(np.arange(sorts), units.multiplicity)[index]
    index += np.arange(replicates)[:, None] * sorts
    return np.bincount(index.ravel(), minlength=replicates * sorts).reshape(replicates, sorts)
