"""Loading files of others: LLM-jp's published ratings, and MT-Bench as FastChat keeps it."""

import copy
import json
from collections import Counter
from pathlib import Path

import pytest

from annotation.models import Assignment, Batch, Score
from projects.loading import NotLoaded, Options, load, read_model_names
from projects.models import LanguageModel, Member, Prompt, Response
from projects.rubric_files import make_project, read_rubric
from projects.tables import Refused
from tests.projects import human_eval

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return make_project(slug="llm-jp", spec=read_rubric("llm-jp"))


def refusal(project, *files: Path, **options) -> list[str]:
    with pytest.raises(NotLoaded) as refused:
        load(project=project, files=files, options=Options(**options))
    assert not Prompt.objects.exists()
    return [str(problem) for problem in refused.value.report.errors]


# LLM-jp's published ratings


def test_404_prompts_with_ten_models_and_three_ratings_each_are_loaded(project, tmp_path):
    rows = human_eval.rows()
    path = human_eval.write(tmp_path / "llm-human-eval.jsonl", rows)
    report = load(project=project, files=[path])

    turns = [turn for row in rows for turn in row["turns"]]
    assert {name: n for name, n in report.created.items() if n} == {
        "prompts": 404,
        "models": 10,
        "responses": 4040,
        "raters": 3,
        "ratings": len(turns) * 10 * 5 * 3,
    }
    assert Assignment.objects.count() == len(turns) * 10 * 3
    assert Counter(Prompt.objects.values_list("source", flat=True)) == human_eval.SOURCES
    assert report.warnings == []

    given = Counter(
        rating
        for turn in turns
        for response in turn["responses"].values()
        for ratings in response["human_evals"].values()
        for rating in ratings
    )
    values = Counter(Score.objects.values_list("value", flat=True))
    assert values == {None: given["NA"] + given[0], **{float(n): given[n] for n in range(1, 6)}}
    assert set(Score.objects.filter(value=None).values_list("na_reason", flat=True)) == {"unspecified"}
    assert load(project=project, files=[path]).adds_nothing


def test_each_rating_is_where_the_file_has_it(project, tmp_path):
    rows = human_eval.rows(285)[-6:]
    load(project=project, files=[human_eval.write(tmp_path / "a.jsonl", rows)])

    axes = {"detailedness": "detail", "factuality": "accuracy"}
    for row in rows:
        for number, turn in enumerate(row["turns"], 1):
            for letter, response in turn["responses"].items():
                for axis, ratings in response["human_evals"].items():
                    found = Score.objects.filter(
                        axis__key=axes.get(axis, axis),
                        assignment__item__turn=number,
                        assignment__item__prompt__key=row["id"],
                        assignment__item__response__model__name=letter,
                    ).order_by("assignment__rater__pseudonym")
                    assert [s.value for s in found] == [None if r in ("NA", 0) else r for r in ratings]


def test_positions_are_members_that_stand_for_nobody(project, tmp_path):
    load(project=project, files=[human_eval.write(tmp_path / "a.jsonl", human_eval.rows(2))])

    assert list(
        Member.objects.order_by("pseudonym").values_list("pseudonym", "kind", "user", "external_name")
    ) == [
        ("P001", "position", None, "position 1"),
        ("P002", "position", None, "position 2"),
        ("P003", "position", None, "position 3"),
    ]
    assert not Member.objects.persons().exists()
    project.refresh_from_db()
    assert project.people_so_far == 0


def test_the_loaded_batch_is_closed_and_named_after_the_file(project, tmp_path):
    load(project=project, files=[human_eval.write(tmp_path / "llm-human-eval.jsonl", human_eval.rows(2))])

    batch = Batch.objects.get()
    assert (batch.name, batch.state, batch.filling, batch.raters_per_item) == (
        "llm-human-eval",
        "closed",
        "loaded",
        3,
    )


