"""--serve: a server of our own is started, started again, and never left behind."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from offline import generate
from offline.journal import read_lines
from offline.runner import Options
from offline.serving.options import command, flags
from offline.serving.server import end_leftover, free_port
from tests.offline.conftest import a_manifest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = shlex.join([sys.executable, "-S", str(Path(__file__).with_name("a_server.py"))])

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="process groups are read from /proc"
)


@dataclass(frozen=True)
class Impatient(Options):
    first_wait: float = 0.01
    longest_wait: float = 0.05


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr("offline.generate.Options", Impatient)


def run(folder: Path, *more: str) -> int:
    return generate.main(arguments(folder, *more))


def arguments(folder: Path, *more: str) -> list[str]:
    return [str(folder), "--serve", "--serve-command", f"{PROGRAM} {folder}", *more]


def starts(folder: Path) -> list[dict]:
    path = folder / "starts.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def survivors(folder: Path) -> list[int]:
    """Of all that was ever started, after a moment."""
    pids = [pid for start in starts(folder) for pid in (start["pid"], start["child"])]
    assert pids
    return pids if not gone(pids) else []


def gone(pids: list[int], seconds: float = 15) -> bool:
    until = time.monotonic() + seconds
    while any(alive(pid) for pid in pids):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def wait_for(condition, seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never happened"
        time.sleep(0.02)


def ok(folder: Path) -> list[dict]:
    return [line for _, line in read_lines(folder / "results-1-of-1.jsonl") if line["status"] == "ok"]


def test_a_server_is_started_and_ended(bundle):
    folder = bundle(5)

    assert run(folder) == 0
    assert len(ok(folder)) == 10
    [start] = starts(folder)
    assert start["arguments"][0] == "tiny"
    assert "127.0.0.1" in start["arguments"]
    assert len(start["key"]) == 32
    assert not survivors(folder)
    assert not (folder / "server-1-of-1.pid").exists()


def test_a_proxy_is_not_asked_for_what_is_on_this_machine(bundle, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert run(bundle(1), "--serve-patience", "20") == 0


def test_what_the_server_tells_of_itself_is_noted(bundle):
    folder = bundle(1)
    run(folder)

    begins = json.loads((folder / "runs.jsonl").read_text().splitlines()[0])["backend"]
    assert begins["backend"] == "served"
    assert begins["engine_as_resolved"] == ["{'model': 'tiny'}"]
    assert begins["servers"][0]["version"] == "9.9"
    assert begins["servers"][0]["chat_template"]["text"] == "{{ messages }}"
    assert len(begins["servers"][0]["chat_template"]["sha256"]) == 64
    assert begins["gpus"] == [] or isinstance(begins["gpus"][0], str)
    assert starts(folder)[0]["key"] not in (folder / "runs.jsonl").read_text()


def test_a_server_that_crashes_is_started_again(bundle, capsys):
    folder = bundle(10)
    (folder / "crash").write_text("3 0 7")

    assert run(folder, "--in-flight", "4", "--retries", "50") == 0
    assert len(starts(folder)) == 4
    found = {(line["prompt_id"], line["turn"]) for line in ok(folder)}
    assert len(found) == len(ok(folder)) == 20
    assert not survivors(folder)
    assert "it is started again" in capsys.readouterr().err


def test_a_server_that_always_crashes_ends_the_run(bundle, capsys):
    folder = bundle(10)
    (folder / "crash").write_text("2 2 2 2 2 2")

    assert run(folder, "--serve-restarts", "1", "--retries", "1000") == 1
    assert len(starts(folder)) == 2
    said = capsys.readouterr().err
    assert (
        "the server ended (exit status 9), and after being started again 1 time (--serve-restarts) it is not any more"
        in said
    )
    assert "INFO non-default args" in said  # the end of its log
    assert not survivors(folder)

    (folder / "crash").unlink()
    assert run(folder) == 0  # what was answered was kept


def test_a_server_that_never_gets_ready_is_shown_with_its_last_words(bundle, capsys):
    folder = bundle(1)
    (folder / "broken").touch()

    assert run(folder) == 1
    assert "CUDA out of memory" in capsys.readouterr().err


def test_a_server_that_does_not_start_again_ends_the_run(bundle, capsys, monkeypatch):
    monkeypatch.setattr("offline.backends.served.PAUSE", 0.0)
    folder = bundle(10)
    (folder / "crash").write_text("3")
    (folder / "broken").write_text("1")  # it starts once

    assert run(folder, "--serve-restarts", "2", "--retries", "1000") == 1
    said = capsys.readouterr().err
    assert "the server ended before it was ready, and after being started again 2 times" in said
    assert "CUDA out of memory" in said
    assert 1 <= len(ok(folder)) <= 3
    assert not survivors(folder)
    ended = json.loads((folder / "runs.jsonl").read_text().splitlines()[-1])
    assert (ended["event"], ended["status"]) == ("ends", 1)

    (folder / "broken").write_text("2")
    (folder / "crash").unlink()
    assert run(folder) == 0


def test_a_server_that_does_not_start_at_once_after_a_crash_is_given_time(bundle, monkeypatch):
    """As when the memory of the one before is not free yet."""
    folder = bundle(10)
    (folder / "crash").write_text("3")
    (folder / "broken").write_text("1")
    ports = []

    def port() -> int:
        ports.append(free_port())
        if len(ports) == 3:
            (folder / "broken").unlink()
        return ports[-1]

    monkeypatch.setattr("offline.backends.served.PAUSE", 0.0)
    monkeypatch.setattr("offline.backends.served.free_port", port)
    assert run(folder, "--retries", "1000") == 0
    assert len(ok(folder)) == 20


def test_a_server_that_says_nothing_any_more_is_ended_and_started_again(bundle, capsys):
    folder = bundle(10)
    (folder / "stuck").write_text("5")

    assert run(folder, "--timeout", "1", "--in-flight", "4", "--retries", "1000") == 0
    assert len(starts(folder)) == 2
    assert len(ok(folder)) == 20
    assert "nothing came from the server for 1 s; it is ended" in capsys.readouterr().err
    assert not survivors(folder)


def test_no_server_is_started_where_nothing_is_left_to_ask(bundle, capsys):
    folder = bundle(5)
    assert run(folder) == 0
    (folder / "broken").touch()
    assert run(folder) == 0
    assert len(starts(folder)) == 1
    assert "10 of 10 turns are answered (10 of them before)" in capsys.readouterr().err


def test_a_command_that_is_not_there_is_said(bundle, capsys):
    assert generate.main([str(bundle(1)), "--serve", "--serve-command", "there-is-no-such-program"]) == 1
    assert "there-is-no-such-program" in capsys.readouterr().err


def start_apart(folder: Path) -> subprocess.Popen:
    (folder / "slow").touch()
    process = subprocess.Popen(
        [sys.executable, "-m", "offline.generate", *arguments(folder, "--in-flight", "4")],
        cwd=ROOT, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_for(lambda: starts(folder) and (folder / "results-1-of-1.jsonl").exists())
    return process


def test_a_killed_runner_leaves_no_server(bundle):
    folder = bundle(200)
    with start_apart(folder) as process:
        process.kill()
    assert not survivors(folder)
    (folder / "slow").unlink()
    assert run(folder) == 0
    assert len(ok(folder)) == 400


def test_a_runner_that_is_told_to_stop_ends_its_server_and_can_go_on(bundle):
    folder = bundle(200)
    with start_apart(folder) as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 75
    assert not survivors(folder)


def test_a_runner_that_is_told_to_stop_before_the_server_is_ready_says_so(bundle):
    folder = bundle(1)
    (folder / "asleep").touch()
    with start_apart(folder) as process:
        time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 75
    assert not survivors(folder)


def test_a_server_that_takes_too_long_is_ended(bundle, capsys):
    folder = bundle(1)
    (folder / "asleep").touch()

    assert run(folder, "--serve-patience", "0.3") == 1
    assert "was not ready within 0.3 s" in capsys.readouterr().err
    pids = [start["pid"] for start in starts(folder)]
    assert gone(pids)


def test_a_guard_that_was_killed_with_the_runner_leaves_what_the_next_run_ends(bundle):
    folder = bundle(200)
    with start_apart(folder) as process:
        note = json.loads((folder / "server-1-of-1.pid").read_text())
        process.send_signal(signal.SIGSTOP)
        os.kill(note["pid"], signal.SIGKILL)
        process.kill()
    [start] = starts(folder)
    assert alive(start["pid"])
    assert alive(start["child"])

    assert end_leftover(folder / "server-1-of-1.pid")
    assert not survivors(folder)
    assert not end_leftover(folder / "server-1-of-1.pid")


def test_a_process_that_is_not_ours_is_left_alone(tmp_path):
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as other:
        for changed in ({"began": "1"}, {"boot": "another"}, {"host": "another"}):
            note = {"pid": other.pid, "began": "1", "boot": "", "host": "", **changed}
            (tmp_path / "server.pid").write_text(json.dumps(note))
            assert not end_leftover(tmp_path / "server.pid")
        assert alive(other.pid)
        other.kill()
    (tmp_path / "server.pid").write_text("torn")
    assert not end_leftover(tmp_path / "server.pid")


def test_options_of_the_manifest_become_those_of_the_command(tmp_path):
    of = a_manifest(
        model={"name": "m", "path": "org/m", "revision": "abc", "quantization": "fp8"},
        engine={"max_model_len": 4096, "enforce_eager": True, "enable_prefix_caching": False, "tensor_parallel_size": 2},
        chat_template={"text": "{{ x }}", "sha256": "0"},
        reasoning_parser="deepseek_r1",
    )  # fmt: skip
    said = command(of, tmp_path, program=["vllm", "serve"], port=1, more=["--tensor-parallel-size", "8"])

    assert said[:3] == ["vllm", "serve", "org/m"]
    for pair in (
        "--host 127.0.0.1", "--revision abc", "--quantization fp8", "--max-model-len 4096", "--reasoning-parser deepseek_r1",
        "--served-model-name org/m",
    ):  # fmt: skip
        name, value = pair.split()
        assert said[said.index(name) + 1] == value
    assert {"--enforce-eager", "--no-enable-prefix-caching", "--trust-request-chat-template"} <= set(said)
    assert said[-2:] == ["--tensor-parallel-size", "8"]
    assert (tmp_path / "chat_template.jinja").read_text() == "{{ x }}"
    assert flags({"a_b": {"c": [1]}, "d": None}) == ["--a-b", '{"c": [1]}']


def test_a_model_may_lie_elsewhere_on_the_node_and_keeps_its_name(bundle, tmp_path, capsys):
    folder, files = bundle(2), tmp_path / "scratch" / "m"
    files.mkdir(parents=True)
    (files / "config.json").write_text("{}")

    assert run(folder, "--model-path", str(files)) == 0
    said = starts(folder)[0]["arguments"]
    assert said[0] == str(files)
    assert said[said.index("--served-model-name") + 1] == "tiny"
    begins = json.loads((folder / "runs.jsonl").read_text().splitlines()[0])["backend"]
    assert begins["model_files"]["sha256"]["config.json"]
    assert generate.main([str(bundle(1, name="other")), "--model-path", "x"]) == 1
    assert "--model-path is for --serve and --backend vllm" in capsys.readouterr().err


def test_an_adapter_has_a_name_of_its_own(tmp_path):
    of = a_manifest(model={"name": "tuned", "path": "org/m", "lora": "adapters/tuned"})
    said = command(of, tmp_path, program=["vllm", "serve"], port=1, more=[])

    assert said[said.index("--lora-modules") + 1] == "tuned=adapters/tuned"
    assert "--served-model-name" not in said


def test_flags_that_do_not_go_together_are_refused(bundle, capsys):
    folder = bundle(1)
    assert run(folder, "--base-url", "http://127.0.0.1:1/v1") == 1
    assert "either --serve" in capsys.readouterr().err
    assert generate.main([str(folder), "--backend", "vllm", "--serve"]) == 1
    assert "neither --serve nor --base-url" in capsys.readouterr().err
