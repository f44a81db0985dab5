"""Simulated projects with raters whose ways are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stats.design import balanced_assignment
from stats.raters import Sheet


@dataclass
class Study:
    """`sheet`, and what it was made from; clickers are the first raters, straight-liners follow."""

    sheet: Sheet
    columns: dict
    severity: np.ndarray
    clickers: range
    straight: range
    quality: np.ndarray
    """(items, axes)"""

    @property
    def good(self):
        return range(self.straight.stop, self.severity.size)


def simulate(
    rng,
    *,
    prompts=484,
    models=10,
    raters=53,
    per_item=2,
    axes=2,
    clickers=3,
    straight=2,
    severity_sd=0.35,
    noise=0.67,
):
    """Scores of 1 to 5 from quality (prompt, model, both), severity and noise; clickers press anything, straight-liners 4."""
    seats = balanced_assignment(
        item_models=np.tile(np.arange(models), prompts), raters_per_item=per_item, n_raters=raters, rng=rng
    )
    item = np.repeat(np.arange(prompts * models), per_item)
    rater, prompt, model = seats.ravel(), item // models, item % models
    severity = rng.normal(0, severity_sd, raters)
    quality = 3.4 + rng.normal(0, 0.5, prompts)[:, None] + np.linspace(-0.4, 0.4, models)
    quality = (quality + rng.normal(0, 0.55, (prompts, models))).ravel()
    quality = quality[:, None] + rng.normal(0, 0.2, (quality.size, axes))
    score = quality[item] + severity[rater, None] + rng.normal(0, noise, (item.size, axes))
    score = np.clip(np.round(score), 1, 5)
    clicks, presses = rater < clickers, (rater >= clickers) & (rater < clickers + straight)
    score[clicks] = rng.integers(1, 6, (clicks.sum(), axes))
    score[presses] = np.where(
        rng.random((presses.sum(), 1)) < 0.95, 4, rng.integers(1, 6, (presses.sum(), axes))
    )
    characters = np.exp(rng.normal(6, 0.6, prompts * models))[item]
    seconds = 5 * characters**0.4 * np.exp(rng.normal(0, 0.4, item.size))
    seconds[presses] /= 20
    columns = {
        "item": item,
        "rater": rater,
        "score": score,
        "prompt": prompt,
        "model": model,
        "order": rng.permutation(item.size).astype(float),
        "seconds": seconds,
        "characters": characters,
    }
    return Study(
        Sheet.of(**columns),
        columns,
        severity,
        range(clickers),
        range(clickers, clickers + straight),
        quality,
    )
