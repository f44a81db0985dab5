"""Loading questions with options, as MMLU-Pro publishes them."""

import json

import pandas as pd
import pytest

from projects.loading import NotLoaded, Options, load
from projects.models import Prompt
from tests.factories import create_project

pytestmark = pytest.mark.django_db

QUESTION = {
    "question_id": 70,
    "question": "Which {one} is red?",
    "options": ["grass", "blood", "N/A", "sky"],
    "answer": "B",
    "answer_index": 1,
    "cot_content": "A: Let's think step by step.",
    "category": "biology",
    "src": "made_up-1",
}


@pytest.fixture
def project():
    return create_project(slug="mmlu")


def written(path, *rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_question_is_a_prompt_with_options(project, tmp_path):
    report = load(project=project, files=[written(tmp_path / "test.jsonl", QUESTION)])
    assert report.created["prompts"] == 1
    prompt = Prompt.objects.get()
    assert (prompt.key, prompt.user_turns, prompt.category) == ("70", ["Which {one} is red?"], "biology")
    assert (prompt.options, prompt.answer, prompt.source) == (QUESTION["options"], "B", "made_up-1")
    assert prompt.metadata == {"cot_content": QUESTION["cot_content"]}
    assert load(project=project, files=[tmp_path / "test.jsonl"]).adds_nothing


def test_a_parquet_file_of_questions_holds_the_same(project, tmp_path):
    pd.DataFrame([QUESTION, {**QUESTION, "question_id": 71}]).to_parquet(tmp_path / "test.parquet")
    load(project=project, files=[tmp_path / "test.parquet"])
    assert [(prompt.key, prompt.options, prompt.answer) for prompt in Prompt.objects.all()] == [
        ("70", QUESTION["options"], "B"),
        ("71", QUESTION["options"], "B"),
    ]


def test_padding_at_the_end_is_no_option(project, tmp_path):
    options = ["grass", "blood", "N/A", "N/A"]
    load(project=project, files=[written(tmp_path / "q.jsonl", {**QUESTION, "options": options})])
    assert Prompt.objects.get().options == ["grass", "blood"]


def test_the_right_answer_may_be_the_words_of_an_option_or_an_index_or_kept_secret(project, tmp_path):
    rows = [
        {"id": "a", "question": "?", "choices": ["x", "y"], "answer": "y", "subject": "s"},
        {"id": "b", "question": "?", "choices": ["x", "y"], "answer_index": 0},
        {"id": "c", "question": "?", "choices": ["x", "y"]},
    ]
    load(project=project, files=[written(tmp_path / "q.jsonl", *rows)])
    assert [(prompt.key, prompt.answer) for prompt in Prompt.objects.all()] == [
        ("a", "B"),
        ("b", "A"),
        ("c", ""),
    ]
    assert Prompt.objects.get(key="a").category == "s"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"answer": "E"}, "“E” is none of the options"),
        ({"answer_index": 2}, "answer_index, counted from 0, says C; answer says B"),
        ({"options": ["one"]}, "2 to 26 options; here are 1"),
        ({"options": [["a"], "b"]}, "Here should be a list of texts"),
        ({"question": " "}, "Here should be text"),
    ],
)
def test_what_is_wrong_with_a_question_is_named(project, tmp_path, changed, said):
    path = written(tmp_path / "q.jsonl", {**QUESTION, **changed})
    with pytest.raises(NotLoaded) as refused:
        load(project=project, files=[path], options=Options(format="multiple-choice"))
    assert said in str(refused.value.report.errors[0])
