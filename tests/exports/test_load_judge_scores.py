"""Loading what automatic judges said: a long table, as often as one likes, all of it or nothing."""

import csv
import hashlib
import json
from io import StringIO
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command

from annotation.models import Score
from exports.loading import judge_scores
from exports.models import JudgeRun, JudgeScore
from projects.loading import NotLoaded, Options, load, try_load
from tests.factories import (
    create_member,
    create_model,
    create_project,
    create_prompt,
    create_response,
    create_rubric,
)

pytestmark = pytest.mark.django_db

HEADER = "prompt_id,model,judge,axis,score\n"


@pytest.fixture
def project():
    """Two prompts, each answered by m1 and m2; both answer p2 in two turns."""
    project = create_project(slug="study", axes=("relevance", "fluency"))
    models = [create_model(project, name) for name in ("m1", "m2")]
    for key, turns in [("p1", 1), ("p2", 2)]:
        asked = [{"role": "user", "content": f"{key}-{n}"} for n in range(turns)]
        prompt = create_prompt(project, key=key, turns=asked)
        for model in models:
            create_response(
                project, prompt=prompt, model=model, turns=[f"答え {key} {model} {n}" for n in range(turns)]
            )
    return project


def table(folder: Path, text: str, name: str = "judged.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def jsonl(folder: Path, *rows: dict, name: str = "judged.jsonl") -> Path:
    return table(folder, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), name)


def row(**changes) -> dict:
    return {"prompt_id": "p1", "model": "m1", "judge": "gpt", "axis": "fluency", "score": 4, **changes}


def refusal(project, *files: Path, **options):
    before = JudgeScore.objects.count(), JudgeRun.objects.count()
    with pytest.raises(NotLoaded) as refused:
        load(project=project, files=files, options=Options(**options))
    assert (JudgeScore.objects.count(), JudgeRun.objects.count()) == before
    return refused.value.report


def errors(project, *files: Path, **options) -> list[str]:
    return [str(problem) for problem in refusal(project, *files, **options).errors]


def conflicts(project, *files: Path, **options) -> list[str]:
    return [str(problem) for problem in refusal(project, *files, **options).conflicts]


def known(project) -> list[tuple]:
    found = JudgeScore.objects.filter(run__project=project).order_by("run", "item", "axis", "repeat")
    return list(
        found.values_list(
            "run__name", "item__prompt__key", "item__response__model__name", "item__turn", "axis__key",
            "repeat", "value", "failure",
        )
    )  # fmt: skip


ROWS = [
    row(score=4),
    row(axis="relevance", score=3.25),
    row(prompt_id="p2", turn=2, score=None, failure="refused"),
    row(model="m2", score=5, repeat=2, reason="自然な日本語。"),
]
LOADED = [
    ("gpt", "p1", "m1", 1, "relevance", 1, 3.25, None),
    ("gpt", "p1", "m1", 1, "fluency", 1, 4, None),
    ("gpt", "p1", "m2", 1, "fluency", 2, 5, None),
    ("gpt", "p2", "m1", 2, "fluency", 1, None, "refused"),
]
FIELDS = list(dict.fromkeys(name for one in ROWS for name in one))


def as_csv(folder: Path, delimiter: str = ",", name: str = "judged.csv") -> Path:
    path = folder / name
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, delimiter=delimiter)
        writer.writeheader()
        writer.writerows(ROWS)
    return path


def as_tsv(folder: Path) -> Path:
    return as_csv(folder, "\t", "judged.tsv")


def as_xlsx(folder: Path) -> Path:
    book = openpyxl.Workbook()
    book.active.append(FIELDS)
    for one in ROWS:
        book.active.append([one.get(name) for name in FIELDS])
    book.save(folder / "judged.xlsx")
    return folder / "judged.xlsx"


def as_jsonl(folder: Path) -> Path:
    return jsonl(folder, *ROWS)


def as_parquet(folder: Path) -> Path:
    columns = {name: [one.get(name) for one in ROWS] for name in FIELDS}
    pq.write_table(pa.table(columns), folder / "judged.parquet")
    return folder / "judged.parquet"


# What is loaded


