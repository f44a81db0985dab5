"""LLM-Rubric (Hashemi et al. 2024, MIT): nine axes from 1 to 4 on which 0 means "not applicable", raters known by id,
some of whom rated the same dialogue twice; against reference figures.

The tables are loaded as they are: a column per axis, `text_id` for the prompt, `annotator_id` for the rater.
"""

import csv
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from scipy import stats as scipy_stats

from annotation.agreement import agreement, as_json
from annotation.models import Assignment, Score
from projects.loading import NotLoaded, Options, load
from projects.models import Project
from stats.agreement import PatternHistogram, panel
from tests.factories import create_project

DATA = Path(__file__).parents[3] / "shared" / "data" / "llm-rubric"
AXES = tuple(f"Q{n}" for n in range(9))
COLUMNS = {"prompt_id": "text_id", "rater": "annotator_id"}

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not DATA.exists(), reason="no LLM-Rubric here (../shared/data/llm-rubric)"),
]


@pytest.fixture(scope="module")
def reference() -> dict:
    return json.loads((DATA / "reference.json").read_text(encoding="utf-8"))


def table(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def write_rows(path: Path, rows: Iterable[dict]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def scores(project: Project, axis: str) -> np.ndarray:
    """(scores, 2): item and value, repeats included."""
    found = Score.objects.filter(axis__key=axis, assignment__batch__project=project)
    return np.array(list(found.exclude(value=None).values_list("assignment__item_id", "value")))


# Real dialogues: one rating each

REAL = "real_data/human_judges_real_convs_FIXED_ANON.tsv"
REAL_JUDGE = "real_data/gpt-3.5-turbo-16k_real_evaluations_FIXED.tsv"


def dialogue(said: dict, system: str) -> dict:
    """Everything up to the last answer is what was asked; that answer is rated."""
    *asked, answer = said["messages"]
    first = {"role": "user", "content": said["topic"]}  # the assistant greets: what about is the prompt
    turns = [first, *({"role": turn["role"], "content": turn["content"]} for turn in asked)]
    return {
        "prompt_id": said["_id"],
        "turns": turns,
        "source": "real",
        "responses": {system: answer["content"]},
    }


@pytest.fixture
def real(tmp_path) -> Project:
    project = create_project(slug="real", axes=AXES, points=(1, 2, 3, 4))
    system = {row["text_id"]: row["dialogue_system"] for row in table(REAL)}
    lines = (DATA / "real_data/real_dialogues.jsonl").read_text(encoding="utf-8").splitlines()
    dialogues = [dialogue(said, system[said["_id"]]) for said in map(json.loads, lines)]
    load(project=project, files=[write_rows(tmp_path / "dialogues.jsonl", dialogues)])
    options = Options(columns=COLUMNS | {"model": "dialogue_system"}, na_values=("0",))
    report = load(project=project, files=[DATA / REAL], options=options)
    assert report.created["ratings"] == 223 * 9
    assert load(project=project, files=[DATA / REAL], options=options).adds_nothing
    return project


def test_the_table_of_real_dialogues_is_loaded_as_it_is(real, reference):
    expected = reference["real"]

    assert real.prompts.count() == expected["items"]
    assert real.members.count() == expected["raters"]
    assert sorted(real.language_models.values_list("name", flat=True)) == ["0", "1", "2"]
    assert (
        Assignment.objects.filter(batch__project=real).count()
        == expected["items"] * expected["ratings_per_item"]
    )


def test_the_judge_beside_people_is_that_of_the_reference(real, reference):
    """Zeros are missing here; where the reference keeps them, they are put back."""
    judged = {(row["text_id"], row["criterion"]): row for row in table(REAL_JUDGE)}
    for axis in AXES:
        found = Score.objects.filter(axis__key=axis, assignment__batch__project=real)
        human = dict(found.values_list("assignment__item__prompt__key", "value"))
        expected = reference["real"]["judge_vs_human"][axis]
        for name, zero in [("zero_as_missing", None), ("zero_kept", 0.0)]:
            pairs = [
                (expectation(judged[key, axis]), zero if value is None else value)
                for key, value in human.items()
                if value is not None or zero is not None
            ]
            assert len(pairs) == expected[name]["expected"]["n"]
            compare(np.array(pairs), expected[name]["expected"], (axis, name))


def expectation(row: dict[str, str]) -> float:
    weights = np.array([float(row[f"answer{point}_prob"]) for point in range(1, 5)])
    return float(weights @ np.arange(1, 5) / weights.sum())


def compare(pairs: np.ndarray, expected: dict, what: object) -> None:
    for name, correlate in [
        ("pearson", scipy_stats.pearsonr),
        ("spearman", scipy_stats.spearmanr),
        ("kendall_b", scipy_stats.kendalltau),
    ]:
        if name in expected:
            assert round(float(correlate(*pairs.T).statistic), 4) == expected[name], (what, name)


# Synthetic dialogues: three ratings each as a rule, some by the same rater twice

SYNTHETIC = "synth_data/human_judges_synth_all_FIXED_ANON.tsv"


def synthetic(folder: Path, *, points: tuple[int, ...], na_values: tuple[str, ...]) -> Project:
    """The texts are not at hand, and the table names no model: a column for it is all that is added."""
    rows = table(SYNTHETIC)
    project = create_project(axes=AXES, points=points)
    keys = dict.fromkeys(row["text_id"] for row in rows)
    responses = [{"prompt_id": key, "turns": ["?"], "responses": {"simulated": "!"}} for key in keys]
    load(project=project, files=[write_rows(folder / "responses.jsonl", responses)])
    path = folder / "ratings.tsv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["model", *rows[0]], delimiter="\t")
        writer.writeheader()
        writer.writerows({"model": "simulated", **row} for row in rows)
    with pytest.raises(NotLoaded) as refused:
        load(project=project, files=[path], options=Options(columns=COLUMNS, na_values=na_values))
    assert "If the later one is a repeat, say so (--repeats)" in str(refused.value.report.errors[0])
    assert refused.value.report.n_errors == 9 * 9
    options = Options(columns=COLUMNS, na_values=na_values, repeats=True)
    report = load(project=project, files=[path], options=options)
    assert report.created["ratings"] == 743 * 9 - 2
    assert load(project=project, files=[path], options=options).adds_nothing
    assert "Columns that are not known here were left out: round, DQQ0, DQQ1, DQQ2." in str(
        report.warnings[0]
    )
    return project


def test_ratings_raters_and_repeats_are_those_of_the_reference(tmp_path, reference):
    project = synthetic(tmp_path, points=(1, 2, 3, 4), na_values=("0",))
    expected = reference["synthetic"]
    seats = Assignment.objects.filter(batch__project=project)

    assert project.prompts.count() == expected["items"]
    assert project.members.count() == expected["raters"]
    assert seats.count() == expected["rows"]
    assert seats.filter(purpose="repeat", occasion=2).count() == expected["repeated_item_rater_pairs"]
    for axis, missing in expected["missing_cells"].items():
        given = Score.objects.filter(assignment__batch__project=project, axis__key=axis)
        assert seats.count() - given.count() == missing
    counted = {axis["axis"]: axis for axis in as_json(agreement(project=project))["axes"]}
    for axis in AXES:  # repeats are no independent ratings
        repeats = Score.objects.filter(assignment__in=seats.filter(purpose="repeat"), axis__key=axis)
        n = expected["axes"][axis]["zero_as_missing"]["n_ratings"] - repeats.exclude(value=None).count()
        assert counted[axis]["n_ratings"] == n
        assert counted[axis]["n_raters"] == expected["raters"]


@pytest.mark.parametrize(
    ("name", "points", "na_values"),
    [("zero_as_missing", (1, 2, 3, 4), ("0",)), ("zero_kept", (0, 1, 2, 3, 4), ())],
)
def test_agreement_is_that_of_the_reference_to_four_decimals(tmp_path, reference, name, points, na_values):
    """The reference counts repeats like any other rating, so they are put together from the loaded scores."""
    project = synthetic(tmp_path, points=points, na_values=na_values)
    for axis in AXES:
        expected = reference["synthetic"]["axes"][axis][name]
        item, value = scores(project, axis).T
        histogram = PatternHistogram.from_ratings(
            values=points, item=item.astype(int), rank=np.searchsorted(points, value) + 1
        )
        found = panel(histogram)
        for metric, figure in found.alpha.items():
            assert round(figure.value, 4) == expected[metric], (axis, metric)
        assert round(found.mean, 4) == expected["mean"]
        assert (found.n_pairable, found.n_ratings) == (expected["n_pairable_units"], expected["n_ratings"])
        counts = {f"{point:.1f}": int(n) for point, n in zip(points, found.distribution, strict=True) if n}
        assert counts == expected["value_counts"]
