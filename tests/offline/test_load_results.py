"""What came back from a GPU node, or from other tools, into a project."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection

from annotation.conversation import conversation
from offline.bundle import SEED_RULE, make_item
from offline.generate import main
from projects.loading import NotLoaded, Options, load, try_load
from projects.models import Item, Prompt, Response
from tests.factories import create_batch, create_member, create_project, create_prompt, rate
from tests.offline.conftest import a_manifest

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    """The prompts of `bundle(n)`, n ≤ 6."""
    project = create_project(slug="study")
    for n in range(6):
        turns = [{"role": "user", "content": f"質問 {n}、その {turn + 1}"} for turn in range(2)]
        create_prompt(project, key=f"p{n}", turns=turns)
    return project


def write(path: Path, *rows: dict) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".json":
        path.write_text(json.dumps(list(rows), ensure_ascii=False), encoding="utf-8")
    else:
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def refusal(project, *files: Path, **options) -> list[str]:
    before = Response.objects.count()
    with pytest.raises(NotLoaded) as refused:
        load(project=project, files=files, options=Options(**options))
    assert Response.objects.count() == before
    report = refused.value.report
    return [str(problem) for problem in (*report.errors, *report.conflicts)]


def known(project) -> list[tuple]:
    found = Response.objects.filter(prompt__project=project).order_by("prompt__key", "model__name", "sample")
    return [tuple(one) for one in found.values_list("prompt__key", "model__name", "sample", "turns")]


def responses(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# A journal that a run really wrote


@pytest.fixture
def ran(serve, bundle):
    """A bundle of six conversations, answered by a server in two shards."""
    running, folder = serve(), bundle(6, seed={"base": 9, "rule": SEED_RULE})
    for shard in ("1/2", "2/2"):
        assert main([str(folder), "--base-url", running.url, "--shard", shard]) == 0
    return folder


def test_a_journal_becomes_responses_with_how_they_were_made(project, ran):
    dry = try_load(project=project, files=[ran])
    assert dry.created["responses"] == 6
    assert not Response.objects.exists()

    report = load(project=project, files=[ran])
    assert {name: n for name, n in report.created.items() if n} == {"models": 1, "responses": 6}
    assert report.warnings == []
    assert report.left_out == {}
    lines = [line for path in ran.glob("results-*") for line in responses(path) if line["status"] == "ok"]
    for response in Response.objects.select_related("prompt"):
        mine = sorted(
            (line for line in lines if line["prompt_id"] == response.prompt.key),
            key=lambda line: line["turn"],
        )
        assert response.turns == [line["content"] for line in mine]
        said = response.generation
        assert said["finish_reason"] == ["stop", "stop"]
        assert [turn["seed"] for turn in said["turns"]] == [line["seed"] for line in mine]
        assert [turn["request_sha256"] for turn in said["turns"]] == [line["request_sha256"] for line in mine]
        assert said["turns"][0]["usage"] == mine[0]["usage"]
        assert said["turns"][0]["served_model"] == "tiny"
        assert said["runs"][0]["run_id"] == mine[0]["run_id"]
        assert said["runs"][0]["versions"]
        assert said["job_id"] == mine[0]["job_id"]
        assert said["sampling"]["temperature"] == 1.0
    assert Item.objects.count() == 12


def test_lines_that_are_there_twice_load_once(project, ran):
    """As where journals of shards were put together, in any order, and lie beside them."""
    one, other = (path.read_bytes() for path in sorted(ran.glob("results-*-of-2.jsonl")))
    mixed = (one + other).splitlines(keepends=True)
    (ran / "results-1-of-1.jsonl").write_bytes(b"".join(reversed(mixed)) + other)

    report = load(project=project, files=[ran])
    assert report.created["responses"] == 6
    assert (report.warnings, report.left_out) == ([], {})
    again = load(project=project, files=[ran])
    assert (again.created.get("responses", 0), again.unchanged["responses"]) == (0, 6)


def test_a_journal_loads_again_as_the_same_and_a_changed_one_is_a_conflict(project, ran):
    load(project=project, files=[ran])
    again = load(project=project, files=[ran])
    assert again.adds_nothing
    assert again.unchanged["responses"] == 6
    assert load(
        project=project, files=[ran / "results-1-of-2.jsonl"]
    ).adds_nothing  # finds what lies beside it

    path = ran / "results-1-of-2.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace("答え", "こたえ"), encoding="utf-8")
    said = refusal(project, ran)
    assert said[0].startswith("results-1-of-2.jsonl, line ")
    assert "Known: “答え" in said[0]
    assert "In the file: “こたえ" in said[0]


def test_a_new_version_is_the_next_sample_and_rated_ones_stay(project, ran):
    load(project=project, files=[ran])
    [seat] = create_batch(
        project, items=[Item.objects.first()], raters_per_item=1, state="open"
    ).assignments.all()[:1]
    with connection.cursor() as cursor:  # a load has them checked at its end, within the test's transaction
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    rate(seat, create_member(project, is_rater=True), {"relevance": 4, "fluency": 5})
    before = known(project)
    for path in ran.glob("results-*"):
        path.write_text(path.read_text(encoding="utf-8").replace("答え", "こたえ"), encoding="utf-8")

    report = load(project=project, files=[ran], options=Options(new_version=True))
    assert report.created["responses"] == 6
    assert "next sample" in str(report.notes[0])
    assert [one for one in known(project) if one[2] == 0] == before
    assert {one[2] for one in known(project)} == {0, 1}
    assert load(project=project, files=[ran], options=Options(new_version=True)).adds_nothing


def test_the_command_reports_what_a_bundle_adds(project, ran):
    out = StringIO()
    call_command("load", "study", str(ran), "--json", stdout=out)
    assert json.loads(out.getvalue())["created"]["responses"] == 6


def test_files_of_a_bundle_can_be_uploaded_one_by_one(project, ran, client):
    from django.core.files.uploadedfile import SimpleUploadedFile
    from django.urls import reverse

    from projects.models import LoadRun

    researcher = create_member(project, is_researcher=True)
    client.force_login(researcher.user)
    (ran / "judge-summary.json").write_text("{}")
    names = {path.name for path in ran.iterdir()}
    assert {"progress-1-of-2.json", "results-1-of-2.lock"} <= names, (
        "what a run leaves besides is passed over"
    )
    files = [SimpleUploadedFile(path.name, path.read_bytes()) for path in sorted(ran.iterdir(), reverse=True)]
    client.post(reverse("projects:load", args=["study"]), {"uploads": files})
    run = LoadRun.objects.get()
    page = client.get(reverse("projects:load_run", args=["study", run.key]))
    assert page.status_code == 200
    client.post(reverse("projects:load_check", args=["study", run.key]), {"skip_failed": ""})
    client.post(reverse("projects:load_confirm", args=["study", run.key]))
    run.refresh_from_db()
    assert run.state == "done"
    assert client.get(reverse("projects:load_run", args=["study", run.key])).status_code == 200
    assert Response.objects.count() == 6


# Journals as they may be


@pytest.fixture
def folder(bundle) -> Path:
    return bundle(2)


def lines_of(folder: Path, *outcomes: tuple) -> list[dict]:
    """(conversation, turn, what): a text, or a failure."""
    items = responses(folder / "items.jsonl")
    job = json.loads((folder / "manifest.json").read_text())["job_id"]
    rows = []
    for attempt, (number, turn, what, *more) in enumerate(outcomes):
        item = items[number]
        row = {
            "v": 1, "job_id": job, "run_id": "r1", "item_id": item["item_id"], "custom_id": f"{item['item_id']}-{turn}",
            "prompt_id": item["prompt_id"], "turn": turn, "attempt": attempt,
        }  # fmt: skip
        if isinstance(what, str):
            row |= {
                "status": "ok",
                "settled": True,
                "content": what,
                "finish_reason": "stop",
                "truncated": False,
            }
        else:
            row |= {"status": "error", "error": {"type": "timeout", "message": "too slow", "retryable": what}}
        rows.append(row | (more[0] if more else {}))
    return rows


RETRYABLE, FINAL = True, False
WHOLE = [(0, 1, "あ"), (0, 2, "い"), (1, 1, "う"), (1, 2, "え")]


def test_success_beats_error_and_the_earlier_success_counts(project, folder):
    rows = lines_of(
        folder, (0, 1, RETRYABLE), (0, 1, FINAL), (0, 2, "い"), (0, 1, "あ"), (0, 1, "後"), (0, 1, FINAL), (1, 2, "え"), (1, 1, "う")
    )  # fmt: skip
    write(folder / "results-1-of-1.jsonl", *rows)

    load(project=project, files=[folder])
    assert known(project) == [("p0", "tiny", 0, ["あ", "い"]), ("p1", "tiny", 0, ["う", "え"])]


def test_conversations_that_are_not_whole_are_counted_and_left_out(project, folder):
    write(
        folder / "results-1-of-1.jsonl",
        *lines_of(folder, (0, 1, "あ"), (0, 2, RETRYABLE), (1, 1, "う"), (1, 2, FINAL)),
    )

    report = load(project=project, files=[folder])
    assert report.left_out == {"incomplete": 1, "failed": 1}
    assert report.created["responses"] == 0 if "responses" in report.created else True
    assert any("too slow" in str(warning) for warning in report.warnings)
    assert known(project) == []

    report = load(project=project, files=[folder], options=Options(partial=True))
    assert report.left_out == {"loaded in part": 2}
    assert known(project) == [("p0", "tiny", 0, ["あ"]), ("p1", "tiny", 0, ["う"])]


def test_a_conversation_that_was_loaded_in_part_grows_and_what_is_there_stays(project, folder):
    path = write(folder / "results-1-of-1.jsonl", *lines_of(folder, (0, 1, "あ"), (1, 1, "う"), (1, 2, "え")))
    load(project=project, files=[folder], options=Options(partial=True))
    first = Item.objects.get(prompt__key="p0")
    half = path.read_text(encoding="utf-8")

    write(path, *lines_of(folder, *WHOLE))
    dry = try_load(project=project, files=[folder])
    assert dry.outcome["responses"] == {"new": 1, "same": 1, "conflict": 0, "unknown": 0}
    report = load(project=project, files=[folder])
    assert (report.created["responses"], report.unchanged["responses"]) == (1, 1)
    assert "1 conversations that were loaded in part have more turns now." in str(report.notes[0])
    assert known(project) == [("p0", "tiny", 0, ["あ", "い"]), ("p1", "tiny", 0, ["う", "え"])]
    grown = Response.objects.get(prompt__key="p0")
    assert list(grown.items.order_by("turn").values_list("turn", flat=True)) == [1, 2]
    assert grown.items.get(turn=1) == first
    assert len(grown.generation["turns"]) == 2
    assert load(project=project, files=[folder]).adds_nothing

    # An older copy of the journal takes nothing away, and another first turn is a conflict as ever.
    path.write_text(half, encoding="utf-8")
    for options in (Options(partial=True), Options(partial=True, new_version=True)):
        assert load(project=project, files=[folder], options=options).adds_nothing
    write(path, *lines_of(folder, (0, 1, "別"), (0, 2, "い"), *WHOLE[2:]))
    assert "is known with another text" in refusal(project, folder)[0]


def test_a_torn_last_line_is_passed_over_and_another_bad_line_is_not(project, folder):
    path = write(folder / "results-1-of-1.jsonl", *lines_of(folder, *WHOLE))
    whole = path.read_text(encoding="utf-8")
    path.write_text(whole + '{"v": 1, "item_id": "abc', encoding="utf-8")
    report = load(project=project, files=[folder])
    assert "torn in two" in str(report.warnings[0])
    assert report.created["responses"] == 2

    path.write_text('{"v": 1, "item_\n' + whole, encoding="utf-8")
    [said] = refusal(project, folder)
    assert said.startswith("results-1-of-1.jsonl, line 1: This is not JSON")


def test_results_of_another_bundle_are_unknown(project, bundle):
    folder, other = bundle(2), bundle(2, name="other", seed={"base": 8, "rule": "…"})
    write(folder / "results-1-of-1.jsonl", *lines_of(other, *WHOLE))
    said = refusal(project, folder)
    assert said[0].startswith("results-1-of-1.jsonl, line 1, item_id: There is no item")
    assert len(said) == 2  # each item is told once, with how often it was met

    rows = [row | {"job_id": "another"} for row in lines_of(folder, *WHOLE)]
    write(folder / "results-1-of-1.jsonl", *rows)
    assert "This is an answer of another bundle" in refusal(project, folder)[0]


def test_items_that_the_manifest_does_not_speak_of_are_refused(project, folder):
    write(folder / "results-1-of-1.jsonl", *lines_of(folder, *WHOLE))
    with (folder / "items.jsonl").open("a") as file:
        file.write("\n")
    [said] = refusal(project, folder)
    assert said.startswith("items.jsonl: No manifest speaks of this file as it is.")


def test_a_bundle_with_a_prompt_that_the_project_has_not_is_refused(project, bundle):
    folder = bundle(8)
    write(folder / "results-1-of-1.jsonl", *lines_of(folder, (7, 1, "あ"), (7, 2, "い")))
    assert "There is no prompt “p7”" in refusal(project, folder)[0]


def test_a_bundle_that_nobody_worked_on_says_so(project, folder):
    [said] = refusal(project, folder)
    assert "Nothing has come back in this bundle yet" in said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"turn": 0}, "turn: Here should be a whole number from 1 on."),
        ({"turn": "1"}, "turn: Here should be a whole number from 1 on."),
        ({"item_id": 5}, "item_id: Here should be text."),
        ({"status": "fine"}, "status: “fine” is none of"),
        ({"content": ["…"]}, "content: Here should be text."),
        ({"scores": [1]}, "scores: Here should be an object."),
    ],
)
def test_a_line_that_cannot_be_taken_names_its_field(project, folder, changes, said):
    rows = lines_of(folder, *WHOLE)
    write(folder / "results-1-of-1.jsonl", *rows[:2], rows[2] | changes, rows[3])
    assert said in refusal(project, folder)[0]
    assert "results-1-of-1.jsonl, line 3" in refusal(project, folder)[0]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": 2}, "format: Only bundles of format 1 can be read here."),
        ({"judge": "me"}, "judge: This is not what a bundle has here."),
        ({"model": []}, "model: This is not what a bundle has here."),
        ({"kind": "guess"}, "This is no manifest: "),
        ({"strange": 1}, "strange: There is no such field in a manifest."),
        ({"sampling": {"temprature": 1}}, "there is no such sampling field"),
        (
            {"kind": "judge", "judge": {"axes": ["overall"]}},
            "judge.axes: Here should be a list of axes with names.",
        ),
    ],
)
def test_a_manifest_that_cannot_be_taken_names_its_field(project, folder, changes, said):
    write(folder / "results-1-of-1.jsonl", *lines_of(folder, *WHOLE))
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    assert said in refusal(project, folder)[0]
    assert refusal(project, folder)[0].startswith("manifest.json")


def test_what_no_database_holds_is_replaced_and_counted(project, folder):
    rows = lines_of(folder, (0, 1, "\x00あ\x00"), (0, 2, "い"))
    path = write(folder / "results-1-of-1.jsonl", *rows)
    path.write_text(path.read_text(encoding="utf-8").replace('"い"', '"\\ud83d"'), encoding="utf-8")

    report = load(project=project, files=[folder])
    [replaced] = [warning for warning in report.warnings if "U+FFFD" in str(warning)]
    assert replaced.times == 3
    assert known(project) == [("p0", "tiny", 0, ["\ufffdあ\ufffd", "\ufffd"])]
    assert load(project=project, files=[folder]).adds_nothing


def test_control_characters_and_mark_up_stay_as_they_are(project, folder):
    hostile = [
        "\x01\x0b\u2028<script>alert(1)</script>",
        "../../etc/passwd '; DROP TABLE prompts; -- \\N \t\r\n[[5]]",
    ]
    write(folder / "results-1-of-1.jsonl", *lines_of(folder, (0, 1, hostile[0]), (0, 2, hostile[1])))

    load(project=project, files=[folder])
    assert known(project) == [("p0", "tiny", 0, hostile)]


def test_a_bundle_that_asks_something_else_under_the_same_ids_is_refused(project, folder):
    """Ids such as 1, 2, 3 are those of many projects."""
    write(folder / "results-1-of-1.jsonl", *lines_of(folder, *WHOLE))
    own = [{"role": "user", "content": text} for text in ("質問 1、その 1", "質問 1、その 二")]
    for turns in (
        own,
        own[:1],
        [{"role": "user", "content": "別の質問"}] * 2,
        [*own[:1], {"role": "assistant", "content": "…"}],
    ):
        Prompt.objects.filter(key="p1").update(turns=turns)
        [said] = refusal(project, folder)
        assert said.startswith(
            "items.jsonl, line 2, turns: The bundle asks something else than the prompt “p1” of this project: “質問 1、その 2”"
        )
    system = {"role": "system", "content": "簡潔に"}
    Prompt.objects.filter(key="p1").update(turns=[system, *own[:1], own[1] | {"content": "質問 1、その 2"}])
    assert load(project=project, files=[folder]).created["responses"] == 2


def test_samples_and_variants_are_samples_of_their_prompt(project, bundle):
    create_prompt(project, key="one", turns=[{"role": "user", "content": "何？"}])
    of = a_manifest(samples=2, variants=["a", "b"])
    items = [
        make_item(
            of,
            prompt_id="one",
            turns=[{"role": "user", "content": f"{variant}: 何？ 順を追って"}],
            sample=sample,
            variant=variant,
        )
        for variant in ("a", "b")
        for sample in (0, 1)
    ]
    folder = bundle(items=items, samples=2, variants=["a", "b"])
    write(folder / "results-1-of-1.jsonl", *lines_of(folder, *((n, 1, f"答え{n}") for n in range(4))))

    load(project=project, files=[folder])
    assert known(project) == [("one", "tiny", n, [f"答え{n}"]) for n in range(4)]
    assert Response.objects.get(sample=2).generation["variant"] == "b"


# Cut off, and empty


def test_a_response_that_was_cut_off_or_is_empty_is_flagged(project, folder, client):
    cut = {"finish_reason": "length", "truncated": True}
    write(
        folder / "results-1-of-1.jsonl",
        *lines_of(folder, (0, 1, "あ"), (0, 2, "い", cut), (1, 1, ""), (1, 2, "え")),
    )
    load(project=project, files=[folder])

    first, second = Response.objects.order_by("prompt__key")
    assert (first.truncated, second.truncated) == ([2], [])
    assert second.generation["empty"] == [1]
    assert second.turns == ["", "え"]
    assert [conversation(item).cut_off for item in first.items.order_by("turn")] == [False, True]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_downloads_name_turns_that_were_cut_off_and_those_that_are_empty(project, tmp_path, form):
    """Whatever file they came from: MT-Bench's says nothing of either."""
    answers = write(
        tmp_path / "model_answer" / "m.jsonl",
        {"question_id": "p0", "model_id": "m", "choices": [{"index": 0, "turns": ["あ", " \n"]}]},
    )
    rows = write(
        tmp_path / "r.jsonl",
        {"prompt_id": "p1", "model": "m", "turns": ["", "い"], "generation": {"finish_reason": "length"}},
    )
    load(project=project, files=[answers, rows])

    out = tmp_path / "out"
    call_command(
        "export", "study", "--out", str(out), "--table", "responses", "--format", form, stdout=StringIO()
    )
    [file] = out.glob(f"*responses*.{form}")
    if form == "jsonl":
        assert [(row["truncated"], row["empty"]) for row in responses(file)] == [([], ["2"]), (["2"], ["1"])]
    again = load(project=project, files=[file])
    assert again.adds_nothing
    assert again.warnings == []


