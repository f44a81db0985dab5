"""Raters: everything of the panel, means of items and of models with and without severity."""

from __future__ import annotations

import numpy as np
from scipy import special

from bench.coverage_studies.found import Found, estimates
from bench.coverage_studies.population import POINTS, Cell, Study, draw, rated, rounded
from stats.arrays import Floats
from stats.estimate import Estimate
from stats.raters import Sheet, Twice, item_means, rater_panel, severity

OF_THIS_SIZE: tuple[str, ...] = ()

GOLD = 40
"""Gold items, and repeats, of each rater."""

_ITEMS = 40
"""Items of each study whose own means are looked at."""


def study(cell: Cell, rng: np.random.Generator, replicates: int) -> Found:
    drawn = draw(cell, rng)
    found = estimates(
        rater_panel(
            sheet(drawn, rng), gold=[_gold(cell, rng), None, None], repeats=[_repeats(cell, rng), None, None]
        )
    )
    found = {key: one for key, one in found.items() if "_without" not in key[0]}
    if cell.prompts <= 1000:  # the truth of each is its own
        found |= _item_means(drawn)
    return found


def sheet(drawn: Study, rng: np.random.Generator) -> Sheet:
    """The scores on one axis that gold and repeats are of, and two more, with times and lengths."""
    cell = drawn.cell
    n = drawn.who.size
    scores = [drawn.score.ravel()]
    for _ in range(2):
        quality = drawn.quality + 0.4 * rng.normal(size=drawn.quality.shape)
        scores.append(rated(cell, quality[:, :, None], drawn.who, drawn.time, rng).ravel())
    characters = np.exp(drawn.ln_length).ravel()[drawn.item]
    pace = np.linspace(-0.3, 0.3, cell.raters)[drawn.who.ravel()]
    return Sheet.of(
        item=drawn.item,
        rater=drawn.who.ravel(),
        prompt=drawn.prompt,
        model=drawn.model,
        score=np.column_stack(scores),
        order=drawn.time.ravel(),
        seconds=1.6 * characters**0.4 * np.exp(pace + 0.4 * rng.normal(size=n)),
        characters=characters,
        n_raters=cell.raters,
    )


def _gold(cell: Cell, rng: np.random.Generator) -> Twice:
    rater, quality, score = _own_items(cell, rng)
    return Twice.of(rater, score, rounded(quality))


def _repeats(cell: Cell, rng: np.random.Generator) -> Twice:
    rater, quality, score = _own_items(cell, rng)
    return Twice.of(rater, score, rated(cell, quality, rater, np.full(rater.size, 0.5), rng))


def _own_items(cell: Cell, rng: np.random.Generator) -> tuple[np.ndarray, Floats, Floats]:
    """Items of different prompts for each rater, with their quality and a score; many where a truth is asked for."""
    each = GOLD if cell.prompts <= 1000 else cell.prompts // 2
    rater = np.repeat(np.arange(cell.raters), each)
    quality = draw(Cell(rater.size, 1, 1, cell.raters), rng).quality.ravel()
    return rater, quality, rated(cell, quality, rater, np.full(rater.size, 0.5), rng)


def _item_means(drawn: Study) -> Found:
    """Some items' means less their truths: what all raters would give on average."""
    flat = Sheet.of(
        item=drawn.item,
        rater=drawn.who.ravel(),
        prompt=drawn.prompt,
        score=drawn.score.ravel(),
        n_raters=drawn.cell.raters,
    ).axis(0)
    truth = expected_score(drawn.cell, drawn.quality.ravel()[:_ITEMS])
    found: Found = {}
    for name, means in (
        ("item mean, plain", item_means(flat)),
        ("item mean, adjusted", item_means(flat, severity(flat))),
    ):
        for i, of_item in enumerate(truth):
            ends = means.value[i], means.low[i], means.high[i]
            value, low, high = (float(end - of_item) for end in ends)
            found[name, i] = Estimate(value, low, high, means.level, "", int(means.n[i]), 1)
    return found


def expected_score(cell: Cell, quality: Floats) -> Floats:
    """(...) the mean over raters (and over time) of what is given to responses of that quality, in closed form."""
    return of_raters(cell, quality).mean(axis=-1)


def of_raters(cell: Cell, quality: Floats) -> Floats:
    """(..., R) what each rater gives on average: 1 + sum over c of P(score > c)."""
    node, weight = np.polynomial.legendre.leggauss(8)
    level = quality[..., None, None] + cell.severity[:, None] + cell.drift[:, None] * node / 2
    above = [special.ndtr((level - (c + 0.5)) / cell.noise[:, None]) for c in POINTS[:-1]]
    return np.asarray(1 + np.sum(above, axis=0) @ weight / 2)
