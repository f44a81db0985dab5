"""Checklists: asked of a judge, brought back to prompts, and never put in place of another."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from offline import judge
from offline.journal import read_lines
from projects.loading import NotLoaded, Options, load, try_load
from projects.models import Item, Prompt
from projects.rubric_files import make_project, read_rubric
from tests.factories import create_batch, create_member, create_prompt, create_response, rate

pytestmark = pytest.mark.django_db

ASKED = ("prepare_judging", "study", "--judge", "builder", "--preset", "checklist-builder")


@pytest.fixture
def project():
    project = make_project(slug="study", spec=read_rubric("mt-bench"))
    for key in ("a", "b", "c"):
        create_prompt(project, key=key, turns=[{"role": "user", "content": f"質問 {key}"}])
    return project


@pytest.fixture
def built(project, prepare, serve, tmp_path):
    """A bundle that asked for checklists, with what a server made of it."""
    prepare(*ASKED)
    assert judge.main([str(tmp_path / "bundle"), "--base-url", serve().url]) == 0
    return tmp_path / "bundle"


def checklists():
    return dict(Prompt.objects.values_list("key", "checklist"))


def change(folder, **by_prompt):
    """Change the journal's lines of these prompts; None leaves a line out."""
    path = folder / "results-1-of-1.jsonl"
    lines = [line for _, line in read_lines(path)]
    kept = [
        line | by_prompt.get(line["prompt_id"], {})
        for line in lines
        if by_prompt.get(line["prompt_id"], {}) is not None
    ]
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in kept), encoding="utf-8")


def refusal(project, folder):
    before = checklists()
    with pytest.raises(NotLoaded) as refused:
        load(project=project, files=[folder])
    assert checklists() == before
    return [str(one) for one in (*refused.value.report.errors, *refused.value.report.conflicts)]


def test_a_checklist_comes_back_to_its_prompt_with_where_it_is_from(project, built):
    change(built, a={"checklist": ["短いか", " 正しいか "]})
    said = {line["prompt_id"]: line["checklist"] for _, line in read_lines(built / "results-1-of-1.jsonl")}
    dry = try_load(project=project, files=[built])
    assert (dry.created["checklists"], checklists()) == (3, {"a": [], "b": [], "c": []})

    report = load(project=project, files=[built])
    assert report.created == {"checklists": 3}
    assert report.warnings == []
    assert checklists() == said | {"a": ["短いか", "正しいか"]}
    assert len(said["b"]) >= 3
    origin = Prompt.objects.get(key="a").metadata["checklist_from"]
    assert (origin["judge"], origin["preset"]) == ("builder", "checklist-builder")
    assert len(origin["preset_sha256"]) == len(origin["settings_sha256"]) == 64
    again = load(project=project, files=[built])
    assert again.adds_nothing
    assert again.unchanged == {"checklists": 3}


def test_prompts_with_checklists_are_judged_by_them_and_not_asked_for_another(
    project, prepare, built, tmp_path
):
    create_response(project, prompt=Prompt.objects.get(key="b"), turns=["答え"])
    create_prompt(project, key="d")
    load(project=project, files=[built])
    judging = "prepare_judging", "study", "--judge", "j", "--preset", "wildbench-score", "--all"
    _, items = prepare(*judging, out="judged")
    assert [item.prompt_id for item in items] == ["b"]
    assert checklists()["b"][0] in items[0].turns[0]["content"]

    said = StringIO()
    call_command(*ASKED, "--out", str(tmp_path / "more"), stdout=said)
    assert "Prompts left out because they have a checklist already: 3." in said.getvalue()
    assert len((tmp_path / "more" / "items.jsonl").read_text().splitlines()) == 1
    Prompt.objects.filter(key="d").update(checklist=["短いか"])
    with pytest.raises(CommandError, match="Every one of these prompts has a checklist already"):
        call_command(*ASKED, "--out", str(tmp_path / "none"), stdout=said)
    assert not (tmp_path / "none").exists()


def test_another_checklist_is_a_conflict_that_shows_both_and_replaces_nothing(project, built):
    Prompt.objects.filter(key="b").update(checklist=["人が書いた項目"])
    change(built, b={"checklist": ["<script>alert(1)</script>", "二"]})
    [said] = refusal(project, built)
    assert "The prompt “b” has another checklist already." in said
    assert "Known: “人が書いた項目”. In the file: “<script>alert(1)</script> / 二”" in said


def test_a_checklist_that_could_not_be_read_is_counted_as_failed(project, built):
    change(built, a={"checklist": [], "parse": {"status": "unparsed"}, "content": "できません"}, b=None)
    report = load(project=project, files=[built])
    assert report.created == {"checklists": 1}
    assert report.left_out == {"failed": 1, "incomplete": 1}
    assert any("No checklist came back for the prompt “a”: できません" in str(one) for one in report.warnings)
    assert (checklists()["a"], checklists()["b"]) == ([], [])


@pytest.mark.parametrize("points", ["one", [1], [" "], [["a"]], {"a": 1}])
def test_what_is_no_list_of_texts_is_refused(project, built, points):
    change(built, a={"checklist": points})
    [said] = refusal(project, built)
    assert said.startswith("results-1-of-1.jsonl, line 1, checklist: Here should be a list of texts.")


def test_a_checklist_for_a_prompt_that_there_is_not_is_refused(project, built):
    Prompt.objects.filter(key="c").delete()
    assert "There is no prompt “c”" in refusal(project, built)[0]


def test_a_checklist_for_other_words_is_refused(project, built):
    Prompt.objects.filter(key="b").update(turns=[{"role": "user", "content": "別の質問"}])
    assert "The bundle asks something else than the prompt “b” of this project" in refusal(project, built)[0]


def test_a_prompt_is_asked_once(project, tmp_path):
    with pytest.raises(CommandError, match="makes a prompt’s checklist, of which there is one"):
        call_command(*ASKED, "--repeats", "2", "--out", str(tmp_path / "twice"))


def test_raters_who_see_checklists_are_thought_of(project, built):
    create_response(project, prompt=Prompt.objects.get(key="b"), turns=["答え"])
    batch = create_batch(project, items=[Item.objects.get()], raters_per_item=1, state="open")
    with connection.cursor() as cursor:  # a load has them checked at its end, within the test's transaction
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    rate(batch.assignments.get(), create_member(project, is_rater=True), {"overall": 3})
    assert try_load(project=project, files=[built], options=Options()).warnings == []
    type(project).objects.update(raters_see_checklist=True)
    project.refresh_from_db()
    [said] = try_load(project=project, files=[built]).warnings
    assert "1 of these prompts have been rated without one" in str(said)
