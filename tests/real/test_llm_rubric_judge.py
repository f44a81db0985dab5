"""LLM-Rubric's judge beside its people: both loaded from its tables, compared, and held against the reference figures.

0 means "not applicable". As a missing score and as a score it gives quite different figures; both are tried.
"""

import csv
import json
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from django.core.management import call_command

from exports.models import JudgeScore
from projects.loading import Options, load
from projects.models import Project
from tests.factories import create_project
from tests.real.test_llm_rubric import (
    AXES,
    COLUMNS,
    DATA,
    REAL,
    REAL_JUDGE,
    dialogue,
    expectation,
    table,
    write_rows,
)

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not DATA.exists(), reason="no LLM-Rubric here (../shared/data/llm-rubric)"),
]

#: Names in the reference, and how the judge's row becomes a score.
WAYS = {
    "expected": expectation,
    "argmax": lambda row: 1 + int(np.argmax([float(row[f"answer{point}_prob"]) for point in range(1, 5)])),
    "stored_sample": lambda row: int(row["sample_llm"]),
}


@pytest.fixture(scope="module")
def reference() -> dict:
    found = json.loads((DATA / "reference.json").read_text(encoding="utf-8"))
    return found["real"]["judge_vs_human"]


def judged(folder: Path) -> Path:
    """The judge's table as ours: three ways to make a score of its probabilities are three judges."""
    system = {row["text_id"]: row["dialogue_system"] for row in table(REAL)}
    path = folder / "judged.tsv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t")
        writer.writerow(["prompt_id", "model", "judge", "axis", "score"])
        for row in table(REAL_JUDGE):
            key = row["text_id"]
            for name, score in WAYS.items():
                writer.writerow([key, system[key], name, row["criterion"], repr(score(row))])
    return path


def study(folder: Path, *, points: tuple[int, ...], na_values: tuple[str, ...]) -> Project:
    project = create_project(slug="real", axes=AXES, points=points)
    system = {row["text_id"]: row["dialogue_system"] for row in table(REAL)}
    lines = (DATA / "real_data/real_dialogues.jsonl").read_text(encoding="utf-8").splitlines()
    dialogues = [dialogue(said, system[said["_id"]]) for said in map(json.loads, lines)]
    load(project=project, files=[write_rows(folder / "dialogues.jsonl", dialogues)])
    options = Options(columns=COLUMNS | {"model": "dialogue_system"}, na_values=na_values)
    load(project=project, files=[DATA / REAL], options=options)
    path = judged(folder)
    report = load(project=project, files=[path])
    assert report.created["judge_scores"] == 223 * 9 * 3
    assert load(project=project, files=[path]).adds_nothing
    means = JudgeScore.objects.filter(run__name="expected").values_list("value", flat=True)
    assert all(
        1 <= value <= 4 and value != round(value) for value in means
    )  # off the points, and within them
    return project


@pytest.mark.parametrize(
    ("name", "points", "na_values"),
    [("zero_as_missing", (1, 2, 3, 4), ("0",)), ("zero_kept", (0, 1, 2, 3, 4), ())],
)
def test_the_judge_beside_people_is_that_of_the_reference_to_four_decimals(
    tmp_path, reference, name, points, na_values
):
    study(tmp_path, points=points, na_values=na_values)

    for judge in WAYS:
        out = StringIO()
        call_command("compare", "real", judge=[judge], json=True, replicates=100, stdout=out)
        found = {axis["axis"]: axis for axis in json.loads(out.getvalue())["axes"]}
        assert set(found) == set(AXES)
        for key, axis in found.items():
            expected = reference[key][name][judge]
            assert axis["n_items"] == expected["n"]
            for ours, theirs in [("pearson", "pearson"), ("spearman", "spearman"), ("kendall", "kendall_b")]:
                figure = axis["pooled"][ours]
                if theirs in expected:
                    assert round(figure["value"], 4) == expected[theirs], (judge, key, ours)
                else:  # the judge says one and the same of everything
                    assert figure["reason"] == "constant"
            if judge == "expected":
                assert round(axis["rmse"]["value"], 4) == reference[key][name]["rmse_expected"]
            # Each dialogue has one system, and one rating: nothing to be said of these, and it is said.
            assert axis["item"]["pearson"]["reason"] == "one_model"
            assert axis["ceiling"]["rest"]["people"]["reason"] == "single_ratings"
