"""The points of an axis: a fixed, ascending list, whether or not anybody used them all."""

import numpy as np
import numpy.typing as npt

from stats.arrays import Floats, Ints


def points_of(values: npt.ArrayLike) -> Floats:
    """(k,) the values of the points; ValueError unless they are two or more, different and in ascending order."""
    points = np.asarray(values, dtype=np.float64)
    if points.ndim != 1 or points.size < 2:
        raise ValueError("an axis needs two points or more")
    if not (np.diff(points) > 0).all():
        raise ValueError("the values of points must be different and in ascending order")
    return points


def places(points: Floats, scores: Floats) -> Ints:
    """The place 0..k - 1 of each score on the axis, of any shape; ValueError for a score that is no point of it."""
    place = np.searchsorted(points, scores).clip(max=points.size - 1)
    if not np.array_equal(points[place], scores):
        raise ValueError("a score is not a point of the axis")
    return place
