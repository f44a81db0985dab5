"""Japanese Vicuna QA (Apache-2.0): 80 questions, answers of 7 models, and GPT-4's verdicts on pairs of them.

Prompts and answers are loaded from the folder as it is; the verdicts find their answers, and give the reference's rates.
"""

import json
from collections import Counter
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from exports.models import JudgeRun, JudgeVerdict
from projects.loading import load
from projects.models import Project, Response
from tests.factories import create_project

DATA = Path(__file__).parents[3] / "shared" / "data" / "ja-vicuna-qa"
BASELINE = "openai--text-davinci-003"

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not DATA.exists(), reason="no Japanese Vicuna QA here (../shared/data/ja-vicuna-qa)"),
]


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def project() -> Project:
    project = create_project(slug="vicuna")
    report = load(project=project, files=[DATA])
    assert {name: n for name, n in report.created.items() if n} == {
        "prompts": 80,
        "models": 7,
        "responses": 560,
    }
    assert report.warnings == []
    return project


def test_questions_are_loaded_with_their_categories(project):
    questions = lines(DATA / "question.jsonl")

    assert [(p.key, p.user_turns, p.category) for p in project.prompts.all()] == [
        (str(q["question_id"]), q["turns"], q["category"]) for q in questions
    ]


def test_each_answer_is_loaded_as_it_is_with_an_item(project):
    loaded = {
        (r.prompt.key, r.model.name): r
        for r in Response.objects.filter(prompt__project=project).select_related("prompt", "model")
    }
    answers = [row for path in sorted((DATA / "model_answer").glob("*.jsonl")) for row in lines(path)]

    assert len(answers) == len(loaded) == project.items.count()
    for row in answers:
        response = loaded[str(row["question_id"]), row["model_id"]]
        assert response.turns == row["choices"][0]["turns"]
        assert response.generation["answer_id"] == row["answer_id"]


def test_loading_again_adds_nothing(project):
    assert load(project=project, files=[DATA]).adds_nothing


def test_verdicts_find_their_answers_and_give_the_reference_rates(project):
    reference = json.loads((DATA / "reference.json").read_text(encoding="utf-8"))["models"]
    loaded = {
        (key, model): turns[0]
        for key, model, turns in Response.objects.filter(prompt__project=project).values_list(
            "prompt__key", "model__name", "turns"
        )
    }
    outcomes: dict[str, Counter[str]] = {}
    for path in sorted((DATA / "model_judgment_pairwise_gpt-4").glob("*.jsonl")):
        for row in lines(path):
            for side in ("1", "2"):
                answer = loaded[str(row["question_id"]), row[f"model_{side}"]]
                assert answer.strip() == row[f"answer_{side}"].strip()
            side = "model_1" if row["model_2"] == BASELINE else "model_2"
            first, second = row["g1_winner"], row["g2_winner"]
            outcome = "tie" if first != second or first == "tie" else "win" if first == side else "loss"
            counted = outcomes.setdefault(row[side], Counter())
            counted[outcome] += 1
            counted["consistent"] += first == second
    for model, expected in reference.items():
        counted = outcomes[model]
        n = counted["win"] + counted["loss"] + counted["tie"]
        assert (counted["win"], counted["loss"], counted["tie"]) == (
            expected["win"],
            expected["loss"],
            expected["tie_or_inconsistent"],
        )
        assert round((counted["win"] + counted["tie"] / 2) / n, 4) == expected["adjusted_win_rate"]
        assert round(counted["consistent"] / n, 4) == expected["order_consistency"]


def test_verdicts_load_as_they_are_and_give_every_figure_of_the_reference(project):
    reference = json.loads((DATA / "reference.json").read_text(encoding="utf-8"))["models"]
    folder = DATA / "model_judgment_pairwise_gpt-4"

    report = load(project=project, files=[folder])
    assert report.created["verdicts"] == 960
    assert load(project=project, files=[folder]).adds_nothing
    assert set(JudgeRun.objects.values_list("name", "prompt")) == {("gpt-4", "pair"), ("gpt-4", "pair-math")}
    first = lines(folder / f"{BASELINE}_tokyotech-llm--Swallow-70b-instruct-hf.jsonl")[0]
    one = JudgeVerdict.objects.get(
        first__prompt__key="1", first__model__name=first["model_2"], second__model__name=BASELINE
    )
    assert (one.value, one.reason) == (
        1,
        first["g2_judgment"].strip(),
    )  # shown first in the second game, and better

    out = StringIO()
    call_command("compare", "vicuna", judge=["gpt-4"], json=True, replicates=200, stdout=out)
    said = json.loads(out.getvalue())
    assert said["axes"] == []  # it gave no scores
    [pairs] = said["verdicts"]
    assert (pairs["n_verdicts"], pairs["n_pairs"], pairs["n_complete"], pairs["n_one_order"]) == (
        960,
        480,
        480,
        0,
    )
    assert (pairs["n_prompts"], pairs["n_models"], pairs["baseline"]) == (80, 7, BASELINE)
    assert pairs["failures"] == pairs["failures"] | {
        "api_error": 0,
        "unparsed": 0,
        "refused": 0,
        "asked": 960,
    }
    rates = {one["model"]: one for one in pairs["models"] if one["model"] != BASELINE}
    assert set(rates) == set(reference)
    for model, expected in reference.items():
        rate = rates[model]
        assert rate["wins"] + rate["losses"] + rate["ties"] == expected["questions"]
        assert (rate["wins"], rate["losses"], rate["ties"], rate["incomplete"]) == (
            expected["win"],
            expected["loss"],
            expected["tie_or_inconsistent"],
            0,
        )
        assert round(rate["adjusted_win_rate"]["value"], 4) == expected["adjusted_win_rate"]
        assert round(rate["order_consistency"]["value"], 4) == expected["order_consistency"]
        assert (
            rate["adjusted_win_rate"]["low"]
            < expected["adjusted_win_rate"]
            < rate["adjusted_win_rate"]["high"]
        )
    best = max(pairs["bradley_terry"]["strengths"].items(), key=lambda one: one[1]["value"])[0]
    assert best == "cyberagent--calm2-7b-chat"
    assert pairs["people"] == []  # nobody rated here
    out = StringIO()
    call_command("compare", "vicuna", judge=["gpt-4"], baseline=BASELINE, replicates=200, stdout=out)
    assert "cyberagent--calm2-7b-chat: 56 won, 12 lost, 12 tied or contradictory" in out.getvalue()
