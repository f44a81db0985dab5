"""From prompts to rated responses: prepared, run against a server, and loaded again."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import call_command

from exports.models import JudgeScore, JudgeVerdict
from offline import generate, judge
from offline.journal import read_lines
from projects.models import Response
from projects.rubric_files import make_project, read_rubric
from tests.factories import create_model, create_prompt, create_response
from tests.offline.server import answer_to

pytestmark = pytest.mark.django_db

AXES = ("accuracy", "fluency", "detail", "relevance", "overall")


@pytest.fixture
def project():
    project = make_project(slug="study", spec=read_rubric("llm-jp"))
    create_prompt(
        project, key="two", turns=[{"role": "user", "content": text} for text in ("一", "二 {prompt}")]
    )
    create_prompt(project, key="choice", options=["red", "blue"], answer="B")
    given = [("user", "1+1?"), ("assistant", "2"), ("user", "2+2?")]
    create_prompt(project, key="given", turns=[{"role": role, "content": text} for role, text in given])
    return project


def load(*paths):
    call_command("load", "study", *map(str, paths), "--json", stdout=StringIO())


def test_prompts_come_back_as_responses_and_those_as_judge_scores(project, prepare, serve, tmp_path):
    prepare("prepare_generation", "study", "--model", "tiny", "--samples", "2", out="asked")
    running = serve()
    assert generate.main([str(tmp_path / "asked"), "--base-url", running.url]) == 0
    load(tmp_path / "asked")
    responses = {(one.prompt.key, one.sample): one for one in Response.objects.select_related("prompt")}
    assert responses.keys() == {(key, sample) for key in ("two", "choice", "given") for sample in (0, 1)}
    assert [len(responses[key, 0].turns) for key in ("two", "choice", "given")] == [2, 1, 1]
    said = {answer_to(body) for body in running.server.asked}
    assert {turn for one in responses.values() for turn in one.turns} == said

    _, items = prepare(
        "prepare_judging", "study", "--judge", "j", "--preset", "five-axes-json", "--all", out="judged"
    )
    assert judge.main([str(tmp_path / "judged"), "--base-url", running.url, "--shard", "1/2"]) == 0
    assert judge.main([str(tmp_path / "judged"), "--base-url", running.url, "--shard", "2/2"]) == 0
    lines = [
        line
        for k in (1, 2)
        for _, line in read_lines(tmp_path / "judged" / f"results-{k}-of-2.jsonl")
        if "content" in line
    ]
    said_of = {line["item_id"]: json.loads(line["content"]) for line in lines}
    load(tmp_path / "judged")
    assert JudgeScore.objects.count() == len(items) * len(AXES) == 8 * 5
    given = JudgeScore.objects.values_list(
        "item__prompt__key", "item__response__sample", "item__turn", "axis__key", "value"
    )
    assert set(given) == {
        (item.prompt_id, item.sample, item.turn, axis, said_of[item.item_id][axis]["score"])
        for item in items
        for axis in AXES
    }
    hashes = {item.response_sha256 for item in items}
    assert set(JudgeScore.objects.values_list("response_sha256", flat=True)) == hashes


def outputs_of(folder, path):
    """What a batch service makes of a bundle's files of requests, last first."""
    lines = []
    for requests in sorted(folder.glob("requests-*.jsonl")):
        for line in requests.read_text(encoding="utf-8").splitlines():
            request = json.loads(line)
            message = {"role": "assistant", "content": answer_to(request["body"])}
            body = {"model": "tiny", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
            response = {"status_code": 200, "body": body}
            lines.append({"custom_id": request["custom_id"], "response": response, "error": None})
    path.write_text("".join(json.dumps(line) + "\n" for line in reversed(lines)))
    return lines


@pytest.mark.parametrize("preset", ["five-axes-json", "mt-bench-pair", "checklist-builder"])
def test_what_a_judge_said_to_a_batch_service_is_read_as_it_is_loaded(project, prepare, tmp_path, preset):
    for name in ("m", "base"):
        create_response(
            project, prompt=project.prompts.get(key="choice"), model=create_model(project, name), turns=["B"]
        )
    more = ["--all", "--baseline", "base"] if preset == "mt-bench-pair" else ["--all"]
    said = (
        "prepare_judging",
        "study",
        "--judge",
        "j",
        "--preset",
        preset,
        "--batch-file",
        "--shards",
        "2",
        *more,
    )
    _, items = prepare(*said, out="judged")
    folder, outputs = tmp_path / "judged", tmp_path / "outputs.jsonl"
    lines = outputs_of(folder, outputs)
    if preset == "mt-bench-pair":  # its form is free text, which the server does not make up
        for line in lines:
            line["response"]["body"]["choices"][0]["message"]["content"] = "A is better. [[A]]"
        outputs.write_text("".join(json.dumps(line) + "\n" for line in lines))
    load(folder / "manifest.json", folder / "items.jsonl", outputs)

    content = {
        line["custom_id"][:32]: line["response"]["body"]["choices"][0]["message"]["content"] for line in lines
    }
    assert len(content) == len(items)
    if preset == "five-axes-json":
        given = JudgeScore.objects.values_list("item__response__model__name", "axis__key", "value", "failure")
        read = {item.model: json.loads(content[item.item_id]) for item in items}
        assert set(given) == {
            (m, axis, said[axis]["score"], None) for m, said in read.items() for axis in AXES
        }
    elif preset == "mt-bench-pair":
        # Whichever was shown first is A.
        assert list(JudgeVerdict.objects.values_list("value", "failure")) == [(1, None)] * 2
        assert {one.first.model.name for one in JudgeVerdict.objects.all()} == {"m", "base"}
    else:
        for item in items:
            made = json.loads(content[item.item_id])["checklist"]
            assert project.prompts.get(key=item.prompt_id).checklist == made


def test_batch_files_come_back_in_any_order(project, prepare, tmp_path):
    """What a batch service makes of the files is loaded with the bundle, or taken into its journal for the next turns."""
    prepare("prepare_generation", "study", "--model", "tiny", "--batch-file", "--shards", "2", out="asked")
    outputs = tmp_path / "outputs.jsonl"
    outputs_of(tmp_path / "asked", outputs)
    load(tmp_path / "asked" / "manifest.json", tmp_path / "asked" / "items.jsonl", outputs)
    # The conversation of two turns is not whole yet.
    assert {one.prompt.key for one in Response.objects.select_related("prompt")} == {"choice", "given"}


def test_pairs_put_to_a_judge_as_wildbench_does_come_back_as_rates_and_rewards(prepare, serve, tmp_path):
    project = make_project(slug="study", spec=read_rubric("llm-jp"))
    base, other = (create_model(project, name) for name in ("base", "other"))
    for n in range(6):
        prompt = create_prompt(project, key=f"p{n}", checklist=["正しいか"], category="Math")
        for model in (base, other):
            create_response(project, prompt=prompt, model=model, turns=[f"{model} {n}"])
    _, items = prepare(
        "prepare_judging", "study", "--judge", "j", "--preset", "wildbench-reward", "--all", "--baseline", "base", out="pairs"
    )  # fmt: skip
    assert judge.main([str(tmp_path / "pairs"), "--base-url", serve().url]) == 0
    load(tmp_path / "pairs")

    out = StringIO()
    call_command("compare", "study", judge=["j"], json=True, replicates=200, stdout=out)
    found = json.loads(out.getvalue())

    journal = [
        line for _, line in read_lines(tmp_path / "pairs" / "results-1-of-1.jsonl") if "content" in line
    ]
    gains = {line["item_id"]: line["scores"]["preference"] for line in journal}  # of "other", in either order
    assert len(gains) == len(items) == 12
    [pairs] = found["verdicts"]
    assert (pairs["axis"], pairs["n_verdicts"], pairs["n_complete"]) == ("preference", 12, 6)
    said = {
        item.prompt_id: [gains[one.item_id] for one in items if one.prompt_id == item.prompt_id]
        for item in items
    }
    won = [1 if min(both) > 0 else 0 if max(both) < 0 else 0.5 for both in said.values()]
    rates = {one["model"]: one["adjusted_win_rate"]["value"] for one in pairs["models"]}
    assert rates["other"] == pytest.approx(sum(won) / 6)
    rewards = {one["model"]: one for one in found["wildbench"]["rewards"][0]["models"]}
    assert rewards["other"]["published"]["reward"]["value"] == pytest.approx(sum(gains.values()) / 12)
    assert found["wildbench"]["k"] == 500
