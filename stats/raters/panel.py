"""All figures about raters, from one table of ratings: what a report prints and a page shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stats.arrays import Floats, Ints
from stats.design import NOBODY, Health, health
from stats.estimate import Estimate, Reason, Result, Undefined
from stats.raters import flags
from stats.raters.across_axes import equal_axes, halo
from stats.raters.adjusted import ModelMeans, means_with_and_without
from stats.raters.clusters import LEVEL
from stats.raters.drift import drift
from stats.raters.flags import Flag, Raised
from stats.raters.noise import residual_sd
from stats.raters.pace import READING_SPEED, pace
from stats.raters.ratings import Scored, Sheet
from stats.raters.repeats import Twice, agreement_twice
from stats.raters.rest import against_the_rest
from stats.raters.scale_use import longest_run, run_by_chance, scale_use
from stats.raters.severity import Severity, severity


@dataclass(frozen=True, slots=True)
class OnAxis:
    """One rater on one axis. Figures in the units of the axis where they have units."""

    n: int
    """Scores."""
    n_shared: int
    """Scores of items that somebody else scored, too."""
    n_na: int
    """"Cannot judge" said."""
    component: int
    """Which group of linked raters; -1 for who shares nothing."""
    severity: Result
    deviation: Result
    pearson: Result
    spearman: Result
    residual_sd: Result
    entropy: Result
    modal_share: Result
    longest_run: Result
    drift: Result
    """From the first to the last third."""
    drift_slope: Result
    """From the first to the last rating, along a straight line."""
    gold: Result
    """Quadratic weighted kappa with gold values."""
    retest: Result
    """Quadratic weighted kappa with own earlier scores."""


@dataclass(frozen=True, slots=True)
class OneRater:
    rater: int
    n: int
    """Ratings: items, on whichever axes."""
    axes: tuple[OnAxis, ...]
    equal_axes: Result
    halo: Result
    seconds: Result
    """Median of a rating."""
    pace: Result
    """Median z of time given length."""
    below_floor: Result
    flags: tuple[Raised, ...]


@dataclass(frozen=True, slots=True)
class AxisOfAll:
    """An axis, over all raters."""

    n: int
    n_pairable: int
    """Items with two scores or more."""
    n_components: int
    """Groups of raters without any item in common; severities compare within a group alone."""
    residual_sd: float | None
    """Of a single score, items and severities taken out."""
    severity_sd: float | None
    """Of the raters' severities as they were estimated."""
    entropy: float | None
    """Bits, of all scores."""
    means: ModelMeans | None
    """Of models, with and without adjustment and raters in doubt; None where models are not given or there is no order."""


@dataclass(frozen=True, slots=True)
class RaterPanel:
    raters: tuple[OneRater, ...]
    """Those with a rating."""
    axes: tuple[AxisOfAll, ...]
    halo: Result
    """Mean correlation between axes, all raters together."""
    equal_axes: float | None
    """Share of all ratings with all axes equal."""
    pace_exponent: float | None
    reading_speed: float
    health: Health
    """Of the design as it was carried out: connectivity, loads, pairs."""
    level: float

    @property
    def flagged(self) -> tuple[int, ...]:
        """Raters with a flag."""
        return tuple(one.rater for one in self.raters if one.flags)

    @property
    def in_doubt(self) -> tuple[int, ...]:
        """Raters with a flag that taking out severity does not mend; the means "without" leave them out."""
        return tuple(one.rater for one in self.raters if _in_doubt(one.flags))


