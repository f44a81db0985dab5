"""The form of a judge's answer: which axes, which points, and how they are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

Style = Literal["score", "pair", "checklist"]
Mode = Literal["text", "regex", "json"]


class PresetError(ValueError):
    """What is wrong with a preset, or missing for it."""


@dataclass(frozen=True)
class Axis:
    """One thing that a judge says of a response."""

    name: str
    """As in the project's rubric; the key in `scores` and in JSON answers."""
    label: str = ""
    """As the judge reads and writes it; the name if empty."""
    points: tuple[int, ...] = ()
    """Scores: the values that there are."""
    description: str = ""
    levels: tuple[str, ...] = ()
    """What each point means, in the order of `points`; may be empty."""
    verdicts: Mapping[str, float] = field(default_factory=dict)
    """Pairs: each verdict, and what it is worth for side A: 1 better, 0 alike, -1 worse."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", tuple(self.points))
        object.__setattr__(self, "levels", tuple(self.levels))
        object.__setattr__(self, "label", self.label or self.name)
        if not self.name:
            raise PresetError("an axis has no name")
        names: tuple[Any, ...] = (self.name, self.label)
        if not all(isinstance(name, str) for name in names):
            raise PresetError(f"axis {self.name!r}: name and label must be texts")
        if any(mark in self.label for mark in "[]{}\n:：*"):
            raise PresetError(f"axis {self.name}: the label may not hold brackets, asterisks or colons")
        if self.levels and len(self.levels) != len(self.points):
            raise PresetError(
                f"axis {self.name}: {len(self.points)} points, and {len(self.levels)} levels to explain them"
            )
        if bool(self.points) == bool(self.verdicts):
            raise PresetError(f"axis {self.name}: either points or verdicts")

    def as_json(self) -> dict[str, Any]:
        """For the manifest: without what is empty."""
        said = {one.name: getattr(self, one.name) for one in fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in said.items() if value
        }


@dataclass(frozen=True)
class Form:
    """What an answer looks like: all that is needed to read one. It stands in the manifest, so a bundle is read by what it
    was made for."""

    style: Style
    mode: Mode
    axes: tuple[Axis, ...] = ()
    reasons: tuple[str, ...] = ()
    """JSON: names of the texts that stand before each score."""
    answer: str = "score"
    """JSON: name of the score."""
    nested: bool = False
    """JSON: an object for each axis."""

    @property
    def constrained(self) -> bool:
        return self.mode != "text"

    @classmethod
    def of(cls, judge: Mapping[str, Any]) -> Form:
        """From a manifest's `judge`. Raises PresetError."""
        if not isinstance(judge.get("axes"), list | tuple):
            raise PresetError("judge: axes: must be a list")
        try:
            form = cls(
                style=judge["style"],
                mode=judge["mode"],
                axes=tuple(Axis(**axis) for axis in judge["axes"]),
                reasons=tuple(judge.get("reasons", ())),
                answer=judge.get("answer", "score"),
                nested=bool(judge.get("nested", False)),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise PresetError(f"judge: {type(error).__name__}: {error}") from error
        form.check()
        return form

    def check(self) -> None:
        """Raises PresetError for what no answer can be read by, as after a manifest was edited."""
        if self.style not in get_args(Style) or self.mode not in get_args(Mode):
            raise PresetError(f"judge: style {self.style!r}, mode {self.mode!r}: no such form of an answer")
        if not self.axes and self.style != "checklist":
            raise PresetError("judge: axes: there are none")
        names = [
            self.answer,
            *self.reasons,
            *(name for axis in self.axes for name in (axis.name, axis.label)),
        ]
        if not all(isinstance(name, str) for name in names):
            raise PresetError("judge: axes, reasons, answer: names must be texts")
        for axis in self.axes:
            if not all(isinstance(point, int) for point in axis.points):
                raise PresetError(f"judge: axis {axis.name}: points must be whole numbers")
            verdicts: Any = axis.verdicts
            if not isinstance(verdicts, Mapping) or not all(
                isinstance(worth, int | float) for worth in verdicts.values()
            ):
                raise PresetError(f"judge: axis {axis.name}: each verdict must be worth a number")