def test_prompts_of_two_turns_have_responses_of_two_turns(project, tmp_path):
    load(project=project, files=[human_eval.write(tmp_path / "a.jsonl", human_eval.rows(201)[200:])])

    prompt = Prompt.objects.get()
    assert prompt.user_turns == ["mt_benchの質問0、1回目です。", "mt_benchの質問0、2回目です。"]
    assert {len(response.turns) for response in Response.objects.all()} == {2}
    assert {item.turn for item in prompt.items.all()} == {1, 2}


@pytest.mark.parametrize(
    "names", ['{"llm_a": "GPT-3.5", "llm_b": "llm-jp-13b"}', "llm_a,GPT-3.5\nllm_b, llm-jp-13b\n"]
)
def test_letters_become_names_by_a_names_file(project, tmp_path, names):
    (tmp_path / "names").write_text(names)
    path = human_eval.write(tmp_path / "a.jsonl", human_eval.rows(1))
    report = load(
        project=project, files=[path], options=Options(model_names=read_model_names(tmp_path / "names"))
    )

    assert list(LanguageModel.objects.order_by("id").values_list("name", flat=True)[:3]) == [
        "GPT-3.5",
        "llm-jp-13b",
        "llm_c",
    ]
    assert [str(warning) for warning in report.warnings] == [
        "a.jsonl: The names file has no name for: llm_c, llm_d, llm_e, llm_f, llm_g, llm_h, llm_i, llm_j."
    ]


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ("llm_a GPT", "names, line 1: Each line has a letter and a name, parted by a comma: llm_a,GPT-4."),
        ("llm_a,\n", "names, line 1: Each line has a letter and a name"),
        ("{", "names: This is not JSON:"),
        ('{"llm_a": 1}', "names, llm_a: Here should be a name of 1 to 300 characters."),
        ("llm_a,x\nllm_b,x\n", "names: Two letters have the same name: x."),
    ],
)
def test_a_names_file_that_says_nothing_is_refused(tmp_path, names, sentence):
    (tmp_path / "names").write_text(names)
    with pytest.raises(Refused) as refused:
        read_model_names(tmp_path / "names")

    assert str(refused.value).startswith(sentence)


def test_fewer_ratings_than_elsewhere_are_missing_ones(project, tmp_path):
    (row,) = human_eval.rows(1)
    row["turns"][0]["responses"]["llm_a"]["human_evals"] = {"fluency": [5], "overall": [4, 3]}
    load(project=project, files=[human_eval.write(tmp_path / "a.jsonl", [row])])

    seats = Assignment.objects.filter(item__response__model__name="llm_a").order_by("rater__pseudonym")
    assert [seat.codes for seat in seats] == [[0, 5, 0, 0, 4], [0, 0, 0, 0, 3]]


def changed(change) -> list[dict]:
    rows = copy.deepcopy(human_eval.rows(2))
    change(rows[1])
    return rows


