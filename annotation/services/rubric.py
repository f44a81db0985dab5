"""A rubric and its axes, read once per process: it is frozen from the moment a batch uses it."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real

from annotation.models import NAReason
from annotation.services.errors import InvalidScores, Problem
from projects.models import Axis, Rubric

_known: dict[int, tuple[Rubric, tuple[Axis, ...]]] = {}
_MOST = 500


def rubric_of(rubric_id: int) -> Rubric:
    """The rubric. Shared by all requests of the process, as what `axes_of` gives: not to be changed."""
    return _read(rubric_id)[0]


def axes_of(rubric_id: int) -> tuple[Axis, ...]:
    """The rubric's axes in their order, each with its points at hand (`axis.points.all()` asks nothing)."""
    return _read(rubric_id)[1]


def _read(rubric_id: int) -> tuple[Rubric, tuple[Axis, ...]]:
    if known := _known.get(rubric_id):
        return known
    read = Rubric.objects.get(pk=rubric_id), tuple(Axis.objects.filter(rubric=rubric_id).with_points())
    if read[0].frozen_at:
        if len(_known) >= _MOST:
            _known.clear()
        _known[rubric_id] = read
    return read


Given = Mapping[str, object]
"""What a rater gives, by key of the axis: a value, or an NAReason why it cannot be judged. Unchecked."""


def checked(given: Given, *, rubric_id: int) -> list[tuple[Axis, float | None, NAReason | None]]:
    """One (axis, value, reason) per axis of the rubric, in its order; raises InvalidScores."""
    axes = axes_of(rubric_id)
    problems: dict[str, Problem] = {}
    scores: list[tuple[Axis, float | None, NAReason | None]] = []
    for axis in axes:
        answer = given.get(axis.key)
        if answer is None or answer == "":
            problems[axis.key] = Problem.MISSING
        elif isinstance(answer, str):
            if answer not in NAReason.values:
                problems[axis.key] = Problem.UNKNOWN_REASON
            elif not axis.allow_na:
                problems[axis.key] = Problem.NA_NOT_ALLOWED
            else:
                scores.append((axis, None, NAReason(answer)))
        elif isinstance(answer, bool):  # for Python that is 0 or 1
            problems[axis.key] = Problem.OFF_SCALE
        elif isinstance(answer, Real) and any(answer == point.value for point in axis.points.all()):
            scores.append((axis, float(answer), None))
        else:
            problems[axis.key] = Problem.OFF_SCALE
    known = {axis.key for axis in axes}
    problems |= {key: Problem.UNKNOWN_AXIS for key in given if key not in known}
    if problems:
        raise InvalidScores(problems, axes)
    return scores
