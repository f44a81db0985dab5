"""Full disks, dead servers, signals at bad moments, clocks that jump: a run ends in order and says why, or goes on."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from offline.bundle import MANIFEST, make_item
from offline.generate import main
from offline.journal import Journal, JournalError
from tests.offline.conftest import a_manifest
from tests.offline.test_generate import ROOT, answers, generate, lines
from tests.offline.test_serve import Impatient

JOURNAL = "results-1-of-1.jsonl"


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr("offline.generate.Options", Impatient)


@dataclass(frozen=True)
class NotToBeKeptWaiting(Impatient):
    longest_asked: float = 0.02


def start(folder, url, *more, code="", **how):
    """A runner in a process of its own; `code` runs in it before."""
    program = (
        f"import sys\nfrom offline import generate, runner\n{code}\nsys.exit(generate.main(sys.argv[1:]))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program, folder, "--base-url", url, *more],
        cwd=ROOT, stderr=subprocess.PIPE, text=True, **how,
    )  # fmt: skip


def wait_for(condition):
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until, "it never happened"
        time.sleep(0.005)


# The disk


def test_a_disk_that_gets_full_ends_the_run_and_leaves_whole_lines(serve, bundle):
    """No file may grow beyond so many bytes: the last line is taken in part, as by a full disk."""
    running, folder, calm = serve(latency=0.002), bundle(40), bundle(40, name="calm")
    limit = 20_001
    process = start(
        folder, running.url, "--in-flight", "8",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )  # fmt: skip
    _, said = process.communicate(timeout=60)

    assert process.returncode == 1  # not 75: a scheduler would start it again and again
    assert f"{JOURNAL}: cannot be written (File too large); what it holds is kept. Make room" in said
    assert "Traceback" not in said
    whole = (folder / JOURNAL).read_bytes()
    assert limit - 2000 < len(whole) <= limit
    assert whole.endswith(b"\n")
    kept = len(lines(folder))
    assert 10 < kept < 80
    ended = json.loads((folder / "progress.json").read_text())
    assert (ended["state"], ended["status"]) == ("ended", 1)
    assert "Make room" in ended["why"]

    assert generate(folder, "--base-url", running.url) == 0
    assert generate(calm, "--base-url", running.url) == 0
    assert answers(folder) == answers(calm)
    assert (folder / JOURNAL).read_bytes().startswith(whole)


def test_what_cannot_be_synced_is_not_called_safe(tmp_path, monkeypatch):
    real = os.fsync
    line = {"item_id": "0" * 32, "turn": 1, "status": "ok", "content": "x"}

    def full(number):
        if Path(f"/proc/self/fd/{number}").readlink().suffix == ".jsonl":
            raise OSError(errno.ENOSPC, "No space left on device")
        real(number)

    monkeypatch.setattr(os, "fsync", full)

    def work():
        with Journal(tmp_path) as journal:
            journal.write(line)
            wait_for(lambda: not journal._syncer.is_alive())
            with pytest.raises(JournalError, match="cannot be written"):
                journal.write(line)

    with pytest.raises(JournalError, match="No space left on device"):
        work()  # it is said when it is closed, too
    monkeypatch.undo()
    with Journal(tmp_path):  # its lock was let go
        pass


def test_progress_that_cannot_be_written_stops_nothing(serve, bundle):
    folder = bundle(3)
    (folder / "progress.json").mkdir()
    assert generate(folder, "--base-url", serve().url) == 0
    assert not list(folder.glob(".progress*"))


def test_a_terminal_that_is_gone_stops_nothing(serve, bundle):
    running, folder = serve(latency=0.02), bundle(30)
    process = start(
        folder, running.url, "--in-flight", "4", code="from offline import progress; progress.LINE_EVERY = 0"
    )
    assert process.stderr
    process.stderr.close()
    assert process.wait(60) == 0
    assert len(answers(folder)) == 60


def test_a_file_system_without_locks_is_named_as_such(tmp_path, monkeypatch):
    def flock(file, how):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(JournalError, match="does not lock files"):
        Journal(tmp_path).__enter__()


# Servers


def test_a_server_that_is_gone_half_way_ends_the_run(serve, bundle, capsys):
    running, folder = serve(gone_after=30), bundle(100)

    assert generate(folder, "--base-url", running.url, "--in-flight", "8", "--retries", "2") == 1
    assert "failures in a row, the last one: connection" in capsys.readouterr().err
    assert 30 <= len(lines(folder)) < 30 + 3 * (20 + 8)
    running.server.faults.gone_after = 10**9
    assert generate(folder, "--base-url", running.url) == 0
    assert len(answers(folder)) == 200


def test_a_key_that_is_not_taken_any_more_ends_the_run(serve, bundle, capsys):
    running, folder = serve(revoked_after=30), bundle(100)

    assert generate(folder, "--base-url", running.url, "--in-flight", "8") == 1
    assert "20 failures in a row, the last one: http_401: the key has expired" in capsys.readouterr().err
    assert running.server.statuses[401] < 20 + 8
    running.server.faults.revoked_after = 10**9
    assert generate(folder, "--base-url", running.url, "--retry-errors") == 0


def test_long_prompts_in_a_row_do_not_end_a_run_that_goes_well(serve, bundle):
    of = a_manifest()
    texts = ["短い", *(f"{number}" + "長" * 200 for number in range(60)), "終わり"]
    items = [
        make_item(of, prompt_id=str(n), turns=[{"role": "user", "content": t}]) for n, t in enumerate(texts)
    ]
    folder = bundle(items=items)

    assert generate(folder, "--base-url", serve(longest=100).url, "--in-flight", "1") == 1
    assert set(answers(folder)) == {("0", 1), ("61", 1)}


def test_what_failed_in_earlier_runs_is_no_sign_of_anything(serve, bundle, capsys):
    of = a_manifest()
    texts = [
        "短い",
        *(f"{number}" + "長" * 200 for number in range(30)),
        "もう" + "長" * 200,
        "短い二",
        "短い三",
    ]
    items = [
        make_item(of, prompt_id=str(n), turns=[{"role": "user", "content": t}]) for n, t in enumerate(texts)
    ]
    running, folder = serve(longest=100), bundle(items=items)
    generate(folder, "--base-url", running.url, "--in-flight", "1")
    path = folder / JOURNAL
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-3]))
    capsys.readouterr()

    assert generate(folder, "--base-url", running.url, "--in-flight", "1") == 1
    said = capsys.readouterr().err
    assert "3 of 34 turns are answered" in said
    assert "nothing but failures" not in said


def test_a_busy_server_is_waited_for_while_it_answers_others(serve, bundle):
    running, folder = serve(at_most=2, latency=0.002), bundle(40)

    assert generate(folder, "--base-url", running.url, "--in-flight", "16", "--retries", "1") == 0
    assert len(answers(folder)) == 80
    assert running.server.statuses[429] > 40


def test_a_server_that_is_only_ever_busy_is_not_waited_for_without_end(serve, bundle, capsys):
    assert generate(bundle(30), "--base-url", serve(too_many=1.0).url, "--retries", "1") == 1
    assert "nothing but failures so far, the last one: http_429" in capsys.readouterr().err


@pytest.mark.parametrize("asked", ["86400", "Wed, 21 Oct 2099 07:28:00 GMT", "inf", "nan", "-5", "soon"])
def test_how_long_a_server_may_ask_to_wait_has_an_end(serve, bundle, monkeypatch, asked):
    monkeypatch.setattr("offline.generate.Options", NotToBeKeptWaiting)
    running, folder = serve(too_many=0.5, retry_after=asked), bundle(5)
    assert (
        main([str(folder), "--base-url", running.url, "--retries", "50", "--in-flight", "5", "--grace", "1"])
        == 0
    )


def test_a_dead_server_among_several_is_passed_over(serve, bundle):
    running, folder = serve(), bundle(60)
    urls = ["http://127.0.0.1:9/v1", running.url, "http://127.0.0.1:10/v1"]

    assert generate(folder, *(word for url in urls for word in ("--base-url", url)), "--retries", "0") == 0
    assert all(line["status"] == "ok" for line in lines(folder))
    assert len(running.server.asked) == 120


# Signals


SLOWLY = """
import pathlib, time
real = runner.check_items
def slowly(folder, *more):
    pathlib.Path(folder, "reading").touch()
    time.sleep(0.7)
    return real(folder, *more)
