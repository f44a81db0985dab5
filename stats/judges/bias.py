"""Does a judge pay for length, or for looks, more than people do?

A longer answer may be a better one, so a judge's liking for length is told from people's own: at equal human score,
within the same prompt, how many points more does an answer get for being twice as long? The judge is regressed on

    j = b h + c ln(length) + (marks of style) + an effect of each prompt

and c ln 2 is what a doubling earns. People's mean h is a noisy measure of quality, so some of what quality earns is
credited to length, for anyone who is regressed like this. Hence one person against the mean of the rest beside it, and the
judge against that same rest: `excess`, the difference of the two, is what to read. People's liking counts as legitimate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stats.agreement.intervals import Interval
from stats.arrays import Bools, Floats, Ints
from stats.estimate import Reason, Result, Undefined
from stats.judges.grid import Grid, Ratings
from stats.judges.others import mean_of_others
from stats.judges.regression import Fit, least_squares, partial_correlation, scaled_by
from stats.resampling import CLUSTER_BOOTSTRAP, draws, summarise


@dataclass(frozen=True, slots=True)
class Liking:
    """What somebody's scores owe to length and style, at equal human score."""

    per_doubling: Result
    """Points for an answer twice as long: c ln 2."""
    p: float | None
    """Two-sided, of c = 0."""
    partial_correlation: Result
    """Of the scores with ln(length), everything else in the regression held fixed."""
    coefficients: dict[str, Result]
    """Of the regression: "human" (per point), "ln_length", each mark of style (per mark)."""
    n: int


@dataclass(frozen=True, slots=True)
class LengthBias:
    """The judge, and people beside it. All intervals are over prompts."""

    judge: Liking
    """Against the mean of all people."""
    person: Liking
    """One person against the mean of the rest: n is ratings."""
    judge_on_rest: Liking
    """The judge against the same rest, once for each rating."""
    excess: Result
    """Points per doubling that the judge gives beyond a person: `judge_on_rest` less `person`, on the same rows."""
    left_out: int
    """Items that both sides scored, of unknown length, or empty."""


def length_bias(
    grid: Grid,
    *,
    style: Mapping[str, Floats] | None = None,
    prompt_effects: bool = True,
    interval: Interval = CLUSTER_BOOTSTRAP,
    rng: np.random.Generator,
) -> LengthBias:
    """The regressions, with errors clustered by prompt; partial correlations with a bootstrap over prompts.

    `style`: further columns (P, M) by name, such as counts of headers, list items and bold passages
    (`stats.judges.style`). Without `prompt_effects` there is an intercept, and length stands for hard prompts, too.
    """
    marks = dict(style or {})
    if any(table.shape != grid.human.shape for table in marks.values()):
        raise ValueError("marks of style must have one entry for each row and model")
    if {"human", "ln_length", "intercept"} & marks.keys():
        raise ValueError("a mark of style has the name of another column")
    if grid.length is None:
        none = _nothing(Reason.NO_DATA)
        return LengthBias(none, none, none, Undefined(Reason.NO_DATA), 0)
    usable = grid.both & (grid.length > 0) & np.isfinite(grid.length)
    for table in marks.values():
        usable = usable & np.isfinite(table)
    left_out = grid.n_items - int(usable.sum())
    row, model = np.nonzero(usable)
    items = _Sample.of(grid, marks, row, model, grid.human[row, model])
    ratings, rest = _against_rest(grid, usable)
    people = _Sample.of(grid, marks, ratings.row, ratings.model, rest)
    scores = [
        (items, grid.judge[row, model]),
        (people, ratings.value),
        (people, grid.judge[ratings.row, ratings.model]),
    ]
    why = [
        _why(grid, sample, prompt_effects, is_people)
        for (sample, _), is_people in zip(scores, (0, 1, 1), strict=True)
    ]
    fits = [sample.fit(y, prompt_effects, interval.level) for sample, y in scores]
    partial = _partial_correlations(grid, scores, why, prompt_effects, interval, rng)
    judge, person, judge_on_rest = (
        _liking(fit, reason, r) for fit, reason, r in zip(fits, why, partial, strict=True)
    )
    excess = people.fit(scores[2][1] - scores[1][1], prompt_effects, interval.level)
    return LengthBias(
        judge=judge,
        person=person,
        judge_on_rest=judge_on_rest,
        excess=_liking(excess, why[1], partial[1]).per_doubling,
        left_out=left_out,
    )


