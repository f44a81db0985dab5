"""The axes of a rubric, read once per process: a rubric is frozen from the moment a batch uses it."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real

from annotation.models import NAReason
from annotation.services.errors import InvalidScores, Problem
from projects.models import Axis, Rubric

_axes: dict[int, tuple[Axis, ...]] = {}
_MOST = 500


def axes_of(rubric_id: int) -> tuple[Axis, ...]:
    """The rubric's axes in their order, each with its points at hand (`axis.points.all()` asks nothing).

    Shared by all requests of the process: not to be changed.
    """
    if axes := _axes.get(rubric_id):
        return axes
    axes = tuple(Axis.objects.filter(rubric=rubric_id).with_points())
    if Rubric.objects.filter(pk=rubric_id, frozen_at__isnull=False).exists():
        if len(_axes) >= _MOST:
            _axes.clear()
        _axes[rubric_id] = axes
    return axes


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