def test_raters_read_that_a_response_was_cut_off_and_not_whose_it_is(project, folder, client):
    rows = lines_of(folder, (0, 1, "あ", {"finish_reason": "length"}), (0, 2, "い"))
    write(folder / "results-1-of-1.jsonl", *rows)
    load(project=project, files=[folder])
    rater = create_member(project, is_rater=True)
    create_batch(project, items=[Item.objects.get(turn=1)], raters_per_item=1, state="open")
    client.force_login(rater.user)

    page = client.get("/p/study/rate/", headers={"accept-language": "en"}, follow=True).content.decode()
    assert "The response was cut off at its longest length." in page
    assert "tiny" not in page
    page = client.get("/p/study/rate/", headers={"accept-language": "ja"}, follow=True).content.decode()
    assert "最大の長さ" in page


def test_rows_of_ours_say_it_too(project, tmp_path):
    file = write(
        tmp_path / "r.jsonl",
        {"prompt_id": "p0", "model": "a", "turns": ["あ", "い"], "generation": {"finish_reason": "length"}},
        {"prompt_id": "p0", "model": "b", "turns": ["あ", "い"], "truncated": [1]},
        {"prompt_id": "p0", "model": "c", "turns": ["あ", ""]},
    )
    load(project=project, files=[file])
    assert list(Response.objects.order_by("model__name").values_list("truncated", flat=True)) == [
        [2],
        [1],
        [],
    ]
    write(file, {"prompt_id": "p1", "model": "b", "response": "あ", "truncated": ["x"]})
    assert "r.jsonl, line 1, truncated: “x” is not a number." in refusal(project, file)[0]


