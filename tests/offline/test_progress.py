"""How far a run is: on a terminal, in a log, in a file."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys

from offline.progress import Progress
from offline.runner import Counts
from tests.offline.test_generate import ROOT, generate


def test_a_bar_on_a_terminal_says_turns_failures_tokens_and_time(serve, bundle):
    running, folder = serve(latency=0.05), bundle(40)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "offline.generate", folder, "--base-url", running.url, "--in-flight", "4"],
        cwd=ROOT, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    said = b""
    try:
        while part := os.read(ours, 4096):
            said += part
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    assert process.wait(60) == 0
    words = said.decode()
    assert "generate 1/1:" in words
    assert "/80 " in words
    assert "failed 0" in words
    assert "tokens/s" in words
    assert "<00:" in words  # time left
    assert "80 of 80 turns are answered." in words


def test_lines_elsewhere(serve, bundle, capsys, monkeypatch):
    monkeypatch.setattr("offline.progress.LINE_EVERY", 0.0)
    generate(bundle(5), "--base-url", serve().url)

    found = [line for line in capsys.readouterr().err.splitlines() if line.startswith("generate 1/1: ")]
    assert len(found) > 5
    assert found[-1].startswith("generate 1/1: 10 of 10 turns, 0 failed, 0 blocked, ")
    assert "tokens/s, 0 s left" in found[-1]


def test_whoever_looks_in_learns_how_it_goes_and_how_it_ended(serve, bundle, tmp_path):
    folder = bundle(20)
    generate(folder, "--base-url", serve().url, "--shard", "1/2")
    said = json.loads((folder / "progress-1-of-2.json").read_text())
    assert (said["state"], said["status"], said["why"]) == ("ended", 0, "")
    assert said["done"] == said["total"]
    assert (said["left"], said["seconds_left"]) == (0, 0)

    with Progress(tmp_path / "progress.json", name="x") as progress:
        progress.tell(Counts(total=100, before=20, done=10, failed=5, tokens=500))
        progress.write()
        said = json.loads((tmp_path / "progress.json").read_text())
        assert (said["state"], said["status"], said["left"]) == ("working", None, 65)
        assert said["tokens_per_second"] > 0
        assert said["seconds_left"] > 0
        assert said["process"] == os.getpid()