runner.check_items = slowly
"""


def test_a_signal_while_the_journal_is_read_says_resume_me(serve, bundle):
    running, folder = serve(), bundle(20)
    process = start(folder, running.url, code=SLOWLY)
    wait_for((folder / "reading").exists)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=30)

    assert process.returncode == 75, said
    assert not running.server.asked
    assert generate(folder, "--base-url", running.url) == 0


CLOSING = """
import asyncio, pathlib
from offline.backends.openai import OpenAIBackend
real = OpenAIBackend.close
async def slowly(self):
    pathlib.Path(sys.argv[1], "closing").touch()
    await asyncio.sleep(0.7)
    await real(self)
OpenAIBackend.close = slowly
"""


def test_a_signal_when_all_is_done_changes_nothing(serve, bundle):
    running, folder = serve(), bundle(5)
    process = start(folder, running.url, code=CLOSING)
    wait_for((folder / "closing").exists)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=30)

    assert process.returncode == 0, said
    assert json.loads((folder / "runs.jsonl").read_text().splitlines()[-1])["status"] == 0


def test_a_second_signal_does_not_wait_for_answers_on_their_way(serve, bundle):
    running, folder = serve(latency=60), bundle(10)
    process = start(folder, running.url, "--grace", "60")
    wait_for(lambda: running.server.at_once >= 10)
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=10)

    assert process.returncode == 75
    assert "stopped by SIGINT. Run the same command again to go on." in said


def test_a_second_runner_of_a_shard_is_sent_away_and_the_first_goes_on(serve, bundle, capsys):
    running, folder = serve(latency=0.05), bundle(20)
    process = start(folder, running.url, "--in-flight", "4")
    wait_for(lambda: running.server.asked)

    assert generate(folder, "--base-url", running.url) == 1
    assert f"another runner is at work on it (process {process.pid} on " in capsys.readouterr().err
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert len(answers(folder)) == len(running.server.asked) == 40


# What was changed meanwhile


@pytest.mark.parametrize(
    "changed", [{"model": {"name": "other"}}, {"sampling": {"temperature": 0.3}}, {"reasoning_parser": "x"}]
)
def test_a_manifest_that_was_changed_before_the_first_run_is_refused_too(serve, bundle, capsys, changed):
    running, folder = serve(), bundle(3)
    said = json.loads((folder / MANIFEST).read_text())
    for name, value in changed.items():
        said[name] = {**said[name], **value} if isinstance(value, dict) else value
    (folder / MANIFEST).write_text(json.dumps(said))

    assert generate(folder, "--base-url", running.url) == 1
    assert "does not say what it said when the items were written" in capsys.readouterr().err
    assert not running.server.asked


def test_a_changed_manifest_is_refused_whatever_else_stands_in_the_runs(serve, bundle, capsys):
    """A chat template may hold a U+2028, at which Python ends lines; and a crash may have torn a line."""
    running, folder = serve(), bundle(3)
    generate(folder, "--base-url", running.url)
    runs = folder / "runs.jsonl"
    begins, ends = runs.read_text().splitlines()
    begins = json.dumps(
        json.loads(begins) | {"backend": {"chat_template": "a\u2028b\x85c"}}, ensure_ascii=False
    )
    runs.write_text("5\nnull\n{torn\n" + begins + "\n" + ends[:20], encoding="utf-8")
    whole = (folder / MANIFEST).read_text()
    (folder / MANIFEST).write_text(whole.replace('"temperature": 1.0', '"temperature": 0.5'))
    assert generate(folder, "--base-url", running.url) == 1
    assert "not the one that this bundle was begun with" in capsys.readouterr().err

    (folder / MANIFEST).write_text(whole)
    (folder / JOURNAL).unlink()
    assert generate(folder, "--base-url", running.url) == 0
    last = [json.loads(line)["event"] for line in runs.read_text("utf-8").split("\n")[-3:-1]]
    assert last == ["begins", "ends"]  # what comes after half a line is on a line of its own


def test_another_number_of_shards_is_refused(serve, bundle, capsys):
    running, folder = serve(), bundle(20)
    generate(folder, "--base-url", running.url, "--shard", "2/3")
    asked = len(running.server.asked)

    for shard in ("1/1", "2/4"):
        assert generate(folder, "--base-url", running.url, "--shard", shard) == 1
        assert "was begun in 3 shards (results-2-of-3.jsonl)" in capsys.readouterr().err
    assert [path.name for path in folder.glob("results-*.jsonl")] == ["results-2-of-3.jsonl"]
    assert len(running.server.asked) == asked
    for shard in ("1/3", "2/3", "3/3"):
        assert generate(folder, "--base-url", running.url, "--shard", shard) == 0
    assert len(answers(folder)) == 40


def test_a_clock_that_jumps_disturbs_nothing(serve, bundle, monkeypatch):
    jumps = iter([0, 86_400, -86_400, 7, -3600] * 1000)
    clock = SimpleNamespace(
        time=lambda: time.time() + next(jumps), strftime=time.strftime, gmtime=time.gmtime
    )
    monkeypatch.setattr("offline.journal.time", clock)
    monkeypatch.setattr("offline.progress.FILE_EVERY", 0.0)
    running, folder = serve(), bundle(20)

    assert generate(folder, "--base-url", running.url) == 0
    assert len({line["started_at"][:10] for line in lines(folder)}) > 1
    said = json.loads((folder / "progress.json").read_text())
    assert 0 <= said["seconds"] < 60
    assert said["seconds_left"] == 0
    assert generate(folder, "--base-url", running.url) == 0
    assert len(running.server.asked) == 40


# Flags and lines that are wrong


@pytest.mark.parametrize(
    "flags",
    [
        "--in-flight 0", "--in-flight -3", "--in-flight many", "--in-flight ٣", "--retries -1", "--retries 1.5", "--timeout -1",
        "--timeout nan", "--timeout inf", "--grace soon", "--shard 0/3", "--shard 4/3", "--shard 3", "--engine-options [1]",
        "--engine-options {", "--serve-restarts -1", "--serve-patience x", "--backend other",
    ],
)  # fmt: skip
def test_a_flag_that_makes_no_sense_is_refused_before_anything_is_begun(bundle, capsys, flags):
    folder = bundle(1)
    with pytest.raises(SystemExit) as refused:
        generate(folder, *flags.split(" "))
    assert refused.value.code == 2
    assert flags.split(" ")[0] in capsys.readouterr().err
    assert not (folder / JOURNAL).exists()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"item_id": "x"}, "item_id: not 32 hexadecimal digits"),
        ({"item_id": 5}, "item_id: not 32 hexadecimal digits"),
        ({"turn": "1"}, "turn: not a whole number from 1"),
        ({"turn": 0}, "turn: not a whole number from 1"),
        ({"attempt": None}, "attempt: not a whole number from 0"),
        ({"content": None}, "content: not a text"),
        ({"status": "error"}, "error: not an object with type and retryable"),
        ({"v": 2}, "v: 2, and this version reads 1"),
    ],
)
def test_a_line_of_the_journal_that_cannot_be_is_named(serve, bundle, capsys, changed, said):
    running, folder = serve(), bundle(2)
    generate(folder, "--base-url", running.url)
    path = folder / JOURNAL
    found = [json.loads(line) for line in path.read_text().splitlines()]
    found[2] |= changed
    path.write_text("".join(json.dumps(line) + "\n" for line in found))

    assert generate(folder, "--base-url", running.url) == 1
    assert f"{JOURNAL}, line 3: {said}. Take the line out" in capsys.readouterr().err


def test_secrets_are_written_down_nowhere(serve, bundle, monkeypatch):
    running, folder = serve(), bundle(2)
    url = running.url.replace("//", "//somebody:geheim@")
    monkeypatch.setenv("VLLM_API_KEY", "geheim-vllm")
    monkeypatch.setenv("VLLM_PROXY", "http://a:geheim@b")
    monkeypatch.setattr(
        sys, "argv", ["generate", str(folder), "--base-url", url, "--serve-options=--api-key geheim"]
    )

    assert generate(folder, "--base-url", url) == 0
    (folder / JOURNAL).unlink()
    monkeypatch.setenv("OPENAI_API_KEY", "geheim-key")
    assert generate(folder, "--base-url", running.url) == 0
    for path in folder.iterdir():
        assert "geheim" not in path.read_text(), path
    assert "//…@127.0.0.1" in (folder / "runs.jsonl").read_text()
