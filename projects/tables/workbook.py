"""XLSX: one sheet as a table."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter

from openpyxl import load_workbook
from openpyxl.utils import get_column_letter
from openpyxl.worksheet._reader import FORMULA_TAG, WorkSheetParser

from projects.tables.messages import _, listed, quoted, say
from projects.tables.problems import Place, Problem, Problems, Refused
from projects.tables.rows import Header, Row, Table, no_rows

#: What a workbook may unpack to: strings are held in memory, sheets are not.
LARGEST_PART = 4 << 30
LARGEST_STRINGS = 256 << 20
LARGEST_RATIO = 500
SMALL_ENOUGH = 64 << 20
#: How Excel writes control characters into XML, carriage returns most of all.
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_DOCTYPE = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)


class _Parser(WorkSheetParser):
    """Tells a formula whose result was never stored from an empty cell."""

    def parse_cell(self, element: Any) -> dict[str, Any]:
        cell: dict[str, Any] = super().parse_cell(element)
        if cell["value"] is None and element.get("t") != "str" and element.find(FORMULA_TAG) is not None:
            cell["data_type"] = "unsaved formula"
        elif isinstance(cell["value"], str) and cell["data_type"] != "e":
            cell["value"] = _unescaped(cell["value"])
        return cell


class WorkbookTable(Table):
    """The first sheet that holds anything, or the one that is named. Cells are what Excel shows as values:
    text, numbers, booleans, dates; of a formula, its stored result."""

    format = "xlsx"

    def __init__(self, path: Path, name: str, *, sheet: str = "") -> None:
        super().__init__(path, name)
        _refuse_bombs(path, name)
        try:
            with path.open("rb") as file, catch_warnings():
                simplefilter("ignore")  # of styles and validations, which are nothing to us
                self._read_book(load_workbook(file, read_only=True, data_only=True, keep_links=False))
        except Exception as bad:  # openpyxl lets through whatever it stumbles over
            raise Refused(_unreadable(name, bad)) from bad
        self._header: Header | None = None
        self._letters: dict[str, str] = {}
        self.other_sheets: list[str] = []
        self.sheet = self._choose(sheet)

    def _read_book(self, book: Any) -> None:
        """Keep what all sheets share, so that the file need not stay open."""
        sheets = [sheet for sheet in book.worksheets if hasattr(sheet, "_worksheet_path")]
        self._parts: dict[str, str] = {sheet.title: sheet._worksheet_path for sheet in sheets}
        self._hidden = {sheet.title for sheet in sheets if sheet.sheet_state != "visible"}
        self._strings: list[str] = sheets[0]._shared_strings if sheets else []
        self._formats: dict[str, Any] = {
            "data_only": True,
            "epoch": book.epoch,
            "date_formats": book._date_formats,
            "timedelta_formats": book._timedelta_formats,
        }

    def _choose(self, wanted: str) -> str:
        if wanted:
            if wanted not in self._parts:
                reason = say(
                    _("There is no sheet “%(sheet)s”; there are: %(sheets)s."),
                    sheet=wanted,
                    sheets=listed(self._parts),
                )
                raise Refused(Problem(reason, Place(self.name)))
            return wanted
        filled = [title for title in self._parts if title not in self._hidden and self._holds_rows(title)]
        if not filled:
            raise no_rows(self)
        self.other_sheets = filled[1:]
        return filled[0]

    def _holds_rows(self, title: str) -> bool:
        return next(self._cells(title), None) is not None

    @property
    def columns(self) -> list[str]:
        if self._header is None:
            for _row in self.rows(Problems()):
                break
        assert self._header is not None
        return list(self._header.names.values())

    def facts(self) -> dict[str, str]:
        return {"format": self.format, "sheet": self.sheet}

    def place(self, line: int | None, field: str = "") -> Place:
        letter = self._letters.get(field, "")
        return Place(self.name, line, self.sheet, f"{letter}{line}" if letter else "")

    def rows(self, problems: Problems) -> Iterator[Row]:
        self.replaced = 0
        if self.other_sheets:
            reason = say(
                _("Only the sheet “%(sheet)s” is read; others hold something, too: %(others)s."),
                sheet=self.sheet,
                others=listed(self.other_sheets),
            )
            problems.warn(Problem(reason, Place(self.name)))
        header = None
        for line, cells in self._cells(self.sheet, problems):
            if header is None:
                names = ["" if cell is None else str(cell) for cell in cells]
                header = self._header = Header(names, self, Place(self.name, line, self.sheet))
                self._letters = {name: get_column_letter(at + 1) for at, name in header.names.items()}
                continue
            cells.extend([None] * (header.width - len(cells)))
            values = header.values(cells, line, problems)
            if values is not None:
                yield Row(self, line, self._cleaned(line, values, problems))
        if header is None:
            raise no_rows(self)
        self.position = self.size

    def _cells(self, title: str, problems: Problems | None = None) -> Iterator[tuple[int, list[Any]]]:
        """Lines that hold anything, with the values of their cells from column A on."""
        part = self._parts[title]
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(part) as source, catch_warnings():
                simplefilter("ignore")
                whole = max(1, archive.getinfo(part).file_size)
                parser = _Parser(source, self._strings, **self._formats)
                for line, parsed in parser.parse():
                    cells: list[Any] = []
                    filled = False
                    for cell in parsed:
                        value = cell["value"]
                        if value is None and cell["data_type"] != "unsaved formula":
                            continue
                        if cell["data_type"] == "unsaved formula" or cell["data_type"] == "e":
                            self._tell_bad(title, line, cell, problems)
                            value = None
                        filled = True
                        cells.extend([None] * (cell["column"] - len(cells)))
                        cells[cell["column"] - 1] = value
                    if filled:
                        self.position = source.tell() * self.size // whole
                        yield line, cells
        except (Refused, GeneratorExit):
            raise
        except Exception as bad:
            raise Refused(_unreadable(self.name, bad)) from bad

    def _tell_bad(self, title: str, line: int, cell: dict[str, Any], problems: Problems | None) -> None:
        if problems is None:
            return
        place = Place(self.name, line, title, f"{get_column_letter(cell['column'])}{line}")
        if cell["data_type"] == "e":
            problems.add(
                Problem(
                    say(_("The cell shows the error %(error)s."), error=quoted(str(cell["value"]))), place
                )
            )
        else:
            reason = say(_("The cell holds a formula whose result is not stored."))
            advice = say(_("Open the file in a spreadsheet program and save it, or put the value in."))
            problems.add(Problem(reason, place, advice=advice))


def _unescaped(value: str) -> str:
    """
    >>> _unescaped("a_x000D_\\nb"), _unescaped("_x005F_x000D_")
    ('a\\nb', '_x000D_')
    """
    if "_x" not in value:
        return value
    return _ESCAPED.sub(lambda code: chr(int(code[1], 16)), value.replace("_x000D_\n", "\n"))


def _refuse_bombs(path: Path, name: str) -> None:
    """Refuse what would unpack to more than anybody typed, and XML that defines entities."""
    try:
        with zipfile.ZipFile(path) as archive:
            for part in archive.infolist():
                strings = part.filename.endswith("sharedStrings.xml")
                ratio = part.file_size / max(1, part.compress_size)
                if part.file_size > (LARGEST_STRINGS if strings else LARGEST_PART) or (
                    part.file_size > SMALL_ENOUGH and ratio > LARGEST_RATIO
                ):
                    reason = say(
                        _("This workbook would unpack to %(size)s MB and was not opened."),
                        size=part.file_size >> 20,
                    )
                    raise Refused(
                        Problem(reason, Place(name), advice=say(_("Save it as CSV or in several files.")))
                    )
                if part.filename.endswith((".xml", ".rels")):
                    with archive.open(part) as xml:
                        if _DOCTYPE.search(xml.read(4096)):
                            reason = say(
                                _("This workbook defines XML entities, as no spreadsheet program does.")
                            )
                            raise Refused(Problem(reason, Place(name)))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError) as bad:
        raise Refused(_unreadable(name, bad)) from bad


def _unreadable(name: str, bad: Exception) -> Problem:
    reason = say(
        _("This workbook cannot be read: %(what)s"), what=quoted(str(bad) or type(bad).__name__, 120)
    )
    return Problem(
        reason, Place(name), advice=say(_("Open it in a spreadsheet program and save it as .xlsx again."))
    )