# Batch files


def request(custom_id: str, *said: str, **changes) -> dict:
    messages = [{"role": "assistant" if at % 2 else "user", "content": text} for at, text in enumerate(said)]
    body = {"model": "m", "messages": [{"role": "system", "content": "簡潔に"}, *messages]}
    return {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body, **changes}


def success(custom_id: str, *texts: str, finish_reason: str = "stop", model: str = "m") -> dict:
    choices = [
        {
            "index": at,
            "message": {"role": "assistant", "content": text, "reasoning": "考え"},
            "finish_reason": finish_reason,
        }
        for at, text in enumerate(texts)
    ]
    body = {
        "id": "x",
        "model": model,
        "choices": choices,
        "usage": {"completion_tokens": 3},
        "system_fingerprint": "vllm-1",
    }
    response = {"status_code": 200, "request_id": "vllm-batch-1", "body": body}
    return {"id": "vllm-1", "custom_id": custom_id, "response": response, "error": None}


FAILURES = [
    # OpenAI's
    {"id": "x", "custom_id": "r3", "response": None, "error": {"code": "server_error", "message": "it broke"}},
    # vLLM's: an object within an object, and mere text
    {
        "id": "x", "custom_id": "r3", "response": {"status_code": 400, "request_id": "y", "body": None},
        "error": {"error": {"message": "it broke", "type": "BadRequestError", "code": 400}},
    },
    {"id": "x", "custom_id": "r3", "response": {"status_code": 404, "request_id": "y", "body": None}, "error": "it broke"},
    # a body that holds the error
    {"id": "x", "custom_id": "r3", "response": {"status_code": 500, "body": {"error": {"message": "it broke"}}}, "error": None},
]  # fmt: skip


