"""Reading workbooks and Parquet files."""

import zipfile
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projects.tables import Problems, Refused, open_table

# Workbooks


def workbook(folder: Path, *sheets: list[list], names: list[str] | None = None) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for number, rows in enumerate(sheets):
        sheet = book.create_sheet((names or ["Sheet1", "Sheet2", "Sheet3"])[number])
        for row in rows:
            sheet.append(row)
    path = folder / "file.xlsx"
    book.save(path)
    return path


def read(path: Path, **options):
    problems = Problems()
    rows = [(row.line, row.values) for row in open_table(path, **options).rows(problems)]
    return (
        rows,
        [str(problem) for problem in problems.errors],
        [str(problem) for problem in problems.warnings],
    )


def refusal(path: Path, **options) -> str:
    with pytest.raises(Refused) as refused:
        for _ in open_table(path, **options).rows(Problems()):
            pass
    return str(refused.value)


RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
PARTS = {
    "[Content_Types].xml": """<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
        <Default Extension="xml" ContentType="application/xml"/>
        <Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
        <Override PartName="/xl/workbook.xml"
          ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>
        <Override PartName="/xl/worksheets/sheet1.xml"
          ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>
        <Override PartName="/xl/sharedStrings.xml"
          ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"/></Types>""",
    "_rels/.rels": f"""<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
        <Relationship Id="rId1" Type="{RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>""",
    "xl/_rels/workbook.xml.rels": f"""<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
        <Relationship Id="rId1" Type="{RELATIONS}/worksheet" Target="worksheets/sheet1.xml"/>
        <Relationship Id="rId2" Type="{RELATIONS}/sharedStrings" Target="sharedStrings.xml"/></Relationships>""",
    "xl/workbook.xml": f"""<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}">
        <sheets><sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>""",
    "xl/worksheets/sheet1.xml": f"""<worksheet xmlns="{MAIN}"><sheetData>
        <row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c></row>
        <row r="2"><c r="A2" t="s"><v>2</v></c><c r="B2"><v>4</v></c></row>
        </sheetData></worksheet>""",
    "xl/sharedStrings.xml": f"""<sst xmlns="{MAIN}"><si><t>id</t></si><si><t>score</t></si>
        <si><r><t>p</t></r><r><t>1</t></r><rPh sb="0" eb="1"><t>ピー</t></rPh></si></sst>""",
}


def as_excel_writes(folder: Path, **changes: tuple[str, str]) -> Path:
    """A workbook with shared strings, rich text and reading aids, as Excel writes them; each change replaces text in
    the part whose name begins so."""
    path = folder / "file.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in PARTS.items():
            for part, (old, new) in changes.items():
                if Path(name).name.startswith(part):
                    assert old in content
                    content = content.replace(old, new)
            archive.writestr(name, content)
    return path


def test_what_excel_writes_is_read(tmp_path):
    assert read(as_excel_writes(tmp_path))[0] == [(2, {"id": "p1", "score": 4})]


def test_values_come_as_they_are(tmp_path):
    moment = datetime(2024, 3, 1, 10, 30)  # noqa: DTZ001  # a spreadsheet knows no time zones
    path = workbook(tmp_path, [["id", "score", "ok", "when", "none"], ["a", 4.5, True, moment, None]])

    assert read(path)[0] == [(2, {"id": "a", "score": 4.5, "ok": True, "when": moment, "none": None})]


def test_cells_are_named_as_the_spreadsheet_names_them(tmp_path):
    path = workbook(tmp_path, [[None, "id", "score"], [], [None, "a", 1]])
    (row,) = open_table(path).rows(Problems())

    assert str(row.place("score")) == "file.xlsx, Sheet1!C3"
    assert str(row.place()) == "file.xlsx, Sheet1, row 3"


def test_the_first_sheet_that_holds_anything_is_read_and_others_are_named(tmp_path):
    path = workbook(tmp_path, [], [["a"], [1]], [["b"], [2]])
    rows, _, warnings = read(path)

    assert rows == [(2, {"a": 1})]
    assert warnings == ["file.xlsx: Only the sheet “Sheet2” is read; others hold something, too: Sheet3."]


def test_a_sheet_can_be_named(tmp_path):
    path = workbook(tmp_path, [["a"], [1]], [["b"], [2]])

    assert read(path, sheet="Sheet2")[0] == [(2, {"b": 2})]
    assert (
        refusal(path, sheet="Sheet9") == "file.xlsx: There is no sheet “Sheet9”; there are: Sheet1, Sheet2."
    )


