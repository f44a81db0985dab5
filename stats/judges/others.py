"""One person against the rest: what everybody else gave to the same response."""

import numpy as np

from stats.arrays import Floats, Ints
from stats.judges.grid import Ratings


def mean_of_others(ratings: Ratings, models: int) -> tuple[Floats, Floats]:
    """For each rating: the mean of the other people's scores of its item, NaN where there are none, and how many.

    A second score by the same person is not another person's. Where raters are positions in a list (-1), each score
    counts as a person of its own.
    """
    cell = ratings.row * models + ratings.model
    person = np.where(ratings.rater < 0, -1 - np.arange(cell.size), ratings.rater)
    others = per_key(cell) - per_key(cell, person)
    total = per_key(cell, weight=ratings.value) - per_key(cell, person, weight=ratings.value)
    return np.where(others > 0, total / others.clip(min=1), np.nan), others


def per_key(*keys: Ints, weight: Floats | None = None) -> Floats:
    """For each row, over all rows with the same keys: how many there are, or the sum of their weights."""
    _, index = np.unique(np.column_stack(keys), axis=0, return_inverse=True)
    return np.bincount(index.ravel(), weights=weight).astype(np.float64)[index.ravel()]