@pytest.fixture
def one_turn():
    project = create_project(slug="one")
    for n in range(4):
        create_prompt(project, key=f"q{n}", turns=[{"role": "user", "content": f"問 {n}"}])
    return project


@pytest.mark.parametrize("failure", FAILURES)
def test_batch_output_finds_its_prompts_by_what_was_asked_in_any_order(one_turn, tmp_path, failure):
    output = write(tmp_path / "a-output.jsonl", success("r2", "二"), failure, success("r1", "一", "壱"))
    requests = write(
        tmp_path / "b-requests.jsonl", request("r1", "問 1"), request("r2", "問 2"), request("r3", "問 3")
    )

    report = load(project=one_turn, files=[output, requests])
    assert known(one_turn) == [("q1", "m", 0, ["一"]), ("q1", "m", 1, ["壱"]), ("q2", "m", 0, ["二"])]
    assert report.left_out == {"failed": 1}
    assert "it broke" in str(report.warnings[0])
    said = Response.objects.first().generation
    assert (said["served_model"], said["system_fingerprint"], said["reasoning"]) == ("m", "vllm-1", "考え")
    assert load(project=one_turn, files=[output, requests]).adds_nothing


def test_batch_output_whose_ids_are_prompts_needs_no_requests(one_turn, tmp_path):
    output = write(tmp_path / "o.jsonl", success("q1", "一", finish_reason="length"))
    load(project=one_turn, files=[output], options=Options(model="mine"))
    assert known(one_turn) == [("q1", "mine", 0, ["一"])]
    assert Response.objects.get().truncated == [1]

    write(output, success("q1", "一"), success("zz", "何"))
    assert "What “zz” answers is not known." in refusal(one_turn, output)[0]


