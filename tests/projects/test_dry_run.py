"""What a check says before anything is loaded: new, there already, in conflict, of something unknown, failed, not whole."""

from __future__ import annotations

import csv
import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.urls import reverse

from exports.models import JudgeScore, JudgeVerdict
from offline.bundle import make_item, sha256, write_bundle
from projects.loading import Options, load, try_load
from projects.models import LoadRun, Response
from tests.factories import create_member, create_model, create_project, create_prompt, create_response
from tests.offline.conftest import a_manifest

pytestmark = pytest.mark.django_db

KEYS = ("same", "other", "new", "failed", "begun")


@pytest.fixture
def project():
    """Prompts of one turn, and “begun” of two; two models have answered “same” and “other”."""
    project = create_project(slug="study", axes=("overall",))
    for key in KEYS:
        said = [f"問 {key}"] + (["続き"] if key == "begun" else [])
        create_prompt(project, key=key, turns=[{"role": "user", "content": text} for text in said])
    for name in ("m", "base"):
        model = create_model(project, name)
        for key in ("same", "other"):
            create_response(project, prompt=project.prompts.get(key=key), model=model, turns=["答え"])
    return project


def write(path: Path, *rows: dict) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".json":
        path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    elif path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, rows[0])
            table.writeheader()
            table.writerows(rows)
    else:
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


#: What is answered to which prompt: the same text, another one, something new, to a prompt that there is not, a failure.
ANSWERS = {"same": "答え", "other": "別の答え", "new": "新しい", "unknown": "何", "failed": "$ERROR$"}


def rows_of_ours(folder):
    return [
        write(
            folder / "r.jsonl",
            *({"prompt_id": key, "model": "m", "response": text} for key, text in ANSWERS.items()),
        )
    ]


def table_with_a_map(folder):
    return [
        write(
            folder / "r.csv", *({"番号": key, "モデル": "m", "出力": text} for key, text in ANSWERS.items())
        )
    ]


def fast_chat(folder):
    rows = [
        {
            "question_id": key,
            "answer_id": key,
            "model_id": "m",
            "choices": [{"index": 0, "turns": [text]}],
            "tstamp": 1.0,
        }
        for key, text in ANSWERS.items()
    ]
    return [write(folder / "model_answer" / "m.jsonl", *rows)]


def arena_hard(folder):
    rows = [
        {
            "uid": key,
            "ans_id": key,
            "model": "m",
            "messages": [{"role": "assistant", "content": {"answer": text}}],
            "tstamp": 1.0,
        }
        for key, text in ANSWERS.items()
    ]
    return [write(folder / "m.jsonl", *rows)]


def old_arena_hard(folder):
    rows = [
        {
            "question_id": key,
            "answer_id": key,
            "model_id": "m",
            "choices": [{"index": 0, "turns": [{"content": text}]}],
        }
        for key, text in ANSWERS.items()
    ]
    return [write(folder / "m.jsonl", *rows)]


def wild_bench(folder):
    return [
        write(
            folder / "m.json",
            *({"session_id": key, "output": [text], "generator": "m"} for key, text in ANSWERS.items()),
        )
    ]


def wild_bench_on_mt_bench(folder):
    rows = [
        {"question_id": key, "turn1_output": [text], "model_id": "m", "turn_id": 1}
        for key, text in ANSWERS.items()
    ]
    return [write(folder / "m.json", *rows)]


def alpaca_eval(folder):
    rows = [{"instruction": f"問 {key}", "output": text, "generator": "m"} for key, text in ANSWERS.items()]
    return [write(folder / "m.json", *rows)]


def output(custom_id, text):
    body = {
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
    }
    if text == "$ERROR$":
        return {
            "id": "x",
            "custom_id": custom_id,
            "response": None,
            "error": {"code": "e", "message": "broken"},
        }
    return {"id": "x", "custom_id": custom_id, "response": {"status_code": 200, "body": body}, "error": None}


