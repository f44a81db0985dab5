"""Letters for reasons, so that cells of a table stay small; the words stand below it."""

from __future__ import annotations

from annotation.agreement.words import NO_INTERVAL, REASONS
from stats.estimate import Reason, Result, Undefined


class Letters:
    """The letter of each reason: the same in all tables of a report, in the order in which they turned up."""

    def __init__(self) -> None:
        self._of: dict[str, str] = {}

    def of(self, reason: str) -> str:
        return self._of.setdefault(reason, chr(ord("a") + len(self._of)))


class Legend:
    """Of one table: why cells are empty or lack an interval."""

    def __init__(self, letters: Letters) -> None:
        self._letters = letters
        self._used: dict[str, str] = {}

    def letter(self, figure: Result) -> str:
        """Of the reason why there is no figure, or no interval; nothing where both are there."""
        if isinstance(figure, Undefined):
            reason, words = figure.reason, REASONS
        elif figure.no_interval is not None and figure.no_interval is not Reason.NOT_ASKED:
            reason, words = figure.no_interval, NO_INTERVAL
        else:  # counts have no interval
            return ""
        said = str(words[reason])
        letter = self._letters.of(said)
        self._used[letter] = said
        return letter

    @property
    def notes(self) -> list[tuple[str, str]]:
        """What the letters in this table stand for."""
        return sorted(self._used.items())