def test_a_request_for_the_second_turn_brings_the_first_answer_with_it(project, tmp_path):
    requests = write(
        tmp_path / "requests.jsonl",
        request("t1", "質問 0、その 1"),
        request("t2", "質問 0、その 1", "一つ目", "質問 0、その 2"),
    )
    output = write(tmp_path / "output.jsonl", success("t1", "一つ目"), success("t2", "二つ目"))

    report = load(project=project, files=[output, requests])
    assert known(project) == [("p0", "m", 0, ["一つ目", "二つ目"])]
    assert report.left_out == {"incomplete": 1}


def test_turns_that_a_prompt_answers_itself_are_no_answers_of_the_model(one_turn, tmp_path):
    said = [("user", "1+1?"), ("assistant", "2"), ("user", "2+2?")]
    given = [{"role": role, "content": text} for role, text in said]
    create_prompt(one_turn, key="given", turns=given)
    create_prompt(one_turn, key="mixed", turns=[*given, {"role": "user", "content": "3+3?"}])
    requests = write(
        tmp_path / "requests.jsonl",
        request("r1", "1+1?", "2", "2+2?"),
        request("r2", "1+1?", "2", "2+2?", "4", "3+3?"),
    )
    output = write(tmp_path / "output.jsonl", success("r1", "四"), success("r2", "六"))
    report = load(project=one_turn, files=[requests, output])
    assert known(one_turn) == [("given", "m", 0, ["四"]), ("mixed", "m", 0, ["4", "六"])]
    assert report.warnings == []

    load(project=one_turn, files=[write(output, success("given", "よん"))], options=Options(model="n"))
    assert ("given", "n", 0, ["よん"]) in known(one_turn)
    rows = write(tmp_path / "r.jsonl", {"prompt_id": "given", "model": "o", "turns": ["に", "よん"]})
    assert "Here are 2 answers; turns to be answered in the prompt “given”: 1." in refusal(one_turn, rows)[0]