def batch_file(folder):
    requests = [
        {"custom_id": f"r-{key}", "method": "POST", "url": "/v1/chat/completions",
         "body": {"model": "m", "messages": [{"role": "user", "content": f"問 {key}"}]}}
        for key in (*ANSWERS, "begun")
    ]  # fmt: skip
    outputs = [output(f"r-{key}", text) for key, text in (ANSWERS | {"begun": "初め"}).items()]
    return [write(folder / "requests.jsonl", *requests), write(folder / "outputs.jsonl", *reversed(outputs))]


def batch_file_without_requests(folder):
    return [
        write(folder / "o.jsonl", *(output(key, text) for key, text in (ANSWERS | {"begun": "初め"}).items()))
    ]


def llm_jp(folder, *, version):
    def of(text):
        return [text] if version == 2 else text

    answers = {key: None if text == "$ERROR$" else text for key, text in ANSWERS.items() if key != "unknown"}
    rows = [
        {
            "ID": key,
            "text": of(f"問 {key}"),
            "prompt": of(f"問 {key}"),
            "response": of(text),
            "error_messages": [],
        }
        for key, text in answers.items()
    ]
    write(folder / "metadata.json").write_text('{"model_name": "m"}')
    return [folder, write(folder / "quality_ja.jsonl", *rows)][:1]


def bundle(folder):
    of = a_manifest(model={"name": "m", "path": "m"})
    said = {key: [f"問 {key}"] for key in ANSWERS} | {"begun": ["問 begun", "続き"], "waiting": ["問"]}
    items = [
        make_item(of, prompt_id=key, turns=[{"role": "user", "content": text} for text in turns])
        for key, turns in said.items()
    ]
    write_bundle(folder / "bundle", of, items)
    lines = []
    for item in items:
        text = (ANSWERS | {"begun": "初め"}).get(item.prompt_id)
        if text is None:
            continue
        line = {
            "job_id": of.job_id,
            "item_id": item.item_id,
            "custom_id": f"{item.item_id}-1",
            "turn": 1,
            "attempt": 0,
        }
        if text == "$ERROR$":
            line |= {
                "status": "error",
                "error": {"type": "bad_request", "message": "too long", "retryable": False},
            }
        else:
            line |= {"status": "ok", "settled": True, "content": text, "finish_reason": "stop"}
        lines.append(line)
    lines.append(lines[0] | {"item_id": "0" * 32, "custom_id": f"{'0' * 32}-1"})
    write(folder / "bundle" / "results-1-of-1.jsonl", *lines)
    return [folder / "bundle"]


def old_llm_jp(folder):
    return llm_jp(folder, version=1)


def new_llm_jp(folder):
    return llm_jp(folder, version=2)


EACH = {"new": 1, "same": 1, "conflict": 1, "unknown": 1}
LAYOUTS = {
    rows_of_ours: (EACH, {"failed": 1, "incomplete": 0}),
    table_with_a_map: (EACH, {"failed": 1, "incomplete": 0}),
    fast_chat: (EACH, {"failed": 1, "incomplete": 0}),
    arena_hard: (EACH, {"failed": 1, "incomplete": 0}),
    old_arena_hard: (EACH, {"failed": 1, "incomplete": 0}),
    wild_bench: (EACH, {"failed": 1, "incomplete": 0}),
    wild_bench_on_mt_bench: (EACH, {"failed": 1, "incomplete": 0}),
    alpaca_eval: (EACH, {"failed": 1, "incomplete": 0}),
    batch_file: (EACH, {"failed": 1, "incomplete": 1}),
    batch_file_without_requests: (EACH, {"failed": 1, "incomplete": 1}),
    # Their prompts come with them, so that none is unknown.
    old_llm_jp: (EACH | {"unknown": 0}, {"failed": 1, "incomplete": 0}),
    new_llm_jp: (EACH | {"unknown": 0}, {"failed": 1, "incomplete": 0}),
    bundle: (EACH, {"failed": 1, "incomplete": 2}),
}
MAP = {table_with_a_map: {"prompt_id": "番号", "model": "モデル", "response": "出力"}}


