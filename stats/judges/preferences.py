"""A judge's verdicts on pairs beside people's preferences, which follow from their scores of the two responses.

People prefer the response with the higher mean score; means no further apart than a margin are a tie. The judge's outcome is
that of both orders: a contradiction is a tie. Shares as in MT-bench (Zheng et al. 2023): over all pairs, ties and
contradictions being an outcome of their own (its setup S1), and over pairs that both sides decide (S2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stats.agreement.intervals import Interval
from stats.arrays import Bools, Floats, Ints
from stats.estimate import Reason, Result, Undefined
from stats.judges.grid import Grid, Ratings
from stats.judges.levels import Correlations, correlations
from stats.judges.moments import ratio
from stats.ranking.battles import Verdicts
from stats.resampling import CLUSTER_BOOTSTRAP, bootstrap_prompts, by_prompt

_SLACK = 1e-9
"""Two means of the same scores may differ by that much."""
TIE = 0.5
_OUTCOMES = (1.0, TIE, 0.0)
_FEWEST_MODELS = 3
"""For a correlation of win rates."""


@dataclass(frozen=True, slots=True)
class WithRaters:
    """Over pairs of which two persons or more rated both responses: whoever compares judge and people should use the same."""

    judge: Result
    """Share of these persons' preferences that are the judge's, mean over pairs."""
    people: Result
    """Share of pairs of these persons that have the same preference, mean over pairs."""
    difference: Result
    """The first less the second."""


@dataclass(frozen=True, slots=True)
class ModelPreference:
    """How often a model is preferred, ties half, over the pairs that both sides have a say in."""

    n: int
    human: Result
    judge: Result


@dataclass(frozen=True, slots=True)
class Preferences:
    n_pairs: int
    """Pairs with the judge's verdict in both orders and people's scores of both responses."""
    n_prompts: int
    n_models: int
    counts: tuple[tuple[int, ...], ...]
    """People (rows) and the judge (columns): the first model, neither, the second model."""
    agreement: Result
    """Share of pairs with the same outcome of three: one, the other, a tie."""
    kappa: Result
    """(agreement - chance) / (1 - chance); by chance both sides would tie as often as they do, and else toss a coin. So it does
    not matter which model of a pair comes first."""
    decided: Result
    """Share of pairs with the same winner, over pairs that neither side leaves tied."""
    human_ties: Result
    judge_ties: Result
    raters: WithRaters
    models: tuple[ModelPreference, ...]
    pearson: Result
    """Of the models' two win rates: means over prompts of their shares there. As of scores on the level “system”."""
    spearman: Result
    kendall: Result


def preferences(
    verdicts: Verdicts,
    human: Floats,
    *,
    cells: tuple[Ints, Ints],
    ratings: Ratings | None = None,
    shape: tuple[int, int] = (0, 0),
    margin: float = 0.0,
    leave_out: int | None = None,
    interval: Interval = CLUSTER_BOOTSTRAP,
    rng: np.random.Generator,
) -> Preferences:
    """`human` (n, 2): people's mean score of each pair's first and second response, NaN where there is none. `cells`: of
    both responses, their place row * columns + column in the grid of that `shape` which `ratings` speaks of, -1 where it is not
    there. `leave_out`: a model that is not among those whose win rates are correlated, such as a baseline that met all others.
    """
    ahead = human[:, 0] - human[:, 1]
    use = verdicts.given & ~np.isnan(ahead)
    prompt, first, second = verdicts.prompt[use], verdicts.first[use], verdicts.second[use]
    judge = np.where(verdicts.one[use] == verdicts.other[use], verdicts.one[use], TIE)
    people = _outcome(ahead[use], margin)
    n, m = judge.size, verdicts.n_models
    of_raters = _by_raters(judge, (cells[0][use], cells[1][use]), ratings, shape, margin)
    anonymous = ratings is not None and ratings.anonymous
    table = [[int(((people == h) & (judge == j)).sum()) for j in _OUTCOMES] for h in _OUTCOMES]
    decided = (people != TIE) & (judge != TIE)
    same = people == judge
    sides = [(first == k, second == k) for k in range(m)]
    prompts, sums = by_prompt(
        prompt,
        (np.ones(n), same, people == TIE, judge == TIE, decided, decided & same, *of_raters.columns),
    )
    _, counted = by_prompt(prompt, (a | b for a, b in sides))
    won = [by_prompt(prompt, (a * got + b * (1 - got) for a, b in sides))[1] for got in (people, judge)]

    def figures(weights: Floats) -> Floats:
        total, alike, tied_h, tied_j, both, winners, raters, with_judge, with_people = (weights @ sums).T
        agreed, ties_h, ties_j = (ratio(of, total) for of in (alike, tied_h, tied_j))
        chance = ties_h * ties_j + (1 - ties_h) * (1 - ties_j) / 2
        in_it = weights @ counted
        rates = [ratio(weights @ of, in_it) for of in won]
        return np.column_stack(
            [
                agreed,
                ratio(agreed - chance, 1 - chance),
                ratio(winners, both),
                ties_h,
                ties_j,
                ratio(with_judge, raters),
                ratio(with_people, raters),
                ratio(with_judge - with_people, raters),
                *rates,
            ]
        )

    size = [int((a | b).sum()) for a, b in sides]
    no_raters = Reason.ANONYMOUS if anonymous else Reason.SINGLE_RATINGS
    why = [
        Reason.NOTHING_SHARED,
        Reason.CONSTANT,
        Reason.NOT_ENOUGH,
        Reason.NOTHING_SHARED,
        Reason.NOTHING_SHARED,
    ]
    why += [no_raters] * 3 + [Reason.NO_SCORES] * (2 * m)
    counts = [n, n, int(decided.sum()), n, n, *[of_raters.pairs] * 3, *size, *size]
    found: list[Result] = [Undefined(Reason.NOTHING_SHARED)] * len(counts)
    if n:
        found = bootstrap_prompts(
            figures, prompts, n=counts, why=why, interval=interval, rng=rng, bounds=(-1.0, 1.0)
        )
    of_models = _of_models(ratio(won[0], counted), ratio(won[1], counted), prompts, leave_out, interval, rng)
    return Preferences(
        n_pairs=n,
        n_prompts=int(np.unique(prompt).size),
        n_models=sum(map(bool, size)),
        counts=tuple(tuple(row) for row in table),
        agreement=found[0],
        kappa=found[1],
        decided=found[2],
        human_ties=found[3],
        judge_ties=found[4],
        raters=WithRaters(*found[5:8]),
        models=tuple(ModelPreference(size[k], found[8 + k], found[8 + m + k]) for k in range(m)),
        pearson=of_models.pearson,
        spearman=of_models.spearman,
        kendall=of_models.kendall,
    )