def test_texts_that_several_prompts_have_are_not_guessed(one_turn, tmp_path):
    create_prompt(one_turn, key="twin", turns=[{"role": "user", "content": "問 1"}])
    requests = write(tmp_path / "requests.jsonl", request("r1", "問 1"), request("r2", "知らない"))
    output = write(tmp_path / "output.jsonl", success("r1", "一"))
    said = refusal(one_turn, requests, output)
    assert "it is not clear which is meant: q1, twin" in said[0]
    assert "No prompt of the project has these words: “知らない”" in said[1]


def test_batch_output_of_a_bundle_is_loaded_by_its_items(project, folder):
    ids = [item["item_id"] for item in responses(folder / "items.jsonl")]
    write(
        folder / "output-1.jsonl",
        success(f"{ids[1]}-2", "え", model="served"),
        success(f"{ids[0]}-1", "あ", model="served"),
        {
            "id": "x",
            "custom_id": f"{ids[0]}-2",
            "response": None,
            "error": {"code": "e", "message": "it broke"},
        },
    )
    write(folder / "output-2.jsonl", success(f"{ids[1]}-1", "う", model="served"))

    report = load(project=project, files=[folder])
    assert known(project) == [("p1", "tiny", 0, ["う", "え"])]
    assert report.left_out == {"failed": 1}


