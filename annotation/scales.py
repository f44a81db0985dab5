"""The axes of a rubric, as a rater sees them: words in one language, and how each scale is laid out."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import get_language

from annotation.models import NAReason
from annotation.services.rubric import axes_of
from projects.models import Axis, Rubric

CANNOT_JUDGE = "na"
REASONS = [reason for reason in NAReason if reason != NAReason.UNSPECIFIED]


@dataclass(frozen=True, slots=True)
class PointWords:
    value: str
    """As the form sends it."""
    rank: int
    label: str
    description: str


@dataclass(frozen=True, slots=True)
class Scale:
    key: str
    position: int
    label: str
    description: str
    points: tuple[PointWords, ...]
    allow_na: bool
    layout: str
    """`labels`: points in a row with their labels; `numbers`: too many for labels; `list`: one below the other."""

    def label_of(self, value: str) -> str:
        return next((point.label for point in self.points if point.value == value), "")


@dataclass(frozen=True, slots=True)
class Answered:
    """A scale with what was given on it."""

    scale: Scale
    chosen: str = ""
    reason: str = ""
    error: str = ""


def written(value: float) -> str:
    """A value of a scale as a person writes it, and read back without loss: 3, 0.5, 0.3333333333333333."""
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


def scales_of(rubric_id: int) -> tuple[Scale, ...]:
    """The scales in the reader's language."""
    return tuple(_scale(axis) for axis in axes_of(rubric_id))


def _scale(axis: Axis) -> Scale:
    points = tuple(
        PointWords(
            value=written(point.value), rank=point.rank, label=point.label, description=point.description
        )
        for point in axis.points.all()
    )
    return Scale(
        key=axis.key,
        position=axis.position,
        label=axis.label,
        description=axis.description,
        points=points,
        allow_na=axis.allow_na,
        layout=_layout(axis, points),
    )


def _layout(axis: Axis, points: tuple[PointWords, ...]) -> str:
    if axis.kind == Axis.Kind.NOMINAL or len(points) > 11:
        return "list"
    room = 24 * 16 / max(1, len(points))  # pixels for a point in the panel, at its narrowest
    if len(points) > 7 or any(_width(point.label) > room for point in points):
        return "numbers" if all(point.value.lstrip("-").isdigit() for point in points) else "list"
    return "labels"


def _width(label: str) -> float:
    """About how many pixels a label needs on two lines; a word of Latin letters is not broken."""
    wide = [unicodedata.east_asian_width(char) in "WF" for char in label]
    if any(wide):
        return 11 * len(label) / 2 + 6
    return 6.2 * max(map(len, label.split()), default=0) + 6


_rendered: dict[tuple[str, int, str], SafeString] = {}
_MOST = 200


def render_scales(
    rubric: Rubric, answered: list[Answered] | None = None, *, read_only: bool = False
) -> SafeString:
    """The radio groups. Empty ones are the same for each item, so they are rendered once."""
    if answered is None and not read_only:
        return _once("scales", rubric, lambda: _scales([Answered(scale) for scale in scales_of(rubric.pk)]))
    return _scales(answered or [Answered(scale) for scale in scales_of(rubric.pk)], read_only=read_only)


def render_guide(rubric: Rubric) -> SafeString:
    """The guidelines and what each point means."""
    context = {"rubric": rubric, "scales": scales_of(rubric.pk)}
    return _once("guide", rubric, lambda: render_to_string("annotation/_guide.html", context))


def _scales(answered: list[Answered], *, read_only: bool = False) -> SafeString:
    context = {"answered": answered, "reasons": REASONS, "cannot_judge": CANNOT_JUDGE, "read_only": read_only}
    return render_to_string("annotation/_scales.html", context)


def _once(what: str, rubric: Rubric, make: Callable[[], SafeString]) -> SafeString:
    """Made once per process for each rubric and language, if nothing in the rubric can change any more."""
    known = (what, rubric.pk, str(get_language()))
    if known in _rendered:
        return _rendered[known]
    made = make()
    if rubric.frozen_at:
        if len(_rendered) >= _MOST:
            _rendered.clear()
        _rendered[known] = made
    return made
