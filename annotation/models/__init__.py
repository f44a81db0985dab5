"""What raters do."""

from annotation.models.assignment import Assignment, LapsedSeat, Sweep
from annotation.models.batch import Batch, BatchRater
from annotation.models.rendering import Rendering
from annotation.models.score import NAReason, Score, ScoreHistory, Submission

__all__ = [
    "Assignment",
    "Batch",
    "BatchRater",
    "LapsedSeat",
    "NAReason",
    "Rendering",
    "Score",
    "ScoreHistory",
    "Submission",
    "Sweep",
]