def test_of_a_formula_the_stored_result_is_read(tmp_path):
    path = as_excel_writes(tmp_path, sheet1=('<c r="B2"><v>4</v>', '<c r="B2"><f>2+2</f><v>4</v>'))

    assert read(path)[0] == [(2, {"id": "p1", "score": 4})]


def test_a_formula_whose_result_is_the_empty_text_is_empty(tmp_path):
    path = as_excel_writes(tmp_path, sheet1=('<c r="B2"><v>4</v>', '<c r="B2" t="str"><f>""</f><v></v>'))

    assert read(path)[:2] == ([(2, {"id": "p1", "score": None})], [])


def test_a_formula_whose_result_is_not_stored_is_an_error_at_its_cell(tmp_path):
    path = workbook(tmp_path, [["id", "score"], ["a", "=1+1"]])

    assert read(path)[1] == [
        "file.xlsx, Sheet1!B2: The cell holds a formula whose result is not stored. "
        "Open the file in a spreadsheet program and save it, or put the value in."
    ]


def test_a_cell_that_shows_an_error_is_an_error(tmp_path):
    path = as_excel_writes(tmp_path, sheet1=('<c r="B2"><v>4</v>', '<c r="B2" t="e"><v>#DIV/0!</v>'))

    assert read(path)[1] == ["file.xlsx, Sheet1!B2: The cell shows the error #DIV/0!."]


@pytest.mark.parametrize(
    ("stored", "shown"), [("one_x000D_\ntwo", "one\ntwo"), ("one_x0041_", "oneA"), ("a_xyz_", "a_xyz_")]
)
def test_characters_that_excel_escapes_are_read_as_such(tmp_path, stored, shown):
    path = as_excel_writes(tmp_path, sharedStrings=("<t>p</t></r><r><t>1</t>", f"<t>{stored}</t>"))

    assert read(path)[0][0][1]["id"] == shown


def test_rows_without_anything_are_skipped_and_short_ones_filled(tmp_path):
    path = workbook(tmp_path, [["a", "b"], [], ["x"], [None, None], ["y", 2]])

    assert read(path)[0] == [(3, {"a": "x", "b": None}), (5, {"a": "y", "b": 2})]


@pytest.mark.parametrize("sheets", [([],), ([], [])])
def test_a_workbook_without_content_is_refused(tmp_path, sheets):
    assert refusal(workbook(tmp_path, *sheets)) == "file.xlsx: This file is empty."


def test_two_columns_of_one_name_are_refused(tmp_path):
    assert "Columns 1 and 2 are both called “a”." in refusal(workbook(tmp_path, [["a", "a"], [1, 2]]))


def test_a_repeated_header_is_left_out(tmp_path):
    assert [line for line, _ in read(workbook(tmp_path, [["a", "b"], [1, 2], ["a", "b"], [3, 4]]))[0]] == [
        2,
        4,
    ]


def test_a_cell_past_the_last_column_is_an_error(tmp_path):
    assert (
        "This line has 3 cells; the first line names 2 columns."
        in read(workbook(tmp_path, [["a", "b"], [1, 2, 3]]))[1][0]
    )


def test_a_workbook_that_unpacks_to_more_than_anybody_typed_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("projects.tables.workbook.SMALL_ENOUGH", 1 << 20)
    bomb = as_excel_writes(tmp_path, sheet1=("</sheetData>", " " * (4 << 20) + "</sheetData>"))

    assert bomb.stat().st_size < 100_000
    assert "This workbook would unpack to 4 MB and was not opened." in refusal(bomb)


def test_entities_in_a_workbook_are_refused(tmp_path):
    laughs = as_excel_writes(tmp_path, sharedStrings=("<sst", '<!DOCTYPE x [<!ENTITY a "aaaa">]><sst'))

    assert "defines XML entities" in refusal(laughs)


@pytest.mark.parametrize("part", ["xl/workbook.xml", "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml"])
@pytest.mark.parametrize("damage", ["<", "", "<x/>"])
def test_a_damaged_workbook_is_refused_with_a_sentence(tmp_path, monkeypatch, part, damage):
    monkeypatch.setitem(PARTS, part, damage)

    assert refusal(as_excel_writes(tmp_path)).startswith("file.xlsx: This")