@pytest.mark.parametrize("write", [as_csv, as_tsv, as_xlsx, as_jsonl, as_parquet])
def test_a_long_table_is_taken_in_each_format_and_once(project, tmp_path, write):
    path = write(tmp_path)

    report = load(project=project, files=[path])

    assert {name: n for name, n in report.created.items() if n} == {"judge_scores": 4}
    assert report.warnings == []
    assert known(project) == LOADED
    assert JudgeScore.objects.exclude(reason="").get().reason == "自然な日本語。"
    assert JudgeRun.objects.get().loaded_from == [path.name]
    assert not Score.objects.exists()
    again = load(project=project, files=[path])
    assert again.adds_nothing
    assert again.unchanged["judge_scores"] == 4


def test_the_command_counts_judge_scores(project, tmp_path):
    path, said = as_csv(tmp_path), StringIO()

    call_command("load", "study", path, json=True, stdout=said)

    assert json.loads(said.getvalue())["created"] == {
        "prompts": 0, "models": 0, "responses": 0, "raters": 0, "ratings": 0, "judge_scores": 4,
    }  # fmt: skip


def test_a_dry_run_keeps_nothing(project, tmp_path):
    report = try_load(project=project, files=[as_csv(tmp_path)])

    assert report.created["judge_scores"] == 4
    assert not JudgeRun.objects.exists()
    assert not JudgeScore.objects.exists()


def test_what_is_new_of_a_longer_file_is_added(project, tmp_path):
    load(project=project, files=[table(tmp_path, HEADER + "p1,m1,gpt,fluency,4\n")])

    report = load(
        project=project, files=[table(tmp_path, HEADER + "p1,m1,gpt,fluency,4\np1,m2,gpt,fluency,2\n")]
    )

    assert (report.created["judge_scores"], report.unchanged["judge_scores"]) == (1, 1)
    assert JudgeRun.objects.count() == 1


def test_prompts_responses_ratings_and_judge_scores_load_in_one_go(tmp_path):
    project = create_project(axes=("fluency",))
    rows = [
        {"prompt_id": "p1", "turns": ["Q?"], "responses": {"m1": "A."}},
        {"prompt_id": "p1", "model": "m1", "rater": "ann", "axis": "fluency", "score": 3},
        row(),
    ]

    report = load(project=project, files=[jsonl(tmp_path, *reversed(rows))])

    assert {name: n for name, n in report.created.items() if n} == {
        "prompts": 1, "models": 1, "responses": 1, "raters": 1, "ratings": 1, "judge_scores": 1,
    }  # fmt: skip


def test_a_judge_with_two_prompts_has_two_runs(project, tmp_path):
    rows = [row(judge_prompt="single-v1"), row(judge_prompt="with-reference", score=2), row(judge="claude")]
    path = jsonl(tmp_path, *rows)
    load(project=project, files=[path])

    hashed = hashlib.sha256(b"single-v1").hexdigest()
    assert list(JudgeRun.objects.values_list("name", "prompt")) == [
        ("gpt", "single-v1"),
        ("gpt", "with-reference"),
        ("claude", ""),
    ]
    assert JudgeRun.objects.get(prompt="single-v1").prompt_sha256 == hashed
    assert str(JudgeRun.objects.get(prompt="single-v1")) == f"gpt@{hashed[:8]}"
    assert load(project=project, files=[path]).adds_nothing


def test_axes_are_found_by_label_and_by_the_names_of_llm_jp(tmp_path):
    project = create_project(axes=("accuracy",))
    create_response(project, prompt=create_prompt(project, key="p1"), model=create_model(project, "m1"))

    load(project=project, files=[table(tmp_path, HEADER + "p1,m1,gpt,factuality,4\n")])

    assert JudgeScore.objects.get().axis.key == "accuracy"


def test_a_new_version_of_the_rubric_makes_no_score_new(project, tmp_path):
    path = as_csv(tmp_path)
    load(project=project, files=[path])
    create_rubric(project, axes=("fluency", "relevance"))

    assert load(project=project, files=[path]).adds_nothing


def test_columns_can_be_called_otherwise_and_the_format_be_named(project, tmp_path):
    text = "番号,モデル,評価器,軸,点\np1,m1,gpt,fluency,4\n"
    columns = {"prompt_id": "番号", "model": "モデル", "judge": "評価器", "axis": "軸", "score": "点"}
    for options in (Options(columns=columns), Options(columns=columns, format="judge_scores")):
        load(project=project, files=[table(tmp_path, text)], options=options)

    assert known(project) == [("gpt", "p1", "m1", 1, "fluency", 1, 4, None)]


