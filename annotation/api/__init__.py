"""Rating over the API, and reading what was rated."""

from annotation.api.ratings import BatchList, RatingList
from annotation.api.seats import ChangeRating, GiveBack, NextSeat, Renew, SeatDetail, Skip, SubmitRating

__all__ = [
    "BatchList",
    "ChangeRating",
    "GiveBack",
    "NextSeat",
    "RatingList",
    "Renew",
    "SeatDetail",
    "Skip",
    "SubmitRating",
]