def _against_rest(grid: Grid, usable: Bools) -> tuple[Ratings, Floats]:
    """Ratings of usable items that somebody else rated too, and the mean of what the others gave."""
    given = grid.ratings
    if given is None:
        nobody = np.empty(0, dtype=np.int64)
        return Ratings(nobody, nobody, nobody, np.empty(0)), np.empty(0)
    rest, others = mean_of_others(given, grid.human.shape[1])
    keep = (others > 0) & usable[given.row, given.model]
    return Ratings(given.row[keep], given.model[keep], given.rater[keep], given.value[keep]), rest[keep]


@dataclass(frozen=True)
class _Sample:
    """What scores are regressed on: n of them."""

    columns: dict[str, Floats]
    row: Ints
    prompt: Ints
    model: Ints

    @classmethod
    def of(cls, grid: Grid, marks: Mapping[str, Floats], row: Ints, model: Ints, human: Floats) -> _Sample:
        assert grid.length is not None
        columns = {"human": human, "ln_length": np.log(grid.length[row, model])}
        columns |= {name: table[row, model] for name, table in marks.items()}
        return cls(columns, row, grid.prompt[row], model)

    def fit(self, y: Floats, prompt_effects: bool, level: float) -> Fit:
        effects = self.row if prompt_effects else None
        return least_squares(y, self.columns, effects=effects, cluster=self.prompt, level=level)


def _why(grid: Grid, sample: _Sample, prompt_effects: bool, people: int) -> Reason | None:
    """The reason that is plainer than what the regression would say."""
    if people and grid.ratings is None:
        return Reason.NO_DATA
    if not grid.n_items:
        return Reason.NOTHING_SHARED
    if not sample.row.size:
        return Reason.SINGLE_RATINGS if people else Reason.NO_DATA
    if prompt_effects and np.unique(sample.model).size < 2:
        return Reason.ONE_MODEL
    return None


def _partial_correlations(
    grid: Grid,
    scores: list[tuple[_Sample, Floats]],
    why: list[Reason | None],
    effects: bool,
    interval: Interval,
    rng: np.random.Generator,
) -> list[Result]:
    """All from the same resamples of the prompts with usable items."""
    used = np.unique(scores[0][0].row)
    if not used.size:
        return [Undefined(reason or Reason.NO_DATA) for reason in why]
    each = [
        partial_correlation(
            sample.columns["ln_length"],
            y,
            [column for name, column in sample.columns.items() if name != "ln_length"],
            row=np.searchsorted(used, sample.row),
            rows=used.size,
            effects=effects,
        )
        for sample, y in scores
    ]
    point, drawn = draws(
        lambda weights: np.concatenate([of(weights) for of in each], axis=1),
        grid.prompt[used],
        replicates=interval.replicates,
        rng=rng,
    )
    return summarise(
        point,
        drawn,
        n=[sample.row.size for sample, _ in scores],
        why=[reason or Reason.CONSTANT for reason in why],
        units=np.unique(grid.prompt[used]).size,
        interval=interval,
        bounds=(-1, 1),
    )


def _liking(fit: Fit, why: Reason | None, partial: Result) -> Liking:
    if why is not None:
        return _nothing(why, fit.n)
    length = fit.coefficients["ln_length"]
    if isinstance(length, Undefined) and isinstance(partial, Undefined):
        partial = length
    return Liking(scaled_by(length, np.log(2)), fit.p["ln_length"], partial, fit.coefficients, fit.n)


def _nothing(why: Reason, n: int = 0) -> Liking:
    return Liking(Undefined(why, n), None, Undefined(why, n), {}, n)
