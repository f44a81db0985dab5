"""Judgments of other tools, and what comes back from judging bundles."""

import json
from pathlib import Path

import numpy as np
import pytest

from exports.comparison.verdicts.reading import read_pairs
from exports.models import JudgeRun, JudgeScore, JudgeVerdict
from offline.bundle import SAMPLING, SEED_RULE, Manifest, make_item, sha256, write_bundle
from projects.loading import NotLoaded, Options, load
from stats.ranking.win_rates import against
from tests.factories import create_model, create_project, create_prompt, create_response, create_rubric

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    """Three prompts, each answered in two turns by m1, m2 and base."""
    project = create_project(slug="study", axes=("overall", "fluency"))
    models = [create_model(project, name) for name in ("m1", "m2", "base")]
    for key in ("1", "2", "3"):
        prompt = create_prompt(
            project, key=key, turns=[{"role": "user", "content": f"質問 {key}-{turn}"} for turn in (1, 2)]
        )
        for model in models:
            create_response(
                project, prompt=prompt, model=model, turns=[f"{model} {key}-1", f"{model} {key}-2"]
            )
    return project


def write(path: Path, *rows: dict) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".json":
        path.write_text(json.dumps(list(rows), ensure_ascii=False), encoding="utf-8")
    else:
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def scores(project) -> list[tuple]:
    found = JudgeScore.objects.filter(run__project=project).order_by("pk")
    return list(
        found.values_list(
            "run__name", "item__prompt__key", "item__response__model__name", "item__turn", "axis__key", "repeat", "value", "failure"
        )
    )  # fmt: skip


def verdicts(project) -> list[tuple]:
    found = JudgeVerdict.objects.filter(run__project=project).order_by("pk")
    return list(
        found.values_list(
            "first__prompt__key", "first__model__name", "second__model__name", "turn", "value", "failure"
        )
    )


def refusal(project, *files: Path, **options) -> list[str]:
    with pytest.raises(NotLoaded) as refused:
        load(project=project, files=files, options=Options(**options))
    assert not JudgeScore.objects.exists()
    assert not JudgeVerdict.objects.exists()
    return [str(problem) for problem in (*refused.value.report.errors, *refused.value.report.conflicts)]


# FastChat


def single(**changes) -> dict:
    return {
        "question_id": 1, "model": "m1", "judge": ["gpt-4", "single-v1"], "user_prompt": "…", "judgment": "良い。[[4]]",
        "score": 4, "turn": 1, "tstamp": 1.5, **changes,
    }  # fmt: skip


def test_single_scores_of_fast_chat_are_judge_scores_on_the_axis_overall(project, tmp_path):
    file = write(
        tmp_path / "gpt-4_single.jsonl",
        single(),
        single(turn=2, score=5, judge=["gpt-4", "single-v1-multi-turn"]),
        single(score=3),
        single(question_id="2", score=-1, judgment="読めません"),
        single(question_id=3, score=-1, judgment="$ERROR$"),
    )

    assert load(project=project, files=[file]).created["judge_scores"] == 5
    assert scores(project) == [
        ("gpt-4", "1", "m1", 1, "overall", 1, 4, None),
        ("gpt-4", "1", "m1", 1, "overall", 2, 3, None),
        ("gpt-4", "2", "m1", 1, "overall", 1, None, "unparsed"),
        ("gpt-4", "3", "m1", 1, "overall", 1, None, "api_error"),
        ("gpt-4", "1", "m1", 2, "overall", 1, 5, None),
    ]
    assert set(JudgeRun.objects.values_list("prompt", flat=True)) == {"single-v1", "single-v1-multi-turn"}
    assert JudgeScore.objects.first().reason == "良い。[[4]]"
    assert load(project=project, files=[file]).adds_nothing
    assert "known with another value" in changed(project, file, single(score=2))


def changed(project, file: Path, *rows: dict) -> str:
    """What is said of the file when it holds these rows instead."""
    with pytest.raises(NotLoaded) as refused:
        load(project=project, files=[write(file, *rows)])
    return str(refused.value.report.conflicts[0])


def test_another_axis_can_be_named_and_models_renamed(project, tmp_path):
    file = write(tmp_path / "a.jsonl", single(model="M-one"))

    load(project=project, files=[file], options=Options(axis="fluency", model_names={"M-one": "m1"}))
    assert scores(project) == [("gpt-4", "1", "m1", 1, "fluency", 1, 4, None)]


