"""The load page: upload, look, choose columns, check, load; by whom, and what stands in the way."""

from __future__ import annotations

import io
import json
import threading

import openpyxl
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from annotation.models import Score
from projects.loading import runs
from projects.models import LoadRun, Prompt, Response
from tests.factories import (
    create_member,
    create_model,
    create_project,
    create_prompt,
    create_response,
    create_user,
)

pytestmark = pytest.mark.django_db

ROWS = '{"prompt_id": "p1", "turns": ["Q?"]}\n{"prompt_id": "p1", "model": "m1", "response": "A."}\n'


@pytest.fixture(autouse=True)
def uploads(settings, tmp_path):
    settings.VAR_DIR = tmp_path
    return tmp_path / "uploads"


@pytest.fixture
def project():
    return create_project(slug="study")


@pytest.fixture
def coordinator(client, project):
    member = create_member(project, is_coordinator=True)
    client.force_login(member.user)
    return member


def upload(client, *files: tuple[str, str | bytes]):
    given = [
        SimpleUploadedFile(name, text.encode() if isinstance(text, str) else text) for name, text in files
    ]
    return client.post("/p/study/load/", {"uploads": given})


def uploaded(client, *files) -> LoadRun:
    assert upload(client, *files).status_code == 302
    return LoadRun.objects.latest("created_at")


def address(run: LoadRun, what: str = "run") -> str:
    return reverse(f"projects:load_{what}", args=["study", run.key])


def page(client, run: LoadRun) -> str:
    response = client.get(address(run))
    assert response.status_code == 200
    return response.content.decode()


def choose(client, run: LoadRun, *, look=False, **columns):
    data = {"column": list(columns), "field": list(columns.values()), **({"look": "1"} if look else {})}
    return client.post(address(run, "check"), data)


def check(client, run: LoadRun, **options) -> LoadRun:
    """With the columns as they are suggested."""
    from projects.loading.preview import preview

    found = preview(project=run.project, files=runs.sources(run), options=runs.options_of(run))
    columns = (
        {"column": [c.name for c in found.columns], "field": [c.field for c in found.columns]}
        if found.columns
        else {}
    )
    assert client.post(address(run, "check"), {**columns, **options}).status_code == 302
    run.refresh_from_db()
    return run


# The way through


def test_a_file_is_looked_at_checked_and_loaded(client, project, coordinator, uploads):
    run = uploaded(client, ("rows.jsonl", ROWS))
    seen = page(client, run)
    assert "rows.jsonl" in seen
    assert "prompts, responses, ratings" in seen  # what it was recognised as
    assert not Prompt.objects.exists()

    assert check(client, run).state == "checked"
    assert not Prompt.objects.exists()
    assert "Nothing stands in the way." in page(client, run)

    client.post(address(run, "confirm"))
    run.refresh_from_db()
    assert run.state == "done"
    assert Response.objects.get().turns == ["A."]
    assert "Loaded." in page(client, run)
    assert not runs.has_files(run)


def test_columns_are_chosen_on_the_page(client, project, coordinator):
    run = uploaded(client, ("表.csv", "番号,設問,モデル名,出力,難しさ\n1,Q?,m,A,3\n".encode("cp932")))
    seen = page(client, run)
    assert "CP932 (Shift_JIS)" in seen
    assert '<option value="prompt" selected>' in seen  # suggested by the column's name

    choose(client, run, 番号="prompt_id", 設問="prompt", モデル名="model", 出力="response", 難しさ="")
    run.refresh_from_db()
    assert run.state == "checked"
    client.post(address(run, "confirm"))
    response = Response.objects.get()
    assert (response.prompt.key, response.model.name, response.turns) == ("1", "m", ["A"])
    assert response.metadata == {"難しさ": "3"}


def test_a_column_chosen_for_nothing_is_not_taken_by_its_name(client, project, coordinator):
    run = uploaded(client, ("a.csv", "prompt_id,prompt,source\np1,Q?,secret\n"))
    choose(client, run, prompt_id="prompt_id", prompt="prompt", source="")
    client.post(address(run, "confirm"))

    prompt = Prompt.objects.get()
    assert (prompt.source, prompt.metadata) == ("", {"source": "secret"})


