"""The command: its JSON is a contract that scripts of others rely on, its exit status, too."""

import json

import pytest
from django.core.management import CommandError, call_command

from annotation.models import Score
from projects.models import LanguageModel, Prompt, Response
from tests.factories import create_model, create_project, create_prompt, create_response

pytestmark = pytest.mark.django_db

PROMPT = '{"prompt_id": "p1", "turns": ["Q?"]}\n'
RESPONSE = '{"prompt_id": "p1", "model": "m1", "response": "A."}\n'


@pytest.fixture
def project():
    return create_project(slug="study")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(PROMPT + RESPONSE)
    return path


def run(*arguments, capsys):
    """Exit status, and what was printed."""
    try:
        call_command("load", *map(str, arguments))
        status = 0
    except SystemExit as left:
        status = left.code
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def run_json(*arguments, capsys):
    status, out, err = run(*arguments, "--json", capsys=capsys)
    assert err == ""
    return status, json.loads(out)


def test_the_json_report_has_the_keys_of_the_contract(project, file, capsys):
    status, report = run_json("study", file, capsys=capsys)

    assert status == 0
    assert report["created"] == {
        "prompts": 1,
        "models": 1,
        "responses": 1,
        "raters": 0,
        "ratings": 0,
        "judge_scores": 0,
    }
    assert report["unchanged"] == dict.fromkeys(report["created"], 0)
    assert (report["conflicts"], report["errors"], report["warnings"]) == ([], [], [])
    assert report["project"] == "study"
    assert report["files"] == [{"name": "rows.jsonl", "format": "jsonl", "encoding": "UTF-8", "rows": 2}]
    assert Response.objects.count() == 1


def test_a_second_run_adds_nothing_and_exits_with_0(project, file, capsys):
    run("study", file, capsys=capsys)
    status, report = run_json("study", file, capsys=capsys)

    assert status == 0
    assert set(report["created"].values()) == {0}
    assert report["unchanged"]["prompts"] == report["unchanged"]["responses"] == 1


def test_an_error_is_told_with_its_parts_and_exits_with_1(project, file, capsys):
    file.write_text(PROMPT + RESPONSE.replace("p1", "p9"))
    status, report = run_json("study", file, capsys=capsys)

    assert status == 1
    assert report["errors"] == [
        {
            "file": "rows.jsonl",
            "line": 2,
            "field": "prompt_id",
            "reason": "There is no prompt “p9”.",
            "advice": "Load the prompts first, or together with this file.",
        }
    ]
    assert set(report["created"].values()) == {0}
    assert report["n_errors"] == 1
    assert not Prompt.objects.exists()


def test_a_conflict_is_told_with_both_texts_and_exits_with_1(project, file, capsys):
    run("study", file, capsys=capsys)
    file.write_text(PROMPT.replace("Q?", "R?"))
    status, report = run_json("study", file, capsys=capsys)

    assert status == 1
    assert [(c["known"], c["given"], c["line"], c["field"]) for c in report["conflicts"]] == [
        ("Q?", "R?", 1, "turns")
    ]


def test_a_dry_run_loads_nothing(project, file, capsys):
    status, report = run_json("study", file, "--dry-run", capsys=capsys)

    assert status == 0
    assert report["dry_run"] is True
    assert report["created"]["responses"] == 1
    assert not Prompt.objects.exists()


def test_columns_are_mapped(project, tmp_path, capsys):
    path = tmp_path / "表.csv"
    path.write_text("番号,質問,モデル,回答\n1,Q?,m,A\n", encoding="cp932")
    status, _, _ = run(
        "study",
        path,
        "--map",
        "prompt_id=番号",
        "prompt=質問",
        "--map",
        "model=モデル",
        "response=回答",
        capsys=capsys,
    )

    assert status == 0
    assert Response.objects.get().turns == ["A"]


def test_values_for_cannot_judge_and_repeats_are_said(project, tmp_path, capsys):
    create_response(project, prompt=create_prompt(project, key="p1"), model=create_model(project, "m1"))
    path = tmp_path / "ratings.csv"
    path.write_text(
        "prompt_id,model,rater,axis,score\np1,m1,ann,fluency,-\np1,m1,ann,fluency,0\np1,m1,bob,fluency,2\n"
    )
    status, report = run_json(
        "study", path, "--na-value", "-", "0", "--repeats", "--batch", "old", capsys=capsys
    )

    assert (status, report["created"]["ratings"]) == (0, 3)
    assert Score.objects.filter(value=None).count() == 2
    assert Score.objects.first().assignment.batch.name == "old"


def test_names_of_models_are_read_from_a_file(project, tmp_path, capsys):
    (tmp_path / "names.csv").write_text("llm_a,GPT-4\n")
    row = {"id": "x###1", "turns": [{"prompt": "Q", "responses": {"llm_a": {"response": "A"}}}]}
    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    run("study", tmp_path / "a.jsonl", "--names", tmp_path / "names.csv", capsys=capsys)

    assert LanguageModel.objects.get().name == "GPT-4"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["study", "FILE", "--map", "prompt"], "“prompt” should be FIELD=COLUMN, such as prompt=質問."),
        (["study", "FILE", "--map", "prompt=a", "prompt=b"], "The field “prompt” is mapped twice."),
        (["study", "FILE", "--names", "/no/such/file"], "This file cannot be opened:"),
        (["study", "/no/such/file"], "This file cannot be opened: No such file or directory"),
        (["study", "FILE", "--format", "docx"], "There is no format “docx”; there are: hyotei, "),
        (["study", "FILE", "--encoding", "klingon"], "There is no encoding called “klingon”."),
        (["nothing", "FILE"], "There is no project “nothing”; there are: study."),
    ],
)
def test_what_cannot_be_done_is_said_in_json_and_exits_with_1(project, file, capsys, arguments, sentence):
    status, report = run_json(*[file if a == "FILE" else a for a in arguments], capsys=capsys)

    assert status == 1
    assert report["errors"][0]["reason"].startswith(sentence)


def test_people_read_a_report(project, file, capsys):
    status, out, err = run("study", file, capsys=capsys)

    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "rows.jsonl: jsonl, UTF-8, rows: 2"
    assert lines[1].startswith("Loaded into “study” in ")
    assert "  responses: 1 new, 0 there already" in lines

    assert (
        "Everything was there already; nothing was added to “study”." in run("study", file, capsys=capsys)[1]
    )


def test_people_read_errors_and_how_many_more_there_are(project, file, capsys):
    file.write_text(
        RESPONSE.replace("p1", "p9") * 1 + "".join(RESPONSE.replace("p1", f"q{n}") for n in range(30))
    )
    status, out, err = run("study", file, capsys=capsys)

    assert status == 1
    assert "Nothing was loaded into “study”." in out
    lines = err.splitlines()
    assert lines[0] == "Errors: 31"
    assert lines[1].startswith("  rows.jsonl, line 1, prompt_id: There is no prompt “p9”.")
    assert len(lines) == 22
    assert lines[-1] == "  … and 11 more."


def test_warnings_are_no_errors(project, file, capsys):
    file.write_text('{"prompt_id": "p1", "turns": ["Q?"], "mood": "x"}\n')
    status, out, err = run("study", file, capsys=capsys)

    assert (status, err) == (0, "")
    assert "Warnings: 1" in out


def test_ctrl_c_leaves_nothing(project, file, capsys, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("projects.management.commands.load.load", interrupt)
    with pytest.raises(CommandError, match="Stopped; nothing was loaded") as stopped:
        call_command("load", "study", str(file))
    assert stopped.value.returncode == 130
