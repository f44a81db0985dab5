"""What a workbook holds."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from django.utils.translation import gettext

from exports.files import Column, Row
from exports.tables.agreement import AgreementTable
from exports.tables.asked import AxisTable, PromptTable, ResponseTable
from exports.tables.base import ExportTable
from exports.tables.judges import JudgeScoreTable, JudgeVerdictTable
from exports.tables.ratings import LongTable, WideTable

#: Tables of data, in the order in which a workbook has them.
DATA: tuple[type[ExportTable], ...] = (
    LongTable,
    WideTable,
    PromptTable,
    ResponseTable,
    AxisTable,
    JudgeScoreTable,
    JudgeVerdictTable,
    AgreementTable,
)


class AboutTable(ExportTable):
    """What the file holds, and what each column means. It says nothing of when it was made: the file's name does."""

    name = "about"
    columns = (
        Column("sheet", width=14),
        Column("name", width=28),
        Column("meaning", width=100),
    )

    def _lines(self) -> Iterator[Row]:
        selection = self.selection
        batch = selection.batch.name if selection.batch else gettext("all batches")
        yield "", gettext("project"), f"{selection.project.title} ({selection.project.slug})"
        if selection.project.is_simulated:
            yield "", gettext("simulated"), gettext("The ratings were made by a program, not by people.")
        yield "", gettext("batch"), batch
        yield "", gettext("ratings submitted"), str(selection.counts["submitted"])
        yield "", gettext("scores, with “cannot judge”"), str(selection.counts["scores"])
        yield "", gettext("assignments skipped"), str(selection.counts["skipped"])
        yield (
            "",
            gettext("empty cells"),
            gettext("No score and no reason: not rated. No score but a reason: the rater could not judge. 0 is a score."),
        )  # fmt: skip
        for table in DATA:
            for one in table(selection).columns:
                yield table.name, one.name, str(one.about)

    def count(self) -> int:
        return sum(1 for _line in self._lines())

    def rows(self, limit: int | None = None) -> Iterator[Row]:
        return islice(self._lines(), limit)