# Other tools


def jp(number: object, prompt: object, response: object, **more) -> dict:
    return {
        "ID": number,
        "prompt": prompt,
        "response": response,
        "error_messages": [],
        "pattern": None,
        **more,
    }


def test_both_versions_of_llm_jp_judge_are_read(tmp_path):
    project = create_project(slug="jp")
    write(tmp_path / "metadata.json").write_text('{"model_name": "jp-13b"}', encoding="utf-8")
    write(
        tmp_path / "quality_ja.jsonl",
        jp(0, ["指示: 富士山は？"], ["高い"], text=["富士山は？"], error_messages=[[]], pattern=[None]),
        jp("x-1", ["一", "二"], ["甲", "乙"], category="math", error_messages=[[], []]),
        jp(2, ["三"], [None], error_messages=[["timeout"]]),
    )
    report = load(project=project, files=[tmp_path])
    assert known(project) == [("0", "jp-13b", 0, ["高い"]), ("x-1", "jp-13b", 0, ["甲", "乙"])]
    assert report.created["prompts"] == 3
    assert report.left_out == {"failed": 1}
    assert Prompt.objects.get(key="0").user_turns == ["富士山は？"]
    assert Response.objects.get(prompt__key="0").generation["prompt"] == ["指示: 富士山は？"]
    assert load(project=project, files=[tmp_path]).adds_nothing

    half = write(
        tmp_path / "half.jsonl", jp("x-2", ["一", "二"], ["甲", None], error_messages=[[], ["timeout"]])
    )
    options = {"model": "jp-13b"}
    assert load(project=project, files=[half], options=Options(**options)).left_out == {"failed": 1}
    report = load(project=project, files=[half], options=Options(partial=True, **options))
    assert report.left_out == {"loaded in part": 1}
    assert ("x-2", "jp-13b", 0, ["甲"]) in known(project)

    old = write(
        tmp_path / "old" / "quality.jsonl",
        jp(7, "七", "しち", text="七"),
        jp(8, "八", None, error_messages=["E"]),
    )
    assert "--model" in refusal(project, old)[0]
    load(project=project, files=[old], options=Options(model="jp-1b"))
    assert ("7", "jp-1b", 0, ["しち"]) in known(project)


