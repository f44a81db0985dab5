"""DUO, Wizard of Wikipedia, Japanese (Numaya et al. 2025, Apache-2.0): 73 dialogues, three anonymous raters of 45 of
them and the users' own ratings of all, four axes, against reference figures.

The third parties' ratings are lists by position, as in LLM-jp's published layout, and are loaded as such; the users
are persons, whose ratings are a long table.
"""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy import stats as scipy_stats

from annotation.agreement import agreement, as_json
from annotation.models import Score
from projects.loading import load
from projects.models import Member, Project
from tests.factories import create_project

DATA = Path(__file__).parents[3] / "shared" / "data" / "duo-wow-ja"
AXES = ("preference", "stylistic_similarity", "consistency", "engagingness")

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not DATA.exists(), reason="no DUO here (../shared/data/duo-wow-ja)"),
]


@pytest.fixture(scope="module")
def reference() -> dict:
    return json.loads((DATA / "reference.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def dialogues() -> list[dict]:
    return [
        json.loads(path.read_text(encoding="utf-8")) for path in sorted((DATA / "dialogues").glob("*.json"))
    ]


def as_human_eval(dialogue: dict) -> dict:
    """The topic and the person's words are what was asked, the bot's the answers; ratings are of the last answer."""
    said = {
        speaker: [turn["message"] for turn in dialogue["dialogue"] if turn["speaker"] == speaker]
        for speaker in ("Bot", "Human")
    }
    asked = [dialogue["topic"], *said["Human"]]
    model = f"{dialogue['model']}/{dialogue['prompt']}"
    turns = [
        {"prompt": prompt, "responses": {model: {"response": answer}}}
        for prompt, answer in zip(asked, said["Bot"], strict=True)
    ]
    if rated := dialogue.get("objective_evaluation"):
        turns[-1]["responses"][model]["human_evals"] = {axis: rated[f"{axis}_scores"] for axis in AXES}
    return {"id": f"wow###{dialogue['dialogue_id']}", "turns": turns}


def users_ratings(dialogue: dict) -> list[dict]:
    user = next(turn["user_id"] for turn in dialogue["dialogue"] if turn["speaker"] == "Human")
    turns = sum(turn["speaker"] == "Bot" for turn in dialogue["dialogue"])
    return [
        {
            "prompt_id": f"wow###{dialogue['dialogue_id']}",
            "model": f"{dialogue['model']}/{dialogue['prompt']}",
            "turn": turns,
            "rater": f"user {user}",
            "axis": axis,
            "score": dialogue["subjective_evaluation"][axis],
        }
        for axis in AXES
    ]


@pytest.fixture
def project(dialogues, tmp_path) -> Project:
    project = create_project(slug="duo", axes=AXES)
    for name, rows in [
        ("third parties", [as_human_eval(dialogue) for dialogue in dialogues]),
        ("users", [row for dialogue in dialogues for row in users_ratings(dialogue)]),
    ]:
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        load(project=project, files=[path])
        assert load(project=project, files=[path]).adds_nothing
    return project


def test_dialogues_models_and_raters_are_those_of_the_reference(project, dialogues, reference):
    prompts = Counter(
        name.split("/")[1]
        for name in project.language_models.values_list("responses__model__name", flat=True)
    )

    assert project.prompts.count() == reference["dialogues"]
    assert prompts == reference["prompts"]
    assert project.members.filter(kind=Member.Kind.POSITION).count() == 3
    users = {
        turn["user_id"]
        for dialogue in dialogues
        for turn in dialogue["dialogue"]
        if turn["speaker"] == "Human"
    }
    assert project.members.filter(kind=Member.Kind.PERSON).count() == len(users)


@pytest.mark.parametrize(
    ("batch", "figures"), [("third parties", "three_raters"), (None, "three_raters_plus_user")]
)
def test_agreement_is_that_of_the_reference_to_four_decimals(project, reference, batch, figures):
    chosen = project.batches.get(name=batch) if batch else None
    found = {axis["axis"]: axis for axis in as_json(agreement(project=project, batch=chosen))["axes"]}
    for name in AXES:
        expected, axis = reference["axes"][name][figures], found[name]
        for metric in ("nominal", "ordinal", "interval"):
            assert round(axis["alpha"][metric]["value"], 4) == expected[metric], (name, metric)
        assert round(axis["exact"]["value"], 4) == expected["pairwise_exact"]
        assert axis["n_pairable"] == expected["n_pairable_units"]
        if batch:
            assert round(axis["mean"], 4) == expected["mean"]
            assert (axis["n_items"], axis["n_ratings"]) == (expected["n_units"], expected["n_ratings"])
            assert axis["distribution"] == {f"{float(k):g}": n for k, n in expected["value_counts"].items()}
            assert axis["n_raters"] is None


def scores(project: Project, axis: str, **which) -> dict[str, list[float]]:
    """By dialogue."""
    found: dict[str, list[float]] = {}
    for key, value in Score.objects.filter(
        axis__key=axis, assignment__batch__project=project, **which
    ).values_list("assignment__item__prompt__key", "value"):
        found.setdefault(key, []).append(value)
    return found


@pytest.mark.parametrize("axis", AXES)
def test_what_users_say_beside_the_mean_of_the_three_is_that_of_the_reference(project, reference, axis):
    expected = reference["axes"][axis]
    three = {
        key: np.mean(values)
        for key, values in scores(project, axis, assignment__rater__kind="position").items()
    }
    user = {key: values[0] for key, values in scores(project, axis, assignment__rater__kind="person").items()}
    pairs = np.array([(user[key], three[key]) for key in three])

    assert round(np.mean(list(user.values())), 4) == expected["user_rating_all_dialogues"]["mean"]
    assert round(np.std(list(user.values()), ddof=1), 4) == expected["user_rating_all_dialogues"]["sd_ddof1"]
    assert round(np.std(pairs[:, 1], ddof=1), 4) == expected["item_mean_of_three"]["sd_ddof1"]
    for name, correlate in [
        ("pearson", scipy_stats.pearsonr),
        ("spearman", scipy_stats.spearmanr),
        ("kendall_b", scipy_stats.kendalltau),
    ]:
        assert round(float(correlate(*pairs.T).statistic), 4) == expected["user_vs_mean_of_three"][name], name