def check(project, files, **options):
    out = StringIO()
    mapped = [f"{field}={column}" for field, column in options.get("columns", {}).items()]
    said = ["--map", *mapped] if mapped else []
    for name in ("judge", "model"):
        said += [f"--{name}", options[name]] if options.get(name) else []
    before = Response.objects.count(), JudgeScore.objects.count(), JudgeVerdict.objects.count()
    with pytest.raises(SystemExit):
        call_command("load", "study", *map(str, files), "--dry-run", "--json", *said, stdout=out)
    assert (Response.objects.count(), JudgeScore.objects.count(), JudgeVerdict.objects.count()) == before
    return json.loads(out.getvalue())


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_answers_of_each_layout_are_weighed_one_by_one(project, tmp_path, layout):
    counts, left_out = LAYOUTS[layout]
    report = check(project, layout(tmp_path), columns=MAP.get(layout, {}))
    assert report["outcome"]["responses"] == counts
    assert {"failed": 0, "incomplete": 0} | report["left_out"] == left_out
    assert report["n_conflicts"] == 1
    assert not any(report["created"].values())


def test_a_bundle_names_answers_to_items_that_it_does_not_have(project, tmp_path):
    assert check(project, bundle(tmp_path))["outcome"]["answered"]["unknown"] == 1


# Judgments


def judge_rows(folder):
    of = {"model": "m", "judge": "j", "axis": "overall"}
    return [
        write(
            folder / "judge.jsonl",
            {"prompt_id": "same", "score": 4, **of},
            {"prompt_id": "other", "score": 1, **of},
            {"prompt_id": "other", "score": 2, "repeat": 2, **of},
            {"prompt_id": "nowhere", "score": 4, **of},
        )
    ]


def fast_chat_single(folder):
    def row(key, score, prompt="p"):
        return {
            "question_id": key,
            "model": "m",
            "judge": ["j", prompt],
            "user_prompt": "",
            "judgment": "…",
            "score": score,
            "turn": 1,
        }

    return [
        write(
            folder / "j_single.jsonl",
            *(row(key, score) for key, score in (("same", 4), ("other", 1), ("nowhere", 5))),
            row("same", 2, "p2"),
        )
    ]


def llm_jp_evaluation(folder):
    rows = [
        {
            "id": key,
            "metric": "overall",
            "score": score,
            "evaluation response": "…",
            "evaluation errors": "[]",
        }
        for key, score in (("same", 4), ("other", 1), ("nowhere", 5))
    ]
    write(folder / "score_table.json", {"model": "m", "score": 1})
    return [write(folder / "safety_raw_output_table.json", *rows)]


def fast_chat_pair(folder):
    def row(key, winner):
        of = {
            "model_1": "m",
            "model_2": "base",
            "judge": ["j", "p"],
            "turn": 1,
            "g1_judgment": "…",
            "g2_judgment": "…",
        }
        return {"question_id": key, "g1_winner": winner, "g2_winner": winner, **of}

    return [
        write(folder / "j_pair.jsonl", row("same", "model_1"), row("other", "tie"), row("nowhere", "tie"))
    ]


def arena_hard_judgments(folder):
    def row(key, score):
        games = [{"score": score, "judgment": {"answer": "…"}, "prompt": []}, None]
        return {"uid": key, "model": "m", "judge": "j", "baseline": "base", "games": games}

    return [write(folder / "m.jsonl", row("same", "A>B"), row("other", "B>A"), row("nowhere", "A=B"))]


JUDGMENTS = {
    judge_rows: ("judge_scores", {"new": 1, "same": 1, "conflict": 1, "unknown": 1}, {}),
    fast_chat_single: ("judge_scores", {"new": 1, "same": 1, "conflict": 1, "unknown": 1}, {}),
    llm_jp_evaluation: (
        "judge_scores",
        {"new": 0, "same": 1, "conflict": 1, "unknown": 1},
        {"judge": "j", "model": "m"},
    ),
    fast_chat_pair: ("verdicts", {"new": 0, "same": 2, "conflict": 2, "unknown": 2}, {}),
    arena_hard_judgments: ("verdicts", {"new": 0, "same": 3, "conflict": 1, "unknown": 2}, {}),
}