def turn(row: dict) -> dict:
    return row["turns"][0]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda row: row.update(id=""), "id: Here should be an id of 1 to 300 characters."),
        (lambda row: row.update(turns=[]), "turns: Here should be a list of turns that is not empty."),
        (lambda row: turn(row).update(prompt=None), "turns[0].prompt: Here should be text."),
        (lambda row: turn(row).update(responses=[]), "turns[0].responses: Here should be an object, with a response for each model."),
        (lambda row: turn(row)["responses"].update(llm_a={}), "turns[0].responses.llm_a.response: There is no answer here."),
        (lambda row: turn(row)["responses"].update({"": {"response": "x"}}), "turns[0].responses.: A model’s name has 1 to 300 characters."),
        (lambda row: turn(row)["responses"]["llm_b"].update(human_evals=[]), "turns[0].responses.llm_b.human_evals: Here should be an object, with a list of ratings for each axis."),
        (lambda row: turn(row)["responses"]["llm_b"]["human_evals"].update(fluency=3), "turns[0].responses.llm_b.human_evals.fluency: Here should be a list of ratings, one per rater."),
        (lambda row: turn(row)["responses"]["llm_b"]["human_evals"].update(fluency=[3, [4]]), "turns[0].responses.llm_b.human_evals.fluency[1]: “[4]” is not a number."),
        (lambda row: turn(row)["responses"]["llm_b"]["human_evals"].update(fluency=[3, 7]), "turns[0].responses.llm_b.human_evals.fluency[1]: 7 is not on the scale of “fluency”: 1, 2, 3, 4, 5."),
        (lambda row: turn(row)["responses"]["llm_b"]["human_evals"].update(style=[3]), "turns[0].responses.llm_b.human_evals.style: The rubric has no axis “style”;"),
        (lambda row: turn(row)["responses"]["llm_b"].update(response="$ERROR$"), "turns[0].responses.llm_b.response: This is no answer of “llm_b”, but says that generating it failed."),
        (lambda row: row["turns"].append({"prompt": "x", "responses": {"llm_z": {"response": "x"}}}), "turns[1].responses.llm_z: This model answers here, but not on an earlier turn."),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_line_is_said_with_its_path(project, tmp_path, change, sentence):
    path = human_eval.write(tmp_path / "a.jsonl", changed(change))

    said = refusal(project, path, format="llm-human-eval-jp")
    assert said[0].startswith(f"a.jsonl, line 2, {sentence}"), said


def test_other_fields_of_a_line_are_kept_and_named(project, tmp_path):
    rows = [{**row, "split": "test"} for row in human_eval.rows(1)]
    report = load(project=project, files=[human_eval.write(tmp_path / "a.jsonl", rows)])

    assert Prompt.objects.get().metadata == {"split": "test"}
    assert str(report.warnings[0]).endswith("kept under metadata: split.")


# MT-Bench


def question(number: int, **more) -> dict:
    return {"question_id": number, "category": "writing", "turns": [f"Q{number}-1", f"Q{number}-2"], **more}


def answer(number: int | str, model: str = "gpt-4", *turns: str, **more) -> dict:
    choices = [{"index": 0, "turns": list(turns or ("A", "B"))}]
    return {
        "question_id": number,
        "answer_id": "x",
        "model_id": model,
        "choices": choices,
        "tstamp": 1.5,
        **more,
    }


def lines(path: Path, *rows: dict) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_folder_with_questions_and_answers_is_loaded(project, tmp_path):
    lines(tmp_path / "question.jsonl", question(1, reference=["R1", "R2"], extra=1), question(2))
    lines(tmp_path / "model_answer" / "gpt-4.jsonl", answer(1), answer("2", "gpt-4", "A"))
    lines(tmp_path / "model_answer" / "other" / "results.jsonl", answer(1, "other", generate_params={"t": 1}))
    lines(tmp_path / "model_judgment" / "gpt-4_single.jsonl", {"question_id": 1, "score": 3})
    report = load(project=project, files=[tmp_path])

    first, second = Prompt.objects.order_by("id")
    assert {name: n for name, n in report.created.items() if n} == {"prompts": 2, "models": 2, "responses": 3}
    assert (first.key, first.category, first.user_turns, first.reference) == (
        "1",
        "writing",
        ["Q1-1", "Q1-2"],
        "R1\n\nR2",
    )
    assert first.metadata == {"extra": 1, "reference": ["R1", "R2"]}
    assert [r.turns for r in second.responses.all()] == [["A"]]
    assert Response.objects.get(model__name="other").generation == {
        "answer_id": "x", "tstamp": 1.5, "generate_params": {"t": 1},
    }  # fmt: skip
    assert [str(w) for w in report.warnings] == [
        "question.jsonl: Fields that are not known here were kept under metadata: extra.",
        "model_answer/gpt-4.jsonl, line 2: This response answers only the first turns of its prompt.",
    ]
    assert load(project=project, files=[tmp_path]).adds_nothing


