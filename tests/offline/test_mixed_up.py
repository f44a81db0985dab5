"""Answers that come in another order than they were asked for, twice, or to somebody else."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from aiohttp import web

from offline.backends import Refusal
from offline.backends.completion import parse_answer
from offline.bundle import make_item
from offline.journal import Journal
from tests.offline.conftest import a_manifest
from tests.offline.server import FakeServer
from tests.offline.test_generate import answers, generate, lines
from tests.offline.test_serve import Impatient


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr("offline.generate.Options", Impatient)


@pytest.fixture
def calm(bundle, serve):
    """What an undisturbed run gives."""
    folder = bundle(40, name="calm")
    assert generate(folder, "--base-url", serve().url) == 0
    return answers(folder)


def test_answers_in_another_order_go_to_whoever_asked(serve, bundle, calm):
    running, folder = serve(together=8), bundle(40)

    assert generate(folder, "--base-url", running.url, "--in-flight", "16") == 0
    order = [line["prompt_id"] for line in lines(folder) if line["turn"] == 1]
    asked = [body["messages"][0]["content"] for body in running.server.asked if len(body["messages"]) == 1]
    assert [
        f"質問 {name.removeprefix('p')}、その 1" for name in order
    ] != asked  # they did come in another order
    assert answers(folder) == calm
    assert len(running.server.asked) == 80


@pytest.mark.parametrize("own_ids", [False, True], ids=["as vLLM names them", "as others do"])
def test_an_answer_that_is_sent_twice_is_not_taken_for_the_next_one(serve, bundle, calm, own_ids):
    running, folder = serve(duplicated=0.3, latency=0.003, own_ids=own_ids), bundle(40)

    assert generate(folder, "--base-url", running.url, "--in-flight", "4", "--retries", "100") == 0
    assert answers(folder) == calm
    errors = Counter(line["error"]["type"] for line in lines(folder) if line["status"] == "error")
    assert errors["mixed_up"] > 3
    assert errors.keys() <= {"mixed_up", "connection"}


def test_an_answer_to_somebody_else_is_not_taken(serve, bundle, capsys):
    running, folder = serve(together=4, swapped=True), bundle(4, turns=1)

    assert generate(folder, "--base-url", running.url, "--retries", "0") == 1
    assert {line["error"]["type"] for line in lines(folder)} == {"mixed_up"}
    assert "4 given up for now" in capsys.readouterr().err
    running.server.faults.together = 0
    assert generate(folder, "--base-url", running.url) == 0
    assert len(answers(folder)) == 4


@pytest.mark.parametrize("words", [None, "はい。"], ids=["other words", "the same words"])
def test_a_server_that_names_all_answers_alike_is_believed(serve, bundle, monkeypatch, words):
    whole = FakeServer._completion
    monkeypatch.setattr(FakeServer, "_completion", lambda *said: {**whole(*said), "id": "chatcmpl-1"})
    if words:
        monkeypatch.setattr("tests.offline.server.answer_to", lambda body: words)
    running, folder = serve(), bundle(40)

    assert generate(folder, "--base-url", running.url, "--in-flight", "2") == 0
    assert len(answers(folder)) == 80
    doubted = len(running.server.asked) - 80
    assert doubted <= (4 if words else 0)


def test_several_samples_of_a_prompt_have_seeds_and_answers_of_their_own(serve, bundle):
    of = a_manifest(samples=5)
    asked = [{"role": "user", "content": "詩を一つ"}, {"role": "user", "content": "もう一つ"}]
    items = [make_item(of, prompt_id="p", turns=asked, sample=sample) for sample in range(5)]
    running, folder = serve(latency=0.002), bundle(items=items, samples=5)

    assert generate(folder, "--base-url", running.url, "--in-flight", "3") == 0
    assert len({line["seed"] for line in lines(folder)}) == 10
    assert len({line["content"] for line in lines(folder)}) == 10
    assert all("n" not in body for body in running.server.asked)  # each sample is a request of its own
    said = {(line["item_id"], line["turn"]): line["content"] for line in lines(folder)}
    for body in running.server.asked:
        if len(body["messages"]) == 3:
            assert body["messages"][1]["content"] in said.values()


def test_a_line_that_is_there_twice_does_no_harm(serve, bundle):
    """As where journals were put together, or one was copied onto itself."""
    running, folder = serve(), bundle(10)
    generate(folder, "--base-url", running.url)
    path = folder / "results-1-of-1.jsonl"
    whole = path.read_bytes().splitlines(keepends=True)
    # Half of the conversations twice, the rest with the second turn lost; and turn 2 before turn 1.
    first = {json.loads(line)["item_id"] for line in whole[:5]}
    kept = [line for line in whole if json.loads(line)["item_id"] in first or json.loads(line)["turn"] == 1]
    path.write_bytes(b"".join(reversed(kept)) + b"".join(kept))
    before = {(line["item_id"], line["turn"]): line["content"] for line in lines(folder)}

    assert generate(folder, "--base-url", running.url) == 0
    after = {(line["item_id"], line["turn"]): line["content"] for line in lines(folder)}
    assert after.items() > before.items()
    assert len(after) == 20
    assert len(running.server.asked) == 20 + 20 - len(before)


def test_of_two_different_answers_to_one_turn_the_first_counts(serve, bundle):
    running, folder = serve(), bundle(1)
    generate(folder, "--base-url", running.url)
    first, _second = lines(folder)
    (folder / "results-1-of-1.jsonl").unlink()
    with Journal(folder) as journal:
        journal.write(first)
        journal.write({**first, "content": "別の答え"})
    assert generate(folder, "--base-url", running.url) == 0
    assert running.server.asked[-1]["messages"][1]["content"] == first["content"]


@pytest.mark.parametrize(
    ("message", "content"),
    [
        ({"content": None}, ""),
        ({"content": [{"type": "text", "text": "答"}, {"type": "text", "text": "え"}]}, "答え"),
        ({"content": "答え", "reasoning_content": "なぜ"}, "答え"),
    ],
)
def test_content_is_read_in_each_of_its_forms(message, content):
    assert parse_answer({"choices": [{"message": message}]}).content == content


@pytest.mark.parametrize(
    "said",
    [
        "", "<html>", [], 5, None, {"choices": []}, {"choices": [{"message": None}]}, {"error": {"message": "no"}},
        {"choices": [{"message": {"content": 5}}]}, {"choices": [{"message": {"content": [5]}}]}, {"choices": {"0": 1}},
    ],
)  # fmt: skip
def test_what_is_no_completion_is_tried_again_and_breaks_nothing(said):
    with pytest.raises(Refusal) as refusal:
        parse_answer(said)
    assert (refusal.value.kind, refusal.value.retryable) == ("bad_answer", True)


@pytest.mark.parametrize(
    "data", [b'{"choices": [{"message": {"content": "\xff"}}]}', b"[" * 100_000, b"\x00", b""]
)
def test_an_answer_that_cannot_be_read_as_json_is_no_answer(serve, bundle, monkeypatch, data):
    async def complete(self, request):
        return web.Response(body=data, content_type="application/json", charset="utf-8")

    monkeypatch.setattr("tests.offline.server.FakeServer.complete", complete)
    folder = bundle(1)
    assert generate(folder, "--base-url", serve().url, "--retries", "0") == 1
    assert [line["error"]["type"] for line in lines(folder)] == ["bad_answer"]


def test_strange_figures_beside_an_answer_break_nothing():
    for usage in (None, 5, "many", [1], {"completion_tokens": "many"}, {"completion_tokens": None}):
        said = parse_answer(
            {"choices": [{"message": {"content": "x"}, "finish_reason": 5}], "usage": usage, "model": {}}
        )
        assert (said.completion_tokens, said.finish_reason, said.served_model) == (0, None, None)