@pytest.mark.parametrize("layout", JUDGMENTS, ids=lambda layout: layout.__name__)
def test_judgments_of_each_layout_are_weighed_one_by_one(project, tmp_path, layout):
    """Those of “same” and of “other” are loaded first, “other” with another score or winner."""
    kind, counts, options = JUDGMENTS[layout]
    files = layout(tmp_path)
    text = files[0].read_text(encoding="utf-8")
    rows = (
        json.loads(text) if files[0].suffix == ".json" else [json.loads(line) for line in text.splitlines()]
    )
    key = next(name for name in ("prompt_id", "question_id", "uid", "id") if name in rows[0])
    first = [dict(row) for row in rows[:2]]
    assert [row[key] for row in first] == ["same", "other"]
    if "games" in first[1]:
        first[1]["games"] = [{"score": "A>>B", "judgment": {"answer": "…"}, "prompt": []}, None]
    elif "g1_winner" in first[1]:
        first[1] |= {"g1_winner": "model_1", "g2_winner": "model_2"}
    else:
        first[1]["score"] = 3
    load(
        project=project,
        files=[write(files[0].with_name("first" + files[0].suffix), *first)],
        options=Options(**options),
    )

    report = check(project, files, **options)
    assert report["outcome"][kind] == counts


def test_a_judging_bundle_is_weighed_too(project, tmp_path):
    judge = {
        "name": "j",
        "preset": "p",
        "preset_sha256": "0" * 64,
        "style": "score",
        "mode": "json",
        "axes": [{"name": "overall"}],
    }
    of = a_manifest(kind="judge", model={"name": "j"}, judge=judge)
    known = sha256("答え")

    def item(key, text, hash_of=known, **more):
        turns = [{"role": "user", "content": text}]
        return make_item(of, prompt_id=key, turns=turns, model="m", turn=1, response_sha256=hash_of, **more)

    items = [item("same", "1"), item("other", "2"), item("other", "3", sha256("前の"), repeat=1), item("same", "4", repeat=1),
             item("nowhere", "5"), item("same", "6", repeat=2), item("same", "7", repeat=3)]  # fmt: skip
    write_bundle(tmp_path / "b", of, items)

    def line(number, score):
        said = {
            "job_id": of.job_id,
            "item_id": items[number].item_id,
            "custom_id": f"{items[number].item_id}-1",
            "turn": 1,
        }
        if score is None:
            return said | {
                "status": "error",
                "error": {"type": "bad_request", "message": "no", "retryable": False},
            }
        if score == "later":
            return said | {
                "status": "error",
                "error": {"type": "timeout", "message": "no", "retryable": True},
            }
        return said | {
            "status": "ok",
            "settled": True,
            "content": "…",
            "scores": {"overall": score},
            "parse": {"status": "ok"},
        }

    results = tmp_path / "b" / "results-1-of-1.jsonl"
    write(results, line(0, 4), line(1, 4))
    load(project=project, files=[tmp_path / "b"])
    write(results, line(0, 4), line(1, 3), line(2, 5), line(3, None), line(4, 4), line(5, "later"))
    report = check(project, [tmp_path / "b"])
    # A judge that could not be reached is a result too: new, with the failure in place of a score.
    assert report["outcome"]["judge_scores"] == {"new": 1, "same": 1, "conflict": 2, "unknown": 1}
    assert report["left_out"] == {"incomplete": 2}


# Prompts and ratings


def test_prompts_and_ratings_are_weighed_too(project, tmp_path):
    prompts = write(
        tmp_path / "p.jsonl",
        {"prompt_id": "same", "turns": ["問 same"]},
        {"prompt_id": "other", "turns": ["別"], "reference": "別"},
        {"prompt_id": "more", "turns": ["新"]},
    )
    rating = {"model": "m", "axis": "overall"}
    first = write(
        tmp_path / "1.csv",
        *({"prompt_id": key, "rater": "佐藤", "score": 3, **rating} for key in ("same", "other")),
    )
    load(project=project, files=[first])
    ratings = write(
        tmp_path / "2.csv",
        *({"prompt_id": key, "rater": rater, "score": score, **rating}
          for key, rater, score in (("same", "佐藤", 3), ("other", "佐藤", 4), ("same", "鈴木", 1), ("nowhere", "佐藤", 1))),
    )  # fmt: skip
    report = check(project, [prompts, ratings])
    assert report["outcome"]["prompts"] == {"new": 1, "same": 1, "conflict": 1, "unknown": 0}
    assert report["outcome"]["ratings"] == {"new": 1, "same": 1, "conflict": 1, "unknown": 1}


