"""Loading our own rows: what they may hold, what is refused and how it is said, and that loading twice adds nothing."""

import csv
import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openpyxl
import pytest
from django.db import connection

from projects.loading import NotLoaded, Options, load, try_load
from projects.models import Item, LanguageModel, Prompt, Response
from tests.factories import create_project

pytestmark = pytest.mark.django_db

PROMPT = {"prompt_id": "p1", "turns": ["日本の首都は？"]}
RESPONSE = {"prompt_id": "p1", "model": "m1", "response": "東京です。"}


@pytest.fixture
def project():
    return create_project()


def jsonl(folder: Path, *rows: dict, name: str = "file.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def table(folder: Path, text: str, name: str = "file.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_text(text, encoding=encoding)
    return path


def refusal(project, *files: Path, **options):
    with pytest.raises(NotLoaded) as refused:
        load(project=project, files=files, options=Options(**options))
    assert refused.value.report.refused
    return refused.value.report


def errors(project, *files: Path, **options) -> list[str]:
    return [str(problem) for problem in refusal(project, *files, **options).errors]


def created(report) -> dict[str, int]:
    return {name: count for name, count in report.created.items() if count}


# What rows hold


def test_prompts_and_responses_in_one_file_are_loaded_with_their_items(project, tmp_path):
    report = load(project=project, files=[jsonl(tmp_path, PROMPT, RESPONSE)])

    response = Response.objects.get()
    assert created(report) == {"prompts": 1, "models": 1, "responses": 1}
    assert response.prompt.turns == [{"role": "user", "content": "日本の首都は？"}]
    assert (response.prompt.key, response.model.name, response.sample) == ("p1", "m1", 0)
    assert response.turns == ["東京です。"]
    assert [(item.project, item.prompt, item.turn) for item in response.items.all()] == [
        (project, response.prompt, 1)
    ]


def test_responses_may_stand_before_their_prompts_and_in_another_file(project, tmp_path):
    files = [jsonl(tmp_path, RESPONSE, name="a.jsonl"), jsonl(tmp_path, PROMPT, name="b.jsonl")]

    assert created(load(project=project, files=files)) == {"prompts": 1, "models": 1, "responses": 1}


def test_every_field_of_a_prompt_is_kept(project, tmp_path):
    row = {
        "prompt_id": 7,
        "turns": [{"role": "system", "content": "丁寧に"}, {"role": "user", "content": "一"}, "二"],
        "source": "elyza", "category": "math", "tags": ["a", "b"], "reference": "1", "checklist": ["x"],
        "options": ["A", "B"], "answer": "A", "metadata": {"n": 1}, "difficulty": 3,
    }  # fmt: skip
    report = load(project=project, files=[jsonl(tmp_path, row)])

    prompt = Prompt.objects.get()
    assert prompt.key == "7"
    assert [turn["role"] for turn in prompt.turns] == ["system", "user", "user"]
    assert (prompt.source, prompt.category, prompt.tags, prompt.reference) == (
        "elyza",
        "math",
        ["a", "b"],
        "1",
    )
    assert (prompt.checklist, prompt.options, prompt.answer) == (["x"], ["A", "B"], "A")
    assert prompt.metadata == {"n": 1, "difficulty": 3}
    assert [str(warning) for warning in report.warnings] == [
        "file.jsonl: Fields that are not known here were kept under metadata: difficulty."
    ]


def test_every_field_of_a_response_is_kept(project, tmp_path):
    rows = [
        {"prompt_id": "p1", "turns": ["一", "二"]},
        {
            "prompt_id": "p1", "model": "m", "turns": ["1", ""], "sample": 2,
            "generation": {"engine": "vllm", "seed": 3}, "latency": 0.5,
        },
    ]  # fmt: skip
    load(project=project, files=[jsonl(tmp_path, *rows)])

    response = Response.objects.get()
    assert (response.turns, response.sample) == (["1", ""], 2)
    assert response.generation == {"engine": "vllm", "seed": 3}
    assert response.metadata == {"latency": 0.5}
    assert [item.turn for item in response.items.order_by("turn")] == [1, 2]


def test_a_row_may_hold_a_prompt_with_all_its_responses(project, tmp_path):
    row = {
        **PROMPT,
        "source": "own",
        "responses": {
            "m1": "A",
            "m2": ["B"],
            "m3": {"response": "C", "sample": 1, "generation": {"seed": 1}, "x": 2},
        },
    }
    load(project=project, files=[jsonl(tmp_path, row)])

    found = {r.model.name: (r.turns, r.sample, r.generation, r.metadata) for r in Response.objects.all()}
    assert found == {
        "m1": (["A"], 0, {}, {}),
        "m2": (["B"], 0, {}, {}),
        "m3": (["C"], 1, {"seed": 1}, {"x": 2}),
    }
    assert Prompt.objects.get().metadata == {}


def test_a_table_may_repeat_the_prompt_beside_each_response(project, tmp_path):
    path = table(tmp_path, "prompt_id,prompt,model,response,latency\np1,Q?,m1,A,1\np1,Q?,m2,B,2\n")

    assert created(load(project=project, files=[path])) == {"prompts": 1, "models": 2, "responses": 2}
    assert Prompt.objects.get().metadata == {}
    assert [r.metadata for r in Response.objects.order_by("id")] == [{"latency": "1"}, {"latency": "2"}]


def test_turns_may_stand_in_columns_of_their_own(project, tmp_path):
    path = table(
        tmp_path, "prompt_id,prompt,prompt_2,model,response,response_2\np1,Q1,Q2,m,A1,A2\np2,Q1,,m,A1,\n"
    )
    load(project=project, files=[path])

    assert [(len(r.prompt.turns), r.turns) for r in Response.objects.order_by("id")] == [
        (2, ["A1", "A2"]),
        (1, ["A1"]),
    ]
    assert Prompt.objects.get(key="p1").metadata == {}


def test_columns_may_be_called_otherwise(project, tmp_path):
    path = table(tmp_path, "番号,質問,モデル,回答\np1,Q?,m,A\n")
    columns = {"prompt_id": "番号", "prompt": "質問", "model": "モデル", "response": "回答"}

    assert created(load(project=project, files=[path], options=Options(columns=columns))) == {
        "prompts": 1, "models": 1, "responses": 1,
    }  # fmt: skip


def test_case_width_and_spaces_of_column_names_make_no_difference(project, tmp_path):
    path = table(tmp_path, "Prompt ID,ＰＲＯＭＰＴ\np1,Q?\n")

    assert created(load(project=project, files=[path])) == {"prompts": 1}


def test_the_fields_of_json_may_be_called_otherwise(project, tmp_path):
    path = jsonl(tmp_path, {"qid": "p1", "質問": "Q?"}, {"qid": "p2", "質問": "R?"})

    load(project=project, files=[path], options=Options(columns={"prompt_id": "qid", "prompt": "質問"}))
    assert [p.key for p in Prompt.objects.all()] == ["p1", "p2"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp932"])
def test_a_table_is_loaded_in_each_encoding(project, tmp_path, encoding):
    path = table(tmp_path, "prompt_id,prompt\np1,日本語の質問です。\n", encoding=encoding)
    load(project=project, files=[path])

    assert Prompt.objects.get().user_turns == ["日本語の質問です。"]


def test_a_workbook_is_loaded(project, tmp_path):
    book = openpyxl.Workbook()
    for row in [["prompt_id", "prompt", "tags", "model", "response"], ["p1", "Q?", "a; b", "m", "A\nB"]]:
        book.active.append(row)
    book.save(tmp_path / "file.xlsx")
    load(project=project, files=[tmp_path / "file.xlsx"])

    assert Prompt.objects.get().tags == ["a", "b"]
    assert Response.objects.get().turns == ["A\nB"]


def test_all_files_of_a_folder_are_loaded(project, tmp_path):
    jsonl(tmp_path, PROMPT, name="prompts.jsonl")
    table(tmp_path, "prompt_id,model,response\np1,m,A\n", name="responses.csv")
    (tmp_path / "manifest.json").write_text("{}")
    (tmp_path / "README.md").write_text("read me")

    report = load(project=project, files=[tmp_path])
    assert created(report) == {"prompts": 1, "models": 1, "responses": 1}
    assert [file["name"] for file in report.files] == ["prompts.jsonl", "responses.csv"]


# Again


def test_loading_again_adds_nothing_and_says_so(project, tmp_path):
    path = jsonl(
        tmp_path, {**PROMPT, "tags": ["a"], "metadata": {"x": 1}}, {**RESPONSE, "generation": {"seed": 1}}
    )
    load(project=project, files=[path])
    report = load(project=project, files=[path])

    assert created(report) == {}
    assert report.adds_nothing
    assert report.unchanged == {"prompts": 1, "models": 1, "responses": 1}
    assert report.warnings == []
    assert (Prompt.objects.count(), Response.objects.count(), Item.objects.count()) == (1, 1, 1)


def test_what_is_new_is_added_to_what_is_there(project, tmp_path):
    load(project=project, files=[jsonl(tmp_path, PROMPT, RESPONSE)])
    report = load(project=project, files=[jsonl(tmp_path, PROMPT, RESPONSE, {**RESPONSE, "model": "m2"})])

    assert created(report) == {"models": 1, "responses": 1}
    assert report.unchanged == {"prompts": 1, "models": 1, "responses": 1}


def test_the_same_row_twice_is_loaded_once(project, tmp_path):
    assert created(load(project=project, files=[jsonl(tmp_path, PROMPT, PROMPT, RESPONSE, RESPONSE)])) == {
        "prompts": 1, "models": 1, "responses": 1,
    }  # fmt: skip


def test_a_dry_run_says_what_would_be_loaded_and_loads_nothing(project, tmp_path):
    report = try_load(project=project, files=[jsonl(tmp_path, PROMPT, RESPONSE)])

    assert created(report) == {"prompts": 1, "models": 1, "responses": 1}
    assert report.dry_run
    assert not Prompt.objects.exists()
    assert not LanguageModel.objects.exists()


def test_projects_do_not_see_each_other(project, tmp_path):
    path = jsonl(tmp_path, PROMPT, RESPONSE)
    load(project=project, files=[path])

    assert created(load(project=create_project(), files=[path])) == {
        "prompts": 1,
        "models": 1,
        "responses": 1,
    }


# What contradicts


def test_another_text_under_a_known_id_is_a_conflict_that_shows_both(project, tmp_path):
    load(project=project, files=[jsonl(tmp_path, PROMPT, RESPONSE)])
    changed = jsonl(
        tmp_path, {**PROMPT, "turns": ["日本の首都はどこ？"]}, {**RESPONSE, "response": "京都です。"}
    )
    report = refusal(project, changed)

    assert [str(conflict) for conflict in report.conflicts] == [
        "file.jsonl, line 1, turns: The prompt “p1” is known with other words. "
        "Known: “日本の首都は？”. In the file: “日本の首都はどこ？”.",
        "file.jsonl, line 2, response: The response of “m1” to “p1” is known with another text. "
        "Known: “東京です。”. In the file: “京都です。”.",
    ]
    assert report.errors == []
    assert Prompt.objects.get().user_turns == ["日本の首都は？"]


def test_long_texts_are_shown_where_they_differ(project, tmp_path):
    load(
        project=project,
        files=[jsonl(tmp_path, PROMPT, {**RESPONSE, "response": "あ" * 500 + "い" + "う" * 500})],
    )
    conflict = refusal(
        project, jsonl(tmp_path, {**RESPONSE, "response": "あ" * 500 + "え" + "う" * 500})
    ).conflicts[0]

    assert conflict.known.startswith("…" + "あ" * 25 + "いう")
    assert conflict.given.startswith("…" + "あ" * 25 + "えう")
    assert len(conflict.known) < 100


def test_a_reference_that_changed_is_a_conflict_and_one_left_out_is_none(project, tmp_path):
    load(project=project, files=[jsonl(tmp_path, {**PROMPT, "reference": "東京"})])

    assert load(project=project, files=[jsonl(tmp_path, PROMPT)]).adds_nothing
    report = refusal(project, jsonl(tmp_path, {**PROMPT, "reference": "京都"}))
    assert (report.conflicts[0].field, report.conflicts[0].known, report.conflicts[0].given) == (
        "reference",
        "東京",
        "京都",
    )


def test_what_only_describes_is_left_as_it_is_with_a_warning(project, tmp_path):
    load(
        project=project,
        files=[jsonl(tmp_path, {**PROMPT, "category": "geo"}, {**RESPONSE, "generation": {"seed": 1}})],
    )
    changed = jsonl(tmp_path, {**PROMPT, "category": "map"}, {**RESPONSE, "generation": {"seed": 2}})
    report = load(project=project, files=[changed])

    assert [str(warning) for warning in report.warnings] == [
        "file.jsonl, line 1, category: This differs from what is stored, which stays as it is.",
        "file.jsonl, line 2, generation: This differs from what is stored, which stays as it is.",
    ]
    assert Prompt.objects.get().category == "geo"


def test_two_prompts_with_one_id_in_a_file_are_an_error_that_names_both(project, tmp_path):
    path = jsonl(tmp_path, PROMPT, {"prompt_id": "p2", "turns": ["x"]}, {**PROMPT, "turns": ["y"]})

    assert errors(project, path) == [
        "file.jsonl, line 3, turns: The prompt “p1” stands in file.jsonl, line 1 with other words. "
        "Give the prompts different ids, or remove one of them."
    ]
    assert not Prompt.objects.exists()


def test_two_responses_to_one_prompt_are_an_error_unless_numbered(project, tmp_path):
    rows = [PROMPT, RESPONSE, {**RESPONSE, "response": "大阪です。"}]

    assert errors(project, jsonl(tmp_path, *rows)) == [
        "file.jsonl, line 3, response: Another response of “m1” to “p1”, sample 0, stands in file.jsonl, line 2. "
        "Number several responses to one prompt with `sample`: 0, 1, 2 …"
    ]
    rows[2]["sample"] = 1
    assert created(load(project=project, files=[jsonl(tmp_path, *rows)]))["responses"] == 2


def test_a_response_to_an_unknown_prompt_is_an_error(project, tmp_path):
    assert errors(project, jsonl(tmp_path, {**RESPONSE, "prompt_id": "p9"})) == [
        "file.jsonl, line 1, prompt_id: There is no prompt “p9”. Load the prompts first, or together with this file."
    ]


@pytest.mark.parametrize(("known", "written"), [("12", "12.0"), ("007", "7")])
def test_an_id_that_a_spreadsheet_changed_is_recognised(project, tmp_path, known, written):
    load(project=project, files=[jsonl(tmp_path, {**PROMPT, "prompt_id": known})])

    assert errors(project, table(tmp_path, f"prompt_id,model,response\n{written},m,A\n")) == [
        f"file.csv, line 2, prompt_id: There is no prompt “{written}”. "
        f"There is a prompt “{known}”: a spreadsheet may have taken the id for a number."
    ]


def test_more_answers_than_questions_are_an_error(project, tmp_path):
    row = {"prompt_id": "p1", "model": "m1", "turns": ["A", "B"]}

    assert errors(project, jsonl(tmp_path, PROMPT, row)) == [
        "file.jsonl, line 2, response: Here are 2 answers; turns to be answered in the prompt “p1”: 1."
    ]


def test_fewer_answers_than_questions_are_warned_of(project, tmp_path):
    rows = [{"prompt_id": "p1", "turns": ["一", "二"]}, RESPONSE, {**RESPONSE, "model": "m2"}]
    report = load(project=project, files=[jsonl(tmp_path, *rows)])

    assert [str(warning) for warning in report.warnings] == [
        "file.jsonl, line 2: This response answers only the first turns of its prompt. (2 times; this is the first)"
    ]


def test_after_an_error_nothing_at_all_is_loaded(project, tmp_path):
    good = jsonl(tmp_path, PROMPT, RESPONSE, name="good.jsonl")
    bad = jsonl(tmp_path, {"prompt_id": "p2", "turns": []}, name="bad.jsonl")

    refusal(project, good, bad)
    assert not Prompt.objects.exists()
    assert not LanguageModel.objects.exists()


def test_at_most_twenty_errors_are_shown_and_all_are_counted(project, tmp_path):
    report = refusal(project, jsonl(tmp_path, *[RESPONSE | {"prompt_id": f"q{n}"} for n in range(33)]))
    assert (len(report.errors), report.n_errors, report.more_errors) == (20, 33, 13)

    load(
        project=project, files=[jsonl(tmp_path, *[{"prompt_id": f"p{n}", "turns": ["x"]} for n in range(33)])]
    )
    report = refusal(project, jsonl(tmp_path, *[{"prompt_id": f"p{n}", "turns": ["y"]} for n in range(33)]))
    assert (len(report.conflicts), report.n_conflicts) == (20, 33)

    report = refusal(project, jsonl(tmp_path, *[{**RESPONSE, "prompt_id": f"q{n}"} for n in range(33)]))
    assert (len(report.errors), report.n_errors) == (20, 33)


# What is wrong with a row


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"prompt_id": "", "turns": ["x"]}, "prompt_id: This is empty."),
        ({"turns": ["x"]}, "prompt_id: This is empty."),
        ({"prompt_id": "x" * 301, "turns": ["x"]}, "prompt_id: This is longer than 300 characters."),
        ({"prompt_id": ["p"], "turns": ["x"]}, "prompt_id: Here should be text; it is a list."),
        ({"prompt_id": "p", "turns": {}}, "turns: Here should be a list of turns that is not empty."),
        ({"prompt_id": "p", "turns": []}, "turns: Here should be a list of turns that is not empty."),
        ({"prompt_id": "p", "turns": [" "]}, "turns[0].content: Here should be text."),
        ({"prompt_id": "p", "turns": [1]}, "turns[0]: A turn is text, or an object with role and content."),
        ({"prompt_id": "p", "turns": ["x", {"role": "bot", "content": "y"}]}, "turns[1].role: “bot” is none of: user, assistant, system."),
        ({"prompt_id": "p", "turns": [{"role": "user", "content": None}]}, "turns[0].content: Here should be text."),
        ({"prompt_id": "p", "turns": [{"role": "user", "text": "y"}]}, "turns[0]: A turn has role and content; it has no text."),
        ({"prompt_id": "p", "turns": [{"role": "system", "content": "y"}]}, "turns: A prompt has at least one turn of the user."),
        ({"prompt_id": "p", "turns": ["x"] * 1001}, "turns: This list is longer than 1000."),
        ({"prompt_id": "p", "turns": ["x"], "source": "x" * 201}, "source: This is longer than 200 characters."),
        ({"prompt_id": "p", "turns": ["x"], "tags": [["a"]]}, "tags: Here should be a list of texts."),
        ({"prompt_id": "p", "turns": ["x"], "tags": ["x" * 201]}, "tags: This is longer than 200 characters."),
        ({"prompt_id": "p", "turns": ["x"], "metadata": [1]}, "metadata: Here should be text; it is a list."),
        ({"prompt_id": "p", "turns": ["x"], "checklist": {"a": 1}}, "checklist: Here should be text; it is an object."),
        ({"prompt_id": "p", "response": "x"}, "model: This is empty."),
        ({"prompt_id": "p", "model": "m", "turns": [None]}, "turns: There is no answer here."),
        ({"prompt_id": "p", "model": "m", "response": 7}, "response: Here should be an answer, or a list of answers, one per turn."),
        ({"prompt_id": "p", "model": "m", "turns": ["x", None]}, "turns[1]: There is no answer here."),
        ({"prompt_id": "p", "model": "m" * 301, "response": "x"}, "model: This is longer than 300 characters."),
        ({"prompt_id": "p", "model": "m", "response": "x", "sample": -1}, "sample: “-1” is not a whole number from 0 to 1000000."),
        ({"prompt_id": "p", "model": "m", "response": "x", "generation": "x"}, "generation: This is not JSON:"),
        ({"prompt_id": "p", "model": "m", "response": "$ERROR$"}, "response: This is no answer of “m”, but says that generating it failed."),
        ({"prompt_id": "p", "turns": ["x"], "responses": {"m": None}}, "responses.m: Here should be an answer, or a list of answers, one per turn."),
        ({"prompt_id": "p", "turns": ["x"], "responses": {" ": "x"}}, "responses. : A model’s name has 1 to 300 characters."),
        ({"prompt_id": "p", "turns": ["x"], "responses": {"m": {"turns": ["x"], "sample": "1"}}}, "responses.m: Here should be an object with turns, sample and generation."),
        ({"prompt_id": "p", "model": "m"}, "This row has the fields prompt_id, model, and could be nothing of what is known: prompts (prompt_id, turns | prompt);"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_row_is_said_with_its_place_and_field(project, tmp_path, row, sentence):
    said = errors(project, jsonl(tmp_path, PROMPT, row))

    assert len(said) == 1
    assert said[0].startswith(
        ("file.jsonl, line 2: " if sentence.startswith("This row") else "file.jsonl, line 2, ") + sentence
    )


def test_errors_in_a_table_name_the_column_as_the_file_has_it(project, tmp_path):
    book = openpyxl.Workbook()
    for row in [["番号", "質問"], ["p1", None]]:
        book.active.append(row)
    book.save(tmp_path / "file.xlsx")

    assert errors(project, tmp_path / "file.xlsx", columns={"prompt_id": "番号", "prompt": "質問"}) == [
        "file.xlsx, Sheet!B2, 質問: This is empty."
    ]


def test_failed_answers_are_left_out_when_asked_for(project, tmp_path):
    path = jsonl(tmp_path, PROMPT, RESPONSE, {**RESPONSE, "model": "m2", "response": "$ERROR$"})
    report = load(project=project, files=[path], options=Options(skip_failed=True))

    assert created(report)["responses"] == 1
    assert [str(warning) for warning in report.warnings] == [
        "file.jsonl, line 3: This is no answer, but says that generating it failed; it was left out."
    ]


def test_characters_that_cannot_be_stored_are_replaced_and_counted(project, tmp_path):
    path = tmp_path / "file.jsonl"
    path.write_text('{"prompt_id": "p1", "turns": ["a\\u0000b\\ud800"], "x": "\\u0000"}\n')
    report = load(project=project, files=[path])

    assert Prompt.objects.get().user_turns == ["a\ufffdb\ufffd"]
    assert "U+FFFD. (3 times; this is the first)" in str(report.warnings[0])


@pytest.mark.parametrize(
    "text", ["𠮷野家で😀", "a\u2028b\x85c", "\u202eabc", "'=1+1", "\\N", "\\.", "x\t", "{}", '"', "a\r\nb\rc"]
)
def test_any_text_is_stored_as_it_is(project, tmp_path, text):
    load(
        project=project,
        files=[jsonl(tmp_path, {**PROMPT, "turns": ["Q" + text]}, {**RESPONSE, "response": [text]})],
    )

    assert Prompt.objects.get().user_turns == ["Q" + text]
    assert Response.objects.get().turns == [text]


def test_wrecked_ids_are_warned_of(project, tmp_path):
    path = table(tmp_path, "prompt_id,prompt\n1.0,a\n2.0,b\n1E+05,c\n3月1日,d\n")
    report = load(project=project, files=[path])

    assert [str(warning) for warning in report.warnings] == [
        "file.csv, line 2, prompt_id: “1.0” looks like a number that a spreadsheet made of something else. "
        "(2 times; this is the first)",
        "file.csv, line 4, prompt_id: “1E+05” looks like a number that a spreadsheet shortened.",
        "file.csv, line 5, prompt_id: “3月1日” looks like a date that a spreadsheet made of something else.",
    ]


def test_ids_that_a_workbook_holds_as_numbers_are_warned_of(project, tmp_path):
    book = openpyxl.Workbook()
    for row in [["prompt_id", "prompt"], [1, "a"], [12345678901234567, "b"], ["x", "c"]]:
        book.active.append(row)
    book.save(tmp_path / "file.xlsx")
    report = load(project=project, files=[tmp_path / "file.xlsx"])

    said = [str(warning) for warning in report.warnings]
    assert said[0].startswith(
        "file.xlsx, Sheet!A2, prompt_id: This id is stored as a number: leading zeros, and digits beyond 15, are lost."
    )


# Which format


def test_columns_that_say_nothing_are_refused_with_what_to_do(project, tmp_path):
    (said,) = errors(project, table(tmp_path, "番号,質問\np1,Q?\n"))

    assert said == (
        "file.csv: It is not clear what this file holds; its columns are: 番号, 質問. Say which column holds what, such as "
        "prompt_id=ID, or name the format. Rows of ours are: prompts (prompt_id, turns | prompt); "
        "responses (prompt_id, model, response | turns); ratings (prompt_id, model, rater, axis, score); "
        "judge_scores (prompt_id, model, judge, axis, score); "
        "verdicts (prompt_id, first_model, second_model, judge, value)."
    )


def test_a_format_can_be_named(project, tmp_path):
    path = table(tmp_path, "prompt_id,prompt,model,response\np1,Q?,m,A\n")

    assert created(load(project=project, files=[path], options=Options(format="prompts"))) == {"prompts": 1}


def test_a_format_that_does_not_exist_is_refused(project, tmp_path):
    assert errors(project, jsonl(tmp_path, PROMPT), format="docx")[0].startswith(
        "There is no format “docx”; there are: hyotei, prompts, responses, "
    )


def test_a_field_that_does_not_exist_is_refused(project, tmp_path):
    (said,) = errors(project, table(tmp_path, "prompt_id,prompt\np1,Q\n"), columns={"question": "prompt"})

    assert said.startswith("There is no field “question”; there are: ")


def test_a_column_that_does_not_exist_is_refused(project, tmp_path):
    (said,) = errors(project, table(tmp_path, "prompt_id,prompt\np1,Q\n"), columns={"source": "出典"})

    assert said == "There is no column “出典” to hold source; there are: prompt_id, prompt."


def test_what_is_wrong_with_any_file_is_said_for_all_at_once(project, tmp_path):
    files = [table(tmp_path, "", name="a.csv"), table(tmp_path, "x,x\n1,2\n", name="b.csv")]

    said = errors(project, *files)
    assert said[0] == "a.csv: This file is empty."
    assert "are both called “x”" in said[1]


def test_an_empty_folder_is_refused(project, tmp_path):
    assert errors(project, tmp_path)[0].endswith(
        "In this folder is nothing that can be loaded: .jsonl, .json, .csv, .tsv, .xlsx, .parquet, .ndjson."
    )


def test_a_guessed_encoding_is_told(project, tmp_path):
    text = "prompt_id,prompt\n" + "".join(
        f"p{n},Ça a été créé à la fenêtre où naît l'été\n" for n in range(40)
    )
    report = load(project=project, files=[table(tmp_path, text, encoding="cp1252")])

    assert str(report.warnings[0]).startswith("file.csv: The encoding was guessed to be cp1252.")
    assert report.files[0]["encoding"] == "cp1252"


# While it is under way


def test_it_can_be_stopped_and_nothing_is_left(project, tmp_path):
    class Enough(Exception):
        pass

    def stop(done, whole, what):
        if what == "responses":
            raise Enough

    with pytest.raises(Enough):
        load(project=project, files=[jsonl(tmp_path, PROMPT, RESPONSE)], progress=stop)
    assert not Prompt.objects.exists()


def test_progress_goes_from_nothing_to_everything(project, tmp_path):
    seen = []
    path = jsonl(tmp_path, *[{"prompt_id": f"p{n}", "turns": ["x" * 300]} for n in range(2000)])
    load(project=project, files=[path], progress=lambda done, whole, what: seen.append((done, whole, what)))

    assert [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)
    assert seen[0][0] < path.stat().st_size / 2
    assert seen[-1] == (path.stat().st_size, path.stat().st_size, "prompts")


def test_numbers_that_json_cannot_hold_are_kept_as_text(project, tmp_path):
    path = tmp_path / "file.jsonl"
    path.write_text('{"prompt_id": "p1", "turns": ["Q"], "big": 1e999, "list": [-1e999, NaN]}\n')
    load(project=project, files=[path])

    assert Prompt.objects.get().metadata == {"big": "inf", "list": ["-inf", None]}


@pytest.mark.parametrize("more", ["", "\\u0000"])
def test_nesting_without_end_is_an_error(project, tmp_path, more):
    path = tmp_path / "file.jsonl"
    deep = '{"a":' * 700 + f'"{more}"' + "}" * 700
    path.write_text('{"prompt_id": "p1", "turns": ["Q"], "x": ' + deep + "}\n")

    assert errors(project, path) == ["file.jsonl, line 1: This is nested too deeply."]


def test_a_file_whose_name_is_no_text_is_loaded(project, tmp_path):
    path = tmp_path / "caf\udce9.jsonl"
    path.write_text(json.dumps(PROMPT))

    assert load(project=project, files=[path]).files[0]["name"] == "caf?.jsonl"


@pytest.mark.django_db(transaction=True)
def test_of_two_loads_at_once_the_second_finds_everything_there(tmp_path):
    project = create_project()
    path = jsonl(
        tmp_path, *[{"prompt_id": f"p{n}", "turns": ["Q"], "responses": {"m": "A"}} for n in range(500)]
    )

    def go(_):
        try:
            return load(project=project, files=[path])
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(go, range(4)))

    assert sorted(report.created["responses"] for report in reports) == [0, 0, 0, 500]
    assert Response.objects.count() == Item.objects.count() == 500


def test_two_loads_in_one_transaction_do_not_get_in_each_others_way(project, tmp_path):
    load(project=project, files=[jsonl(tmp_path, PROMPT)])
    refusal(project, jsonl(tmp_path, {**PROMPT, "turns": ["other"]}))
    load(project=project, files=[jsonl(tmp_path, RESPONSE)])

    assert Response.objects.count() == 1


def test_what_csv_writes_is_loaded_as_it_was(project, tmp_path):
    """Texts that CSV has to quote, through csv's own writer."""
    texts = ["a,b", 'say "hi"', "two\nlines", " spaces ", "=1+1", "；"]
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerows([["prompt_id", "prompt"], *[[f"p{n}", text] for n, text in enumerate(texts)]])
    load(project=project, files=[table(tmp_path, written.getvalue())])

    assert [p.user_turns[0] for p in Prompt.objects.order_by("id")] == texts
