"""Which kind of file it is: by what it holds, and only in doubt by its name."""

from __future__ import annotations

import zipfile
from pathlib import Path

from projects.tables.delimited import DelimitedTable
from projects.tables.encoding import SAMPLE, Encoding, detect, undecodable
from projects.tables.json_rows import JsonLinesTable, JsonTable, is_json_lines
from projects.tables.messages import _, say
from projects.tables.problems import Place, Problem, Refused
from projects.tables.rows import Table

#: First bytes of files that people take for tables, and what to do with them.
NOT_TABLES = [
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _("This is a workbook of Excel 97–2003, or one with a password.")),
    (b"\x1f\x8b", _("This file is compressed.")),
    (b"BZh", _("This file is compressed.")),
    (b"\xfd7zXZ\x00", _("This file is compressed.")),
    (b"\x28\xb5\x2f\xfd", _("This file is compressed.")),
    (b"%PDF", _("This is a PDF.")),
    (b"\x89PNG", _("This is a picture.")),
    (b"SQLite format 3\x00", _("This is a database.")),
]
ADVICE = {
    _("This is a workbook of Excel 97–2003, or one with a password."): _(
        "Save it as .xlsx, without a password."
    ),
    _("This file is compressed."): _("Unpack it first."),
}


def open_table(
    path: Path, *, name: str = "", encoding: str = "", delimiter: str = "", sheet: str = ""
) -> Table:
    """The file as a table. `name` is what people call it; the rest is only for what detection gets wrong.

    Raises Refused when it is empty, no table, or cannot be read.
    """
    name = name or path.name
    try:
        with path.open("rb") as file:
            head = file.read(SAMPLE)
    except OSError as bad:
        reason = say(_("This file cannot be opened: %(what)s"), what=bad.strerror or str(bad))
        raise Refused(Problem(reason, Place(name))) from bad
    if not head.strip():
        raise Refused(Problem(say(_("This file is empty.")), Place(name)))
    if head.startswith(b"PAR1"):
        from projects.tables.parquet import ParquetTable  # 40 MB of pyarrow: only for who needs it

        return ParquetTable(path, name)
    if head.startswith(b"PK\x03\x04"):
        return _zipped(path, name, sheet)
    for magic, what in NOT_TABLES:
        if head.startswith(magic):
            advice = say(ADVICE[what]) if what in ADVICE else None
            raise Refused(Problem(say(what), Place(name), advice=advice))
    return _text(path, name, encoding, delimiter, head)


def _zipped(path: Path, name: str, sheet: str) -> Table:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, OSError) as bad:
        raise Refused(Problem(say(_("This file is damaged; its end may be missing.")), Place(name))) from bad
    if "[Content_Types].xml" in names and any(part.startswith("xl/") for part in names):
        from projects.tables.workbook import WorkbookTable

        return WorkbookTable(path, name, sheet=sheet)
    reason = say(_("This is an archive or a document, and no workbook (.xlsx)."))
    raise Refused(Problem(reason, Place(name), advice=say(_("Unpack it first, or save it as .xlsx or CSV."))))


def _text(path: Path, name: str, encoding: str, delimiter: str, head: bytes) -> Table:
    found = Encoding(encoding) if encoding else detect(path, name)
    try:
        text = head.decode(found.name, errors="replace")
    except (LookupError, UnicodeError) as bad:
        raise Refused(undecodable(path, name, found.name, bad)) from None
    begins = text.lstrip("\ufeff \t\r\n\u3000")
    if not begins:
        raise Refused(Problem(say(_("This file is empty.")), Place(name)))
    opened: Table
    if begins[0] == "[" or begins[0] == "{":
        lines = begins[0] == "{" and is_json_lines(begins, whole=len(head) < SAMPLE)
        opened = (JsonLinesTable if lines else JsonTable)(path, name, encoding=found.name)
    else:
        opened = DelimitedTable(path, name, encoding=found.name, delimiter=delimiter)
    opened.encoding = found
    return opened