def test_a_rubric_without_overall_asks_for_the_axis(tmp_path):
    project = create_project(slug="other", axes=("detail", "fluency"))
    [said] = refusal(project, write(tmp_path / "a.jsonl", single()))
    assert said.startswith("a.jsonl, line 1")
    assert "detail, fluency" in said
    assert "--axis" in said


def pair(**changes) -> dict:
    return {
        "question_id": 1, "model_1": "m1", "model_2": "base", "g1_winner": "model_1", "g2_winner": "tie",
        "judge": ["gpt-4", "pair-v2"], "g1_user_prompt": "…", "g1_judgment": "[[A]]", "g2_user_prompt": "…",
        "g2_judgment": "[[C]]", "turn": 1, "tstamp": 1.5, **changes,
    }  # fmt: skip


def test_pairs_of_fast_chat_are_verdicts_in_both_orders(project, tmp_path):
    file = write(
        tmp_path / "gpt-4_pair.jsonl",
        pair(),
        pair(question_id=2, g2_winner="model_1", turn=2),
        pair(question_id=3, g1_winner="model_2", g2_winner="error", g2_judgment="?"),
    )

    assert load(project=project, files=[file]).created["verdicts"] == 6
    assert verdicts(project) == [
        ("1", "m1", "base", 1, 1, None),
        ("1", "base", "m1", 1, 0, None),
        ("2", "m1", "base", 2, 1, None),
        ("2", "base", "m1", 2, -1, None),
        ("3", "m1", "base", 1, -1, None),
        ("3", "base", "m1", 1, None, "unparsed"),
    ]
    assert load(project=project, files=[file]).adds_nothing
    assert "known as another" in changed(project, file, pair(g1_winner="model_2"))

    [found] = read_pairs(project, [run.pk for run in JudgeRun.objects.filter(project=project)])
    assert found.models == ("base", "m1")
    [rates] = against(found.verdicts, 0, rng=np.random.default_rng(1)).values()
    assert (rates.wins, rates.losses, rates.ties, rates.failed) == (1, 0, 1, 1)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"g1_winner": "A"}, "g1_winner: “A” is none of"),
        ({"model_2": "m1"}, "model_2: Both sides are the same model."),
        ({"model_2": "nobody"}, "There is no response of “nobody” to “1”"),
        ({"question_id": 9}, "There is no prompt “9”"),
        ({"turn": 3}, "There is no response of “m1” to “1”"),
        ({"model_1": 7}, "model_1: A model’s name"),
        ({"judge": None}, "It is not said who judged."),
    ],
)
def test_a_pair_that_cannot_be_taken_is_named(project, tmp_path, changes, said):
    problem, *_others = refusal(project, write(tmp_path / "pair.jsonl", pair(**changes)))
    assert problem.startswith("pair.jsonl, line 1")
    assert said in problem


# Arena-Hard


def test_arena_hards_games_are_verdicts_and_the_baseline_is_a_in_the_first(project, tmp_path):
    games = [
        {"score": "B>>A", "judgment": {"answer": "二つ目がよい"}, "prompt": []},
        {"score": "A>B", "judgment": {"answer": "一つ目がよい"}, "prompt": []},
    ]
    file = write(
        tmp_path / "m1.jsonl",
        {
            "uid": "1",
            "category": "hard",
            "judge": "gpt-4.1",
            "model": "m1",
            "baseline": "base",
            "games": games,
        },
        {
            "uid": "2",
            "category": "hard",
            "judge": "gpt-4.1",
            "model": "m1",
            "baseline": "base",
            "games": [None, games[1]],
        },
    )

    assert load(project=project, files=[file]).created["verdicts"] == 4
    assert verdicts(project) == [
        ("1", "base", "m1", 1, -1, None),
        ("1", "m1", "base", 1, 0.5, None),
        ("2", "base", "m1", 1, None, "api_error"),
        ("2", "m1", "base", 1, 0.5, None),
    ]
    assert load(project=project, files=[file]).adds_nothing