def test_the_distribution_of_a_score_column_is_shown_before_anything_is_written(client, project, coordinator):
    lines = "".join(f"p{n},m,ann,fluency,{score}\n" for n, score in enumerate([1, 5, 5, "NA", 3]))
    run = uploaded(client, ("ratings.csv", "prompt_id,model,rater,axis,score\n" + lines))

    assert "1: 1, 3: 1, 5: 2, NA: 1" in page(client, run)
    assert not Score.objects.exists()


def test_a_column_per_axis_is_chosen_by_the_axis(client, project, coordinator):
    create_response(project, prompt=create_prompt(project, key="p1"), model=create_model(project, "m"))
    run = uploaded(client, ("ratings.csv", "プロンプト,モデル,評価者,自然さ\np1,m,ann,4\n"))
    assert "score.fluency: the score on “Fluency”" in page(client, run)

    choose(client, run, プロンプト="prompt_id", モデル="model", 評価者="rater", 自然さ="score.fluency")
    client.post(address(run, "confirm"))
    assert Score.objects.get().value == 4


def test_options_for_ratings_are_kept_and_used(client, project, coordinator):
    create_response(project, prompt=create_prompt(project, key="p1"), model=create_model(project, "m"))
    text = "prompt_id,model,rater,axis,score\np1,m,ann,fluency,-\np1,m,ann,fluency,5\n"
    run = check(client, uploaded(client, ("r.csv", text)), na_values="- NA", repeats="on", batch="old ones")
    assert run.state == "checked"
    seen = page(client, run)
    assert 'value="- NA"' in seen
    assert 'value="old ones"' in seen

    client.post(address(run, "confirm"))
    assert sorted(Score.objects.values_list("assignment__occasion", "value", "assignment__batch__name")) == [
        (1, None, "old ones"),
        (2, 5, "old ones"),
    ]


def test_letters_get_names_on_the_page(client, project, coordinator):
    row = {"id": "x###1", "turns": [{"prompt": "Q", "responses": {"llm_a": {"response": "A"}}}]}
    run = uploaded(client, ("a.jsonl", json.dumps(row)))
    assert "Names of the models by letter" in page(client, run)

    run = check(client, run, model_names="llm_a, GPT-4\n")
    client.post(address(run, "confirm"))
    assert Response.objects.get().model.name == "GPT-4"


def test_several_files_are_loaded_together(client, project, coordinator):
    prompts, responses = ROWS.splitlines(keepends=True)
    run = check(client, uploaded(client, ("r.jsonl", responses), ("p.jsonl", prompts)))

    assert run.state == "checked"
    assert str(run) == "r.jsonl, p.jsonl"


def test_a_workbook_is_looked_at(client, project, coordinator):
    book = openpyxl.Workbook()
    for cells in [["prompt_id", "prompt"], ["p1", "=1+1"]]:
        book.active.append(cells)
    content = io.BytesIO()
    book.save(content)
    seen = page(client, uploaded(client, ("a.xlsx", content.getvalue())))

    assert "a.xlsx, Sheet!B2: The cell holds a formula whose result is not stored." in seen


def test_the_page_may_only_look_again(client, project, coordinator):
    run = uploaded(client, ("a.csv", "x,y\np1,Q?\n"))
    response = choose(client, run, look=True, x="prompt_id", y="prompt")
    run.refresh_from_db()

    assert response.status_code == 302
    assert (run.state, run.report) == ("new", None)
    assert "It is not clear what this file holds" not in page(client, run)


# What stands in the way


def test_errors_are_listed_with_their_places_and_nothing_is_loaded(client, project, coordinator):
    run = check(client, uploaded(client, ("a.jsonl", ROWS + ROWS.replace("A.", "B.").replace("Q?", "R?"))))

    seen = page(client, run)
    assert run.state == "refused"
    assert "2 errors" in seen
    assert "a.jsonl, line 3, turns: The prompt “p1” stands in a.jsonl, line 1 with other words." in seen
    client.post(address(run, "confirm"))
    assert not Prompt.objects.exists()


def test_contradictions_show_both_texts(client, project, coordinator):
    create_prompt(project, key="p1", turns=[{"role": "user", "content": "other"}])
    seen = page(client, check(client, uploaded(client, ("a.jsonl", ROWS))))

    assert "1 contradiction to what is known" in seen
    assert "Known: “other”. In the file: “Q?”." in seen


