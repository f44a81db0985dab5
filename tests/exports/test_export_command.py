"""manage.py export: files that are whole, a manifest that describes them, and the layout of LLM-jp."""

from __future__ import annotations

import hashlib
import json

import openpyxl
import pandas as pd
import pytest
from django.core.management import CommandError, call_command

from annotation.models import Assignment, Score
from exports.human_eval import CannotBeWritten, HumanEval, letters
from exports.selection import Selection
from exports.tables import LongTable
from projects.loading import read_model_names
from projects.models import LanguageModel
from tests.factories import (
    create_batch,
    create_item,
    create_member,
    create_model,
    create_project,
    create_prompt,
    create_response,
    rate,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    """Two turns by one model and one turn by another, rated by two people; the project is called "study"."""
    project = create_project(slug="study", axes=("relevance", "accuracy"))
    turns = [{"role": "user", "content": "一つ目"}, {"role": "user", "content": "二つ目"}]
    prompt = create_prompt(project, key="mt###81", turns=turns)
    create_response(project, prompt=prompt, model=create_model(project, "zeta"), turns=["甲", "乙"])
    create_response(
        project, prompt=create_prompt(project, key="elyza###0"), model=create_model(project, "alpha")
    )
    batch = create_batch(project, name="main 1")
    raters = [create_member(project) for _ in range(2)]
    for seat in batch.assignments.select_related("item"):
        value = seat.item.turn + seat.seat
        rate(seat, raters[seat.seat - 1], {"relevance": value, "accuracy": None if value == 2 else value})
    return project


def run(capsys, *arguments):
    call_command("export", *map(str, arguments))
    return capsys.readouterr().out


@pytest.mark.parametrize("name", ["csv", "tsv", "jsonl", "parquet"])
def test_long_and_wide_are_written_in_every_format_with_a_manifest_that_fits(project, tmp_path, capsys, name):
    run(capsys, "study", "--out", tmp_path / "new" / "folder", "--format", name)
    folder = tmp_path / "new" / "folder"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [f"long.{name}", "manifest.json", f"wide.{name}"]
    )
    for file in manifest["files"]:
        data = (folder / file["name"]).read_bytes()
        assert file["sha256"] == hashlib.sha256(data).hexdigest()
        assert file["bytes"] == len(data)
    assert [file["rows"] for file in manifest["files"]] == [{"long": 12}, {"wide": 6}]
    assert manifest["project"] == "study"
    assert manifest["filter"] == {"batch": None}
    assert manifest["ratings"]["submitted"] == 6
    assert manifest["ratings"]["scores"] == 12
    read = {
        "csv": pd.read_csv,
        "tsv": lambda path: pd.read_csv(path, sep="\t"),
        "jsonl": lambda path: pd.read_json(path, lines=True),
        "parquet": pd.read_parquet,
    }[name]
    frame = read(folder / f"long.{name}")
    assert frame["score"].isna().sum() == 2
    assert frame["score"].sum() == sum(
        row[4] or 0 for row in LongTable(Selection(project)).rows()
    )  # fmt: skip


def test_a_workbook_holds_every_table_and_what_the_columns_mean(project, tmp_path, capsys):
    run(capsys, "study", "--out", tmp_path, "--format", "xlsx")
    book = openpyxl.load_workbook(tmp_path / "study.xlsx")
    assert book.sheetnames == [
        "long",
        "wide",
        "prompts",
        "responses",
        "axes",
        "judge_scores",
        "judge_verdicts",
        "agreement",
        "about",
    ]
    assert [book[name].max_row - 1 for name in book.sheetnames[:5]] == [12, 6, 2, 2, 10]
    assert book["long"].freeze_panes == "A2"


def test_all_tables_are_written_when_asked_for(project, tmp_path, capsys):
    run(capsys, "study", "--out", tmp_path, "--format", "jsonl", "--table", "all")
    assert {path.stem for path in tmp_path.iterdir()} == {
        "long", "wide", "prompts", "responses", "axes", "judge_scores", "judge_verdicts", "agreement", "manifest",
    }  # fmt: skip
    first = json.loads((tmp_path / "responses.jsonl").read_text().splitlines()[0])
    assert first["turns"] == ["甲", "乙"]


def test_a_byte_order_mark_is_for_text_files_and_said_in_the_manifest(project, tmp_path, capsys):
    run(capsys, "study", "--out", tmp_path, "--bom", "--table", "long")
    assert (tmp_path / "long.csv").read_bytes().startswith(b"\xef\xbb\xbfprompt_id,")
    assert json.loads((tmp_path / "manifest.json").read_text())["bom"] is True
    with pytest.raises(CommandError, match="parquet has no byte order mark"):
        run(capsys, "study", "--out", tmp_path, "--bom", "--format", "parquet")