def test_arena_hards_first_form_names_no_baseline(project, tmp_path):
    game = {"user_prompt": "…", "judgment": "…[[A=B]]", "score": "A=B"}
    file = write(
        tmp_path / "m1.jsonl", {"question_id": "1", "model": "m1", "games": [game, game | {"score": ""}]}
    )

    report = load(project=project, files=[file], options=Options(model_names={"gpt-4-0314": "base"}))
    assert "names no baseline" in str(report.warnings[0])
    assert verdicts(project) == [("1", "base", "m1", 1, 0, None), ("1", "m1", "base", 1, None, "unparsed")]


# llm-jp-judge


def quality(**changes) -> dict:
    return {
        "id": 1, "evaluation prompt": "…", "evaluation response": "…", "正確性": 4, "流暢性": 5, "詳細性": 3, "関連性": 5,
        "総合評価": 4, "generate errors": "[]", "evaluation errors": "[]", **changes,
    }  # fmt: skip


NAMES = {name: name for name in ("正確性", "流暢性", "詳細性", "関連性", "総合評価")}


def test_names_of_axes_in_the_columns_of_llm_jp_judge_are_no_scores(tmp_path):
    project = create_project(slug="jp", axes=("accuracy", "fluency", "detail", "relevance", "overall"))
    labels = dict(zip(("accuracy", "fluency", "detail", "relevance", "overall"), NAMES, strict=True))
    for axis in project.current_rubric().axes.all():
        axis.label_ja = labels[axis.key]
        axis.save()
    model = create_model(project, "m1")
    for key in ("1", "2", "3"):
        create_response(project, prompt=create_prompt(project, key=key), model=model, turns=["答え"])
    file = write(
        tmp_path / "quality_raw_output_table.json",
        quality(),
        quality(id=2, **NAMES),
        quality(id=3, **NAMES, **{"evaluation response": None, "evaluation errors": '["timeout"]'}),
    )

    [said] = refusal(project, file)[:1]
    assert "does not say whose answers were judged" in said
    assert (
        load(project=project, files=[file], options=Options(model="m1", judge="gpt-4o")).created[
            "judge_scores"
        ]
        == 15
    )
    found = scores(project)
    assert [(one[1], one[4], one[6]) for one in found if one[1] == "1"] == [
        ("1", "accuracy", 4), ("1", "fluency", 5), ("1", "detail", 3), ("1", "relevance", 5), ("1", "overall", 4),
    ]  # fmt: skip
    assert {(one[1], one[6], one[7]) for one in found if one[1] != "1"} == {
        ("2", None, "unparsed"),
        ("3", None, "api_error"),
    }
    write(tmp_path / "metadata.json").write_text('{"model_name": "m1"}')
    assert load(project=project, files=[tmp_path], options=Options(judge="gpt-4o")).adds_nothing


def test_a_metric_of_llm_jp_judge_is_an_axis(project, tmp_path):
    row = {
        "id": 1,
        "metric": "overall",
        "score": 4,
        "turn": 2,
        "use reference": False,
        "evaluation response": "[[4]]",
    }
    file = write(tmp_path / "mt_bench_raw_output_table.json", row, row | {"id": 2, "score": None})

    load(project=project, files=[file], options=Options(model="m2"))
    assert scores(project) == [
        ("llm-jp-judge", "1", "m2", 2, "overall", 1, 4, None),
        ("llm-jp-judge", "2", "m2", 2, "overall", 1, None, "unparsed"),
    ]


# Bundles

AXES = [{"name": "overall", "points": [1, 2, 3, 4, 5]}, {"name": "fluency", "points": [1, 2, 3, 4, 5]}]


def judging(folder: Path, items: list[dict], **judge) -> tuple[Path, list[str]]:
    manifest = Manifest(
        kind="judge", model={"name": "judge-7b"}, sampling=dict(SAMPLING), seed={"base": 7, "rule": SEED_RULE},
        judge={"name": "judge-7b", "preset": "five", "preset_sha256": "0" * 64, "style": "score", "mode": "json", "axes": AXES, **judge},
    )  # fmt: skip
    made = [
        make_item(manifest, turns=[{"role": "user", "content": f"採点 {number}"}], **item)
        for number, item in enumerate(items)
    ]
    write_bundle(folder, manifest, made)
    return folder, [item.item_id for item in made]


