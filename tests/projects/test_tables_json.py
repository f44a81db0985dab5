"""Reading JSON lines and JSON: layouts, lines of errors, and what JSON can hold that a database cannot."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projects.tables import Problems, Refused, open_table
from projects.tables.json_rows import JsonTable


def write(folder: Path, content: str | bytes, name: str = "file.jsonl", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


def read(path: Path):
    problems = Problems()
    rows = [(row.line, row.values) for row in open_table(path).rows(problems)]
    return (
        rows,
        [str(problem) for problem in problems.errors],
        [str(problem) for problem in problems.warnings],
    )


LAYOUTS = {
    "lines": '{"a": 1}\n{"a": 2}\n',
    "lines, no end": '{"a": 1}\n{"a": 2}',
    "lines with empty ones": '\n{"a": 1}\n\n\n{"a": 2}\n\n',
    "lines ended by Windows": '{"a": 1}\r\n{"a": 2}\r\n',
    "array on one line": '[{"a": 1}, {"a": 2}]',
    "array over lines": '[\n  {\n    "a": 1\n  },\n  {"a": 2}\n]\n',
    "objects over lines": '{\n "a": 1\n}\n{\n "a": 2\n}\n',
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp932"])
@pytest.mark.parametrize("name", ["file.jsonl", "file.json", "file.txt"])
def test_every_layout_of_objects_is_read(tmp_path, layout, encoding, name):
    rows, errors, _ = read(write(tmp_path, LAYOUTS[layout].replace('"a"', '"答え"'), name, encoding))

    assert [values for _, values in rows] == [{"答え": 1}, {"答え": 2}]
    assert errors == []


@pytest.mark.parametrize(
    ("layout", "lines"),
    [("lines with empty ones", [2, 5]), ("array over lines", [2, 5]), ("objects over lines", [1, 4])],
)
def test_objects_know_the_line_they_begin_in(tmp_path, layout, lines):
    assert [line for line, _ in read(write(tmp_path, LAYOUTS[layout]))[0]] == lines


def test_a_bad_line_is_told_and_the_next_ones_are_read(tmp_path):
    rows, errors, _ = read(write(tmp_path, '{"a": 1}\n{"a": \n{"a": 3}\n[1]\n7\n"x"\nnull\n'))

    assert [values for _, values in rows] == [{"a": 1}, {"a": 3}]
    assert errors == [
        'file.jsonl, line 2: This is not JSON: Expecting value at character 6, near “{"a":”.',
        "file.jsonl, line 4: This is a list; each row is an object in curly brackets.",
        "file.jsonl, line 5: This is a number; each row is an object in curly brackets.",
        "file.jsonl, line 6: This is a text; each row is an object in curly brackets.",
        "file.jsonl, line 7: This is nothing; each row is an object in curly brackets.",
    ]


def test_a_bad_first_line_does_not_hide_that_these_are_lines(tmp_path):
    rows, errors, _ = read(write(tmp_path, '{"a": 1\n{"a": 2}\n{"a": 3}\n'))

    assert [values for _, values in rows] == [{"a": 2}, {"a": 3}]
    assert errors[0].startswith("file.jsonl, line 1: This is not JSON")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('[{"a": 1},\n {"a": }]', "file.json, line 2: This is not JSON: Expecting value at character"),
        (
            '[{"a": 1}',
            "file.json, line 1: The array that the file begins with is never closed; its end may be missing.",
        ),
        ('[{"a": 1}, {"a": "x', "file.json, line 1: This is not JSON: Unterminated string"),
        ('[{"a": 1}] and more', "file.json, line 1: This is not JSON"),
        ("[1, 2]", "file.json, line 1: This is a number; each row is an object in curly brackets."),
        ('[\n{"a": 1, "a": 2}]', "file.json, line 2, a: The field “a” stands here twice."),
    ],
)
def test_what_is_wrong_with_an_array_is_named_with_its_line(tmp_path, text, error):
    assert read(write(tmp_path, text, "file.json"))[1][0].startswith(error)


def test_a_field_that_stands_twice_is_an_error(tmp_path):
    assert read(write(tmp_path, '{"a": 1, "b": {"c": 1, "c": 2}}\n'))[1] == [
        "file.jsonl, line 1, c: The field “c” stands here twice."
    ]


def test_nothing_is_read_where_pandas_wrote_nan(tmp_path):
    assert read(write(tmp_path, '{"a": NaN}\n'))[0] == [(1, {"a": None})]


def test_infinity_is_an_error(tmp_path):
    assert read(write(tmp_path, '{"a": -Infinity}\n'))[1] == [
        "file.jsonl, line 1: Infinity is not a number that can be stored."
    ]


@pytest.mark.parametrize("deep", ["[" * 100_000, '{"a":' * 100_000])
def test_nesting_without_end_is_an_error(tmp_path, deep):
    _, errors, _ = read(write(tmp_path, '{"a": 1}\n{"a": ' + deep + "\n"))

    assert errors == ["file.jsonl, line 2: This is nested too deeply."]


def test_numbers_too_long_to_count_are_an_error(tmp_path):
    _, errors, _ = read(write(tmp_path, '{"a": ' + "9" * 5000 + "}\n"))

    assert errors[0].startswith("file.jsonl, line 1: This is not JSON: Exceeds the limit")


@pytest.mark.parametrize(
    ("text", "value", "count"),
    [
        (r'{"a": "x\u0000y"}', "x\ufffdy", 1),
        (r'{"a": "x\ud83d"}', "x\ufffd", 1),
        (r'{"a": "\uDE00\ud83d"}', "\ufffd\ufffd", 2),
        (r'{"a": ["\u0000", {"b": "\u0000"}]}', ["\ufffd", {"b": "\ufffd"}], 2),
    ],
)
def test_characters_that_cannot_be_stored_are_replaced_and_counted(tmp_path, text, value, count):
    rows, errors, warnings = read(write(tmp_path, text + "\n"))

    assert rows[0][1] == {"a": value}
    assert errors == []
    assert warnings[0].startswith("file.jsonl, line 1: A character that cannot be stored")
    assert ("times" in warnings[0]) == (count > 1)


def test_whole_surrogate_pairs_are_kept(tmp_path):
    rows, _, warnings = read(write(tmp_path, r'{"a": "\ud83d\ude00"}' + "\n"))

    assert rows[0][1] == {"a": "😀"}
    assert warnings == []


def test_line_separators_of_unicode_end_no_line(tmp_path):
    rows, errors, _ = read(write(tmp_path, '{"a": "x\u2028y\u0085z"}\n{"a": 2}\n'))

    assert errors == []
    assert [line for line, _ in rows] == [1, 2]


def test_files_put_one_behind_the_other_are_read_past_their_marks(tmp_path):
    one = '{"a": 1}\n'.encode("utf-8-sig")

    assert [values for _, values in read(write(tmp_path, one + one))[0]] == [{"a": 1}, {"a": 1}]


def test_the_fields_of_the_first_objects_are_the_columns(tmp_path):
    assert open_table(write(tmp_path, '{"a": 1}\n{"b": 2, "a": 3}\n')).columns == ["a", "b"]


def test_an_object_past_all_bounds_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr("projects.tables.json_rows.LONGEST_OBJECT", 1 << 16)
    monkeypatch.setattr("projects.tables.json_rows.CHUNK", 1 << 12)

    assert (
        "An object that begins here is longer"
        in read(write(tmp_path, '[{"a": "' + "x" * (1 << 18) + '"}]'))[1][0]
    )


def test_an_array_without_rows_is_empty(tmp_path):
    assert read(write(tmp_path, "[]"))[0] == []


def test_damaged_utf8_names_the_line(tmp_path):
    with pytest.raises(Refused) as refused:
        open_table(write(tmp_path, '{"a": "日本語の質問です"}\n'.encode() * 3 + b'{"a": "\xff"}\n'))

    assert str(refused.value).startswith("file.jsonl, line 4: This is UTF-8, but the byte 0xFF is not.")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
objects = st.lists(st.dictionaries(st.text(max_size=5), anything, max_size=4), min_size=1, max_size=5)


def storable(value):
    text = json.dumps(value, ensure_ascii=False)
    return "\\u0000" not in text and not any("\ud800" <= char <= "\udfff" for char in text)


@given(
    rows=objects.filter(storable),
    ascii_only=st.booleans(),
    layout=st.sampled_from(["lines", "array", "indented"]),
)
def test_what_is_written_is_read(tmp_path_factory, rows, ascii_only, layout):
    if layout == "lines":
        text = "".join(json.dumps(row, ensure_ascii=ascii_only) + "\n" for row in rows)
    else:
        text = json.dumps(rows, ensure_ascii=ascii_only, indent=2 if layout == "indented" else None)

    read_rows, errors, _ = read(write(tmp_path_factory.mktemp("json"), text))

    assert [values for _, values in read_rows] == rows
    assert errors == []


@given(rows=objects.filter(storable), chunk=st.integers(1, 40), indent=st.sampled_from([None, 1]))
def test_where_a_chunk_ends_makes_no_difference(tmp_path_factory, rows, chunk, indent):
    text = json.dumps(rows, ensure_ascii=False, indent=indent)
    path = write(tmp_path_factory.mktemp("json"), text, "file.json")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("projects.tables.json_rows.CHUNK", chunk)
        problems = Problems()
        read_rows = list(JsonTable(path, "file.json").rows(problems))

    assert [row.values for row in read_rows] == rows
    assert not problems
    starts = [row.line for row in read_rows]
    assert starts == sorted(starts)


def test_memory_stays_flat_over_a_large_array(tmp_path):
    import tracemalloc

    path = tmp_path / "large.json"
    with path.open("w", encoding="utf-8") as file:
        file.write("[\n")
        for number in range(40_000):
            file.write(
                ("" if number == 0 else ",\n")
                + json.dumps({"id": number, "text": "あ" * 150}, ensure_ascii=False)
            )
        file.write("\n]\n")

    tracemalloc.start()
    count = sum(1 for _ in open_table(path).rows(Problems()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert count == 40_000
    assert path.stat().st_size > 18_000_000
    assert peak < 14_000_000
