"""Reading CSV and TSV: encodings, separators, quoting, and what can be wrong with them."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from projects.tables import Problems, Refused, open_table
from projects.tables.delimited import DelimitedTable
from projects.tables.encoding import detect

JAPANESE = "prompt_id,質問\np1,日本の首都はどこですか？\np2,表計算の「文字化け」とは何ですか。〜①㈱髙\n"


def write(folder: Path, content: bytes | str, name: str = "file.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


def values(path: Path, **options):
    problems = Problems()
    rows = [row.values for row in open_table(path, **options).rows(problems)]
    assert not problems, [str(problem) for problem in problems.errors]
    return rows


def refusal(path: Path, **options) -> str:
    """What is said of a file that cannot be read at all."""
    with pytest.raises(Refused) as refused:
        for _ in open_table(path, **options).rows(Problems()):
            pass
    return str(refused.value)


def errors(path: Path, **options) -> list[str]:
    problems = Problems()
    for _ in open_table(path, **options).rows(problems):
        pass
    return [str(problem) for problem in problems.errors]


def warnings(path: Path, **options) -> list[str]:
    problems = Problems()
    for _ in open_table(path, **options).rows(problems):
        pass
    return [str(problem) for problem in problems.warnings]


# Encodings


@pytest.mark.parametrize(
    ("written", "detected"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("utf-32", "utf-32"),
        ("cp932", "cp932"),
        ("euc_jp", "euc_jp"),
        ("iso2022_jp", "iso2022_jp"),
    ],
)
def test_the_encoding_of_japanese_text_is_detected(tmp_path, written, detected):
    text = (
        JAPANESE if written in ("cp932", "utf-8", "utf-8-sig", "utf-16") else JAPANESE.replace("〜①㈱髙", "")
    )
    text = text.replace("〜", "～") if written == "cp932" else text
    path = write(tmp_path, text, encoding=written)

    assert detect(path, "file.csv").name == detected
    assert [list(row.values()) for row in values(path)] == [line.split(",") for line in text.splitlines()[1:]]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp932"])
@pytest.mark.parametrize("size", [0, 300_000])
def test_a_file_whose_first_japanese_letter_comes_late_is_still_told(tmp_path, encoding, size):
    path = write(tmp_path, "a\n" + "x" * size + "\n" + "これは日本語の文です。\n" * 20, encoding=encoding)

    assert values(path)[-1] == {"a": "これは日本語の文です。"}


@pytest.mark.parametrize(
    "text", ["これは、日本語です。", "東京都", "カタカナ と ひらがな", "全角　空白　だけ　です"]
)
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "cp932", "euc_jp", "utf-8"])
def test_short_files_are_told_apart(tmp_path, text, encoding):
    assert values(write(tmp_path, f"id,text\n1,{text}\n", encoding=encoding)) == [{"id": "1", "text": text}]


def test_a_guessed_encoding_is_said_to_be_a_guess(tmp_path):
    latin = "id,text\n" + "".join(f"{n},Ça a été créé à la fenêtre où naît l'été\n" for n in range(40))
    table = open_table(write(tmp_path, latin, encoding="cp1252"))

    assert table.facts()["encoding_guessed"] == "yes"
    assert next(table.rows(Problems())).values["text"].startswith("Ça a été créé")


def test_an_encoding_that_was_detected_is_no_guess(tmp_path):
    assert "encoding_guessed" not in open_table(write(tmp_path, JAPANESE)).facts()


def test_damaged_utf8_is_not_taken_for_another_encoding(tmp_path):
    path = write(tmp_path, JAPANESE.encode() + b"p3," + b"\xff\n")

    assert refusal(path).startswith("file.csv, line 4: This is UTF-8, but the byte 0xFF is not.")


def test_utf8_cut_off_in_a_letter_is_named(tmp_path):
    assert "line 3: This is UTF-8" in refusal(write(tmp_path, JAPANESE.encode()[:-3]))


def test_bytes_in_no_encoding_are_refused(tmp_path):
    path = write(tmp_path, b"a,b\n" + bytes(range(128, 256)) * 3 + b"\x81\n")

    assert "encoding" in refusal(path)


def test_an_encoding_said_wrongly_is_refused(tmp_path):
    path = write(tmp_path, JAPANESE.replace("〜", "～"), encoding="cp932")

    assert "This file is not in the encoding UTF-8." in refusal(path, encoding="utf-8")


def test_an_encoding_that_does_not_exist_is_refused(tmp_path):
    assert "There is no encoding called “klingon”." in refusal(write(tmp_path, "a\n1\n"), encoding="klingon")


def test_an_encoding_can_be_named(tmp_path):
    path = write(tmp_path, "a,b\n1,é\n", encoding="latin-1")

    assert values(path, encoding="latin-1") == [{"a": "1", "b": "é"}]


# Separators


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
@pytest.mark.parametrize("name", ["file.csv", "file.tsv", "file.txt"])
def test_the_separator_is_found_whatever_the_name_says(tmp_path, delimiter, name):
    text = (
        "id;text".replace(";", delimiter)
        + "\n"
        + '1;"a, b; c"\n2;x\n'.replace(";", delimiter, 1).replace("2;", f"2{delimiter}")
    )
    expected = [{"id": "1", "text": text.split('"')[1]}, {"id": "2", "text": "x"}]

    assert values(write(tmp_path, text, name)) == expected


def test_commas_in_a_file_with_one_column_separate_nothing(tmp_path):
    path = write(tmp_path, 'text\n"one, two"\nthree\n')

    assert values(path) == [{"text": "one, two"}, {"text": "three"}]


def test_excels_line_about_the_separator_is_obeyed(tmp_path):
    path = write(tmp_path, "sep=;\r\nid;score\r\n1;2,5\r\n")
    table = open_table(path)
    rows = list(table.rows(Problems()))

    assert rows[0].values == {"id": "1", "score": "2,5"}
    assert rows[0].line == 3


def test_a_separator_can_be_named(tmp_path):
    assert values(write(tmp_path, "a,b~c\n1,2~3\n"), delimiter="~") == [{"a,b": "1,2", "c": "3"}]


# Rows


def test_rows_know_their_lines_past_cells_of_several_lines(tmp_path):
    table = open_table(write(tmp_path, 'id,text\n1,"two\nlines"\n\n2,x\n'))

    assert [(row.line, str(row.place("text"))) for row in table.rows(Problems())] == [
        (2, "file.csv, line 2"),
        (5, "file.csv, line 5"),
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_is_understood(tmp_path, end):
    assert values(write(tmp_path, end.join(["a,b", "1,2", "3,4", ""]))) == [
        {"a": "1", "b": "2"},
        {"a": "3", "b": "4"},
    ]


def test_a_table_can_be_read_again(tmp_path):
    table = open_table(write(tmp_path, JAPANESE))
    once = [row.values for row in table.rows(Problems())]

    assert once == [row.values for row in table.rows(Problems())]
    assert table.columns == ["prompt_id", "質問"]
    assert table.position == table.size


def test_spaces_around_column_names_are_removed(tmp_path):
    assert values(write(tmp_path, " a ,　b\n1,2\n")) == [{"a": "1", "b": "2"}]


def test_a_repeated_header_is_left_out_with_a_warning(tmp_path):
    path = write(tmp_path, "a,b\n1,2\na,b\n3,4\n")

    assert [row["a"] for row in values(path)] == ["1", "3"]
    assert warnings(path) == ["file.csv, line 3: This line repeats the column names and was left out."]


def test_two_columns_of_one_name_are_refused(tmp_path):
    assert refusal(write(tmp_path, "a,b,a\n1,2,3\n")) == (
        "file.csv, line 1, a: Columns 1 and 3 are both called “a”. Rename or remove one of them."
    )


def test_a_column_without_a_name_is_left_out_with_a_warning(tmp_path):
    path = write(tmp_path, ",a,\n0,1,\n1,2,\n")

    assert values(path) == [{"a": "1"}, {"a": "2"}]
    assert warnings(path) == [
        "file.csv, line 2: Column 1 has no name; what it holds was left out. (2 times; this is the first)"
    ]


@pytest.mark.parametrize(("line", "cells"), [("1,2,3", 3), ("1", 1)])
def test_a_line_that_does_not_fit_the_header_is_an_error(tmp_path, line, cells):
    assert errors(write(tmp_path, f"a,b\n{line}\n")) == [
        f"file.csv, line 2: This line has {cells} cells; the first line names 2 columns. "
        "Text that holds a separator, a quotation mark or a line break stands in quotation marks."
    ]


def test_empty_cells_past_the_last_column_are_no_error(tmp_path):
    assert values(write(tmp_path, "a,b\n1,2,,\n")) == [{"a": "1", "b": "2"}]


def test_a_quotation_mark_that_is_never_closed_is_named_with_its_line(tmp_path):
    assert errors(write(tmp_path, 'a,b\n1,2\n3,"4\n5,6\n')) == [
        "file.csv, line 3: A quotation mark that opens here is never closed. "
        "Within quotation marks, write a quotation mark as two of them."
    ]


def test_text_after_a_closing_quotation_mark_is_an_error_and_reading_goes_on(tmp_path):
    problems = Problems()
    rows = [row.values for row in open_table(write(tmp_path, 'a,b\n"x"y,2\n3,4\n')).rows(problems)]

    assert rows == [{"a": "3", "b": "4"}]
    assert str(problems.errors[0]).startswith(
        "file.csv, line 2: After a closing quotation mark comes something other than a separator."
    )


@pytest.mark.parametrize("content", ["", "\n\n", " \r\n\t", "\ufeff"])
def test_an_empty_file_is_refused(tmp_path, content):
    assert refusal(write(tmp_path, content)) == "file.csv: This file is empty."


def test_lines_of_nothing_but_separators_are_skipped_also_before_the_header(tmp_path):
    path = write(tmp_path, ",\na,b\n,\n1,2\n")

    assert [(row.line, row.values) for row in open_table(path).rows(Problems())] == [
        (4, {"a": "1", "b": "2"})
    ]


def test_a_file_with_nothing_but_a_header_has_columns_and_no_rows(tmp_path):
    path = write(tmp_path, "a,b\n")

    assert values(path) == []
    assert open_table(path).columns == ["a", "b"]


def test_a_file_that_is_not_there_is_refused(tmp_path):
    assert refusal(tmp_path / "none.csv").startswith("none.csv: This file cannot be opened:")


def test_zero_characters_are_replaced_and_counted(tmp_path):
    path = write(tmp_path, "a,b\n1,x\x00y\x00\n2,\x00\n")

    assert values(path)[0] == {"a": "1", "b": "x\ufffdy\ufffd"}
    assert warnings(path) == [
        "file.csv, line 2: A character that cannot be stored (U+0000 or half of a surrogate pair) "
        "was replaced by U+FFFD. (3 times; this is the first)"
    ]


def test_long_cells_are_read(tmp_path):
    text = "長" * 400_000

    assert values(write(tmp_path, f"a\n{text}\n")) == [{"a": text}]


def test_cells_past_all_bounds_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("projects.tables.delimited.LONGEST_CELL", 1 << 20)
    path = write(tmp_path, f'a,b\n1,2\n3,"{"x" * (1 << 21)}"\n4,5\n')

    assert errors(path)[0].startswith(
        "file.csv, line 3: A cell that begins here is longer than 1 million characters."
    )


def test_a_line_past_all_bounds_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("projects.tables.delimited.LONGEST_LINE", 1 << 20)

    assert "line 2: This line is longer than 1 million characters." in refusal(
        write(tmp_path, "a\n" + "x" * (1 << 21))
    )


def test_the_apostrophe_before_what_a_spreadsheet_would_run_is_taken_off(tmp_path):
    assert values(write(tmp_path, "a,b\n'=1+1,'tis\n''@x,=1\n")) == [
        {"a": "=1+1", "b": "'tis"},
        {"a": "'@x", "b": "=1"},
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 100, "This is a workbook of Excel 97"),
        (b"\x1f\x8b\x08\x00abc", "This file is compressed. Unpack it first."),
        (b"%PDF-1.7", "This is a PDF."),
        (b"\x89PNG\r\n", "This is a picture."),
        (b"SQLite format 3\x00", "This is a database."),
        (b"PK\x03\x04broken", "This file is damaged; its end may be missing."),
    ],
)
def test_files_of_other_kinds_are_named(tmp_path, content, sentence):
    assert sentence in refusal(write(tmp_path, content))


def test_at_most_twenty_errors_are_kept_and_the_rest_counted(tmp_path):
    problems = Problems()
    for _ in open_table(write(tmp_path, "a,b\n" + "".join(f"{'1,' * (n + 2)}1\n" for n in range(30)))).rows(
        problems
    ):
        pass

    assert (len(problems.errors), problems.n_errors) == (20, 30)


def test_errors_in_the_same_words_are_one(tmp_path):
    problems = Problems()
    for _ in open_table(write(tmp_path, "a,b\n" + "1\n" * 30)).rows(problems):
        pass

    assert (len(problems.errors), problems.n_errors) == (1, 30)
    assert str(problems.errors[0]).startswith("file.csv, line 2: ")
    assert str(problems.errors[0]).endswith(" (30 times; next in line 3, 4, 5, 6, …)")


# Whatever the cells hold

cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)


@given(
    rows=st.lists(st.lists(cells, min_size=2, max_size=2), max_size=6),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    delimiter=st.sampled_from([",", "\t", ";"]),
)
@example(rows=[["\r", "\n"], ["'=", '"'], ["a", "\x1c\x85\u2028"]], encoding="utf-8", delimiter=",")
def test_what_is_written_is_read(tmp_path_factory, rows, encoding, delimiter):
    written = io.StringIO()
    writer = csv.writer(written, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerows([["id", "text"], *[["'" + a if _guarded(a) else a, "x" + b] for a, b in rows]])
    path = write(tmp_path_factory.mktemp("csv"), written.getvalue(), encoding=encoding)

    read = values(path, delimiter=delimiter)

    assert read == [{"id": a, "text": "x" + b} for a, b in rows if (a, "x" + b) != ("id", "text")]


def _guarded(text: str) -> bool:
    return text.lstrip("'")[:1] in tuple("=+-@\t\r\n＝＋－＠") and text.lstrip("'") != ""


japanese = st.text("あいうえおアイウエオ日本語東京、。ー「」abc 123", min_size=1, max_size=30)


@given(
    texts=st.lists(japanese, min_size=3, max_size=6),
    encoding=st.sampled_from(["cp932", "euc_jp", "utf-16-le"]),
)
@example(texts=["本日は日本語の質問です", "東京はどこですか。", "アイウエオ"], encoding="euc_jp")
def test_japanese_text_survives_its_encoding(tmp_path_factory, texts, encoding):
    text = "識別子,これは本文の列です\n" + "".join(f"{n},{text}\n" for n, text in enumerate(texts))
    path = write(tmp_path_factory.mktemp("ja"), text, encoding=encoding)

    assert [row["これは本文の列です"] for row in values(path)] == texts


def test_memory_stays_flat_over_a_large_file(tmp_path):
    import tracemalloc

    path = tmp_path / "large.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("id,text\n")
        for number in range(60_000):
            file.write(f"{number},{'あ' * 100}\n")

    tracemalloc.start()
    count = sum(1 for _ in DelimitedTable(path, "large.csv").rows(Problems()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert count == 60_000
    assert path.stat().st_size > 18_000_000
    assert peak < 8_000_000