def rater_panel(
    sheet: Sheet,
    *,
    gold: Sequence[Twice | None] | None = None,
    repeats: Sequence[Twice | None] | None = None,
    reading_speed: float = READING_SPEED,
    level: float = LEVEL,
) -> RaterPanel | Undefined:
    """Every figure of every rater, with flags, and what the flagged ones do to the means of models.

    `gold`, `repeats`: for each axis the rater's value and the gold value, or the rater's first and second. Undefined
    (`anonymous`) where raters are positions in a list, (`no_scores`) where there is nothing.
    """
    if sheet.anonymous:
        return Undefined(Reason.ANONYMOUS, int(np.unique(sheet.item).size))
    if sheet.rater.size == 0:
        return Undefined(Reason.NO_SCORES)
    timing = pace(sheet, reading_speed=reading_speed, level=level)
    equal = equal_axes(sheet, level=level)
    halos, halo_of_all = halo(sheet, level=level)
    everybody_equal = _pooled(equal)
    ratings = np.bincount(sheet.rater, minlength=sheet.n_raters)
    present = np.flatnonzero(ratings).tolist()

    raised: dict[int, list[Raised]] = {r: [] for r in present}
    found: list[tuple[list[OnAxis], AxisOfAll, Scored, Severity | None]] = []
    for a in range(sheet.n_axes):
        of_axis = _axis(sheet, a, gold[a] if gold else None, repeats[a] if repeats else None, level)
        found.append(of_axis)
        for r in present:
            raised[r] += _flags_on(of_axis[0][r], a, sheet.points[a], of_axis[1].entropy)
    halo_from = flags.beyond_everybody(
        halo_of_all.value if isinstance(halo_of_all, Estimate) else None, flags.HALO_ABOVE
    )
    equal_from = flags.beyond_everybody(everybody_equal, flags.EQUAL_AXES_ABOVE, least=flags.EQUAL_AXES)
    for r in present:
        raised[r] += [
            *flags.above(Flag.EQUAL_AXES, equal[r], equal_from),
            *flags.above(Flag.HALO, halos[r], halo_from, enough=flags.ENOUGH_FOR_CORRELATION),
            *flags.below(Flag.FAST, timing.z[r], flags.FAST),
            *flags.above(Flag.BELOW_FLOOR, timing.below_floor[r], flags.BELOW_FLOOR),
        ]
    in_doubt = [r for r in present if _in_doubt(raised[r])]
    return RaterPanel(
        raters=tuple(
            OneRater(
                rater=r,
                n=int(ratings[r]),
                axes=tuple(of_axis[0][r] for of_axis in found),
                equal_axes=equal[r],
                halo=halos[r],
                seconds=timing.seconds[r],
                pace=timing.z[r],
                below_floor=timing.below_floor[r],
                flags=tuple(raised[r]),
            )
            for r in present
        ),
        axes=tuple(_with_means(summary, scored, of, in_doubt, level) for _, summary, scored, of in found),
        halo=halo_of_all,
        equal_axes=everybody_equal,
        pace_exponent=timing.exponent,
        reading_speed=reading_speed,
        health=_health(sheet),
        level=level,
    )


def _axis(
    sheet: Sheet, axis: int, gold: Twice | None, repeats: Twice | None, level: float
) -> tuple[list[OnAxis], AxisOfAll, Scored, Severity | None]:
    scored = sheet.axis(axis)
    many = sheet.n_raters
    n = np.bincount(scored.rater, minlength=many)
    n_shared = np.bincount(scored.rater[scored.shared], minlength=many)
    n_na = np.zeros(many, dtype=np.int64)
    if sheet.na is not None:
        n_na = np.bincount(sheet.rater[sheet.na[:, axis]], minlength=many)
    use = scale_use(scored, level=level)
    total = use.counts.sum(axis=0)
    of: Severity | None = None
    if sheet.ordered[axis]:
        of = severity(scored, level=level)
        rest = against_the_rest(scored, level=level)
        moved = drift(scored, of.effect, level=level)
        columns = {
            "severity": of.estimates,
            "deviation": rest.deviation,
            "pearson": rest.pearson,
            "spearman": rest.spearman,
            "residual_sd": residual_sd(scored, of.effect, level=level),
            "drift": moved.thirds,
            "drift_slope": moved.slope,
            "gold": _twice(gold, many, level),
            "retest": _twice(repeats, many, level),
        }
    else:
        names = (
            "severity",
            "deviation",
            "pearson",
            "spearman",
            "residual_sd",
            "drift",
            "drift_slope",
            "gold",
            "retest",
        )
        columns = {name: [Undefined(Reason.NOT_ORDERED, int(m)) for m in n] for name in names}
    runs = longest_run(scored)
    on_axis = [
        OnAxis(
            n=int(n[r]),
            n_shared=int(n_shared[r]),
            n_na=int(n_na[r]),
            component=int(of.component[r]) if of else -1,
            entropy=use.entropy[r],
            modal_share=use.modal_share[r],
            longest_run=runs[r],
            **{name: column[r] for name, column in columns.items()},
        )
        for r in range(many)
    ]
    return on_axis, _of_all(scored, of, total), scored, of


