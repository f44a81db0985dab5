"""CSV and TSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from projects.tables.cleaning import REPLACEMENT
from projects.tables.encoding import SAMPLE, Encoding, detect, opened_text, undecodable
from projects.tables.messages import _, say
from projects.tables.problems import Place, Problem, Problems, Refused
from projects.tables.rows import Header, Row, Table, no_rows

DELIMITERS = {",": "csv", "\t": "tsv", ";": "csv", "|": "csv"}
SHOWN = {",": "comma", "\t": "tab", ";": "semicolon", "|": "vertical bar"}
LONGEST_CELL = 16 << 20
LONGEST_LINE = 64 << 20
SNIFFED_ROWS = 50
#: Excel writes its separator so, in a first line by itself.
_SEPARATOR_LINE = re.compile(r"""^"?sep=(.)"?$""", re.IGNORECASE)
#: Our own files put an apostrophe before text that a spreadsheet would run; see `docs/formats.md`.
_GUARDED = re.compile("''*[=+\\-@\t\r\n＝＋－＠]")


class DelimitedTable(Table):
    """A text file with a header line; cells are text, and an empty cell is ""."""

    def __init__(self, path: Path, name: str, *, encoding: str = "", delimiter: str = "") -> None:
        super().__init__(path, name)
        csv.field_size_limit(LONGEST_CELL)
        self.encoding = Encoding(encoding) if encoding else detect(path, name)
        sample, whole = self._sample()
        self._skips_first_line = False
        if not delimiter and (said := _SEPARATOR_LINE.match(sample.split("\n", 1)[0].strip())):
            self._skips_first_line, delimiter = True, said[1]
        self.delimiter = delimiter or sniffed_delimiter(sample, whole=whole, likely=_likely(name))
        self.format = DELIMITERS.get(self.delimiter, "csv")
        self._header: Header | None = None

    @property
    def columns(self) -> list[str]:
        if self._header is None:
            for _row in self.rows(Problems()):
                break
        assert self._header is not None  # or rows() would have raised
        return list(self._header.names.values())

    def facts(self) -> dict[str, str]:
        facts = {"format": self.format, "encoding": self.encoding.shown, "delimiter": self.delimiter}
        return facts | ({"encoding_guessed": "yes"} if self.encoding.guessed else {})

    def _sample(self) -> tuple[str, bool]:
        """The beginning of the file, and whether that is all of it."""
        try:
            with opened_text(self.path, self.encoding.name, newline="") as (file, _raw):
                text = file.read(SAMPLE)
                return text.removeprefix("\ufeff"), len(text) < SAMPLE
        except (UnicodeError, LookupError) as bad:
            raise Refused(undecodable(self.path, self.name, self.encoding.name, bad)) from None

    def rows(self, problems: Problems) -> Iterator[Row]:
        self.replaced = 0
        with opened_text(self.path, self.encoding.name, newline="") as (file, raw):
            lines = self._stored(file, problems)
            if self._skips_first_line:
                next(lines, "")
            reader = csv.reader(lines, delimiter=self.delimiter, strict=True)
            offset = 1 if self._skips_first_line else 0
            try:
                for line, cells in self._records(reader, offset, problems):
                    if self._header is None or line == self._header_line:
                        if not any(cell.strip() for cell in cells):
                            continue
                        self._header_line = line
                        self._header = Header(cells, self, self.place(line))
                        continue
                    values = self._header.values(cells, line, problems)
                    if values is not None:
                        self.position = raw.tell()
                        yield Row(self, line, {name: unguarded(cell) for name, cell in values.items()})
            except UnicodeError as bad:
                raise Refused(undecodable(self.path, self.name, self.encoding.name, bad)) from None
        if self._header is None:
            raise no_rows(self)
        self.position = self.size

    _header_line = 0

    def _stored(self, file: IO[str], problems: Problems) -> Iterator[str]:
        for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE), ""), 1):
            if len(line) == LONGEST_LINE:
                reason = say(
                    _("This line is longer than %(most)s million characters."), most=LONGEST_LINE >> 20
                )
                raise Refused(Problem(reason, self.place(number)))
            if "\x00" in line:
                self._tell_replaced(number, line.count("\x00"), problems)
                line = line.replace("\x00", REPLACEMENT)
            yield line

    def _records(self, reader: Any, offset: int, problems: Problems) -> Iterator[tuple[int, list[str]]]:
        """Records with the line that each begins in."""
        while True:
            line = reader.line_num + offset + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as bad:
                problems.add(_quoting(str(bad), self.place(line)))
                if "limit" in str(bad):  # what follows would be read from the middle of a cell
                    return
                continue
            yield line, cells


def unguarded(text: str) -> str:
    """The text without the apostrophe that keeps spreadsheets from running it.

    >>> unguarded("'=1+1"), unguarded("'tis"), unguarded("=1+1")
    ('=1+1', "'tis", '=1+1')
    """
    return text[1:] if text.startswith("'") and _GUARDED.match(text) else text


def _likely(name: str) -> str:
    return "\t" if name.lower().endswith((".tsv", ".tab")) else ","


def sniffed_delimiter(sample: str, *, whole: bool, likely: str = ",") -> str:
    """The separator that parts the first lines most evenly, whatever the file's name says.

    >>> sniffed_delimiter("a;b\\n1,5;2\\n", whole=True)
    ';'
    """
    best, best_score = likely, (0.0, 0, False)
    for delimiter in DELIMITERS:
        widths = []
        try:
            for cells in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter):
                if any(cells):
                    widths.append(len(cells))
                if len(widths) > SNIFFED_ROWS:
                    break
        except csv.Error:
            continue
        if not whole and len(widths) <= SNIFFED_ROWS and len(widths) > 1:
            widths.pop()  # cut off in the middle
        if not widths or widths[0] < 2:
            continue
        even = sum(width == widths[0] for width in widths) / len(widths)
        score = (round(even, 1), widths[0], delimiter == likely)
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _quoting(what: str, place: Place) -> Problem:
    if "end of data" in what:
        reason = say(_("A quotation mark that opens here is never closed."))
    elif "limit" in what:
        reason = say(
            _("A cell that begins here is longer than %(most)s million characters."), most=LONGEST_CELL >> 20
        )
    else:
        reason = say(_("After a closing quotation mark comes something other than a separator."))
    return Problem(
        reason, place, advice=say(_("Within quotation marks, write a quotation mark as two of them."))
    )
