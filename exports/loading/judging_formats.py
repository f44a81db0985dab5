"""What layouts of judgments share: the axis and the judge where the file names none, and verdicts in both orders."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from exports.loading.rows import VerdictRecord
from exports.models import Failure
from projects.loading.fields import BadRow, Columns, Fields, plain
from projects.loading.formats.base import LONGEST_MODEL, LONGEST_WORD, MOST_TURNS, Format
from projects.loading.formats.contents import FAILED, wrong
from projects.tables import Problem, Row, Table, as_integer, as_text, listed, say
from projects.tables.cells import BadCell
from projects.tables.messages import _

OVERALL = "overall"


class JudgmentFormat(Format):
    certain = True
    asks_more = True
    names_vary = True
    called: ClassVar = {"prompt_id": "question_id"}

    def __init__(self, loading: Any, table: Table) -> None:
        super().__init__(loading, table)
        self.columns: Columns = self.columns_of(table, loading)

    def fields_of(self, row: Row) -> Fields:
        return Fields(row, self.columns, self.loading.problems)

    def model(self, row: Row, field: str) -> str:
        """A model's name, as the project knows it."""
        name = row.values.get(field)
        if not isinstance(name, str) or not 0 < len(name.strip()) <= LONGEST_MODEL:
            raise wrong(row, field, _("A model’s name has 1 to %(most)s characters."), most=LONGEST_MODEL)
        return self.loading.options.model_names.get(name.strip(), name.strip())

    def axis(self, row: Row) -> str:
        """The axis that was said; else “overall”, or the only one."""
        if self.loading.options.axis:
            return self.loading.options.axis
        axes = self.loading.axes
        names = [plain(axis.key) for axis in axes]
        if OVERALL in names or not axes:
            return OVERALL
        if len(axes) == 1:
            return axes[0].key
        reason = say(
            _("These judgments do not say which axis they are on; there are: %(axes)s."),
            axes=listed(names, 30),
        )
        raise BadRow(
            Problem(reason, row.place(), advice=say(_("Name it (%(option)s)."), option=say("--axis")))
        )

    def turn(self, row: Row, field: str = "turn") -> int:
        said = row.values.get(field)
        try:
            return 1 if said is None else as_integer(said, least=1, most=MOST_TURNS)
        except BadCell as bad:
            raise BadRow(Problem(bad.reason, row.place(field), field)) from None

    def judge(self, row: Row) -> tuple[str, str]:
        """The judge's name and that of its prompt: a list of both, or a name, or in fields of their own."""
        said = row.values.get("judge", row.values.get("judge_model"))
        prompt = row.values.get("judge_prompt")
        if isinstance(said, list) and said:
            said, prompt = said[0], said[1] if len(said) > 1 else prompt
        name = said if isinstance(said, str) and said.strip() else self.loading.options.judge
        if not name:
            reason = say(_("It is not said who judged."))
            advice = say(_("Name the judge (%(option)s)."), option=say("--judge"))
            raise BadRow(Problem(reason, row.place("judge"), "judge", advice))
        if len(name.strip()) > LONGEST_WORD:
            raise wrong(row, "judge", _("This is longer than %(most)s characters."), most=LONGEST_WORD)
        return name.strip(), prompt.strip() if isinstance(prompt, str) else ""

    def finish(self) -> None:
        """Everything was told where it was met."""


def text_of(value: Any) -> str:
    try:
        return as_text(value).strip()
    except BadCell:
        return ""


def failure_of(said: str) -> str:
    """Why there is no score in what a judge said."""
    return (Failure.API_ERROR if not said or FAILED.fullmatch(said) else Failure.UNPARSED).value


def in_both_orders(
    row: Row, models: tuple[str, str], games: list[tuple[float | None, str, str]], **more: Any
) -> Iterator[VerdictRecord]:
    """`games`: what the first of `models` gets, shown first and then shown second; the verdict; what the judge said."""
    for number, (value, verdict, reason) in enumerate(games):
        swapped = number % 2 == 1
        first, second = reversed(models) if swapped else models
        if value is not None and swapped:
            value = -value or 0.0
        yield VerdictRecord(
            row=row,
            first=first,
            second=second,
            value=value,
            verdict=verdict,
            failure="" if value is not None else failure_of(reason),
            reason=reason,
            **more,
        )
