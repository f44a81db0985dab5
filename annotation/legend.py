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
            return self.letter_of(str(REASONS[figure.reason]))
        if figure.no_interval is None or figure.no_interval is Reason.NOT_ASKED:  # counts have no interval
            return ""
        return self.letter_of(str(NO_INTERVAL[figure.no_interval]))

    def letter_of(self, reason: str) -> str:
        letter = self._letters.of(reason)
        self._used[letter] = reason
        return letter

    @property
    def notes(self) -> list[tuple[str, str]]:
        """What the letters in this table stand for."""
        return sorted(self._used.items())

    def lines(self) -> list[str]:
        """The same, for a terminal."""
        return [f"    {letter}: {reason}" for letter, reason in self.notes]