# People


def test_people_read_what_a_check_found(project, tmp_path, capsys):
    with pytest.raises(SystemExit):
        call_command("load", "study", str(bundle(tmp_path)[0]), "--dry-run")
    said = capsys.readouterr().out
    assert "Could not be loaded into “study” like this (dry run, nothing was changed):" in said
    assert "  responses: 1 new, 1 there already, 1 in conflict, 1 unknown" in said
    assert "  failed: 1\n  incomplete: 2" in said


@pytest.mark.parametrize(
    ("language", "words"), [("en", ("In conflict", "Unknown")), ("ja", ("矛盾", "対応先なし"))]
)
def test_the_page_shows_what_a_check_found_also_where_it_is_refused(
    client, project, tmp_path, language, words
):
    user = create_member(project, is_researcher=True).user
    type(user).objects.filter(pk=user.pk).update(language=language)
    client.force_login(user)
    folder = bundle(tmp_path)[0]
    files = [SimpleUploadedFile(path.name, path.read_bytes()) for path in sorted(folder.iterdir())]
    client.post(reverse("projects:load", args=["study"]), {"uploads": files})
    run = LoadRun.objects.get()
    client.post(reverse("projects:load_check", args=["study", run.key]))
    page = client.get(reverse("projects:load_run", args=["study", run.key]))
    run.refresh_from_db()
    assert run.state == "refused"
    [row] = [row for row in page.context["counts"] if row["conflict"]]
    assert (row["new"], row["same"], row["conflict"], row["unknown"]) == (1, 1, 1, 1)
    assert [times for _why, times in page.context["left_out"]] == [1, 2]
    assert all(word in page.content.decode() for word in words)


def test_what_a_check_refuses_can_be_asked_for_on_the_page(client, project, tmp_path):
    """Another text as a new version, what there is of a conversation, and answers that only say that they failed left out."""
    client.force_login(create_member(project, is_researcher=True).user)
    answers = {key: text for key, text in ANSWERS.items() if key != "unknown"}
    rows = [{"prompt_id": key, "model": "m", "response": text} for key, text in answers.items()]
    requests, outputs = batch_file(tmp_path / "batch")
    for path in (requests, outputs):
        kept = [line for line in path.read_text(encoding="utf-8").splitlines(True) if "r-begun" in line]
        path.write_text("".join(kept).replace('"m"', '"n"'), encoding="utf-8")
    files = [write(tmp_path / "rows.jsonl", *rows), requests, outputs]
    uploads = [SimpleUploadedFile(path.name, path.read_bytes()) for path in files]
    client.post(reverse("projects:load", args=["study"]), {"uploads": uploads})
    run = LoadRun.objects.get()
    client.post(reverse("projects:load_check", args=["study", run.key]))
    run.refresh_from_db()
    assert run.state == "refused"

    asked = {"new_version": "on", "partial": "on", "skip_failed": "on"}
    client.post(reverse("projects:load_check", args=["study", run.key]), asked)
    run.refresh_from_db()
    assert run.state == "checked"
    client.post(reverse("projects:load_confirm", args=["study", run.key]))
    run.refresh_from_db()
    assert run.state == "done"
    known = Response.objects.filter(model__name__in=("m", "n")).order_by("pk")
    assert list(known.values_list("prompt__key", "model__name", "sample", "turns")) == [
        ("same", "m", 0, ["答え"]),
        ("other", "m", 0, ["答え"]),
        ("other", "m", 1, ["別の答え"]),
        ("new", "m", 0, ["新しい"]),
        ("begun", "n", 0, ["初め"]),
    ]


def test_a_clean_check_says_that_nothing_failed_and_a_real_load_has_no_outcome(project, tmp_path):
    file = write(tmp_path / "r.jsonl", {"prompt_id": "new", "model": "m", "response": "新しい"})
    report = try_load(project=project, files=[file])
    assert report.all_left_out == {"failed": 0, "incomplete": 0}
    assert report.outcome["responses"] == {"new": 1, "same": 0, "conflict": 0, "unknown": 0}
    assert "outcome" not in load(project=project, files=[file]).as_json()
