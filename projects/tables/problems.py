"""What is wrong with a file, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from projects.tables.messages import Message, Translate, _, untranslated

MOST_SHOWN = 20
#: Of an error that was met many times, so many places after the first are told.
MOST_PLACES = 4


@dataclass(frozen=True)
class Place:
    """A line of a text file, a cell of a workbook or a row of a Parquet file."""

    file: str
    line: int | None = None
    sheet: str = ""
    cell: str = ""
    #: Parquet has rows and no lines.
    counts_rows: bool = False

    def said(self, translate: Translate = untranslated) -> str:
        """
        >>> str(Place("a.csv", 7)), str(Place("a.xlsx", 7, "Sheet1", "C7")), str(Place("a.csv"))
        ('a.csv, line 7', 'a.xlsx, Sheet1!C7', 'a.csv')
        """
        if self.cell:
            return translate(_("%(file)s, %(cell)s")) % {
                "file": self.file,
                "cell": f"{self.sheet}!{self.cell}",
            }
        if self.line is None:
            return self.file
        if self.sheet:
            text = _("%(file)s, %(sheet)s, row %(line)s")
        elif self.counts_rows:
            text = _("%(file)s, row %(line)s")
        else:
            text = _("%(file)s, line %(line)s")
        return translate(text) % {"file": self.file, "sheet": self.sheet, "line": self.line}

    def __str__(self) -> str:
        return self.said()


@dataclass(frozen=True)
class Problem:
    """Something that must be mended before the file can be loaded, or (as a warning) looked at."""

    reason: Message
    place: Place | None = None
    field: str = ""
    advice: Message | None = None
    #: The other row, where two rows contradict each other.
    other: Place | None = None
    #: How often the same was met, where it is told once.
    times: int = 1
    #: The next places where it was met, of errors.
    also: tuple[Place, ...] = ()
    #: What both sides hold, where they differ.
    known: str = ""
    given: str = ""

    def said(self, translate: Translate = untranslated) -> str:
        """
        >>> str(Problem(Message("Empty."), Place("a.csv", 7), "score", advice=Message("Fill it.")))
        'a.csv, line 7, score: Empty. Fill it.'
        """
        what = self.reason.said(translate)
        if self.advice:
            both = {"reason": what, "advice": self.advice.said(translate)}
            what = translate(_("%(reason)s %(advice)s")) % both
        if self.times > 1:
            said = self._how_often(translate)
            what = translate(_("%(reason)s %(advice)s")) % {"reason": what, "advice": said}
        place = self.place.said(translate) if self.place else ""
        if place and self.field:
            return translate(_("%(place)s, %(field)s: %(what)s")) % {
                "place": place,
                "field": self.field,
                "what": what,
            }
        if place or self.field:
            return translate(_("%(place)s: %(what)s")) % {"place": place or self.field, "what": what}
        return what

    def _how_often(self, translate: Translate) -> str:
        if not self.also:
            return translate(_("(%(times)s times; this is the first)")) % {"times": self.times}
        places = [str(place.cell or place.line) for place in self.also]
        places += ["…"] if self.times > 1 + len(places) else []
        if self.also[0].cell:
            text = _("(%(times)s times; next in %(places)s)")
        elif self.also[0].counts_rows or self.also[0].sheet:
            text = _("(%(times)s times; next in row %(places)s)")
        else:
            text = _("(%(times)s times; next in line %(places)s)")
        return translate(text) % {"times": self.times, "places": ", ".join(places)}

    def __str__(self) -> str:
        return self.said()

    def as_json(self, translate: Translate = untranslated) -> dict[str, Any]:
        """Each fact by itself, for scripts; what is not known is left out."""
        place = self.place or Place("")
        facts = {
            "file": place.file,
            "line": place.line,
            "sheet": place.sheet,
            "cell": place.cell,
            "field": self.field,
            "reason": self.reason.said(translate),
            "advice": self.advice.said(translate) if self.advice else "",
            "other": self.other.said(translate) if self.other else "",
            "known": self.known,
            "given": self.given,
            "times": self.times if self.times > 1 else None,
            "also": [place.said(translate) for place in self.also],
        }
        return {name: fact for name, fact in facts.items() if fact not in ("", None, [])}


class Refused(Exception):
    """The file as a whole cannot be read."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(slots=True)
class _Told:
    """The first of errors in the same words, how many there are, and where the next ones are."""

    problem: Problem
    times: int
    also: list[Place]


class Problems:
    """The first errors and a count of the rest.

    What was met many times is told once, with how often: errors in the same words with their first places, warnings of one
    kind with the first.
    """

    def __init__(self, most: int = MOST_SHOWN) -> None:
        self.most = most
        self._errors: dict[tuple[str, ...], _Told] = {}
        self.n_errors = 0
        self._last: Problem | None = None
        self._warnings: dict[tuple[str, ...], list[Any]] = {}

    @property
    def errors(self) -> list[Problem]:
        return [
            first.problem
            if first.times == first.problem.times
            else replace(first.problem, times=first.times, also=tuple(first.also))
            for first in self._errors.values()
        ]

    def add(self, problem: Problem) -> None:
        self.n_errors += problem.times
        self._last = problem
        key = _in_words(problem)
        if (first := self._errors.get(key)) is not None:
            first.times += problem.times
            if len(first.also) < MOST_PLACES:
                here = (problem.place,) if problem.place else ()
                first.also = [*first.also, *here, *problem.also][:MOST_PLACES]
        elif len(self._errors) < self.most:
            self._errors[key] = _Told(problem, problem.times, list(problem.also))

    def take_back_the_last(self) -> None:
        """The error that was added last is none after all."""
        last, self._last = self._last, None
        if last is None:
            return
        self.n_errors -= last.times
        key = _in_words(last)
        first = self._errors.get(key)
        if first is not None and first.times == last.times:
            del self._errors[key]
        elif first is not None:
            first.times -= last.times
            first.also = [place for place in first.also if place != last.place]

    def add_all(self, problems: Iterable[Problem]) -> None:
        for problem in problems:
            self.add(problem)

    def warn(self, problem: Problem, *, key: tuple[str, ...] | None = None, times: int = 1) -> None:
        """Warnings with the same key (by default: sentence, file and field) count as one."""
        if key is None:
            key = (problem.reason.text, problem.place.file if problem.place else "", problem.field)
        if key in self._warnings:
            self._warnings[key][1] += times
        else:
            self._warnings[key] = [problem, times]

    @property
    def warnings(self) -> list[Problem]:
        return [
            problem if times == 1 else replace(problem, times=times)
            for problem, times in list(self._warnings.values())[: self.most]
        ]

    @property
    def n_warnings(self) -> int:
        """Kinds of warnings, those not shown included."""
        return len(self._warnings)

    def __bool__(self) -> bool:
        return self.n_errors > 0


def _in_words(problem: Problem) -> tuple[str, ...]:
    """All of an error but where it was met: what is in the same words is mended in the same way."""
    return (
        problem.place.file if problem.place else "",
        problem.field,
        problem.reason.said(),
        problem.advice.said() if problem.advice else "",
        str(problem.other or ""),
        problem.known,
        problem.given,
    )
