"""What judges said, as tables: what a row holds, what stays behind, and that it comes back."""

from __future__ import annotations

import csv
import json

import openpyxl
import pytest
from django.core.management import call_command

from exports.models import JudgeRun, JudgeScore, JudgeVerdict
from exports.selection import Selection
from exports.tables import JudgeScoreTable, JudgeVerdictTable
from projects.loading import NotLoaded, load
from projects.models import Axis, Project
from tests.factories import (
    create_batch,
    create_item,
    create_member,
    create_model,
    create_project,
    create_prompt,
    create_response,
)

pytestmark = pytest.mark.django_db

HOSTILE = '=HYPERLINK("http://example.invalid")\n[[5]]'
SHA = "ab" * 32


def records(table) -> list[dict]:
    names = [column.name for column in table.columns]
    return [dict(zip(names, row, strict=True)) for row in table.rows()]


def create_answers(slug: str) -> Project:
    """Two prompts with answers of a and b, two samples each."""
    project = create_project(slug=slug, axes=("overall", "fluency"))
    models = [create_model(project, name) for name in ("a", "b")]
    for key in ("1", "2"):
        turns = [{"role": "user", "content": f"{key}-{turn}"} for turn in (1, 2)]
        prompt = create_prompt(project, key=key, turns=turns)
        for model in models:
            for sample in (0, 1):
                create_response(
                    project, prompt=prompt, model=model, sample=sample, turns=[f"{model}", f"{sample}"]
                )
    return project


@pytest.fixture
def project() -> Project:
    """A judge with scores, a failure and a repeat; another with verdicts in both orders and a failure."""
    project = create_answers("here")
    axis = Axis.objects.get(rubric__project=project, key="overall")
    run = JudgeRun.objects.create(project=project, name="gpt")
    one, two, *_others = project.items.order_by("pk")
    for item, repeat, value, failure, reason in [
        (one, 1, 4.5, None, HOSTILE),
        (one, 2, 3, None, "良い"),
        (two, 1, None, "refused", ""),
    ]:
        JudgeScore.objects.create(
            run=run, item=item, axis=axis, repeat=repeat, value=value, failure=failure, reason=reason
        )
    told = JudgeRun.objects.create(
        project=project, name="gpt", prompt='{"preset": "pair"}', prompt_sha256=SHA
    )
    told = JudgeRun.objects.get(pk=told.pk)
    a, a1, b, b1 = project.prompts.get(key="1").responses.order_by("model__name", "sample")
    for first, second, value, failure, verdict in [
        (a, b, 1, None, "A++"),
        (b, a, 0.5, None, "A+"),
        (a1, b1, None, "unparsed", ""),
        (a, b1, -1, None, "B++"),
    ]:
        JudgeVerdict.objects.create(
            run=told, first=first, second=second, turn=2, axis="preference", value=value, failure=failure,
            verdict=verdict, reason=HOSTILE,
        )  # fmt: skip
    return project


def test_a_row_is_a_score_with_what_loading_reads_and_a_failure_has_none(project):
    table = JudgeScoreTable(Selection(project))
    first, again, failed = records(table)
    assert first == {
        "prompt_id": "1", "model": "a", "judge": "gpt", "axis": "overall", "score": 4.5, "turn": 1, "sample": 0, "repeat": 1,
        "failure": None, "reason": HOSTILE, "judge_prompt": "", "response_sha256": "", "rubric": 1,
    }  # fmt: skip
    assert (again["repeat"], again["score"], again["reason"]) == (2, 3, "良い")
    assert (failed["turn"], failed["score"], failed["failure"]) == (2, None, "refused")
    assert table.count() == 3


def test_a_row_is_a_verdict_and_says_who_was_shown_first(project):
    table = JudgeVerdictTable(Selection(project))
    first, other, failed, crossed = records(table)
    assert first == {
        "prompt_id": "1", "first_model": "a", "second_model": "b", "judge": "gpt", "value": 1, "verdict": "A++",
        "axis": "preference", "turn": 2, "sample": 0, "second_sample": 0, "repeat": 1, "failure": None, "reason": HOSTILE,
        "judge_prompt": '{"preset": "pair"}',
    }  # fmt: skip
    assert (other["first_model"], other["second_model"], other["value"]) == ("b", "a", 0.5)
    assert (failed["sample"], failed["value"], failed["failure"]) == (1, None, "unparsed")
    assert (crossed["sample"], crossed["second_sample"]) == (0, 1)
    assert table.count() == 4


def test_a_batch_takes_what_was_said_of_its_responses_along(project):
    item = project.items.get(response__prompt__key="1", response__model__name="b", response__sample=1, turn=2)
    selection = Selection(project, create_batch(project, items=[item]))
    assert [row["sample"] for row in records(JudgeVerdictTable(selection))] == [1, 0]
    assert records(JudgeScoreTable(selection)) == []
    scored = Selection(project, create_batch(project, items=[project.items.order_by("pk")[0]]))
    assert [row["repeat"] for row in records(JudgeScoreTable(scored))] == [1, 2]
    assert JudgeScoreTable(scored).count() == 2


