"""How well could a judge do at all? What people do among themselves, measured as the judge is.

A judge correlates better with the mean of several people than one person does with another, because a mean has less
noise, not because the judge is better than people. So r(judge, mean of all) is never set against r(person, person)
here. Three comparisons that are fair, all on the responses that the judge scored and two people or more rated:

alpha      Krippendorff's alpha among people, and the mean over people r of alpha(judge, r)
rest       r(person, mean of the rest), and r(judge, mean of the same rest) on the same responses, means over people
corrected  r(judge, people's mean) / sqrt(ICC(1,k)): what it would be with a mean without noise
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from stats.agreement import PatternHistogram
from stats.agreement.coefficients import icc_of_means, krippendorff_alpha
from stats.agreement.intervals import Interval
from stats.agreement.sums import Sums, items
from stats.arrays import Floats
from stats.estimate import Reason, Result
from stats.judges.figures import FigureSet, measure
from stats.judges.grid import Grid
from stats.judges.levels import mean_of_known
from stats.judges.moments import Moments, ratio
from stats.judges.raters import FEWEST, Scores, alpha_of_pairs, why_no_rater
from stats.resampling import CLUSTER_BOOTSTRAP

_MEANS_OF_FEW = frozenset({"ceiling.alpha.judge", "ceiling.alpha.difference"})
"""Means over people of a coefficient that is too low with few responses."""


@dataclass(frozen=True, slots=True)
class Beside:
    """People and the judge in the same place."""

    people: Result
    judge: Result
    difference: Result
    """judge - people, in the same resamples: above 0, the judge does better than a person."""


@dataclass(frozen=True, slots=True)
class RaterBeside:
    """One person, and the judge in that person's place."""

    rater: int
    """As in `Ratings.rater`."""
    n: int
    """Responses of theirs that others rated, too."""
    alpha: Result
    """Ordinal alpha of the judge and this person."""
    people: Result
    """r(this person, mean of the rest)."""
    judge: Result
    """r(judge, mean of the same rest)."""


@dataclass(frozen=True, slots=True)
class Ceiling:
    alpha: Beside
    """Ordinal alpha; among people, and of the judge with one person, mean over people."""
    rest: Beside
    """Pearson with the mean of the rest, mean over people."""
    reliability: Result
    """ICC(1,k) of people's means, k as it is."""
    pearson: Result
    """r(judge, people's mean) on the same responses."""
    corrected: Result
    """`pearson` / sqrt(`reliability`). By chance it may pass 1."""
    raters: tuple[RaterBeside, ...]
    """People with `FEWEST` responses or more."""
    left_out: int
    """People with fewer."""


def ceiling(grid: Grid, *, interval: Interval = CLUSTER_BOOTSTRAP, rng: np.random.Generator) -> Ceiling:
    grid = grid.shared()
    of = ceiling_figures(grid)
    return of.gather(measure(of.figures, grid.prompt, interval=interval, rng=rng))


@dataclass(frozen=True)
class CeilingFigures:
    figures: list[FigureSet]
    raters: tuple[tuple[int, int], ...]
    """Who, and with how many responses."""
    left_out: int

    def gather(self, found: dict[str, Result]) -> Ceiling:
        def beside(name: str) -> Beside:
            return Beside(*(found[f"ceiling.{name}.{part}"] for part in ("people", "judge", "difference")))

        return Ceiling(
            alpha=beside("alpha"),
            rest=beside("rest"),
            reliability=found["ceiling.reliability"],
            pearson=found["ceiling.pearson"],
            corrected=found["ceiling.corrected"],
            raters=tuple(
                RaterBeside(
                    rater,
                    n,
                    found[f"ceiling.alpha.{rater}"],
                    found[f"ceiling.people.{rater}"],
                    found[f"ceiling.judge.{rater}"],
                )
                for rater, n in self.raters
            ),
            left_out=self.left_out,
        )


