"""WildBench's judges: scores and choices come in, in both forms of the files."""

import json
from pathlib import Path

import pytest

from exports.models import JudgeRun, JudgeScore, JudgeVerdict
from projects.loading import NotLoaded, Options, load
from tests.factories import create_model, create_project, create_prompt, create_response

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    project = create_project(slug="wild", axes=("overall",), points=tuple(range(1, 11)))
    models = [create_model(project, name) for name in ("m1", "ref")]
    for key in ("s1", "s2", "s3", "s4"):
        prompt = create_prompt(project, key=key)
        for model in models:
            create_response(project, prompt=prompt, model=model, turns=[f"{model} {key}"])
    return project


def write(path: Path, *rows: dict) -> Path:
    path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    return path


def scored(key: str, score: object, **more) -> dict:
    """As the scripts write it while a judge runs."""
    parsed = {"strengths": "良い", "weaknesses": "短い", "score": score}
    return {
        "session_id": key, "history": "", "last_query": "?", "model_output": "…", "generator": "m1",
        "eval_config": {"mode": "score", "gpt": "gpt-4o", "max_words": -1}, "prompt": "…",
        "result": json.dumps(parsed, ensure_ascii=False), "parsed_result": parsed, "parsed": True, "error": "N/A", **more,
    }  # fmt: skip


def chosen(key: str, choice: str, a: str, b: str, **more) -> dict:
    pair = {
        "ref_output": "…", "ref_generator": "ref", "assignment": {"A": a, "B": b},
        "parsed_result": {"choice": choice}, "result": json.dumps({"choice": choice}),
    }  # fmt: skip
    return scored(key, None, **pair | more)


def scores(project) -> list[tuple]:
    found = JudgeScore.objects.filter(run__project=project).order_by("item__prompt__key")
    return list(
        found.values_list("run__name", "item__prompt__key", "item__response__model__name", "value", "failure")
    )


def verdicts(project) -> list[tuple]:
    found = JudgeVerdict.objects.filter(run__project=project).order_by("first__prompt__key")
    return list(
        found.values_list("first__prompt__key", "first__model__name", "second__model__name", "value", "verdict", "failure")
    )  # fmt: skip


def test_scores_are_judge_scores_and_what_failed_is_none(project, tmp_path):
    file = write(
        tmp_path / "m1.json",
        scored("s1", "8"),
        scored("s2", 3),
        scored("s3", None, parsed_result={"N/A": "N/A"}, result="I would say 9."),
        scored("s4", None, parsed_result={"choice": "N/A"}, result="timed out", error="timed out"),
    )

    assert load(project=project, files=[file]).created["judge_scores"] == 4
    assert scores(project) == [
        ("gpt-4o", "s1", "m1", 8, None),
        ("gpt-4o", "s2", "m1", 3, None),
        ("gpt-4o", "s3", "m1", None, "unparsed"),
        ("gpt-4o", "s4", "m1", None, "api_error"),
    ]
    assert JudgeScore.objects.get(item__prompt__key="s4").reason == "timed out"
    assert set(JudgeRun.objects.values_list("prompt", flat=True)) == {"wildbench-score"}
    assert load(project=project, files=[file]).adds_nothing


def test_choices_are_verdicts_in_the_order_that_was_drawn(project, tmp_path):
    file = write(
        tmp_path / "m1.json",
        chosen("s1", "A++", "m1", "ref"),
        chosen("s2", "A+", "ref", "m1"),
        chosen("s3", "A=B", "m1", "ref"),
        chosen("s4", "N/A", "m1", "ref", error="no answer"),
    )

    assert load(project=project, files=[file]).created["verdicts"] == 4
    assert verdicts(project) == [
        ("s1", "m1", "ref", 1, "A++", None),
        ("s2", "ref", "m1", 0.5, "A+", None),
        ("s3", "m1", "ref", 0, "A=B", None),
        ("s4", "m1", "ref", None, "", "api_error"),
    ]
    assert load(project=project, files=[file]).adds_nothing


def test_what_was_made_from_batch_files_names_models_elsewhere_and_no_judge(project, tmp_path):
    score = {
        "session_id": "s1",
        "parsed_result": {"score": "7"},
        "model_test": "m1",
        "score": "7",
        "model_output": "…",
    }
    pair = {
        "session_id": "s2", "parsed_result": {"choice": "B+"}, "model_A": "M-one", "model_B": "ref", "winner": "ref", "extent": 1,
        "model_outputs": {},
    }  # fmt: skip
    files = [write(tmp_path / "score.json", score), write(tmp_path / "pairs.json", pair)]
    with pytest.raises(NotLoaded) as refused:
        load(project=project, files=files[:1])
    assert "It is not said who judged." in str(refused.value.report.errors[0])
    assert "--judge" in str(refused.value.report.errors[0])

    load(project=project, files=files, options=Options(judge="gpt", model_names={"M-one": "m1"}))
    assert scores(project) == [("gpt", "s1", "m1", 7, None)]
    assert verdicts(project) == [("s2", "m1", "ref", -0.5, "B+", None)]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (scored("s1", 11), "out of the range"),
        (chosen("s1", "A+++", "m1", "ref"), "“A+++” is none of: A++, A+, A=B"),
        (chosen("s1", "A+", "m1", "m1"), "Both sides are the same model."),
        (chosen("s1", "A+", "m1", "ref", assignment={"A": "m1"}), "assignment: Here should be the models"),
        (chosen("s1", "A+", "m1", "nobody"), "There is no response of “nobody”"),
        (scored("s9", 5), "There is no prompt “s9”"),
    ],
)
def test_what_cannot_be_taken_is_named(project, tmp_path, row, said):
    with pytest.raises(NotLoaded) as refused:
        load(project=project, files=[write(tmp_path / "a.json", row)])
    problem, *_others = map(str, (*refused.value.report.errors, *refused.value.report.conflicts))
    assert problem.startswith("a.json")
    assert said in problem
    assert not JudgeRun.objects.exists()