def test_arena_hards_answers_are_read_in_both_forms(one_turn, tmp_path):
    question = write(
        tmp_path / "question.jsonl", {"uid": "u1", "category": "hard", "cluster": "c", "prompt": "難問"}
    )
    new = write(
        tmp_path / "new.jsonl",
        {"uid": "u1", "ans_id": "a", "model": "m", "messages": [{"role": "user", "content": "難問"}, {"role": "assistant", "content": {"answer": "解"}}], "tstamp": 1},
    )  # fmt: skip
    plain = write(
        tmp_path / "n.jsonl",
        {
            "uid": "u1",
            "ans_id": "a",
            "model": "n",
            "messages": [{"role": "assistant", "content": "かい"}],
            "tstamp": 1,
        },
    )
    old = write(
        tmp_path / "o.jsonl",
        {"question_id": "q1", "answer_id": "a", "model_id": "o", "choices": [{"index": 0, "turns": [{"content": "古", "token_len": 1}]}], "tstamp": 1},
    )  # fmt: skip
    load(project=one_turn, files=[question, new, plain, old])
    assert known(one_turn) == [("q1", "o", 0, ["古"]), ("u1", "m", 0, ["解"]), ("u1", "n", 0, ["かい"])]
    write(new, {"uid": "u1", "model": "m", "messages": [{"role": "assistant", "content": {"answer": None}}]})
    assert "messages[0].content.answer: There is no answer here." in refusal(one_turn, new)[0]


def test_wildbench_is_read_with_its_conversations(tmp_path):
    project = create_project(slug="wild")
    row = {
        "session_id": "s1", "chat_history": ["やあ", "どうも", "では？"], "model_input": "…", "output": ["はい"], "generator": "w",
        "configs": {"engine": "vllm", "temperature": 0.0}, "dataset": "wild_bench", "primary_tag": "Math",
    }  # fmt: skip
    file = write(
        tmp_path / "w.json", row, row | {"session_id": "s2", "chat_history": ["一言"], "output": "単"}
    )
    assert load(project=project, files=[file]).warnings == []
    assert known(project) == [("s1", "w", 0, ["はい"]), ("s2", "w", 0, ["単"])]
    assert [turn["role"] for turn in Prompt.objects.get(key="s1").turns] == ["user", "assistant", "user"]
    assert Response.objects.first().generation["configs"]["engine"] == "vllm"
    write(file, row | {"chat_history": ["一", "二"]})
    assert "chat_history: Here should be texts of user and assistant in turn" in refusal(project, file)[0]


def test_wildbenchs_form_for_mt_bench_has_two_turns(project, tmp_path):
    file = write(
        tmp_path / "w.json",
        {
            "question_id": "p0",
            "category": "c",
            "turn1_output": ["一"],
            "turn2_output": ["二"],
            "model_id": "w",
            "turn_id": 2,
        },
        {"question_id": "p1", "category": "c", "turn1_output": "$ERROR$", "model_id": "w", "turn_id": 1},
    )
    assert "says that generating it failed" in refusal(project, file)[0]
    load(project=project, files=[file], options=Options(skip_failed=True))
    assert known(project) == [("p0", "w", 0, ["一", "二"])]


def test_alpaca_evals_outputs_are_matched_by_their_exact_words(one_turn, tmp_path):
    row = {"instruction": "問 1", "output": "一", "generator": "a", "dataset": "helpful"}
    file = write(tmp_path / "outputs.json", row)
    load(project=one_turn, files=[file])
    assert known(one_turn) == [("q1", "a", 0, ["一"])]

    write(file, row | {"instruction": "問1"})
    assert (
        "outputs.json, line 1, instruction: No prompt of the project has these words"
        in refusal(one_turn, file)[0]
    )
    create_prompt(one_turn, key="twin", source="helpful", turns=[{"role": "user", "content": "問 1"}])
    write(file, row | {"dataset": "other"})
    assert "it is not clear which is meant" in refusal(one_turn, file)[0]
    write(file, row)
    load(project=one_turn, files=[file])
    assert ("twin", "a", 0, ["一"]) in known(one_turn)


def test_a_run_that_goes_on_adds_what_was_missing(project, serve, bundle):
    """What is loaded half way through is the same when all is there."""
    running, folder = serve(), bundle(6, seed={"base": 9, "rule": SEED_RULE})
    assert main([str(folder), "--base-url", running.url, "--shard", "1/2"]) == 0
    first = load(project=project, files=[folder])
    assert main([str(folder), "--base-url", running.url, "--shard", "2/2"]) == 0
    second = load(project=project, files=[folder])
    assert first.created["responses"] + second.created["responses"] == 6
    assert first.left_out["incomplete"] == second.created["responses"]