def test_judges_of_another_project_and_other_peoples_stay_behind(project):
    other = create_project()
    create_item(other)
    stranger, researcher = create_member(other).user, create_member(project, is_researcher=True).user
    for table, rows in [(JudgeScoreTable, 3), (JudgeVerdictTable, 4)]:
        assert records(table(Selection(other))) == []
        assert table(Selection(project, seen_by=stranger)).count() == 0
        assert len(records(table(Selection(project, seen_by=researcher)))) == rows


def test_reading_takes_as_many_statements_for_many_rows_as_for_one(project, django_assert_num_queries):
    for table in (JudgeScoreTable, JudgeVerdictTable):
        with django_assert_num_queries(2):
            assert len(records(table(Selection(project)))) > 1


@pytest.mark.parametrize("name", ["csv", "tsv", "jsonl", "parquet", "xlsx"])
def test_scores_and_verdicts_come_back_equal_and_once_more_add_nothing(project, tmp_path, name, capsys):
    call_command("export", "here", "--out", str(tmp_path), "--format", name, "--table", "all")
    there = create_answers("there")
    for table in ("judge_scores", "judge_verdicts"):
        file = tmp_path / ("here.xlsx" if name == "xlsx" else f"{table}.{name}")
        arguments = ["load", "there", str(file), *(["--sheet", table] if name == "xlsx" else [])]
        call_command(*arguments)
        capsys.readouterr()
        call_command(*arguments, "--json")
        assert not any(json.loads(capsys.readouterr().out)["created"].values())
    for table in (JudgeScoreTable, JudgeVerdictTable):
        assert records(table(Selection(there))) == records(table(Selection(project)))


def test_no_spreadsheet_runs_what_a_judge_wrote(project, tmp_path, capsys):
    call_command("export", "here", "--out", str(tmp_path / "csv"), "--table", "judge_verdicts")
    assert [path.name for path in sorted((tmp_path / "csv").iterdir())] == [
        "judge_verdicts.csv",
        "manifest.json",
    ]
    with (tmp_path / "csv" / "judge_verdicts.csv").open(encoding="utf-8", newline="") as file:
        assert {row["reason"] for row in csv.DictReader(file)} == {"'" + HOSTILE}
    call_command("export", "here", "--out", str(tmp_path), "--format", "xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "here.xlsx")["judge_scores"]
    reasons = [cell for (cell,) in sheet.iter_rows(min_row=2, min_col=10, max_col=10) if cell.value]
    assert next((cell.value, cell.data_type) for cell in reasons) == (HOSTILE, "s")


# Rows of verdicts, loaded


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"value": "2"}, "value: “2” is no verdict: 1 is for the first response"),
        ({"value": "A"}, "value"),
        ({"second_model": "a"}, "second_model: Both sides are the same model."),
        ({"failure": "lost"}, "failure: “lost” is none of: api_error, unparsed, refused"),
        ({"failure": "refused"}, "failure: Here are both a verdict and a failure."),
        ({"first_model": ""}, "first_model"),
        ({"second_model": "nobody"}, "There is no response of “nobody” to “1”, sample 0"),
        ({"second_sample": "7"}, "There is no response of “b” to “1”, sample 7"),
    ],
)
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_verdict_that_cannot_be_taken_is_named(project, tmp_path, kind, changes, said):
    row = {
        "prompt_id": "1", "first_model": "a", "second_model": "b", "judge": "j", "value": "1", "failure": "", "second_sample": "0",
    } | changes  # fmt: skip
    file = tmp_path / f"pairs.{kind}"
    lines = [json.dumps(row)] if kind == "jsonl" else [",".join(row), ",".join(row.values())]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")

    with pytest.raises(NotLoaded) as refused:
        load(project=project, files=[file])
    problem = str((*refused.value.report.errors, *refused.value.report.conflicts)[0])
    assert problem.startswith(f"pairs.{kind}, line {1 if kind == 'jsonl' else 2}")
    assert said in problem
    assert not JudgeRun.objects.filter(name="j").exists()


def test_prompts_as_they_were_sent_are_refused_for_verdicts_too(project, tmp_path, monkeypatch):
    monkeypatch.setattr("exports.loading.verdicts.MOST_PROMPTS", 2)
    row = {"prompt_id": "1", "first_model": "a", "second_model": "b", "judge": "j", "value": 1}
    rows = [row | {"judge_prompt": f"Which is better, {n}?", "sample": n % 2} for n in range(3)]
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with pytest.raises(NotLoaded) as refused:
        load(project=project, files=[file])
    [problem] = map(str, refused.value.report.errors)
    assert "line 3, judge_prompt: “j” has more than 2 different prompts here." in problem
