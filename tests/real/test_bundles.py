"""Bundles out of two published benchmarks: Japanese MT-Bench and Japanese Vicuna QA, with their answers."""

import json
from collections import Counter
from pathlib import Path

import pytest
from django.core.management import call_command

from offline.bundle import Manifest, read_items
from projects.loading import load
from projects.rubric_files import make_project, read_rubric

DATA = Path(__file__).parents[3] / "shared" / "data"
MT_BENCH, VICUNA = DATA / "ja-mt-bench", DATA / "ja-vicuna-qa"

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not DATA.exists(), reason="no published benchmarks here (../shared/data)"),
]


def questions(path: Path) -> dict[str, list[str]]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {str(row["question_id"]): row["turns"] for row in rows}


def answers(folder: Path) -> dict[tuple[str, str], list[str]]:
    return {
        (str(row["question_id"]), row["model_id"]): row["choices"][0]["turns"]
        for path in sorted(folder.glob("*.jsonl"))
        for row in map(json.loads, path.read_text(encoding="utf-8").splitlines())
    }


def prepared(folder: Path, command: str, *arguments: str):
    call_command(command, "real", *arguments, "--out", str(folder), verbosity=0)
    return Manifest.read(folder), list(read_items(folder))


@pytest.mark.parametrize(
    ("data", "file", "turns"), [(MT_BENCH, "question_full.jsonl", 160), (VICUNA, "question.jsonl", 80)]
)
def test_all_questions_are_asked_turn_by_turn_and_word_for_word(tmp_path, data, file, turns):
    load(project=make_project(slug="real", spec=read_rubric("mt-bench")), files=[data / file])
    manifest, items = prepared(tmp_path / "first", "prepare_generation", "--model", "m")
    assert (manifest.n_items, manifest.n_turns) == (80, turns)
    asked = {item.prompt_id: [turn["content"] for turn in item.turns] for item in items}
    assert asked == questions(data / file)
    _, again = prepared(tmp_path / "again", "prepare_generation", "--model", "m")
    assert items == again


def test_mt_bench_answers_go_to_a_judge_with_their_earlier_turns(tmp_path):
    load(project=make_project(slug="real", spec=read_rubric("mt-bench")), files=[MT_BENCH])
    given, asked = answers(MT_BENCH / "model_answer"), questions(MT_BENCH / "question_full.jsonl")
    manifest, items = prepared(
        tmp_path / "b", "prepare_judging", "--judge", "j", "--preset", "mt-bench-single", "--all"
    )
    assert manifest.n_items == sum(map(len, given.values()))
    assert Counter(item.turn for item in items) == {
        1: 720,
        2: sum(len(turns) == 2 for turns in given.values()),
    }
    for item in items:
        text = item.turns[0]["content"]
        for turn in range(item.turn):
            assert asked[item.prompt_id][turn].strip() in text
            assert given[item.prompt_id, item.model][turn] in text


def test_vicuna_answers_are_compared_with_one_model_in_both_orders(tmp_path):
    load(project=make_project(slug="real", spec=read_rubric("llm-jp")), files=[VICUNA])
    given = answers(VICUNA / "model_answer")
    models = sorted({model for _, model in given})
    baseline, others = models[0], models[1:]
    manifest, items = prepared(
        tmp_path / "b", "prepare_judging", "--judge", "j", "--preset", "mt-bench-pair", "--all", "--baseline", baseline
    )  # fmt: skip
    assert manifest.n_items == 80 * len(others) * 2
    assert Counter((item.model, item.other, item.order) for item in items) == {
        (model, baseline, order): 80 for model in others for order in ("ab", "ba")
    }
    for item in items:
        text = item.turns[0]["content"]
        mine = given[item.prompt_id, item.model][0]
        assert mine in text
        assert given[item.prompt_id, baseline][0] in text
