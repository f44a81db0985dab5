"""XLSX, written directly: openpyxl takes five times as long and would make formulas of text that begins with "=".

A workbook is a zip of XML parts. Sheets are written as rows come, one after the other. A cell is a number or text and
nothing else, so no cell can become a formula. What a cell cannot hold is replaced where it can be seen, and counted in
`altered`: control characters by their pictures (␀ … ␟), text past 32,767 characters by a mark that says how long it was.
"""

import re
import zipfile
from collections.abc import Callable, Sequence
from typing import IO, Any, BinaryIO, cast
from xml.sax.saxutils import escape, quoteattr

from exports.files.book import Book, Row, Table, Valve
from exports.files.columns import TO_TEXT, Column, Kind
from exports.files.guard import is_taken_for_formula

MAX_ROWS = 1_048_576
MAX_COLUMNS = 16_384
MAX_TEXT = 32_767  # in UTF-16 units, as Excel counts
MAX_PART = 2**31 - 2**24  # a larger part would need zip64, which Excel need not read
MAX_SHARED = 65_536
SHARED_LENGTH = 80

_PLAIN, _HEADER, _LIKE_FORMULA = 0, 1, 2

_MARKUP = re.compile("[&<>\r]")
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_ESCAPE_LIKE = re.compile("_x(?=[0-9A-Fa-f]{4}_)")  # Excel reads _x0041_ as the letter A, and _x005F_ as "_"
_ODD = re.compile(f"{_MARKUP.pattern}|{_ILLEGAL.pattern}|{_ESCAPE_LIKE.pattern}")

_DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_DOCUMENT = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"

_STYLES = f"""{_DECLARATION}<styleSheet {_MAIN}>\
<fonts count="2"><font><sz val="11"/><name val="Calibri"/><family val="2"/></font>\
<font><b/><sz val="11"/><name val="Calibri"/><family val="2"/></font></fonts>\
<fills count="3"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill>\
<fill><patternFill patternType="solid"><fgColor rgb="FFE8ECF1"/><bgColor indexed="64"/></patternFill></fill></fills>\
<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>\
<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>\
<cellXfs count="3"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>\
<xf numFmtId="49" fontId="1" fillId="2" borderId="0" xfId="0" applyNumberFormat="1" applyFont="1" applyFill="1"/>\
<xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" quotePrefix="1" applyNumberFormat="1"/></cellXfs>\
<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>"""