def _of_all(scored: Scored, of: Severity | None, total: Ints) -> AxisOfAll:
    effect = of.effect[~np.isnan(of.effect)] if of else np.zeros(0)
    share = total[total > 0] / max(total.sum(), 1)
    return AxisOfAll(
        n=int(scored.value.size),
        n_pairable=scored.n_pairable,
        n_components=of.n_components if of else 0,
        residual_sd=float(np.sqrt(of.residual_variance)) if of and of.degrees > 0 else None,
        severity_sd=float(effect.std(ddof=1)) if effect.size > 1 else None,
        entropy=float(-(share * np.log2(share)).sum()) + 0.0 if share.size else None,
        means=None,
    )


def _with_means(
    summary: AxisOfAll, scored: Scored, of: Severity | None, in_doubt: list[int], level: float
) -> AxisOfAll:
    if of is None or scored.model is None:
        return summary
    means = means_with_and_without(scored, in_doubt, of=of, level=level)
    return AxisOfAll(
        n=summary.n,
        n_pairable=summary.n_pairable,
        n_components=summary.n_components,
        residual_sd=summary.residual_sd,
        severity_sd=summary.severity_sd,
        entropy=summary.entropy,
        means=means,
    )


def _in_doubt(found: Sequence[Raised]) -> bool:
    return any(one.flag not in flags.MENDABLE for one in found)


def _twice(pairs: Twice | None, n_raters: int, level: float) -> list[Result]:
    if pairs is None:
        return [Undefined(Reason.NO_DATA)] * n_raters
    return agreement_twice(pairs, n_raters, level=level).qwk


def _flags_on(one: OnAxis, axis: int, points: Floats, entropy_of_all: float | None) -> list[Raised]:
    spread = float(points[-1] - points[0])
    far, moved = flags.SEVERITY * spread, flags.DRIFT * spread
    found = [
        *flags.above(Flag.LENIENT, one.severity, far, axis=axis),
        *flags.below(Flag.SEVERE, one.severity, -far, axis=axis),
        *flags.below(
            Flag.INCONSISTENT, one.pearson, flags.CORRELATION, axis=axis, enough=flags.ENOUGH_FOR_CORRELATION
        ),
        *flags.above(Flag.DRIFT, one.drift, moved, axis=axis, enough=flags.ENOUGH_FOR_DRIFT),
        *flags.below(Flag.DRIFT, one.drift, -moved, axis=axis, enough=flags.ENOUGH_FOR_DRIFT),
        *flags.below(Flag.OFF_GOLD, one.gold, flags.KAPPA, axis=axis, enough=flags.ENOUGH_REPEATS),
        *flags.below(Flag.UNSTABLE, one.retest, flags.KAPPA, axis=axis, enough=flags.ENOUGH_REPEATS),
    ]
    if entropy_of_all is not None and entropy_of_all >= flags.MUCH_ENTROPY:
        found += flags.below(Flag.FEW_POINTS, one.entropy, flags.ENTROPY * entropy_of_all, axis=axis)
    if isinstance(one.modal_share, Estimate):
        chance = float(run_by_chance(one.modal_share.value, one.n))
        least = max(flags.LONG_RUN - 0.5, flags.LONG_RUN_TIMES * chance)
        found += flags.above(Flag.LONG_RUN, one.longest_run, least, axis=axis)
    return found


def _pooled(shares: list[Result]) -> float | None:
    """The share over all raters' ratings, from those of each."""
    known = [one for one in shares if isinstance(one, Estimate)]
    n = sum(one.n for one in known)
    return sum(one.value * one.n for one in known) / n if n else None


def _health(sheet: Sheet) -> Health:
    """Of the ratings that were made, as seats."""
    item = sheet.item[sheet.by_item]
    n_items = int(item.max(initial=-1)) + 1
    per_item = np.bincount(item, minlength=n_items)
    seat = np.arange(item.size) - (np.cumsum(per_item) - per_item)[item]
    seats = np.full((n_items, int(per_item.max(initial=1))), NOBODY)
    seats[item, seat] = sheet.rater[sheet.by_item]
    models = np.zeros(n_items, dtype=np.int64)
    if sheet.model is not None:
        models[sheet.item] = sheet.model
    return health(seats=seats, item_models=models, n_raters=sheet.n_raters)