def ceiling_figures(grid: Grid, *, fewest: int = FEWEST) -> CeilingFigures:
    """All of it as functions of weights; `grid` from `Grid.shared`."""
    every, rows = Scores.of(grid), len(grid.human)
    several = every.shared_by_raters()
    without = why_no_rater(grid, every)
    if without in (Reason.ANONYMOUS, Reason.NOT_ENOUGH) and several.row.size == 0:
        without = Reason.SINGLE_RATINGS
    named = several if without is Reason.NOT_ENOUGH else several.only(np.zeros(several.row.size, bool))
    everybody = np.unique(named.rater).size
    # `rest` is of all ratings of a response, and must be taken before raters with few of them are left out
    rest_of_all = named.rest
    some, place, who = named.by_rater(fewest)
    rest = rest_of_all[np.isin(named.rater, who)]
    n_each = np.bincount(place, minlength=who.size)

    row, groups = some.row, who.size
    alpha_each = alpha_of_pairs(some.human, some.judge, row=row, rows=rows, group=place, groups=groups)
    person, judge = (
        Moments.of(t, rest, row=row, rows=rows, group=place, groups=groups) for t in (some.human, some.judge)
    )
    sums_of_people = _people(grid, several)
    cells = np.unique(several.cell)
    at = np.divmod(cells, grid.human.shape[1])
    to_mean = Moments.of(grid.human[at], grid.judge[at], row=at[0], rows=rows)

    def figures(weights: Floats) -> Floats:
        sums = sums_of_people(weights)
        alpha = krippendorff_alpha(sums, "ordinal")
        icc = icc_of_means(sums)
        r = to_mean.sums(weights).pearson[0]
        alphas = alpha_each(weights) if who.size else np.empty((0, len(weights)))
        of_person, of_judge = person.sums(weights).pearson, judge.sums(weights).pearson
        together = [alpha, mean_of_known(alphas), mean_of_known(alphas) - alpha]
        together += [mean_of_known(t) for t in (of_person, of_judge, of_judge - of_person)]
        corrected = ratio(r, np.sqrt(np.where(icc > 0, icc, np.nan)))
        return np.column_stack([*together, icc, r, corrected, *alphas, *of_person, *of_judge])

    n, m = cells.size, some.row.size
    nobody = without if who.size == 0 else Reason.CONSTANT
    nothing = without if several.row.size == 0 else Reason.NO_VARIATION
    no_icc = without if several.row.size == 0 else Reason.NO_VARIATION_BETWEEN_ITEMS
    no_r = without if several.row.size == 0 else Reason.CONSTANT
    with np.errstate(invalid="ignore", divide="ignore"):
        uncorrected = no_r if np.isnan(to_mean.sums(np.ones((1, rows))).pearson[0, 0]) else no_icc
    parts = ("people", "judge", "difference")
    names = [
        *(f"ceiling.{what}.{part}" for what in ("alpha", "rest") for part in parts),
        *(f"ceiling.{what}" for what in ("reliability", "pearson", "corrected")),
        *(f"ceiling.{what}.{rater}" for what in ("alpha", "people", "judge") for rater in who),
    ]
    on_all = [no_icc, no_r, uncorrected]
    why = [nothing, *[nobody] * 5, *on_all, *[Reason.CONSTANT] * (3 * who.size)]
    numbers = [n, m, m, m, m, m, n, n, n, *np.tile(n_each, 3).tolist()]
    return CeilingFigures(
        [FigureSet(tuple(names), figures, tuple(numbers), tuple(why), biased=_MEANS_OF_FEW)],
        tuple(zip(who.tolist(), n_each.tolist(), strict=True)),
        everybody - who.size,
    )


def _people(grid: Grid, scores: Scores) -> Callable[[Floats], Sums]:
    """Weights (b, P) on rows to the sums of agreement among people, on the responses that these ratings are of."""
    values = np.unique(np.concatenate([grid.values, scores.human]))
    histogram = PatternHistogram.from_ratings(
        values=values, item=scores.cell, rank=np.searchsorted(values, scores.human) + 1, cluster=scores.row
    )
    clusters = histogram.clusters
    assert clusters is not None
    per_row = sp.coo_array(
        (clusters.items.astype(np.float64), (clusters.pattern, clusters.key)),
        shape=(histogram.frequency.size, len(grid.human)),
    ).tocsr()
    units = items(histogram)

    def sums(weights: Floats) -> Sums:
        return units.weighted(np.asarray(per_row @ weights.T).T)

    return sums