@pytest.mark.parametrize("part", [part for part in PARTS if part != "_rels/.rels"])
def test_a_workbook_without_one_of_its_parts_is_refused_with_a_sentence(tmp_path, monkeypatch, part):
    monkeypatch.delitem(PARTS, part)

    assert refusal(as_excel_writes(tmp_path)).startswith("file.xlsx: This")


def test_a_workbook_cut_off_is_refused(tmp_path):
    path = workbook(tmp_path, [["a"], ["x"]])
    path.write_bytes(path.read_bytes()[:-200])

    assert refusal(path) == "file.xlsx: This file is damaged; its end may be missing."


def test_an_archive_that_is_no_workbook_is_refused(tmp_path):
    path = tmp_path / "file.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("prompts.jsonl", "{}")

    assert refusal(path).startswith("file.xlsx: This is an archive or a document, and no workbook (.xlsx).")


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20).filter(
    lambda text: text.strip() and not text.startswith("=") and "_x" not in text and not text.startswith("#")
)


@given(
    rows=st.lists(st.tuples(texts, st.integers(-(10**9), 10**9) | texts | st.none()), min_size=1, max_size=5)
)
def test_what_is_written_to_a_workbook_is_read(tmp_path_factory, rows):
    path = workbook(tmp_path_factory.mktemp("xlsx"), [["識別子", "本文"], *[list(row) for row in rows]])

    assert [tuple(values.values()) for _, values in read(path)[0]] == rows


# Parquet


def parquet(folder: Path, table: pa.Table, **options) -> Path:
    path = folder / "file.parquet"
    pq.write_table(table, path, **options)
    return path


def test_values_of_a_parquet_file_come_as_they_are(tmp_path):
    moment = datetime(2024, 3, 1, tzinfo=UTC)
    values = {
        "text": "あ", "number": 3, "score": 4.5, "list": ["a", "b"], "object": {"x": 1}, "when": moment,
        "day": date(2024, 3, 1), "exact": Decimal("1.50"), "none": None,
    }  # fmt: skip
    path = parquet(tmp_path, pa.Table.from_pylist([values]))

    assert read(path)[0] == [(1, values)]


def test_rows_of_a_parquet_file_are_counted(tmp_path):
    path = parquet(tmp_path, pa.table({"a": list(range(2500))}))
    table = open_table(path)
    rows = list(table.rows(Problems()))

    assert [row.values["a"] for row in rows] == list(range(2500))
    assert str(rows[1200].place("a")) == "file.parquet, row 1201"
    assert table.position == table.size == 2500


def test_text_stored_as_bytes_and_as_categories_is_text(tmp_path):
    column = pa.array(["a", "a", "b"]).dictionary_encode()
    path = parquet(tmp_path, pa.table({"bytes": pa.array([b"x", b"y", None]), "category": column}))

    assert [values for _, values in read(path)[0]] == [
        {"bytes": "x", "category": "a"},
        {"bytes": "y", "category": "a"},
        {"bytes": None, "category": "b"},
    ]


def test_zero_characters_in_a_parquet_file_are_replaced(tmp_path):
    rows, _, warnings = read(parquet(tmp_path, pa.table({"a": ["x\x00"]})))

    assert rows == [(1, {"a": "x\ufffd"})]
    assert len(warnings) == 1


def test_two_columns_of_one_name_in_a_parquet_file_are_refused(tmp_path):
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])

    assert "are both called “a”" in refusal(parquet(tmp_path, table))


@pytest.mark.parametrize("keep", [8, 60, -40])
def test_a_damaged_parquet_file_is_refused(tmp_path, keep):
    path = parquet(tmp_path, pa.table({"a": ["x"] * 100}))
    path.write_bytes(path.read_bytes()[:keep])

    assert refusal(path).startswith("file.parquet: This Parquet file cannot be read:")


def test_bytes_that_are_no_text_are_refused(tmp_path):
    assert "This Parquet file cannot be read" in refusal(
        parquet(tmp_path, pa.table({"a": pa.array([b"\xff\xfe"])}))
    )


@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {
                "id": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
                "n": st.none() | st.integers(-(2**40), 2**40),
            }
        ),
        min_size=1,
        max_size=8,
    )
)
def test_what_is_written_to_parquet_is_read(tmp_path_factory, rows):
    schema = pa.schema([("id", pa.string()), ("n", pa.int64())])
    path = parquet(tmp_path_factory.mktemp("parquet"), pa.Table.from_pylist(rows, schema=schema))

    assert [values for _, values in read(path)[0]] == rows
