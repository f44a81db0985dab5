"""Quadratically weighted kappa of the judge with single ratings: pairs first, then the mean of the pairs.

QWK of two raters is Lin's concordance of their scores, so it takes the judge's scores as they are: nothing is rounded
to points. It is not computed against means of ratings, which agree better with anybody than a single rating does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stats.agreement.intervals import Interval
from stats.arrays import Ints
from stats.estimate import Reason, Result
from stats.judges.figures import FigureSet, measure
from stats.judges.grid import Grid
from stats.judges.levels import mean_of_known
from stats.judges.moments import Moments
from stats.judges.raters import FEWEST, FEWEST_OF_PAIR, Scores, why_no_rater
from stats.resampling import CLUSTER_BOOTSTRAP, Figures


@dataclass(frozen=True, slots=True)
class Kappas:
    """QWK, on responses that the judge scored."""

    judge: Result
    """The judge with each rater, the mean over raters with `FEWEST` responses or more."""
    people: Result
    """Two raters with each other, the mean over pairs with `FEWEST_OF_PAIR` responses in common: what `judge`
    compares to."""
    pooled: Result
    """The judge with every single rating, whoever gave it. Raters' different severity is in it."""
    raters: int
    """Behind `judge`."""
    pairs: int
    """Behind `people`."""

    @property
    def headline(self) -> Result:
        """Per rater where raters are known and rated enough, pooled otherwise."""
        return self.judge if self.raters else self.pooled


def kappas(grid: Grid, *, interval: Interval = CLUSTER_BOOTSTRAP, rng: np.random.Generator) -> Kappas:
    grid = grid.shared()
    figures, raters, pairs = kappa_figures(grid)
    return gathered(measure(figures, grid.prompt, interval=interval, rng=rng), raters, pairs)


def gathered(found: dict[str, Result], raters: int, pairs: int) -> Kappas:
    return Kappas(found["qwk.judge"], found["qwk.people"], found["qwk.pooled"], raters, pairs)


def kappa_figures(
    grid: Grid, *, fewest: int = FEWEST, fewest_of_pair: int = FEWEST_OF_PAIR
) -> tuple[list[FigureSet], int, int]:
    """`qwk.judge`, `qwk.people`, `qwk.pooled`; how many raters and pairs of raters. `grid` from `Grid.shared`."""
    scores, rows = Scores.of(grid), len(grid.human)
    without = why_no_rater(grid, scores)
    pooled = Moments.of(scores.human, scores.judge, row=scores.row, rows=rows)
    named = scores if without is Reason.NOT_ENOUGH else scores.only(np.zeros(scores.row.size, bool))
    some, place, who = named.by_rater(fewest)
    each = Moments.of(some.human, some.judge, row=some.row, rows=rows, group=place, groups=who.size)
    one, other, pair, number = _pairs_of_raters(named, fewest_of_pair)
    people = Moments.of(
        named.human[one], named.human[other], row=named.row[one], rows=rows, group=pair, groups=number
    )

    def mean(of: Moments) -> Figures:
        return lambda weights: mean_of_known(of.sums(weights).concordance)[:, None]

    singles = without is Reason.NOT_ENOUGH and bool((scores.per_cell < 2).all())
    no_pairs = Reason.SINGLE_RATINGS if singles else without
    no_pool = without if without in (Reason.NO_DATA, Reason.NOTHING_SHARED) else Reason.NO_VARIATION
    bounds = (-1, 1)
    return (
        [
            FigureSet(
                ("qwk.judge",),
                mean(each),
                (some.row.size,),
                (_why(who.size, without),),
                bounds,
                biased=frozenset({"qwk.judge"}),
            ),
            FigureSet(
                ("qwk.people",),
                mean(people),
                (one.size,),
                (_why(number, no_pairs),),
                bounds,
                biased=frozenset({"qwk.people"}),
            ),
            FigureSet(("qwk.pooled",), mean(pooled), (scores.row.size,), (no_pool,), bounds),
        ],
        who.size,
        number,
    )


def _why(groups: int, without: Reason) -> Reason:
    return Reason.NO_VARIATION if groups else without


def _pairs_of_raters(scores: Scores, fewest: int) -> tuple[Ints, Ints, Ints, int]:
    """Every two ratings of one response (as indices), the pair of raters they are of (0, 1, …), and how many there are.

    Only of pairs with `fewest` responses in common or more.
    """
    order = np.lexsort((scores.rater, scores.cell))
    cell, rater = scores.cell[order], scores.rater[order]
    firsts, seconds = [], []
    for step in range(1, int(scores.per_cell.max(initial=1))):
        same = np.flatnonzero(cell[step:] == cell[:-step])
        firsts.append(same)
        seconds.append(same + step)
    none = np.empty(0, np.int64)
    one, other = np.concatenate([*firsts, none]), np.concatenate([*seconds, none])
    names = rater[one] * (int(rater.max(initial=0)) + 1) + rater[other]
    pairs, n = np.unique(names, return_counts=True)
    kept = pairs[n >= fewest]
    use = np.isin(names, kept)
    return order[one[use]], order[other[use]], np.searchsorted(kept, names[use]).astype(np.int64), kept.size
