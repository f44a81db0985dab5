"""What a file is going to hold, said before it is taken away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from exports.files import Column, Kind
from exports.files.columns import TO_TEXT
from exports.forms import WORKBOOK, DownloadForm
from exports.human_eval import HUMAN_EVAL, HumanEval
from exports.services import WORKBOOK_TABLES
from exports.tables import TABLES, ExportTable

SHOWN = 80


@dataclass(frozen=True)
class Shown:
    """A column as the page shows it, with its value in the first row."""

    name: str
    about: str
    example: str


@dataclass(frozen=True)
class Contents:
    """A table in the file."""

    name: str
    count: int
    columns: list[Shown]
    notes: list[str]


def contents(form: DownloadForm) -> list[Contents]:
    """The tables of the file that `form` asks for."""
    table = form.cleaned_data["table"]
    selection = form.selection
    if table == HUMAN_EVAL:
        layout = HumanEval(selection)
        return [Contents(HUMAN_EVAL, layout.count(), [], layout.notes())]
    names = WORKBOOK_TABLES if table == WORKBOOK else (table,)
    return [_contents(TABLES[name](selection), with_columns=table != WORKBOOK) for name in names]


def _contents(table: ExportTable, *, with_columns: bool) -> Contents:
    if not with_columns:
        return Contents(table.name, table.count(), [], [])
    first = table.first()
    columns = list(table.columns)
    return Contents(
        table.name,
        table.count(),
        [
            Shown(one.name, str(one.about), _shown(one, first[at] if first else None))
            for at, one in enumerate(columns)
        ],
        [],
    )


def _shown(column: Column, value: Any) -> str:
    if value is None:
        return ""
    to_text = TO_TEXT[column.kind]
    text = to_text(value) if to_text else str(value)
    return text if len(text) <= SHOWN or column.kind is Kind.TIME else f"{text[: SHOWN - 1]}…"