def test_the_same_data_make_the_same_files_next_week(project, tmp_path, capsys, time_machine):
    manifests = []
    for day in ["2026-11-22", "2026-11-29"]:
        time_machine.move_to(day)
        run(capsys, "study", "--out", tmp_path / day, "--format", "xlsx")
        manifests.append(json.loads((tmp_path / day / "manifest.json").read_text()))
    assert manifests[0]["files"] == manifests[1]["files"]
    assert manifests[0]["exported_at"] != manifests[1]["exported_at"]


def test_one_batch_is_exported_by_name_and_an_unknown_one_is_named(project, tmp_path, capsys):
    run(capsys, "study", "--out", tmp_path, "--batch", "main 1", "--table", "long")
    assert json.loads((tmp_path / "manifest.json").read_text())["filter"] == {"batch": "main 1"}
    with pytest.raises(CommandError, match=r"“study” has no batch “nope”; it has “main 1”\."):
        run(capsys, "study", "--out", tmp_path, "--batch", "nope")
    with pytest.raises(CommandError, match=r"no project “nope”\. Projects: study"):
        run(capsys, "nope", "--out", tmp_path)


def test_an_export_that_is_stopped_leaves_last_weeks_files_as_they_were(
    project, tmp_path, capsys, monkeypatch
):
    run(capsys, "study", "--out", tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    rate(
        create_batch(project, raters_per_item=1, items=[create_item(project)]).assignments.get(),
        create_member(project),
        {"relevance": 1, "accuracy": 1},
    )

    def stopped(self, limit=None):
        yield from ()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("exports.tables.WideTable.rows", stopped)  # long.csv is complete by then
        with pytest.raises(CommandError, match="Stopped; nothing was written") as failure:
            run(capsys, "study", "--out", tmp_path)
    assert failure.value.returncode == 130
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before

    run(capsys, "study", "--out", tmp_path)
    assert (tmp_path / "long.csv").read_bytes() != before["long.csv"]


def test_a_folder_that_cannot_be_written_is_said_in_a_sentence(project, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandError, match="is not a folder"):
        run(capsys, "study", "--out", tmp_path / "file")


def test_the_manifest_is_printed_on_request(project, tmp_path, capsys):
    printed = json.loads(run(capsys, "study", "--out", tmp_path, "--json"))
    assert printed == json.loads((tmp_path / "manifest.json").read_text())


def test_what_a_workbook_could_not_hold_is_counted_and_said(tmp_path, capsys):
    project = create_project(slug="long")
    create_response(project, turns=["あ" * 40_000])
    call_command("export", "long", "--out", str(tmp_path), "--format", "xlsx")
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["files"][0]["altered"] == {"texts_cut": 1}
    assert "texts cut: 1" in capsys.readouterr().err
    run(capsys, "long", "--out", tmp_path, "--format", "jsonl", "--table", "all")
    assert "あ" * 40_000 in (tmp_path / "responses.jsonl").read_text()


# --- llm-human-eval-jp ------------------------------------------------------------------------------------------------


def test_the_layout_of_llm_jp_holds_turns_letters_and_lists(project, tmp_path, capsys):
    run(capsys, "study", "--out", tmp_path, "--format", "llm-human-eval-jp")
    two_turns, one_turn = map(json.loads, (tmp_path / "llm-human-eval-jp.jsonl").read_text().splitlines())
    assert two_turns == {
        "id": "mt###81",
        "turns": [
            {
                "prompt": "一つ目",
                "responses": {
                    "llm_a": {"response": "甲", "human_evals": {"relevance": [2, 3], "factuality": ["NA", 3]}}
                },
            },
            {
                "prompt": "二つ目",
                "responses": {
                    "llm_a": {"response": "乙", "human_evals": {"relevance": [3, 4], "factuality": [3, 4]}}
                },
            },
        ],
    }
    assert list(one_turn["turns"][0]["responses"]) == ["llm_b"]
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    names = {"llm_a": "zeta", "llm_b": "alpha"}
    assert json.loads((tmp_path / "llm-human-eval-jp.names").read_text()) == names
    assert read_model_names(tmp_path / "llm-human-eval-jp.names") == names
    assert manifest["files"][0]["rows"] == {"llm-human-eval-jp": 2}


def test_what_the_layout_cannot_hold_is_left_out_and_said(project):
    prompt = project.prompts.get(key="elyza###0")
    model = LanguageModel.objects.get(name="alpha")
    create_response(project, prompt=prompt, model=model, sample=1)
    extra = create_batch(
        project, name="extra", purpose="extra", raters_per_item=1, items=[create_item(project)]
    )
    rate(extra.assignments.get(), create_member(project), {"relevance": 1, "accuracy": 1})
    layout = HumanEval(Selection(project))
    notes = "\n".join(layout.notes())
    assert "1 rating is left out" in notes
    assert "1 response is left out" in notes
    assert "llm_a = zeta" in notes
    assert all(
        eval_ == []
        for line in list(layout.lines())[2:]
        for turn in line["turns"]
        for response in turn["responses"].values()
        for eval_ in response["human_evals"].values()
    )


def test_models_that_are_called_by_letters_keep_them(project):
    LanguageModel.objects.filter(name="zeta").update(name="llm_c")
    LanguageModel.objects.filter(name="alpha").update(name="llm_b")
    assert HumanEval(Selection(project)).names == {"llm_b": "llm_b", "llm_c": "llm_c"}


def test_there_are_letters_for_many_models_and_too_many_are_refused(project, monkeypatch):
    assert list(letters())[:2] == ["llm_a", "llm_b"]
    assert list(letters())[25:28] == ["llm_z", "llm_aa", "llm_ab"]
    monkeypatch.setattr("exports.human_eval.letters", lambda: iter(["llm_a"]))
    with pytest.raises(CannotBeWritten, match="letters for 1 models"):
        _ = HumanEval(Selection(project)).names


def test_the_layout_is_read_with_few_statements_however_many_prompts(project, django_assert_max_num_queries):
    for _ in range(30):
        create_item(project)
    with django_assert_max_num_queries(8):
        assert len(list(HumanEval(Selection(project)).lines())) == 32


@pytest.mark.parametrize(
    ("relevance", "accuracy", "written"),
    [
        ([None, 3], [1, 3], {"relevance": ["NA", 3], "factuality": [1, 3]}),
        ([2, None], [1, 3], {"relevance": [2], "factuality": [1, 3]}),
    ],
)
def test_a_rating_without_a_score_on_an_axis_keeps_its_place_if_another_follows(relevance, accuracy, written):
    project = create_project(axes=("relevance", "accuracy"))
    item = create_item(project)
    batch = create_batch(project, items=[], filling="loaded")
    for seat, given in enumerate(zip(relevance, accuracy, strict=True), 1):
        rating = Assignment.objects.create(
            batch=batch,
            item=item,
            seat=seat,
            rater=create_member(project),
            state="submitted",
            origin="loaded",
        )
        for axis, value in zip(batch.rubric.axes.order_by("position"), given, strict=True):
            if value:
                Score.objects.create(assignment=rating, axis=axis, value=value)
    [line] = HumanEval(Selection(project)).lines()
    [response] = line["turns"][0]["responses"].values()
    assert response["human_evals"] == written


def test_raters_stand_in_the_order_of_their_numbers():
    project = create_project(axes=("relevance",))
    create_item(project)
    batch = create_batch(project)
    for seat, pseudonym in zip(batch.assignments.order_by("pk"), ["R1000", "R999"], strict=True):
        rate(
            seat, create_member(project, pseudonym=pseudonym), {"relevance": 1 if pseudonym == "R999" else 2}
        )
    [line] = HumanEval(Selection(project)).lines()
    [response] = line["turns"][0]["responses"].values()
    assert response["human_evals"] == {"relevance": [1, 2]}


def test_a_scale_with_a_zero_is_refused_because_zero_means_not_rated(tmp_path, capsys):
    project = create_project(slug="zero", points=(0, 1))
    create_item(project)
    create_batch(project)
    with pytest.raises(CommandError, match="0 means “not rated”"):
        run(capsys, "zero", "--out", tmp_path, "--format", "llm-human-eval-jp")
    assert list(tmp_path.iterdir()) == []


def test_turns_that_are_not_the_users_are_left_out_and_said():
    project = create_project()
    turns = [
        {"role": "system", "content": "S"},
        {"role": "user", "content": "example"},
        {"role": "assistant", "content": "answered"},
        {"role": "user", "content": "asked"},
    ]
    create_response(project, prompt=create_prompt(project, turns=turns), turns=["reply"])
    layout = HumanEval(Selection(project))
    [line] = layout.lines()
    assert [(turn["prompt"], turn["responses"]["llm_a"]["response"]) for turn in line["turns"]] == [
        ("asked", "reply")
    ]
    assert "1 prompt loses its turns" in " ".join(layout.notes())


def test_turns_that_nothing_was_asked_for_are_left_out_and_said():
    project = create_project()
    create_response(project, turns=["asked", "not asked"])
    layout = HumanEval(Selection(project))
    [line] = layout.lines()
    assert len(line["turns"]) == 1
    assert "1 response loses turns" in " ".join(layout.notes())
