"""Working through a bundle, against a server over real HTTP."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from offline.bundle import MANIFEST, SAMPLING, make_item
from offline.generate import main
from offline.journal import Journal, JournalError, read_lines
from offline.runner import Options
from tests.offline.conftest import a_manifest
from tests.offline.server import answer_to

ROOT = Path(__file__).resolve().parents[2]


def lines(folder: Path, name: str = "results-1-of-1.jsonl") -> list[dict]:
    return [line for _offset, line in read_lines(folder / name)]


def answers(folder: Path) -> dict[tuple[str, int], str]:
    found: dict[tuple[str, int], str] = {}
    for path in folder.glob("results-*.jsonl"):
        for _offset, line in read_lines(path):
            if line["status"] == "ok":
                assert (line["prompt_id"], line["turn"]) not in found
                found[line["prompt_id"], line["turn"]] = line["content"]
    return found


def generate(folder: Path, *arguments: object) -> int:
    return main([str(folder), *map(str, arguments)])


@dataclass(frozen=True)
class Impatient(Options):
    first_wait: float = 0.01
    longest_wait: float = 0.05


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr("offline.generate.Options", Impatient)


def test_every_turn_is_answered_on_top_of_the_turns_before(serve, bundle, capsys):
    running, folder = serve(), bundle(20)

    assert generate(folder, "--base-url", running.url) == 0
    found = answers(folder)
    assert len(found) == 40
    second = [body for body in running.server.asked if len(body["messages"]) == 3]
    assert len(second) == 20
    for body in second:
        first, said, _ = body["messages"]
        number = first["content"].split("、")[0].removeprefix("質問 ")
        assert said == {
            "role": "assistant",
            "content": found[f"p{number}", 1],
        }  # and nothing of what was thought
    assert "40 of 40 turns are answered." in capsys.readouterr().err


def test_turn_2_goes_out_as_soon_as_turn_1_is_in_the_journal(serve, bundle, monkeypatch):
    folder, found = bundle(6), []

    def look(body):
        if len(body["messages"]) == 3:  # it is on the disk by now, not on its way there
            found.append([line["content"] for line in lines(folder)][-1] == body["messages"][1]["content"])
        return answer_to(body)

    monkeypatch.setattr("tests.offline.server.answer_to", look)
    running = serve()
    assert generate(folder, "--base-url", running.url, "--in-flight", "1") == 0
    assert [len(body["messages"]) for body in running.server.asked] == [1, 3] * 6
    assert found == [True] * 6


def test_a_line_says_how_its_answer_was_made(serve, bundle):
    running, folder = serve(), bundle(1, turns=1)
    generate(folder, "--base-url", running.url)

    [line] = lines(folder)
    [body] = running.server.asked
    assert {name: body[name] for name in SAMPLING if name != "stop"} == {
        n: v for n, v in SAMPLING.items() if n != "stop"
    }
    assert line["seed"] == body["seed"]
    assert line["finish_reason"] == "stop"
    assert not line["truncated"]
    assert line["usage"]["completion_tokens"] > 0
    assert (line["served_model"], line["system_fingerprint"], line["reasoning"]) == ("tiny", "fake-1", "考え")
    assert line["content"] == answer_to(body)
    run, end = [json.loads(text) for text in (folder / "runs.jsonl").read_text().splitlines()]
    assert run["run_id"] == end["run_id"] == line["run_id"]
    assert run["backend"]["served"] == [[{"id": "tiny", "max_model_len": 4096}]]
    assert end["status"] == 0


def test_running_again_asks_for_nothing(serve, bundle):
    running, folder = serve(), bundle(5)
    generate(folder, "--base-url", running.url)
    before = (folder / "results-1-of-1.jsonl").read_bytes()

    assert generate(folder, "--base-url", running.url) == 0
    assert len(running.server.asked) == 10
    assert (folder / "results-1-of-1.jsonl").read_bytes() == before


def test_what_goes_wrong_for_a_moment_is_tried_again(serve, bundle, impatient):
    running = serve(too_many=0.15, broken=0.1, dropped=0.1, not_json=0.05)
    folder = bundle(60)

    assert generate(folder, "--base-url", running.url, "--retries", "50") == 0
    assert len(answers(folder)) == 120
    kinds = {line["error"]["type"] for line in lines(folder) if line["status"] == "error"}
    assert kinds == {"http_429", "http_500", "connection", "bad_answer"}
    assert all(line["error"]["retryable"] for line in lines(folder) if line["status"] == "error")


def test_answers_are_the_same_whatever_went_wrong_on_the_way(serve, bundle, impatient):
    calm, rough = bundle(30, name="calm"), bundle(30, name="rough")
    generate(calm, "--base-url", serve().url)
    generate(rough, "--base-url", serve(broken=0.2, latency=0.01).url, "--retries", "50")
    assert answers(calm) == answers(rough)


def test_a_prompt_that_is_too_long_fails_for_good_and_blocks_what_follows(serve, bundle, capsys):
    of = a_manifest()
    asked = [
        make_item(
            of, prompt_id=name, turns=[{"role": "user", "content": text}, {"role": "user", "content": "続き"}]
        )
        for name, text in [("long", "長" * 200), ("short", "短い")]
    ]
    running, folder = serve(longest=100), bundle(items=asked)

    assert generate(folder, "--base-url", running.url) == 1
    assert set(answers(folder)) == {("short", 1), ("short", 2)}
    [error] = [line for line in lines(folder) if line["status"] == "error"]
    assert error["error"] == {
        "type": "http_400",
        "message": "This model's maximum context length is 4096 tokens.",
        "retryable": False,
    }
    said = capsys.readouterr().err
    assert "2 of 4 turns are answered; 1 failed for good; 1 not asked, because the turn before failed" in said

    assert generate(folder, "--base-url", running.url) == 1  # known now, and not asked again
    assert running.server.statuses[400] == 1
    running.server.faults.longest = 10_000
    assert generate(folder, "--base-url", running.url, "--retry-errors") == 0
    assert len(answers(folder)) == 4


def test_the_wrong_model_ends_the_run_early(serve, bundle, capsys):
    running, folder = serve(model="another"), bundle(500)

    assert generate(folder, "--base-url", running.url, "--in-flight", "8") == 1
    assert running.server.statuses[404] < 60
    assert "nothing but failures so far" in capsys.readouterr().err


def test_nobody_there_is_said_and_the_next_run_goes_on(serve, bundle, impatient, capsys):
    folder = bundle(30)
    assert generate(folder, "--base-url", "http://127.0.0.1:9/v1", "--retries", "1") == 1
    assert "nothing but failures so far, the last one: connection" in capsys.readouterr().err
    assert generate(folder, "--base-url", serve().url) == 0


def test_a_cut_off_answer_is_an_answer_and_flagged(serve, bundle, capsys):
    of = a_manifest()
    folder = bundle(items=[make_item(of, prompt_id="p", turns=[{"role": "user", "content": "長い話"}])])
    assert generate(folder, "--base-url", serve().url) == 0
    [line] = lines(folder)
    assert line["truncated"]
    assert "1 cut off at the longest length" in capsys.readouterr().err


def test_several_servers_share_the_work(serve, bundle):
    one, other = serve(), serve()
    folder = bundle(50)
    assert generate(folder, "--base-url", one.url, "--base-url", other.url) == 0
    assert len(one.server.asked) + len(other.server.asked) == 100
    assert min(len(one.server.asked), len(other.server.asked)) == 50


def test_shards_together_are_the_whole(serve, bundle):
    running, folder = serve(), bundle(40)
    for k in range(1, 4):
        assert generate(folder, "--base-url", running.url, "--shard", f"{k}/3") == 0
    assert len(list(folder.glob("results-*-of-3.jsonl"))) == 3
    assert len(answers(folder)) == 80
    assert len(running.server.asked) == 80


def test_no_more_are_on_their_way_than_was_said(serve, bundle):
    running, folder = serve(latency=0.005), bundle(60)
    assert generate(folder, "--base-url", running.url, "--in-flight", "7") == 0
    assert running.server.most_at_once == 7


def test_a_changed_manifest_is_refused(serve, bundle, capsys):
    running, folder = serve(), bundle(3)
    generate(folder, "--base-url", running.url)
    said = json.loads((folder / MANIFEST).read_text())
    said["sampling"]["temperature"] = 0.1
    (folder / MANIFEST).write_text(json.dumps(said))

    assert generate(folder, "--base-url", running.url) == 1
    assert "not the one that this bundle was begun with" in capsys.readouterr().err


def test_changed_items_are_refused(serve, bundle, capsys):
    folder = bundle(3)
    with (folder / "items.jsonl").open("a") as out:
        out.write("\n")
    assert generate(folder, "--base-url", serve().url) == 1
    assert "is not the file that the manifest speaks of" in capsys.readouterr().err


def test_two_runners_do_not_share_a_shard(bundle):
    folder = bundle(3)
    with (
        Journal(folder),
        pytest.raises(JournalError, match=f"another runner is at work on it \\(process {os.getpid()}"),
    ):
        Journal(folder).__enter__()
    with Journal(folder):  # and the lock is gone with the runner
        pass


def test_a_torn_last_line_is_cut_off_and_asked_for_again(serve, bundle, capsys):
    running, folder = serve(), bundle(5)
    generate(folder, "--base-url", running.url)
    path = folder / "results-1-of-1.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])

    assert generate(folder, "--base-url", running.url) == 0
    assert "a torn last line of" in capsys.readouterr().err
    assert len(answers(folder)) == 10
    assert len(running.server.asked) == 11


def test_a_line_in_the_middle_that_is_no_json_is_named(serve, bundle, capsys):
    folder = bundle(2)
    generate(folder, "--base-url", serve().url)
    path = folder / "results-1-of-1.jsonl"
    path.write_bytes(b"{broken\n" + path.read_bytes())
    assert generate(folder, "--base-url", serve().url) == 1
    assert "results-1-of-1.jsonl, line 1" in capsys.readouterr().err


def test_a_bundle_for_judging_is_not_generated_from(bundle, capsys):
    folder = bundle(1, kind="judge", judge={"name": "j"})
    assert generate(folder) == 1
    assert "this bundle is for `python -m offline.judge`" in capsys.readouterr().err


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_run_says_resume_me_and_loses_nothing(serve, bundle, name):
    running, folder = serve(latency=0.05), bundle(200)
    process = subprocess.Popen(
        [sys.executable, "-m", "offline.generate", folder, "--base-url", running.url, "--in-flight", "16"],
        cwd=ROOT, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while len(running.server.asked) < 40:
        time.sleep(0.01)
    process.send_signal(name)
    _, said = process.communicate(timeout=60)

    assert process.returncode == 75
    assert f"stopped by {name.name}. Run the same command again to go on" in said
    kept = answers(folder)
    assert 40 <= len(kept) < 400
    asked = len(running.server.asked)
    assert asked == len(kept)  # what was on its way was waited for
    assert generate(folder, "--base-url", running.url) == 0
    assert len(running.server.asked) == 400
    assert answers(folder).items() > kept.items()


def test_progress_can_be_looked_at_from_outside(serve, bundle, monkeypatch):
    monkeypatch.setattr("offline.progress.FILE_EVERY", 0.0)
    running, folder = serve(latency=0.02), bundle(40)
    thread = threading.Thread(target=generate, args=(folder, "--base-url", running.url, "--in-flight", "4"))
    thread.start()
    seen = set()
    while thread.is_alive():
        if (folder / "progress.json").exists():
            said = json.loads((folder / "progress.json").read_text())  # whole at any moment
            seen.add(said["done"])
        time.sleep(0.005)
    thread.join()
    said = json.loads((folder / "progress.json").read_text())
    assert (said["total"], said["done"], said["left"]) == (80, 80, 0)
    assert len(seen) > 5


def test_starting_imports_neither_django_nor_a_model():
    code = (
        "import sys, offline.generate, offline.backends.openai;"
        "print(sorted({'django', 'vllm', 'torch', 'numpy', 'projects'} & sys.modules.keys()))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT).stdout
        == "[]\n"
    )
