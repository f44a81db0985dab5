"""Batch files: written, answered by somebody, read in any order."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from offline import batch_file, generate, judge
from offline.backends import Refusal
from offline.batch_file import answer_of
from offline.journal import read_lines
from tests.offline.judged import GOOD, judge_bundle
from tests.offline.server import answer_to


def completion(body: dict, content: str | None = None) -> dict:
    said = answer_to(body) if content is None else content
    return {
        "id": "chatcmpl-1", "model": body["model"], "system_fingerprint": "vllm-0.32.0-3888b7ac",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": said}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2},
    }  # fmt: skip


def output(custom_id: str, body: dict | None, error: object = None, status: int = 200) -> dict:
    response = {"status_code": status, "request_id": "vllm-batch-1", "body": body}
    return {"id": "vllm-1", "custom_id": custom_id, "response": response, "error": error}


def requests(folder: Path) -> list[dict]:
    newest = sorted((folder / "batch").glob("round-*"))[-1]
    return [
        json.loads(line) for path in sorted(newest.glob("*.jsonl")) for line in path.read_text().splitlines()
    ]


def put_back(folder: Path, outputs: list[dict], name: str = "out") -> None:
    path = folder / "batch" / "outputs" / f"{name}.jsonl"
    path.write_text("".join(json.dumps(said) + "\n" for said in outputs))


def lines(folder: Path) -> list[dict]:
    return [line for _offset, line in read_lines(folder / "results-1-of-1.jsonl")]


def texts(folder: Path) -> dict:
    return {
        (line["item_id"], line["turn"]): line["content"] for line in lines(folder) if line["status"] == "ok"
    }


def test_two_turns_go_in_two_rounds_and_equal_what_a_server_gives(bundle, serve):
    folder, other = bundle(12), bundle(12, name="other")
    assert batch_file.main(["write", str(folder), "--size", "5"]) == 75
    assert [
        len(path.read_text().splitlines()) for path in sorted((folder / "batch/round-1").glob("*.jsonl"))
    ] == [5, 5, 2]
    first = requests(folder)
    assert all(one["url"] == "/v1/chat/completions" and one["method"] == "POST" for one in first)
    assert len({one["custom_id"] for one in first}) == 12

    outputs = [output(one["custom_id"], completion(one["body"])) for one in first]
    random.Random(1).shuffle(outputs)
    put_back(folder, outputs + outputs[:3])  # and some of them twice
    assert generate.main([str(folder), "--backend", "batch-file"]) == 75

    second = requests(folder)
    assert {len(one["body"]["messages"]) for one in second} == {3}
    put_back(folder, [output(one["custom_id"], completion(one["body"])) for one in second], "out2")
    assert generate.main([str(folder), "--backend", "batch-file"]) == 0
    assert generate.main([str(other), "--base-url", serve().url]) == 0
    assert texts(folder) == texts(other)
    assert {line["custom_id"]: line["request_sha256"] for line in lines(folder)} == {
        line["custom_id"]: line["request_sha256"] for line in lines(other)
    }


def test_nothing_is_read_or_written_twice(bundle, capsys):
    folder = bundle(4, turns=1)
    batch_file.main(["write", str(folder)])
    assert batch_file.main(["write", str(folder)]) == 75
    assert [path.name for path in (folder / "batch").glob("round-*")] == ["round-1"]
    outputs = [output(one["custom_id"], completion(one["body"])) for one in requests(folder)]
    put_back(folder, outputs[:3])
    assert batch_file.main(["read", str(folder)]) == 75
    assert batch_file.main(["read", str(folder)]) == 75  # the same file: not even opened
    put_back(folder, outputs, "again")
    assert batch_file.main(["read", str(folder)]) == 0
    assert len(lines(folder)) == 4
    assert "1 answers, 0 errors; 3 known before" in capsys.readouterr().err
    assert batch_file.main(["write", str(folder)]) == 0


def test_what_is_not_of_the_bundle_is_counted_and_left(bundle, capsys):
    folder = bundle(2, turns=1)
    batch_file.main(["write", str(folder)])
    [one, _] = requests(folder)
    put_back(folder, [output("0" * 32 + "-1", completion(one["body"])), output("elsewhere", None)])
    with (folder / "batch/outputs/out.jsonl").open("a") as out:
        out.write('not json\n\n[]\n{"id": "x"}\n')

    assert batch_file.main(["read", str(folder)]) == 75
    assert "2 not of this bundle, 3 lines that are no batch output" in capsys.readouterr().err
    assert lines(folder) == []


@pytest.mark.parametrize(
    ("said", "kind", "retryable"),
    [
        # vLLM: an object in an object, a bare text
        ({"response": {"status_code": 400, "body": None}, "error": {"error": {"message": "too long", "code": 400}}}, "http_400", False),
        ({"response": {"status_code": 404, "body": None}, "error": {"error": {"message": "no model", "code": 404}}}, "http_404", False),
        ({"response": {"status_code": 400, "body": None}, "error": "URL /v1/completions was used."}, "http_400", False),
        ({"response": None, "error": "Streaming is not supported"}, "batch", False),
        # OpenAI: no response, or one that is an error
        ({"response": None, "error": {"code": "batch_expired", "message": "expired"}}, "batch_expired", True),
        ({"response": None, "error": {"code": "invalid_request", "message": "no"}}, "invalid_request", False),
        ({"response": {"status_code": 429, "body": {"error": {"message": "slow"}}}, "error": None}, "http_429", True),
        ({"response": {"status_code": 500, "body": None}, "error": None}, "http_500", True),
        ({"response": None, "error": None}, "batch", True),
        ({}, "batch", True),
        ({"response": {"status_code": 200, "body": {"choices": []}}}, "bad_answer", True),
        ({"response": {"status_code": "500", "body": None}, "error": 5}, "http_500", True),
        ({"response": {"status_code": {}, "body": []}, "error": {"message": None, "code": [1]}}, "[1]", False),
        ({"response": "done", "error": [1]}, "batch", True),
    ],
)  # fmt: skip
def test_each_shape_of_error_is_understood(said, kind, retryable):
    with pytest.raises(Refusal) as refusal:
        answer_of(said)
    assert (refusal.value.kind, refusal.value.retryable) == (kind, retryable)
    assert refusal.value.message


def test_an_answer_beats_an_error_and_errors_end_their_conversation(bundle, capsys):
    folder = bundle(3)
    batch_file.main(["write", str(folder)])
    one, two, three = requests(folder)
    wrong = {"error": {"message": "too long", "type": "BadRequestError", "code": 400}}
    put_back(
        folder,
        [
            output(one["custom_id"], None, wrong, 400),
            output(one["custom_id"], completion(one["body"])),
            output(two["custom_id"], None, wrong, 400),
            {"custom_id": three["custom_id"], "response": None, "error": {"code": "batch_expired", "message": "-"}},
        ],
    )  # fmt: skip
    assert generate.main([str(folder), "--backend", "batch-file"]) == 75
    assert len(texts(folder)) == 1
    again = {one["custom_id"] for one in requests(folder)}
    assert again == {one["custom_id"].removesuffix("-1") + "-2", three["custom_id"]}

    for _ in range(2):
        put_back(
            folder,
            [output(one["custom_id"], completion(one["body"])) for one in requests(folder)],
            f"more{random.random()}",
        )
        status = generate.main([str(folder), "--backend", "batch-file"])
    assert status == 1
    assert "1 failed for good, 1 not asked" in capsys.readouterr().err
    assert generate.main([str(folder), "--backend", "batch-file", "--retry-errors"]) == 75


def test_a_judge_that_cannot_be_read_is_asked_again_in_the_next_round(tmp_path):
    folder = judge_bundle(tmp_path / "b", responses=["応答一", "応答二"])
    seeds = []
    for number in range(3):
        assert judge.main([str(folder), "--backend", "batch-file"]) == 75
        asked = requests(folder)
        seeds += [one["body"]["seed"] for one in asked]
        good = GOOD if number == 0 else "?"
        put_back(
            folder,
            [
                output(one["custom_id"], completion(one["body"], good if "応答一" in one["body"]["messages"][-1]["content"] else "?"))
                for one in asked
            ],
            str(number),
        )  # fmt: skip
    assert judge.main([str(folder), "--backend", "batch-file"]) == 0
    assert [line["parse"]["status"] for line in lines(folder)] == ["ok", "unparsed", "unparsed", "unparsed"]
    assert [line["settled"] for line in lines(folder)] == [True, False, False, True]
    assert len(set(seeds)) == 4
    said = json.loads((folder / "judge-summary.json").read_text())
    assert (said["scored"], said["unparsed"]) == (1, 1)


def test_shards_have_folders_of_their_own(bundle):
    folder = bundle(30, turns=1)
    for k in (1, 2):
        batch_file.main(["write", str(folder), "--shard", f"{k}/2"])
    written = [
        {json.loads(line)["custom_id"] for path in (folder / f"batch-{k}-of-2/round-1").glob("*.jsonl") for line in path.read_text().splitlines()}
        for k in (1, 2)
    ]  # fmt: skip
    assert len(written[0] | written[1]) == 30
    assert not written[0] & written[1]


def test_files_for_another_number_of_shards_than_was_begun_with_are_refused(bundle, serve, capsys):
    folder = bundle(20)
    assert generate.main([str(folder), "--base-url", serve().url]) == 0
    assert batch_file.main(["write", str(folder), "--shard", "1/2"]) == 1
    assert "was begun in 1 shard (results-1-of-1.jsonl)" in capsys.readouterr().err


@pytest.mark.parametrize("size", ["0", "-1", "many"])
def test_a_size_that_makes_no_sense_is_refused(bundle, capsys, size):
    with pytest.raises(SystemExit):
        batch_file.main(["write", str(bundle(1)), "--size", size])
    assert "--size" in capsys.readouterr().err


def test_half_of_a_character_does_not_stop_anything(bundle):
    folder = bundle(1)
    batch_file.main(["write", str(folder)])
    [one] = requests(folder)
    (folder / "batch/outputs/out.jsonl").write_text(
        json.dumps(output(one["custom_id"], completion(one["body"], "\ud83d")))
    )

    assert generate.main([str(folder), "--backend", "batch-file"]) == 75
    assert requests(folder)[0]["body"]["messages"][1]["content"] == "\ud83d"