def line(folder: Path, item: str, **changes) -> dict:
    job = json.loads((folder / "manifest.json").read_text())["job_id"]
    return {
        "v": 1, "job_id": job, "run_id": "r", "item_id": item, "custom_id": f"{item}-1", "prompt_id": "1", "turn": 1, "attempt": 0,
        "seed": 5, "status": "ok", "settled": True, "content": "…", "finish_reason": "stop", "truncated": False, **changes,
    }  # fmt: skip


def error(folder: Path, item: str, *, retryable: bool = False) -> dict:
    said = {"type": "timeout", "message": "too slow", "retryable": retryable}
    return line(folder, item, status="error", error=said)


def test_a_judging_bundle_becomes_scores_with_every_failure(project, tmp_path):
    of = {"prompt_id": "1", "model": "m1", "turn": 1, "response_sha256": sha256("m1 1-1")}
    folder, (good, lenient, unread, lost, refused) = judging(
        tmp_path / "bundle",
        [of, of | {"repeat": 1}, of | {"turn": 2, "response_sha256": sha256("m1 1-2")}, of | {"prompt_id": "2", "response_sha256": ""}, of | {"repeat": 2}],
    )  # fmt: skip
    both = {"overall": 4.0, "fluency": 5.0}
    write(
        folder / "results-1-of-2.jsonl",
        error(folder, good, retryable=True),
        line(folder, good, content="未読", settled=False, scores={}, parse={"status": "unparsed"}),
        line(folder, good, scores=both, parse={"status": "ok"}, reasons={"overall": "良い"}, attempt=2),
        line(folder, good, scores={"overall": 1.0, "fluency": 1.0}, parse={"status": "ok"}, attempt=3),
        line(folder, lenient, scores=both, parse={"status": "lenient", "reason": "typed in another way"}),
    )
    write(
        folder / "results-2-of-2.jsonl",
        line(folder, unread, content="[[9]]", scores={}, parse={"status": "unparsed", "reason": "off"}),
        error(folder, lost),
        line(
            folder,
            refused,
            content="",
            finish_reason="content_filter",
            scores={},
            parse={"status": "unparsed"},
        ),
    )

    assert load(project=project, files=[folder]).created["judge_scores"] == 10
    assert [one[1:] for one in scores(project)] == [
        ("1", "m1", 1, "overall", 1, 4, None),
        ("1", "m1", 1, "overall", 2, 4, None),
        ("1", "m1", 1, "overall", 3, None, "refused"),
        ("1", "m1", 1, "fluency", 1, 5, None),
        ("1", "m1", 1, "fluency", 2, 5, None),
        ("1", "m1", 1, "fluency", 3, None, "refused"),
        ("1", "m1", 2, "overall", 1, None, "unparsed"),
        ("1", "m1", 2, "fluency", 1, None, "unparsed"),
        ("2", "m1", 1, "overall", 1, None, "api_error"),
        ("2", "m1", 1, "fluency", 1, None, "api_error"),
    ]
    by_reason = set(JudgeScore.objects.values_list("reason", flat=True))
    assert by_reason == {"良い", "…", "", "[[9]]", "timeout: too slow"}
    run = JudgeRun.objects.get()
    assert json.loads(run.prompt)["preset"] == "five"
    assert run.version["sampling"] == SAMPLING
    assert load(project=project, files=[folder]).adds_nothing


def test_a_judge_that_saw_another_text_is_a_conflict(project, tmp_path):
    folder, [item] = judging(
        tmp_path / "bundle",
        [{"prompt_id": "1", "model": "m1", "turn": 1, "response_sha256": sha256("前の答え")}],
    )
    write(folder / "results-1-of-1.jsonl", line(folder, item, scores={"overall": 4.0, "fluency": 4.0}))

    [said, *_others] = refusal(project, folder)
    assert "saw another text than the response of “m1” to “1”" in said


def test_a_judgment_that_is_still_to_be_asked_again_is_incomplete(project, tmp_path):
    of = {"prompt_id": "1", "model": "m1", "turn": 1}
    folder, (first, _second) = judging(tmp_path / "bundle", [of, of | {"repeat": 1}])
    write(
        folder / "results-1-of-1.jsonl",
        line(folder, first, settled=False, scores={}, parse={"status": "unparsed"}),
    )

    report = load(project=project, files=[folder])
    assert report.left_out == {"incomplete": 2}
    assert not JudgeScore.objects.exists()