def _of_models(
    human: Floats,
    judge: Floats,
    prompts: Ints,
    leave_out: int | None,
    interval: Interval,
    rng: np.random.Generator,
) -> Correlations:
    """Of what each model wins at each prompt (P, M), NaN where it is in no pair."""
    keep = np.flatnonzero([k != leave_out for k in range(human.shape[1])])
    grid = Grid(human[:, keep], judge[:, keep], prompts, np.array(_OUTCOMES[::-1]))
    if grid.n_models < _FEWEST_MODELS:
        few = Undefined(Reason.NOT_ENOUGH if grid.n_models else Reason.NOTHING_SHARED, grid.n_items)
        return Correlations("system", few, few, few, 0, 0)
    return correlations(grid, "system", interval=interval, rng=rng)


def _outcome(ahead: Floats, margin: float) -> Floats:
    """What the first gets: 1, 1/2 or 0."""
    return np.where(np.abs(ahead) <= margin + _SLACK, TIE, (ahead > 0).astype(np.float64))


@dataclass(frozen=True)
class _ByRaters:
    """Of each pair of responses: shares over persons who rated both, 0 where there are fewer than two, and whether there are two."""

    judge: Floats
    people: Floats
    counts: Bools

    @property
    def pairs(self) -> int:
        return int(self.counts.sum())

    @property
    def columns(self) -> tuple[Bools, Floats, Floats]:
        return self.counts, self.judge, self.people


def _by_raters(
    judge: Floats, cells: tuple[Ints, Ints], ratings: Ratings | None, shape: tuple[int, int], margin: float
) -> _ByRaters:
    n = judge.size
    nothing = np.zeros(n)
    if ratings is None or ratings.anonymous or not n:
        return _ByRaters(nothing, nothing, np.zeros(n, bool))
    pair, outcome = _single_preferences(cells, ratings, shape, margin)
    persons = np.bincount(pair, minlength=n).astype(np.float64)
    with_judge = np.bincount(pair, weights=outcome == judge[pair], minlength=n)
    # of k persons with an outcome, k (k - 1) / 2 pairs have it in common
    alike = sum(
        (
            k * (k - 1) / 2
            for k in (np.bincount(pair, weights=outcome == got, minlength=n) for got in _OUTCOMES)
        ),
        start=nothing,
    )
    enough = persons >= 2
    safe = np.where(enough, persons, 2)
    return _ByRaters(
        np.where(enough, with_judge / safe, 0.0),
        np.where(enough, alike / (safe * (safe - 1) / 2), 0.0),
        enough,
    )


def _single_preferences(
    cells: tuple[Ints, Ints], ratings: Ratings, shape: tuple[int, int], margin: float
) -> tuple[Ints, Floats]:
    """Of each person who scored both responses of a pair: which pair, and what its first gets from them."""
    cell = ratings.row * shape[1] + ratings.model
    order = np.lexsort((ratings.rater, cell))
    cell, rater, value = cell[order], ratings.rater[order], ratings.value[order]
    one = [np.searchsorted(cell, cells[0], side) for side in ("left", "right")]
    other = [np.searchsorted(cell, cells[1], side) for side in ("left", "right")]
    n_one, n_other = one[1] - one[0], other[1] - other[0]
    both = n_one * n_other  # cells of -1 have no ratings
    pair = np.repeat(np.arange(both.size), both)
    nth = np.arange(pair.size) - np.repeat(np.cumsum(both) - both, both)
    across = np.maximum(n_other[pair], 1)
    left, right = one[0][pair] + nth // across, other[0][pair] + nth % across
    same = rater[left] == rater[right]
    return pair[same].astype(np.int64), _outcome(value[left[same]] - value[right[same]], margin)