def test_a_table_of_ratings_with_a_column_judge_beside_the_rater_is_no_judges(project, tmp_path):
    text = "prompt_id,model,rater,axis,score,judge_model\np1,m1,ann,fluency,4,\n"

    report = load(project=project, files=[table(tmp_path, text)])

    assert (report.created["ratings"], report.created.get("judge_scores", 0)) == (1, 0)


# Failures


def test_each_kind_of_failure_is_kept(project, tmp_path):
    rows = [
        row(score=None, failure=failure, repeat=n)
        for n, failure in enumerate(["api_error", "unparsed", "refused"])
    ]
    load(project=project, files=[jsonl(tmp_path, *rows)])

    assert [(repeat, failure) for *_key, repeat, _value, failure in known(project)] == [
        (0, "api_error"),
        (1, "unparsed"),
        (2, "refused"),
    ]


def test_an_empty_score_without_a_failure_is_an_answer_that_was_not_parsed(project, tmp_path):
    report = load(
        project=project, files=[table(tmp_path, HEADER + "p1,m1,gpt,fluency,\np1,m2,gpt,fluency,\n")]
    )

    assert {failure for *_, failure in known(project)} == {"unparsed"}
    (warning,) = report.warnings
    assert str(warning).startswith("judged.csv, line 2, score: Here is no score and no failure")
    assert warning.times == 2


def test_what_stands_for_no_score_can_be_said(project, tmp_path):
    path = table(tmp_path, HEADER + "p1,m1,gpt,fluency,-1\n")
    load(project=project, files=[path], options=Options(na_values=("-1",)))

    assert [failure for *_, failure in known(project)] == ["unparsed"]


# Repeats


def test_two_scores_of_one_item_are_an_error_that_names_both(project, tmp_path):
    (error,) = errors(
        project, table(tmp_path, HEADER + "p1,m1,gpt,fluency,4\np1,m2,gpt,fluency,4\np1,m1,gpt,fluency,5\n")
    )

    assert (
        "judged.csv, line 4, score: “gpt” judges this item on “fluency” here and in judged.csv, line 2."
        in error
    )
    assert "--repeats" in error


def test_later_scores_are_repeats_where_that_was_said(project, tmp_path):
    path = table(tmp_path, HEADER + "p1,m1,gpt,fluency,4\np1,m1,gpt,fluency,5\np1,m2,gpt,fluency,1\n")
    load(project=project, files=[path], options=Options(repeats=True))

    assert [(model, repeat, value) for _j, _p, model, _t, _a, repeat, value, _f in known(project)] == [
        ("m1", 1, 4),
        ("m1", 2, 5),
        ("m2", 1, 1),
    ]
    assert load(project=project, files=[path], options=Options(repeats=True)).adds_nothing


# What is refused


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("p9,m1,gpt,fluency,4", "line 2, prompt_id: There is no prompt “p9”"),
        ("p1,m9,gpt,fluency,4", "line 2, model: There is no model “m9”"),
        (
            "p1,m1,gpt,beauty,4",
            "line 2, axis: The rubric has no axis “beauty”; it has: relevance, fluency.",
        ),
        (
            "p1,m1,gpt,fluency,10",
            "line 2, score: 10 is out of the range of “fluency”: 1 to 5.",
        ),
        ("p1,m1,gpt,fluency,0.99", "line 2, score: 0.99 is out of the range"),
        ("p1,m1,gpt,fluency,good", "line 2, score: “good” is not a number"),
        ("p1,m1,gpt,fluency,nan", "line 2, score: "),
        ("p1,m1,,fluency,4", "line 2, judge: This is empty."),
    ],
)
def test_what_is_wrong_is_named_with_its_line_and_field(project, tmp_path, text, said):
    (error, *_more) = errors(project, table(tmp_path, HEADER + text + "\n"))

    assert said in error


