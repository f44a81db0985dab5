"""What a journal says of an item."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offline.bundle import sha256
from offline.journal import AllDone, Done, Journal, cut_torn_line, read_done, read_lines
from offline.places import Places
from offline.runs import read as read_runs

ROOT = Path(__file__).resolve().parents[2]
ITEM, OTHER = "0" * 31 + "1", "0" * 31 + "2"


def ok(turn=1, attempt=0, settled=True, item=ITEM):
    return {
        "item_id": item,
        "turn": turn,
        "attempt": attempt,
        "status": "ok",
        "settled": settled,
        "content": "x",
    }


def error(turn=1, attempt=0, retryable=True, item=ITEM):
    said = {"type": "http_400", "message": "", "retryable": retryable}
    return {"item_id": item, "turn": turn, "attempt": attempt, "status": "error", "error": said}


def plainly(lines, retry_errors):
    """The same, the long way."""
    done = Done()
    for offset, line in enumerate(lines):
        turn = line["turn"]
        done.attempts[turn] = max(done.attempts.get(turn, 0), line["attempt"] + 1)
        if line["status"] == "error":
            if not line["error"]["retryable"] and not retry_errors and turn not in done.settled:
                done.failed.add(turn)
        elif line["settled"]:
            done.settled.setdefault(turn, offset)
            done.failed.discard(turn)
        else:
            done.answered[turn] = done.answered.get(turn, 0) + 1
    return done


LINE = st.one_of(
    st.builds(ok, st.integers(1, 3), st.integers(0, 2), st.booleans()),
    st.builds(error, st.integers(1, 3), st.integers(0, 2), st.booleans()),
)


@given(st.lists(LINE, max_size=8), st.booleans())
def test_keeping_little_loses_nothing(lines, retry_errors):
    kept = AllDone()
    for offset, line in enumerate(lines):
        kept.take(offset, line, retry_errors=retry_errors)
    assert kept.of(ITEM, (1, 2, 3)) == plainly(lines, retry_errors)
    assert kept.of(OTHER, (1, 2, 3)) == Done()


def test_what_is_written_is_read_again_with_its_place(tmp_path):
    with Journal(tmp_path) as journal:
        for line in (ok(), ok(turn=2), error(item=OTHER, retryable=False), ok(item=OTHER, attempt=1)):
            journal.write(line)
        done = read_done(journal.path)
        assert journal.read_at(done.of(ITEM, (1, 2, 3)).settled[2])["turn"] == 2
        assert done.of(OTHER, (1,)).failed == set()


def test_half_a_character_and_a_nul_are_kept(tmp_path):
    content = "a\ud800\x00b"
    with Journal(tmp_path) as journal:
        journal.write(ok() | {"content": content})
    [(_offset, line)] = read_lines(journal.path)
    assert line["content"] == content


@pytest.mark.parametrize("end", ["", "{", '{"v": 1', '{"v": 1, "content": "あ'])
def test_only_a_torn_end_is_cut(tmp_path, end):
    path = tmp_path / "results-1-of-1.jsonl"
    whole = "".join(f'{{"v": 1, "n": {n}}}\n' for n in range(5))
    path.write_text(whole + end)
    assert [line["n"] for _offset, line in read_lines(path)] == list(range(5))
    assert cut_torn_line(path) == len(end.encode())
    assert path.read_text() == whole


def test_a_line_that_only_lacks_its_end_is_kept(tmp_path):
    path = tmp_path / "results-1-of-1.jsonl"
    for whole in ('{"n": 1}\n{"n": 2}', '{"n": 2}'):
        path.write_text(whole)
        assert cut_torn_line(path) == 0
        assert path.read_text() == whole + "\n"


def test_a_torn_line_longer_than_a_block_is_found(tmp_path):
    path = tmp_path / "results-1-of-1.jsonl"
    path.write_bytes(b'{"n": 1}\n' + b"x" * 300_000)
    assert cut_torn_line(path) == 300_000
    path.write_bytes(b"x" * 300_000)
    assert cut_torn_line(path) == 300_000
    assert path.read_bytes() == b""


def test_places_are_those_of_the_lines(tmp_path):
    path = tmp_path / "results-1-of-1.jsonl"
    path.write_text("".join(f'{{"n": {10**n}}}\n' for n in range(9)))
    offsets = [offset for offset, _line in read_lines(path)]
    assert offsets == [0, *itertools.accumulate(len(f'{{"n": {10**n}}}\n') for n in range(8))]


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 3)), max_size=60))
def test_places_are_those_that_were_said_first(said):
    places, plain = Places(), {}
    for offset, (item, turn) in enumerate(said):
        key = sha256(str(item))[:32]
        assert places.add(key, turn, offset) == ((key, turn) not in plain)
        plain.setdefault((key, turn), offset)
    assert len(places) == len(plain)
    for item in range(41):
        for turn in (1, 2, 3):
            assert places.get(sha256(str(item))[:32], turn) == plain.get((sha256(str(item))[:32], turn))


def test_many_places_take_little_memory():
    places = Places()
    for number in range(50_000):
        places.add(sha256(str(number))[:32], 1 + number % 3, 10**12 + number)
    assert all(
        places.get(sha256(str(number))[:32], 1 + number % 3) == 10**12 + number
        for number in range(0, 50_000, 7)
    )
    assert places.get("f" * 32, 1) is None
    assert places.size <= 50_000 * 48


def test_shards_write_into_one_file_of_runs_without_mixing(tmp_path):
    """Lines of 100 kB, as long as a chat template and an engine's options make them."""
    code = (
        "import sys; from pathlib import Path; from offline.runs import _append\n"
        "for n in range(20): _append(Path(sys.argv[1]), {'event': 'x', 'who': sys.argv[2], 'n': n, 'text': sys.argv[2] * 100_000})"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, tmp_path, who], cwd=ROOT) for who in "abc"]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    found = list(read_runs(tmp_path))
    assert len(found) == 60
    assert all(set(said["text"]) == {said["who"]} for said in found)