def test_at_most_twenty_errors_are_listed(client, project, coordinator):
    rows = "".join(
        json.dumps({"prompt_id": f"p{n}", "model": "m", "response": "A"}) + "\n" for n in range(30)
    )
    seen = page(client, check(client, uploaded(client, ("a.jsonl", rows))))

    assert "30 errors" in seen
    assert seen.count("There is no prompt “p") == 20
    assert "and 10 more" in seen


def test_errors_in_the_same_words_are_one_with_how_often_and_where(client, project, coordinator):
    rows = "".join(json.dumps({"prompt_id": f"p{n}", "turns": []}) + "\n" for n in range(30))
    seen = page(client, check(client, uploaded(client, ("a.jsonl", rows))))

    assert "30 errors" in seen
    assert seen.count("Here should be a list of turns that is not empty.") == 1
    assert "(30 times; next in line 2, 3, 4, 5, …)" in seen
    assert "more</li>" not in seen


def test_errors_are_said_in_the_readers_language(client, project, coordinator):
    run = check(client, uploaded(client, ("a.jsonl", '{"prompt_id": "p", "turns": []}\n')))
    client.cookies["django_language"] = "ja"

    assert "a.jsonl、1 行目" in page(client, run) or "a.jsonl、1行目" in page(client, run)


def test_two_columns_for_one_field_are_refused(client, project, coordinator):
    run = uploaded(client, ("a.csv", "x,y\np1,Q?\n"))
    response = choose(client, run, x="prompt", y="prompt")

    assert response.status_code == 422
    assert "Two columns are said to hold the same: the prompt’s text." in response.content.decode()


def test_a_column_that_no_file_can_have_is_no_matter(client, project, coordinator):
    run = uploaded(client, ("a.csv", "prompt_id,prompt\np1,Q?\n"))
    data = {"column": ["prompt_id", "prompt", "x\0"], "field": ["prompt_id", "prompt", "source"]}

    assert client.post(address(run, "check"), data).status_code == 302
    run.refresh_from_db()
    assert run.state == "checked"


def test_names_that_say_nothing_are_refused(client, project, coordinator):
    run = uploaded(client, ("a.jsonl", ROWS))
    response = client.post(address(run, "check"), {"model_names": "llm_a"})

    assert response.status_code == 422
    assert "Each line has a letter and a name" in response.content.decode()


