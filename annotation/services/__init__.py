"""What can be done with batches, seats and ratings. Pages, API and commands all come through here."""

from annotation.services.batches import (
    Preview,
    Raters,
    Selection,
    close,
    make_batch,
    new_seed,
    pause,
    preview,
    reopen,
    resume,
)
from annotation.services.claiming import claim_next, extend_lease, give_back, open_seat, renew, skip
from annotation.services.rubric import axes_of
from annotation.services.submitting import Outcome, change, submit, submit_and_claim_next
from annotation.services.terms import change_terms, takes_more_raters
from annotation.services.withdrawing import TakenOut, release_rater, withdraw, withdraw_rater

__all__ = [
    "Outcome",
    "Preview",
    "Raters",
    "Selection",
    "TakenOut",
    "axes_of",
    "change",
    "change_terms",
    "claim_next",
    "close",
    "extend_lease",
    "give_back",
    "make_batch",
    "new_seed",
    "open_seat",
    "pause",
    "preview",
    "release_rater",
    "renew",
    "reopen",
    "resume",
    "skip",
    "submit",
    "submit_and_claim_next",
    "takes_more_raters",
    "withdraw",
    "withdraw_rater",
]
