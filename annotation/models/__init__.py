"""What raters do."""

from annotation.models.assignment import Assignment, LapsedSeat, Sweep
from annotation.models.batch import Batch, BatchRater
from annotation.models.score import NAReason, Score, ScoreHistory, Submission

__all__ = [
    "Assignment",
    "Batch",
    "BatchRater",
    "LapsedSeat",
    "NAReason",
    "Score",
    "ScoreHistory",
    "Submission",
    "Sweep",
]
