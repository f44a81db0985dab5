"""Cells as text, ids, numbers, moments and lists; what spreadsheets do to ids; and columns at a glance."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from projects.tables import (
    BadCell,
    Message,
    Place,
    Problem,
    Problems,
    as_id,
    as_integer,
    as_list,
    as_moment,
    as_number,
    as_object,
    as_text,
    may_be_rounded,
    open_table,
    profile,
    wrecked,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\nb", "a\nb"),
        (None, ""),
        (float("nan"), ""),
        (3, "3"),
        (3.0, "3"),
        (3.25, "3.25"),
        (True, "true"),
        (Decimal("1.50"), "1.50"),
        (date(2024, 3, 1), "2024-03-01"),
        (datetime(2024, 3, 1, 9, tzinfo=UTC), "2024-03-01T09:00:00+00:00"),
        (timedelta(hours=1), "1:00:00"),
    ],
)
def test_anything_in_a_cell_has_a_text(value, text):
    assert as_text(value) == text


@pytest.mark.parametrize(("value", "found"), [(["a"], "a list"), ({"a": 1}, "an object")])
def test_lists_and_objects_are_no_text(value, found):
    with pytest.raises(BadCell, match=f"Here should be text; it is {found}."):
        as_text(value)


def test_ids_have_no_spaces_around_them():
    assert as_id(" p1　") == "p1"


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("1.0", "“1.0” looks like a number that a spreadsheet made of something else."),
        (1.5, "“1.5” looks like a number that a spreadsheet made of something else."),
        ("1E+05", "“1E+05” looks like a number that a spreadsheet shortened."),
        ("1.23457E+11", "“1.23457E+11” looks like a number that a spreadsheet shortened."),
        ("2024/3/1", "“2024/3/1” looks like a date that a spreadsheet made of something else."),
        ("3月1日", "“3月1日” looks like a date that a spreadsheet made of something else."),
        ("1-Mar", "“1-Mar” looks like a date that a spreadsheet made of something else."),
        ("Mar-01", "“Mar-01” looks like a date that a spreadsheet made of something else."),
        (date(2024, 3, 1), "“2024-03-01” looks like a date that a spreadsheet made of something else."),
    ],
)
def test_what_a_spreadsheet_does_to_ids_is_noticed(value, sentence):
    assert str(wrecked(value)) == sentence


@pytest.mark.parametrize("value", ["p1", "elyza###0", "1", "001", "2.1", "v1.0", "1e5", "3-1", 7, None, ""])
def test_sound_ids_are_let_be(value):
    assert wrecked(value) is None


def test_numbers_of_more_digits_than_a_spreadsheet_keeps_are_noticed():
    assert may_be_rounded(1234567890123456)
    assert not may_be_rounded(123456789012345)
    assert not may_be_rounded("1234567890123456")


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("4", 4),
        (" 4.50 ", 4.5),
        ("４", 4),
        ("-1", -1),
        (".5", 0.5),
        ("1e2", 100),
        (True, 1),
        (Decimal("2.5"), 2.5),
    ],
)
def test_numbers_are_read(value, number):
    assert as_number(value) == number


@pytest.mark.parametrize(
    "value", ["", None, "four", "nan", "inf", "1_000", "0x1", -float("inf"), "1e999", 10**400, "1 2"]
)
def test_what_is_no_number_is_refused(value):
    with pytest.raises(BadCell, match="is not a number"):
        as_number(value)


def test_a_decimal_comma_is_refused_with_what_to_write():
    with pytest.raises(BadCell) as bad:
        as_number("2,5")

    assert str(bad.value.advice) == "Write the decimal point as a point: 2.5."


@pytest.mark.parametrize("value", ["1.5", "0", "300", "x"])
def test_whole_numbers_stay_within_their_bounds(value):
    with pytest.raises(BadCell):
        as_integer(value, least=1, most=255)


def test_a_whole_number_may_be_written_with_a_fraction():
    assert as_integer("2.0", least=1, most=255) == 2


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2024-03-01", "2024-03-01T00:00:00"),
        ("2024-03-01 10:00", "2024-03-01T10:00:00"),
        ("2024-03-01T10:00:00Z", "2024-03-01T10:00:00+00:00"),
        ("2024-03-01T10:00:00.5+09:00", "2024-03-01T10:00:00.500000+09:00"),
        ("2024/3/1 9:05:01", "2024-03-01T09:05:01"),
        ("２０２４/３/１", "2024-03-01T00:00:00"),
        (date(2024, 3, 1), "2024-03-01T00:00:00"),
    ],
)
def test_moments_are_read(value, moment):
    assert as_moment(value).isoformat() == moment


@pytest.mark.parametrize("value", ["yesterday", "2024/13/1", "2024-03-01T25:00", 45000, ""])
def test_what_is_no_moment_is_refused_with_what_to_write(value):
    with pytest.raises(BadCell, match="is not a date with a time") as bad:
        as_moment(value)

    assert str(bad.value.advice) == "Write it like 2024-03-01T10:00:00+09:00."


@pytest.mark.parametrize(
    ("value", "found"),
    [("a; b；c", ["a", "b", "c"]), ('["a; b"]', ["a; b"]), (["x"], ["x"]), ("", []), (None, [])],
)
def test_lists_are_read(value, found):
    assert as_list(value) == found


def test_objects_are_read_from_json():
    assert as_object('{"a": 1}') == {"a": 1}
    assert as_object("") == {}
    with pytest.raises(BadCell, match="Here should be an object; it is a list"):
        as_object("[1]")
    with pytest.raises(BadCell, match="This is not JSON"):
        as_object("{a}")


def test_a_problem_says_where_and_what_and_what_to_do_in_the_readers_language():
    japanese = {
        "%(file)s, line %(line)s": "%(file)s、%(line)s行目",
        "“%(value)s” is not a number.": "「%(value)s」は数値ではありません。",
        "Here should be %(wanted)s; it is %(found)s.": "%(wanted)sが必要ですが、%(found)sです。",
        "a list": "リスト",
    }
    translate = lambda text: japanese.get(text, text)  # noqa: E731
    problem = Problem(Message("“%(value)s” is not a number.", {"value": "x"}), Place("a.csv", 7), "score")
    nested = Message(
        "Here should be %(wanted)s; it is %(found)s.", {"wanted": Message("a list"), "found": "x"}
    )

    assert problem.said(translate) == "a.csv、7行目, score: 「x」は数値ではありません。"
    assert nested.said(translate) == "リストが必要ですが、xです。"


def test_a_problem_for_scripts_leaves_out_what_is_not_known():
    problem = Problem(Message("Bad."), Place("a.xlsx", 7, "Sheet1", "C7"), "score", known="x", given="y")

    assert problem.as_json() == {
        "file": "a.xlsx", "line": 7, "sheet": "Sheet1", "cell": "C7", "field": "score", "reason": "Bad.",
        "known": "x", "given": "y",
    }  # fmt: skip


def test_errors_in_the_same_words_are_told_once_with_their_places():
    problems = Problems()
    for line in (2, 5, 9):
        problems.add(Problem(Message("Odd."), Place("a.csv", line), "score"))
    problems.add(Problem(Message("Odd."), Place("a.csv", 11), "turn"))
    for line in range(7, 20):
        problems.add(Problem(Message("Odd."), Place("a.xlsx", line, "S", f"C{line}")))
    for line in (1, 2):
        problems.add(Problem(Message("Odd."), Place("a.parquet", line, counts_rows=True)))

    assert [str(error) for error in problems.errors] == [
        "a.csv, line 2, score: Odd. (3 times; next in line 5, 9)",
        "a.csv, line 11, turn: Odd.",
        "a.xlsx, S!C7: Odd. (13 times; next in C8, C9, C10, C11, …)",
        "a.parquet, row 1: Odd. (2 times; next in row 2)",
    ]
    assert problems.n_errors == 19
    assert problems.errors[0].as_json() == {
        "file": "a.csv", "line": 2, "field": "score", "reason": "Odd.", "times": 3,
        "also": ["a.csv, line 5", "a.csv, line 9"],
    }  # fmt: skip


def test_the_last_error_can_be_taken_back():
    problems = Problems(most=1)
    for line, words in [(2, "Odd."), (3, "Odd."), (4, "Other.")]:
        problems.add(Problem(Message(words), Place("a.csv", line)))
    problems.take_back_the_last()
    assert (problems.n_errors, problems.errors[0].times) == (2, 2)
    problems.take_back_the_last()  # nothing was added since
    assert problems.n_errors == 2
    problems.add(Problem(Message("Odd."), Place("a.csv", 5)))
    problems.take_back_the_last()
    assert str(problems.errors[0]) == "a.csv, line 2: Odd. (2 times; next in line 3)"


def test_warnings_of_one_kind_are_told_once():
    problems = Problems()
    for line in (2, 3, 4):
        problems.warn(Problem(Message("Odd."), Place("a.csv", line)))
    problems.warn(Problem(Message("Odd."), Place("b.csv", 1)))

    assert [str(warning) for warning in problems.warnings] == [
        "a.csv, line 2: Odd. (3 times; this is the first)",
        "b.csv, line 1: Odd.",
    ]
    assert not problems


def test_the_columns_of_a_table_are_shown_at_a_glance(tmp_path):
    path = tmp_path / "ratings.csv"
    path.write_text(
        "id,score,text\n"
        + "".join(f"{n},{n % 3 + 1 if n % 5 else 'NA'},text {n}\n" for n in range(200))
        + "x,,\n"
    )
    found = profile(open_table(path), first=2)
    identity, score, text = found.columns

    assert found.n_rows == 201
    assert [row.values["id"] for row in found.first_rows] == ["0", "1"]
    assert score.distribution == [("1", 53), ("2", 54), ("3", 53), ("NA", 40)]
    assert (score.filled, score.empty, score.numbers) == (200, 1, 160)
    assert score.looks_like_scores
    assert not text.looks_like_scores
    assert not identity.looks_like_scores
    assert text.values is None


def test_a_field_that_first_objects_lack_is_counted_as_empty_there(tmp_path):
    path = tmp_path / "ratings.jsonl"
    path.write_text('{"a": 1}\n{"a": 2, "b": [1]}\n{"b": 3}\n')
    found = profile(open_table(path))

    assert [(column.name, column.filled, column.empty) for column in found.columns] == [
        ("a", 2, 1),
        ("b", 2, 1),
    ]


def test_a_glance_may_stop_early(tmp_path):
    path = tmp_path / "ratings.csv"
    path.write_text("a\n" + "1\n" * 100)

    assert profile(open_table(path), most_rows=10).n_rows == 10