def test_files_may_be_named_one_by_one(project, tmp_path):
    files = [lines(tmp_path / "gpt-4.jsonl", answer(1)), lines(tmp_path / "q.jsonl", question(1))]

    assert load(project=project, files=files).created["responses"] == 1


def test_several_choices_are_samples(project, tmp_path):
    row = answer(1)
    row["choices"].append({"index": 1, "turns": ["C", "D"]})
    load(
        project=project,
        files=[lines(tmp_path / "q.jsonl", question(1)), lines(tmp_path / "gpt-4.jsonl", row)],
    )

    assert list(Response.objects.order_by("sample").values_list("sample", "turns")) == [
        (0, ["A", "B"]),
        (1, ["C", "D"]),
    ]


def test_a_model_that_is_not_called_like_its_file_is_warned_of(project, tmp_path):
    files = [
        lines(tmp_path / "q.jsonl", question(1), question(2)),
        lines(tmp_path / "gpt4.jsonl", answer(1), answer(2)),
    ]
    report = load(project=project, files=files)

    assert [str(warning) for warning in report.warnings] == [
        "gpt4.jsonl, line 1: The file’s name says “gpt4”, its rows say model “gpt-4”; the rows are believed."
    ]


@pytest.mark.parametrize("text", ["$ERROR$", "ERROR", " $ERROR$\n"])
def test_failed_answers_are_errors_that_are_named(project, tmp_path, text):
    files = [
        lines(tmp_path / "q.jsonl", question(1)),
        lines(tmp_path / "gpt-4.jsonl", answer(1, "gpt-4", "A", text)),
    ]

    assert refusal(project, *files) == [
        "gpt-4.jsonl, line 1, choices[0].turns: This is no answer of “gpt-4”, but says that generating it failed. "
        "Generate it again, or leave failed answers out (--skip-failed)."
    ]
    assert load(project=project, files=files, options=Options(skip_failed=True)).created == {"prompts": 1}


def test_an_answer_that_speaks_of_errors_is_no_failure(project, tmp_path):
    files = [
        lines(tmp_path / "q.jsonl", question(1)),
        lines(tmp_path / "gpt-4.jsonl", answer(1, "gpt-4", "ERROR 404")),
    ]

    assert load(project=project, files=files).created["responses"] == 1


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (answer(""), "question_id: This is empty."),
        (answer(1, ""), "model_id: This is empty."),
        (answer(9), "question_id: There is no prompt “9”."),
        (answer(1, choices=[]), "choices: Here should be a list of answers that is not empty."),
        (answer(1, choices=["x"]), "choices[0]: Here should be an object with index and turns."),
        (answer(1, choices=[{"index": "a", "turns": ["x"]}]), "choices[0].index: Here should be a whole number from 0 on."),
        (answer(1, choices=[{"index": 0, "turns": [None]}]), "choices[0].turns: There is no answer here."),
        (answer(1, choices=[{"index": 0}]), "choices[0].turns: Here should be an answer, or a list of answers, one per turn."),
        (answer(1, "gpt-4", "A", "B", "C"), "choices: Here are 3 answers; turns to be answered in the prompt “1”: 2."),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_answer_is_said_with_its_place(project, tmp_path, row, sentence):
    files = [lines(tmp_path / "q.jsonl", question(1)), lines(tmp_path / "gpt-4.jsonl", row)]

    assert refusal(project, *files)[0].startswith(f"gpt-4.jsonl, line 1, {sentence}")


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (question(1, turns=[]), "turns: Here should be a list of turns that is not empty."),
        (question(""), "question_id: This is empty."),
        (question(1, category=["x"]), "category: Here should be text; it is a list."),
        (question(1, reference=3), "reference: Here should be text."),
    ],
)
def test_what_is_wrong_with_a_question_is_said_with_its_place(project, tmp_path, row, sentence):
    assert refusal(project, lines(tmp_path / "q.jsonl", row))[0] == f"q.jsonl, line 1, {sentence}"
