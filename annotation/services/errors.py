"""What can stand in the way. Each error says so in words for the person in front of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

if TYPE_CHECKING:
    from annotation.models import Assignment
    from projects.models import Axis


class HandingOutError(Exception):
    """Something about batches, seats or ratings cannot be done; `str()` says why, in the reader's language."""

    words = _("This cannot be done.")

    def __str__(self) -> str:
        return str(self.words)


# Making a batch


class BatchCannotBeMade(HandingOutError):
    """Why there is no batch; the form and the command show it."""


class NameTaken(BatchCannotBeMade):
    words = _("The project has a batch of that name already.")


class NameMissing(BatchCannotBeMade):
    words = _("A batch needs a name of at most 120 characters.")


class NoRubric(BatchCannotBeMade):
    words = _("The project has no rubric yet: say first what is asked of raters.")


class NoItems(BatchCannotBeMade):
    words = _("No response fits this selection.")


class UnknownModels(BatchCannotBeMade):
    def __init__(self, names: Sequence[str]) -> None:
        self.words = format_lazy(_("The project has no model called {names}."), names=", ".join(names))


class UnknownRaters(BatchCannotBeMade):
    def __init__(self, names: Sequence[str]) -> None:
        self.words = format_lazy(_("The project has no active rater called {names}."), names=", ".join(names))


class UnknownGroup(BatchCannotBeMade):
    def __init__(self, name: str) -> None:
        self.words = format_lazy(_("No active rater is in the group “{name}”."), name=name)


class TooFewRaters(BatchCannotBeMade):
    def __init__(self, *, wanted: int, there: int) -> None:
        self.wanted, self.there = wanted, there
        words = _("{wanted} different raters per item are asked for, and the batch is given to {there}.")
        if there == 0:
            words = _(
                "{wanted} different raters per item are asked for, and there is nobody to rate: invite raters first (page People)."
            )
        self.words = format_lazy(words, wanted=wanted, there=there)


class RatersUsedUp(BatchCannotBeMade):
    """Too many of the raters have had the item before, in another batch."""

    def __init__(self, *, items: int) -> None:
        self.items = items
        self.words = format_lazy(
            ngettext_lazy(
                "{items} item has too few raters left who have not had it before.",
                "{items} items have too few raters left who have not had them before.",
                items,
            ),
            items=items,
        )


class NothingToRepeat(BatchCannotBeMade):
    def __init__(self, *, items: int) -> None:
        self.items = items
        self.words = format_lazy(
            ngettext_lazy(
                "{items} item has too few raters who have rated it once and could rate it again.",
                "{items} items have too few raters who have rated them once and could rate them again.",
                items,
            ),
            items=items,
        )


class TooFewPrompts(BatchCannotBeMade):
    def __init__(self, *, wanted: int, there: int) -> None:
        self.words = format_lazy(
            _("A sample of {wanted} prompts is asked for, and the selection has {there}."),
            wanted=wanted,
            there=there,
        )


class SingleRaterNotConfirmed(BatchCannotBeMade):
    words = _("With one rater per item, agreement cannot be measured. Confirm that this is what you want.")


class WrongTerms(BatchCannotBeMade):
    def __init__(self, words: object) -> None:
        self.words = words  # type: ignore[assignment]


# Claiming


class NotARater(HandingOutError):
    words = _("You are not a rater of this project, or no longer.")


class SeatNotFound(HandingOutError):
    """No such seat, or one that is not the rater's: nobody learns which."""

    words = _("There is no such item for you.")


class AnotherSeatIsOpen(HandingOutError):
    words = _("You have another item open. Finish it, skip it or give it back first.")

    def __init__(self, assignment: Assignment) -> None:
        self.assignment = assignment


class BatchIsNotOpen(HandingOutError):
    words = _("The batch is paused or closed.")


class ReasonMissing(HandingOutError):
    words = _("Give a reason.")


class NotWhileOpen(HandingOutError):
    def __init__(self, words: object) -> None:
        self.words = words  # type: ignore[assignment]


# Submitting


class Problem(StrEnum):
    MISSING = "missing"
    OFF_SCALE = "off_scale"
    NA_NOT_ALLOWED = "na_not_allowed"
    UNKNOWN_REASON = "unknown_reason"
    UNKNOWN_AXIS = "unknown_axis"


PROBLEMS = {
    Problem.MISSING: _("give a score, or say that you cannot judge"),
    Problem.OFF_SCALE: _("this value is not on the scale"),
    Problem.NA_NOT_ALLOWED: _("“cannot judge” is not allowed here"),
    Problem.UNKNOWN_REASON: _("no such reason"),
    Problem.UNKNOWN_AXIS: _("the rubric has no such axis"),
}


class InvalidScores(HandingOutError):
    """Scores that the rubric does not take. `problems` says what is wrong, by key of the axis."""

    def __init__(self, problems: Mapping[str, Problem], axes: Sequence[Axis] = ()) -> None:
        self.problems = dict(problems)
        self._axes = {axis.key: axis for axis in axes}

    def messages(self) -> dict[str, str]:
        """What is wrong in words, by key of the axis."""
        return {key: str(PROBLEMS[problem]) for key, problem in self.problems.items()}

    def __str__(self) -> str:
        labels = {key: self._axes[key].label if key in self._axes else key for key in self.problems}
        return "; ".join(f"{labels[key]}: {words}" for key, words in self.messages().items())


class SubmissionIdTaken(HandingOutError):
    """The id names a submit of somebody else, or of another item."""

    words = _("This submission id was used for something else. Load the page again.")