def test_a_turn_or_a_sample_that_there_is_not_is_named(project, tmp_path):
    said = errors(project, jsonl(tmp_path, row(turn=2), row(sample=1)))

    assert "line 1, turn: The response of “m1” to “p1” has no turn 2." in said[0]
    assert "line 2, model: There is no response of “m1” to “p1”, sample 1." in said[1]


def test_a_score_beside_a_failure_and_an_unknown_failure_are_refused(project, tmp_path):
    said = errors(project, jsonl(tmp_path, row(failure="refused"), row(score=None, failure="tired")))

    assert "line 1, failure: Here are both a score and a failure." in said[0]
    assert "line 2, failure: “tired” is none of: api_error, unparsed, refused." in said[1]


def test_nothing_is_loaded_when_one_row_is_wrong(project, tmp_path):
    assert len(errors(project, table(tmp_path, HEADER + "p1,m1,gpt,fluency,4\np1,m1,gpt,relevance,6\n"))) == 1


def test_prompts_as_they_were_sent_are_no_name_of_a_prompt(project, tmp_path, monkeypatch):
    monkeypatch.setattr(judge_scores, "MOST_PROMPTS", 2)
    rows = [row(judge_prompt=f"Rate this: {n}", repeat=n) for n in range(3)]

    (error,) = errors(project, jsonl(tmp_path, *rows))

    assert "line 3, judge_prompt: “gpt” has more than 2 different prompts here." in error


def test_a_row_of_a_rater_and_a_judge_is_neither(project, tmp_path):
    (error,) = errors(project, jsonl(tmp_path, row(rater="ann")))

    assert "This row could be any of: ratings, judge_scores" in error


# What contradicts what is known


def test_another_score_is_a_conflict_that_shows_both(project, tmp_path):
    load(project=project, files=[jsonl(tmp_path, row())])

    (said,) = conflicts(project, jsonl(tmp_path, row(score=4.5)))
    assert (
        "line 1, score: The score of the judge “gpt” on “fluency” is known with another value. Known: “4”. "
        "In the file: “4.5”." in said
    )
    (said,) = conflicts(project, jsonl(tmp_path, row(score=None, failure="refused")))
    assert "Known: “4”. In the file: “refused”." in said


def test_another_reason_is_a_conflict_and_none_is_not(project, tmp_path):
    load(project=project, files=[jsonl(tmp_path, row(reason="Good."))])

    (said,) = conflicts(project, jsonl(tmp_path, row(reason="Fine.")))
    assert "line 1, reason: " in said
    assert load(project=project, files=[jsonl(tmp_path, row())]).adds_nothing


def test_the_text_that_the_judge_saw_is_that_of_the_response(project, tmp_path):
    text = "答え p2 m1 1"  # of the second turn
    seen = hashlib.sha256(text.encode()).hexdigest()

    report = load(
        project=project, files=[jsonl(tmp_path, row(prompt_id="p2", turn=2, response_sha256=seen.upper()))]
    )

    assert report.created["judge_scores"] == 1
    assert JudgeScore.objects.get().response_sha256 == seen


def test_another_text_than_the_response_is_a_conflict(project, tmp_path):
    seen = hashlib.sha256("答え p2 m1 0".encode()).hexdigest()

    (said,) = conflicts(project, jsonl(tmp_path, row(prompt_id="p2", turn=2, response_sha256=seen)))
    assert (
        "line 1, response_sha256: The judge saw another text than the response of “m1” to “p2” here." in said
    )
    assert seen[:20] in said
    (said,) = errors(project, jsonl(tmp_path, row(response_sha256="12ab")))
    assert "line 1, response_sha256: Here should be a SHA-256" in said


# The page


def test_the_page_shows_what_the_columns_are_checks_and_loads(client, project, tmp_path, settings):
    settings.VAR_DIR = tmp_path / "var"
    coordinator = create_member(project, is_coordinator=True)
    client.force_login(coordinator.user)
    upload = SimpleUploadedFile("judged.csv", as_csv(tmp_path).read_bytes())
    address = client.post("/p/study/load/", {"uploads": [upload]}).headers["Location"]

    page = client.get(address).content.decode()
    assert "the automatic judge" in page or "自動評価" in page
    client.post(f"{address}check/", {})
    client.post(f"{address}confirm/", {})

    assert known(project) == LOADED
    assert JudgeRun.objects.get().created_by == coordinator.user