def _letters(index: int) -> str:
    """The name of the column at `index`: A, B, … Z, AA."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def _picture(match: re.Match[str]) -> str:
    code = ord(match.group())
    return chr(0x2400 + code) if code < 0x20 else "\ufffd"


class XlsxBook(Book):
    several_tables = True

    def __init__(self, target: BinaryIO, *, max_rows: int = MAX_ROWS, max_part: int = MAX_PART) -> None:
        super().__init__(target)
        self.max_rows = max_rows
        self.max_part = max_part
        self.sheets: list[tuple[str, str]] = []  # name, and the range with its filter
        self._taken = {"history"}  # Excel keeps that one to itself
        self._shared: dict[str, int] = {}
        self._open_part: IO[bytes] | None = None
        self._valve = Valve(target)
        self._zip = zipfile.ZipFile(cast(BinaryIO, self._valve), "w", zipfile.ZIP_DEFLATED)

    def _table(self, name: str, columns: Sequence[Column]) -> Table:
        return Sheets(self, name, columns)

    def open_part(self, path: str) -> IO[bytes]:
        part = zipfile.ZipInfo(path, date_time=(1980, 1, 1, 0, 0, 0))  # the same rows make the same bytes
        part.compress_type = zipfile.ZIP_DEFLATED
        part._compresslevel = 4  # type: ignore[attr-defined]  # ZipInfo has no public way before Python 3.13
        part.external_attr = 0o600 << 16
        part.create_system = 3
        self._open_part = self._zip.open(part, "w")
        return self._open_part

    def name_sheet(self, wanted: str, number: int) -> str:
        """A name that Excel allows and no other sheet has."""
        base = re.sub(r"[\[\]:*?/\\\x00-\x1f]", "-", wanted).strip("'") or "sheet"
        while True:
            suffix = f" ({number})" if number > 1 else ""
            name = base[: 31 - len(suffix)] + suffix
            if name.casefold() not in self._taken:
                self._taken.add(name.casefold())
                return name
            number += 1

    def cell_text(self, text: str) -> str:
        """What follows the cell's address and makes the cell hold `text`."""
        if (index := self._shared.get(text)) is not None:
            return f' t="s"><v>{index}</v></c>'
        style = f' s="{_LIKE_FORMULA}"' if is_taken_for_formula(text) else ""
        short = not style and len(text) <= SHARED_LENGTH and not _ODD.search(text)
        if short and len(self._shared) < MAX_SHARED:
            self._shared[text] = index = len(self._shared)
            return f' t="s"><v>{index}</v></c>'
        return f'{style} t="inlineStr"><is>{self._string(text)}</is></c>'

    def _string(self, text: str) -> str:
        if len(text) > MAX_TEXT // 2 and len(text.encode("utf-16-le", "surrogatepass")) // 2 > MAX_TEXT:
            text = self._cut(text)
        if not _ODD.search(text):
            return f'<t xml:space="preserve">{text}</t>'
        text, replaced = _ILLEGAL.subn(_picture, text)
        self.altered["characters_replaced"] += replaced
        text = escape(text, {"\r": "&#13;"})
        text = _ESCAPE_LIKE.sub("_x005F_x", text)
        return f'<t xml:space="preserve">{text}</t>'

    def _cut(self, text: str) -> str:
        self.altered["texts_cut"] += 1
        mark = f" […✂ {len(text):,} characters; a cell holds {MAX_TEXT:,}]"
        units = text.encode("utf-16-le", "surrogatepass")[: (MAX_TEXT - len(mark)) * 2]
        return units.decode("utf-16-le", "ignore") + mark

    def close(self) -> None:
        if not self.sheets:
            raise ValueError("a workbook needs a sheet")
        names = [name for name, _ in self.sheets]
        numbered = list(enumerate(names, 1))
        sheets = "".join(
            f'<sheet name={quoteattr(name)} sheetId="{number}" r:id="rId{number}"/>'
            for number, name in numbered
        )
        filters = "".join(
            f'<definedName name="_xlnm._FilterDatabase" localSheetId="{at}" hidden="1">'
            f"{escape(_quoted(name))}!{area}</definedName>"
            for at, (name, area) in enumerate(self.sheets)
        )
        self._put(
            "xl/workbook.xml",
            f'<workbook {_MAIN} xmlns:r="{_DOCUMENT}"><bookViews><workbookView/></bookViews>'
            f"<sheets>{sheets}</sheets><definedNames>{filters}</definedNames></workbook>",
        )
        last = len(names)
        self._put(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{_PACKAGE}/relationships">'
            + "".join(
                f'<Relationship Id="rId{n}" Type="{_DOCUMENT}/worksheet" Target="worksheets/sheet{n}.xml"/>'
                for n, _ in numbered
            )
            + f'<Relationship Id="rId{last + 1}" Type="{_DOCUMENT}/styles" Target="styles.xml"/>'
            f'<Relationship Id="rId{last + 2}" Type="{_DOCUMENT}/sharedStrings" Target="sharedStrings.xml"/>'
            "</Relationships>",
        )
        self._put("xl/styles.xml", _STYLES.removeprefix(_DECLARATION))
        self._put(
            "xl/sharedStrings.xml",
            f"<sst {_MAIN}>"
            + "".join(f'<si><t xml:space="preserve">{text}</t></si>' for text in self._shared)
            + "</sst>",
        )
        self._put(
            "_rels/.rels",
            f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" '
            f'Type="{_DOCUMENT}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        )
        part = "application/vnd.openxmlformats-officedocument.spreadsheetml"
        self._put(
            "[Content_Types].xml",
            f'<Types xmlns="{_PACKAGE}/content-types">'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            '<Default Extension="xml" ContentType="application/xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{part}.sheet.main+xml"/>'
            + "".join(
                f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{part}.worksheet+xml"/>'
                for n, _ in numbered
            )
            + f'<Override PartName="/xl/styles.xml" ContentType="{part}.styles+xml"/>'
            f'<Override PartName="/xl/sharedStrings.xml" ContentType="{part}.sharedStrings+xml"/></Types>',
        )
        self._zip.close()

    def _put(self, path: str, content: str) -> None:
        with self.open_part(path) as part:
            part.write((_DECLARATION + content).encode())

    def abandon(self) -> None:
        self._valve.shut = True  # zipfile completes what it is let go of; it shall not look complete
        if self._open_part:
            self._open_part.close()
        self._zip.close()


def _quoted(sheet: str) -> str:
    return "'" + sheet.replace("'", "''") + "'"


class Sheets(Table):
    """One table, on as many sheets as its rows need."""

    def __init__(self, book: XlsxBook, name: str, columns: Sequence[Column]) -> None:
        super().__init__(columns)
        if not 1 <= len(columns) <= MAX_COLUMNS:
            raise ValueError(f"a sheet holds 1 to {MAX_COLUMNS:,} columns, not {len(columns):,}")
        self._book = book
        self._name = name
        self._letters = [_letters(at) for at in range(len(columns))]
        self._cells = [self._cell(column.kind) for column in columns]
        self._begin()

    def _cell(self, kind: Kind) -> Callable[[Any], str]:
        to_text = TO_TEXT[kind]
        text = self._book.cell_text
        if to_text is None:
            return text
        if kind is Kind.TIME:  # nearly each is different: they would fill up what is kept once
            return lambda value: f' t="inlineStr"><is><t>{to_text(value)}</t></is></c>'
        if kind not in (Kind.INTEGER, Kind.NUMBER):
            return lambda value: text(to_text(value))

        def number(value: float) -> str:
            if abs(value) >= 10**15:  # Excel keeps 15 digits
                return text(to_text(value))
            return f"><v>{to_text(value)}</v></c>"

        return number

    def _begin(self) -> None:
        book = self._book
        self._sheet_name = book.name_sheet(self._name, 1)
        self._sheet = book.open_part(f"xl/worksheets/sheet{len(book.sheets) + 1}.xml")
        book.sheets.append((self._sheet_name, ""))
        self._at = 1
        self._size = 0
        widths = "".join(
            f'<col min="{n}" max="{n}" width="{column.width}" customWidth="1"/>'
            for n, column in enumerate(self.columns, 1)
        )
        head = "".join(
            f'<c r="{letters}1" s="{_HEADER}" t="inlineStr"><is>{book._string(column.name)}</is></c>'
            for letters, column in zip(self._letters, self.columns, strict=True)
        )
        self._put(
            f'{_DECLARATION}<worksheet {_MAIN}><sheetViews><sheetView workbookViewId="0">'
            '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews>'
            f'<cols>{widths}</cols><sheetData><row r="1">{head}</row>'
        )

    def _end(self) -> None:
        last = f"{self._letters[-1]}{self._at}"
        self._put(f'</sheetData><autoFilter ref="A1:{last}"/></worksheet>')
        self._sheet.close()
        self._book.sheets[-1] = (
            self._sheet_name,
            f"$A$1:${self._letters[-1]}${self._at}",
        )

    def _put(self, text: str) -> None:
        data = text.encode()
        self._size += len(data)
        self._sheet.write(data)

    def _write(self, chunk: Sequence[Row]) -> None:
        held: list[str] = []
        size = 0
        cells = list(zip(self._letters, self._cells, strict=True))
        for row in chunk:
            if self._at >= self._book.max_rows or self._size + size >= self._book.max_part:
                self._put("".join(held))
                held.clear()
                self._end()
                self._begin()
                size = 0
            self._at += 1
            at = self._at
            line = "".join(
                f'<c r="{letters}{at}"{cell(value)}'
                for (letters, cell), value in zip(cells, row, strict=True)
                if value is not None and value != ""
            )
            held.append(f'<row r="{at}">{line}</row>')
            size += 3 * len(line)
        self._put("".join(held))

    def close(self) -> None:
        self._end()
