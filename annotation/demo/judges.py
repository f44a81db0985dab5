"""What simulated judges say of the demo's responses: no model was asked, and their names say so.

Each has a bent of its own, so that comparing them with people has something to find.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from annotation.demo.simulation import AXES, SimulatedRaters

FAILURES = ("api_error", "unparsed", "refused")
MIDDLE = 3.0
USUAL_LENGTH = 250


@dataclass(frozen=True)
class SimulatedJudge:
    name: str
    prompt: str
    leniency: float
    compression: float
    """Of the distance from the middle of the scale: 1 keeps it, 0 says 3 to everything."""
    taste: float
    """What a response twice as long gains, in points."""
    error: float
    """Standard deviation of what it gets wrong each time alike."""
    noise: float
    """Standard deviation between repeats."""
    repeats: int = 1
    whole_points: bool = True
    """Whether it gives points, or a mean of their probabilities."""
    failures: float = 0.0
    likes: dict[str, float] = field(default_factory=dict)
    """Points that responses of some model gain."""


JUDGES = (
    SimulatedJudge(
        "hakari-simulated", "llm-jp-v1", leniency=0.25, compression=0.85, taste=0.12, error=0.4, noise=0.3, repeats=3,
        failures=0.015, likes={"minato-13b": 0.2},
    ),
    SimulatedJudge(
        "monosashi-simulated", "llm-jp-v1", leniency=-0.1, compression=0.55, taste=0.3, error=0.8, noise=0.0,
        whole_points=False, failures=0.03,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Judged:
    """A response at one turn, as a judge is given it."""

    prompt: str
    model: str
    turn: int
    length: int
    minds: SimulatedRaters
    """Those who saw it, with whom the judge shares how good it is."""


def judge_rows(items: Sequence[Judged], *, seed: int) -> Iterator[dict[str, Any]]:
    """Rows of a long table, as `manage.py load` takes them. The same seed makes the same rows."""
    for number, judge in enumerate(JUDGES):
        rng = np.random.default_rng([seed, number])
        for item in items:
            yield from _rows(judge, item, rng)


def _rows(judge: SimulatedJudge, item: Judged, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    quality = item.minds.quality(item.prompt, item.model, item.turn)
    seen = MIDDLE + judge.compression * (quality - MIDDLE) + judge.leniency + judge.likes.get(item.model, 0.0)
    seen = seen + judge.taste * np.log2(max(item.length, 20) / USUAL_LENGTH)
    seen = seen + rng.normal(0, judge.error, len(AXES))
    for repeat in range(1, judge.repeats + 1):
        said = np.clip(seen + rng.normal(0, judge.noise, len(AXES)), 1, 5)
        said = np.rint(said) if judge.whole_points else said.round(2)
        for axis, value in zip(AXES, said.tolist(), strict=True):
            row = {"prompt_id": item.prompt, "model": item.model, "turn": item.turn, "judge": judge.name}
            row |= {"judge_prompt": judge.prompt, "axis": axis, "repeat": repeat}
            if rng.random() < judge.failures:
                yield row | {"failure": str(rng.choice(FAILURES))}
            else:
                yield row | {"score": value}