def test_pairs_that_a_bundle_asked_for_are_verdicts_of_what_was_shown_first(project, tmp_path):
    axes = [{"name": "overall", "verdicts": {"A": 1, "B": -1, "C": 0}}]
    of = {"prompt_id": "1", "model": "m1", "other": "base", "turn": 1, "response_sha256": sha256("m1 1-1")}
    folder, (ab, ba) = judging(
        tmp_path / "bundle", [of | {"order": "ab"}, of | {"order": "ba"}], style="pair", axes=axes
    )
    # What the journal has is what the pair's first model gets, in either order.
    write(
        folder / "results-1-of-1.jsonl",
        line(folder, ab, scores={"overall": 1.0}, verdict="A", parse={"status": "ok"}),
        line(folder, ba, scores={"overall": 1.0}, verdict="B", parse={"status": "ok"}),
    )

    assert load(project=project, files=[folder]).created["verdicts"] == 2
    assert verdicts(project) == [("1", "m1", "base", 1, 1, None), ("1", "base", "m1", 1, -1, None)]
    assert load(project=project, files=[folder]).adds_nothing


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_a_judge_that_saw_another_text_in_a_pair_is_a_conflict(project, tmp_path, order):
    axes = [{"name": "overall", "verdicts": {"A": 1, "B": -1}}]
    of = {"prompt_id": "1", "model": "m1", "other": "base", "turn": 1, "response_sha256": sha256("前の答え")}
    folder, [item] = judging(tmp_path / "bundle", [of | {"order": order}], style="pair", axes=axes)
    write(folder / "results-1-of-1.jsonl", line(folder, item, scores={"overall": 1.0}))

    [said] = refusal(project, folder)
    assert "saw another text than the response of “m1” to “1”" in said

    seen = {"response_sha256": sha256("m1 1-1"), "other_sha256": sha256("前の答え"), "order": order}
    folder, [item] = judging(tmp_path / "other", [of | seen], style="pair", axes=axes)
    write(folder / "results-1-of-1.jsonl", line(folder, item, scores={"overall": 1.0}))
    [said] = refusal(project, folder)
    assert "saw another text than the response of “base” to “1”" in said


# Multiple choice


@pytest.mark.parametrize("has_axis", [True, False])
def test_the_letter_of_a_multiple_choice_is_marked_by_rule(tmp_path, has_axis):
    project = create_project(
        slug="choices", axes=("correct",) if has_axis else ("overall",), points=(0, 1), kind="binary" if has_axis else "ordinal"
    )  # fmt: skip
    for key, category in (("q1", "law"), ("q2", "law"), ("q3", "math")):
        create_prompt(project, key=key, category=category, options=["赤", "青", "黄"], answer="B")
    answers = [("q1", "The answer is (B)."), ("q2", "The answer is (A)."), ("q3", "わかりません")]
    file = write(
        tmp_path / "r.jsonl", *({"prompt_id": key, "model": "m", "response": text} for key, text in answers)
    )

    report = load(project=project, files=[file])
    assert [str(note) for note in report.notes] == [
        "Multiple choice, “m”: 1 of 3 right (33.3 %), 1 without a letter. law: 1/2; math: 0/1"
    ]
    marked = [("q1", 1, None), ("q2", 0, None), ("q3", None, "unparsed")] if has_axis else []
    found = JudgeScore.objects.filter(run__name="rule").order_by("pk")
    assert list(found.values_list("item__prompt__key", "value", "failure")) == marked
    assert load(project=project, files=[file]).adds_nothing


def test_an_axis_that_comes_later_gets_its_marks_when_the_responses_are_loaded_again(tmp_path):
    project = create_project(slug="choices", axes=("overall",))
    create_prompt(project, key="q1", options=["赤", "青"], answer="B")
    file = write(tmp_path / "r.jsonl", {"prompt_id": "q1", "model": "m", "response": "The answer is (B)."})
    load(project=project, files=[file])
    assert not JudgeScore.objects.exists()

    create_rubric(project, axes=("correct",), points=(0, 1), kind="binary")
    report = load(project=project, files=[file])
    assert (report.unchanged["responses"], report.created["judge_scores"]) == (1, 1)
    assert JudgeScore.objects.get().value == 1
    assert load(project=project, files=[file]).adds_nothing
