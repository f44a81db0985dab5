"""A runner that is killed again and again, at any moment, ends with what an undisturbed one would have."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

from offline.journal import read_lines
from tests.offline.test_generate import ROOT, answers, lines


def start(folder, url, in_flight=64):
    return subprocess.Popen(
        [sys.executable, "-m", "offline.generate", folder, "--base-url", url, "--in-flight", str(in_flight), "--grace", "1"],
        cwd=ROOT, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def test_killed_fifty_times_it_ends_as_if_nothing_had_been(serve, bundle):
    """2,000 conversations of two turns; where it is killed is drawn anew each time."""
    rng = random.Random(5)
    calm, rough = bundle(2000, name="calm"), bundle(2000, name="rough")
    running = serve(latency=0.001)
    journal = rough / "results-1-of-1.jsonl"
    size = lambda: journal.stat().st_size if journal.exists() else 0  # noqa: E731

    kills = torn = 0
    kept: list[
        tuple[int, set[tuple[str, int]]]
    ] = []  # after each kill: how many were asked, and what the journal held
    while kills < 50:
        process = start(rough, running.url)
        # After so many more bytes, wherever in a line that is; the runner has just begun, or is in the midst of it.
        target = size() + rng.randrange(1, 75_000)
        while size() < target and process.poll() is None:
            time.sleep(0.0005)
        if process.poll() is not None:
            break
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        kills += 1
        if (
            rng.random() < 0.3
        ):  # the disk was full, or the power went: half a line is all that is left of the last one
            with journal.open("rb+") as file:
                file.truncate(max(0, size() - rng.randrange(1, 60)))
            torn += 1
        kept.append((len(running.server.asked), settled(journal)))
    assert kills == 50
    assert torn > 5
    assert start(rough, running.url).wait(120) == 0

    assert start(calm, serve().url).wait(120) == 0
    assert answers(rough) == answers(calm)  # each turn once, and the same
    assert len(answers(rough)) == 4000
    # What was answered and kept was never asked for again, turn 1 least of all; and turn 2 was built on the turn 1 that was kept,
    # even where turn 1 had been answered before and lost.
    said = {(line["prompt_id"], line["turn"]): line["content"] for line in lines(rough)}
    asked = [
        ("p" + body["messages"][0]["content"].split("、")[0].removeprefix("質問 "), (len(body["messages"]) + 1) // 2)
        for body in running.server.asked
    ]  # fmt: skip
    for body, (prompt, turn) in zip(running.server.asked, asked, strict=True):
        if turn == 2:
            assert body["messages"][1]["content"] == said[prompt, 1]
    for number, turns in kept:
        assert not turns.intersection(asked[number:])
    assert len(asked) - 4000 <= kills * 64 + torn


def settled(journal):
    if not journal.exists():
        return set()
    return {
        (line["prompt_id"], line["turn"]) for _offset, line in read_lines(journal) if line["status"] == "ok"
    }
