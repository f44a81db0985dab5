"""The population that simulated studies are drawn from: prompts without end, the same models and the same raters.

Prompts are what intervals of `stats` are about: other prompts like these, for these models and these raters. So models'
strengths and raters' ways are fixed by the shape of a study, and a study draws prompts. Where an interval speaks of
raters like these, too, the chapter draws raters anew, and says so.

    quality of a response  q = 3.4 + prompt + model + prompt x model,   SD .5, -.5 to .5, SD .55
    a rater's score        q + severity + drift (time - 1/2) + noise, rounded to 1, ..., 5
    the judge's score      a line in q with a slope of .8, more for length and for its own family, noise of its own for
                           prompts and for responses, rounded likewise
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import special

from stats.agreement import PatternHistogram
from stats.arrays import Floats, Ints
from stats.judges.grid import Grid, Ratings

POINTS = np.arange(1.0, 6.0)
MIDDLE = 3.4
PROMPT_SD, ITEM_SD = 0.5, 0.55


@dataclass(frozen=True)
class Cell:
    """A size of study. `raters`: people; each item gets `per_item` of them, by chance."""

    prompts: int
    models: int
    per_item: int
    raters: int

    def __str__(self) -> str:
        return f"{self.prompts}x{self.models}x{self.per_item}"

    def larger(self, prompts: int) -> Cell:
        """The same models and raters, on so many prompts."""
        return Cell(prompts, self.models, self.per_item, self.raters)

    @cached_property
    def strength(self) -> Floats:
        """(M,)"""
        return np.linspace(-0.5, 0.5, self.models)

    @cached_property
    def severity(self) -> Floats:
        """(R,) with an SD of .35 or so; > 0 is lenient."""
        return 0.35 * _spread(self.raters)[np.argsort(np.arange(self.raters) * 7 % (self.raters + 1))]

    @cached_property
    def noise(self) -> Floats:
        """(R,) SD of a score, given the response."""
        return np.linspace(0.5, 0.9, self.raters)

    @cached_property
    def drift(self) -> Floats:
        """(R,) points from the first rating to the last."""
        return np.where(np.arange(self.raters) % 3 == 0, 0.3, -0.1)


def _spread(n: int) -> Floats:
    """n quantiles of a normal distribution."""
    return np.asarray(special.ndtri((np.arange(n) + 0.5) / n))


def rounded(x: Floats) -> Floats:
    return np.clip(np.round(x), POINTS[0], POINTS[-1])


@dataclass(frozen=True)
class Study:
    """`quality`, `ln_length`, `judge`, `other` (P, M); `who`, `score`, `time` (P, M, k)."""

    cell: Cell
    quality: Floats
    who: Ints
    score: Floats
    time: Floats
    ln_length: Floats
    judge: Floats
    other: Floats
    """A second judge, noisier, with another leniency."""

    @property
    def item(self) -> Ints:
        """(n,) of each score, in the order of `score.ravel()`."""
        return np.repeat(np.arange(self.quality.size), self.cell.per_item)

    @property
    def prompt(self) -> Ints:
        return self.item // self.cell.models

    @property
    def model(self) -> Ints:
        return self.item % self.cell.models

    def grid(self, judge: Floats | None = None) -> Grid:
        row, model = self.prompt, self.model
        return Grid(
            self.score.mean(axis=2),
            self.judge if judge is None else judge,
            np.arange(len(self.quality)),
            POINTS,
            Ratings(row, model, self.who.ravel(), self.score.ravel()),
            length=np.exp(self.ln_length),
        )

    def histogram(self, na: np.ndarray | None = None) -> PatternHistogram:
        """Clustered by prompt; `na` (P, M, k): who could not judge."""
        rank = self.score.astype(np.int64)
        return PatternHistogram.from_ratings(
            values=POINTS,
            item=self.item,
            rank=(rank if na is None else np.where(na, -1, rank)).ravel(),
            cluster=self.prompt,
        )


def draw(cell: Cell, rng: np.random.Generator, *, items_alone: bool = False) -> Study:
    """A study. `items_alone`: every response is to a prompt of its own, by a model that chance picks: items are independent."""
    p, m, k = cell.prompts, cell.models, cell.per_item
    shape = (p, m)
    prompt = PROMPT_SD * rng.normal(size=shape if items_alone else (p, 1))
    strength = cell.strength[rng.integers(m, size=shape)] if items_alone else cell.strength
    quality = MIDDLE + prompt + strength + ITEM_SD * rng.normal(size=shape)
    who = people(cell, rng)
    time = rng.random((p, m, k))
    score = rated(cell, quality[:, :, None], who, time, rng)
    ln_length = 6 + 0.3 * prompt + 0.3 * (quality - MIDDLE) + 0.4 * rng.normal(size=shape)
    own = np.arange(m) < 2
    liked = 0.15 * (ln_length - 6) + 0.2 * own
    of_prompt = 0.2 * rng.normal(size=(p, 1))
    judge = MIDDLE + 0.2 + 0.8 * (quality - MIDDLE) + liked + of_prompt + 0.5 * rng.normal(size=shape)
    other = MIDDLE - 0.1 + 0.6 * (quality - MIDDLE) + of_prompt + 0.6 * rng.normal(size=shape)
    return Study(cell, quality, who, score, time, ln_length, rounded(judge), rounded(other))


def people(cell: Cell, rng: np.random.Generator) -> Ints:
    """(P, M, k) different raters, each set of k as likely as any other."""
    shape = (cell.prompts, cell.models)
    found = np.empty((*shape, cell.per_item), dtype=np.int64)
    for place in range(cell.per_item):
        pick = rng.integers(cell.raters - place, size=shape)
        for taken in np.sort(found[:, :, :place], axis=2).transpose(2, 0, 1):
            pick = pick + (pick >= taken)
        found[:, :, place] = pick
    return found


def rated(cell: Cell, quality: Floats, who: Ints, time: Floats, rng: np.random.Generator) -> Floats:
    """What `who` give to responses of that quality at that time (0 to 1), one number each."""
    drift = cell.drift[who] * (time - 0.5)
    return rounded(quality + cell.severity[who] + drift + cell.noise[who] * rng.normal(size=who.shape))