def test_an_unreadable_file_is_said_to_be_so(client, project, coordinator):
    seen = page(client, uploaded(client, ("a.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 50)))

    assert "This is a workbook of Excel 97–2003, or one with a password." in seen


@pytest.mark.parametrize("content", [b"", b"\n\n"])
def test_an_empty_file_is_said_to_be_so(client, project, coordinator, content):
    assert "This file is empty." in page(client, uploaded(client, ("a.csv", content)))


def test_no_file_at_all_is_refused(client, project, coordinator):
    response = client.post("/p/study/load/", {})

    assert response.status_code == 422
    assert not LoadRun.objects.exists()


def test_files_past_the_limit_are_refused(client, project, coordinator, settings):
    settings.MAX_UPLOAD_BYTES = 10
    response = upload(client, ("a.jsonl", ROWS))

    assert response.status_code == 422
    assert "at most 10\xa0bytes can be uploaded" in response.content.decode()
    assert not LoadRun.objects.exists()


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "C:\\temp\\a.jsonl",
        "/abs/a.jsonl",
        "a\nb.jsonl",
        "a\0b.jsonl",
        "日本語.jsonl",
    ],
)
def test_a_name_is_no_path(client, project, coordinator, uploads, name):
    run = uploaded(client, (name, ROWS))

    assert [path.name for path in (uploads / str(run.key)).iterdir()] == ["000"]
    assert "/" not in run.files[0]["name"]
    assert "\\" not in run.files[0]["name"]


# While it is under way


def large(client) -> LoadRun:
    return uploaded(client, ("large.jsonl", ROWS + " " * (2 << 20)))


def test_a_large_file_waits_for_the_worker(client, project, coordinator):
    from procrastinate.contrib.django.models import ProcrastinateJob

    run = large(client)
    client.post(address(run, "check"))
    run.refresh_from_db()
    assert run.state == "queued"
    assert ProcrastinateJob.objects.filter(task_name="projects.load", args={"run_id": run.pk}).count() == 1
    assert "Waiting for its turn." in page(client, run)

    runs.carry_out(run.pk)
    run.refresh_from_db()
    assert run.state == "checked"


def test_what_waits_can_be_stopped(client, project, coordinator):
    run = large(client)
    client.post(address(run, "check"))
    client.post(address(run, "stop"))
    run.refresh_from_db()
    assert run.state == "stopped"

    runs.carry_out(run.pk)  # the worker comes too late
    run.refresh_from_db()
    assert run.state == "stopped"
    assert "Stopped; nothing was loaded" in page(client, run)


def test_progress_is_asked_for_and_the_page_is_loaded_again_when_it_is_over(client, project, coordinator):
    run = large(client)
    LoadRun.objects.filter(pk=run.pk).update(state="running", seen_at=timezone.now(), done=1024, whole=2048)
    asked = client.get(address(run), headers={"HX-Request": "true"})
    assert "Read 1.0\xa0KB of 2.0\xa0KB." in asked.content.decode()
    assert "<html" not in asked.content.decode()

    LoadRun.objects.filter(pk=run.pk).update(state="checked")
    assert client.get(address(run), headers={"HX-Request": "true"}).headers["HX-Refresh"] == "true"


def test_what_nobody_works_on_any_more_can_be_begun_again(client, project, coordinator):
    run = large(client)
    long_ago = timezone.now() - timezone.timedelta(minutes=5)
    LoadRun.objects.filter(pk=run.pk).update(state="running", seen_at=long_ago)
    assert "Nobody works on this any more" in page(client, run)

    client.post(address(run, "check"))
    run.refresh_from_db()
    assert run.state == "queued"


def test_what_is_under_way_is_not_begun_twice_nor_discarded(client, project, coordinator):
    run = large(client)
    LoadRun.objects.filter(pk=run.pk).update(state="running", seen_at=timezone.now())
    client.post(address(run, "check"))
    client.post(address(run, "confirm"))
    client.post(address(run, "discard"))

    run.refresh_from_db()
    assert run.state == "running"
    assert runs.has_files(run)


def test_a_failure_of_ours_is_no_error_of_the_file(client, project, coordinator, monkeypatch, caplog):
    def fail(**_):
        raise RuntimeError("boom")

    monkeypatch.setattr("projects.loading.runs.try_load", fail)
    run = check(client, uploaded(client, ("a.jsonl", ROWS)))

    assert run.state == "failed"
    assert "Something went wrong; nothing was loaded" in page(client, run)
    assert "boom" in caplog.text


def test_only_what_was_checked_is_loaded(client, project, coordinator):
    run = uploaded(client, ("a.jsonl", ROWS))
    client.post(address(run, "confirm"))

    run.refresh_from_db()
    assert run.state == "new"
    assert not Prompt.objects.exists()


def test_an_upload_can_be_discarded(client, project, coordinator, uploads):
    run = uploaded(client, ("a.jsonl", ROWS))
    response = client.post(address(run, "discard"))

    assert response.headers["Location"] == "/p/study/load/"
    assert not LoadRun.objects.exists()
    assert list(uploads.iterdir()) == []


def test_files_that_nobody_went_on_with_are_deleted_after_a_while(client, project, coordinator):
    old = uploaded(client, ("a.jsonl", ROWS))
    LoadRun.objects.filter(pk=old.pk).update(created_at=timezone.now() - timezone.timedelta(days=15))
    uploaded(client, ("b.jsonl", ROWS))

    assert not runs.has_files(old)
    assert "The files of this upload are deleted." in page(client, old)


@pytest.mark.django_db(transaction=True)
def test_what_is_under_way_stops_when_somebody_wants_it_to(monkeypatch):
    """Really at the same time: the load in a thread with its own connection, the wish to stop from another."""
    monkeypatch.setattr("projects.loading.runs.BEAT", 0.05)
    project = create_project(slug="study")
    member = create_member(project, is_coordinator=True)
    rows = "".join(json.dumps({"prompt_id": f"p{n}", "turns": ["x" * 200]}) + "\n" for n in range(60_000))
    run = runs.keep_files(
        project=project, files=[SimpleUploadedFile("a.jsonl", rows.encode())], by=member.user
    )
    LoadRun.objects.filter(pk=run.pk).update(state="queued", is_dry_run=False)

    def work():
        try:
            runs.carry_out(run.pk)
        finally:
            connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    seen = []
    while worker.is_alive():
        run.refresh_from_db()
        seen.append(run.done)
        if run.done and not run.stop_wanted:
            runs.ask_to_stop(run)
        worker.join(0.02)
    run.refresh_from_db()

    assert run.state == "stopped"
    assert 0 < max(seen) < run.size
    assert not Prompt.objects.exists()
    assert runs.has_files(run)


@pytest.mark.django_db(transaction=True)
def test_a_statement_that_takes_long_is_stopped_as_well(monkeypatch):
    monkeypatch.setattr("projects.loading.runs.BEAT", 0.05)
    project = create_project(slug="study")
    member = create_member(project, is_coordinator=True)
    large = ROWS + " " * (2 << 20)
    run = runs.keep_files(
        project=project, files=[SimpleUploadedFile("a.jsonl", large.encode())], by=member.user
    )
    LoadRun.objects.filter(pk=run.pk).update(state="queued", is_dry_run=False, stop_wanted=False)

    def sleep(store):
        store.run("SELECT pg_sleep(60)")

    monkeypatch.setattr("projects.loading.stores.PromptStore.settle", sleep)
    worker = threading.Thread(target=lambda: (runs.carry_out(run.pk), connection.close()))
    worker.start()
    while worker.is_alive():
        LoadRun.objects.filter(pk=run.pk, state="running").update(stop_wanted=True)
        worker.join(0.1)
    run.refresh_from_db()

    assert run.state == "stopped"
    assert not Prompt.objects.exists()


# By whom


@pytest.mark.parametrize("role", ["is_coordinator", "is_researcher"])
def test_coordinators_and_researchers_may_load(client, project, role):
    client.force_login(create_member(project, **{role: True}).user)

    assert client.get("/p/study/load/").status_code == 200
    assert upload(client, ("a.jsonl", ROWS)).status_code == 302


def addresses(run: LoadRun) -> list[tuple[str, str]]:
    return [("get", "/p/study/load/"), ("post", "/p/study/load/"), ("get", address(run))] + [
        ("post", address(run, what)) for what in ("check", "confirm", "stop", "discard")
    ]


def test_raters_and_strangers_are_told_that_there_is_no_such_page(client, project, coordinator):
    run = uploaded(client, ("a.jsonl", ROWS))
    other = create_member(create_project(), is_coordinator=True)
    for user in [create_member(project).user, create_user(), other.user]:
        client.force_login(user)
        for method, url in addresses(run):
            assert getattr(client, method)(url).status_code == 404, (user, url)
    assert LoadRun.objects.filter(pk=run.pk).exists()


def test_an_upload_belongs_to_its_project(client, project, coordinator):
    run = uploaded(client, ("a.jsonl", ROWS))
    other = create_member(create_project(slug="other"), is_coordinator=True)
    client.force_login(other.user)

    assert client.get(address(run).replace("study", "other")).status_code == 404


def test_whoever_is_not_logged_in_is_sent_to_the_login(client, project, coordinator):
    run = uploaded(client, ("a.jsonl", ROWS))
    client.logout()
    for method, url in addresses(run):
        assert getattr(client, method)(url).headers["Location"].startswith("/account/login/")


@pytest.mark.parametrize("what", ["check", "confirm", "stop", "discard"])
def test_what_changes_something_is_posted(client, project, coordinator, what):
    run = uploaded(client, ("a.jsonl", ROWS))

    assert client.get(address(run, what)).status_code == 405


def test_the_list_needs_no_query_per_upload(client, project, coordinator, django_assert_max_num_queries):
    for n in range(5):
        uploaded(client, (f"{n}.jsonl", ROWS))
    with django_assert_max_num_queries(8):
        seen = client.get("/p/study/load/").content.decode()
    assert "4.jsonl" in seen
