"""manage.py export --format facets: what Facets reads, checked by a reader of its layout."""

import json

import pytest
from django.core.management import CommandError, call_command

from annotation.models import Score
from exports.facets import Facets
from exports.selection import Selection
from tests.factories import (
    create_batch,
    create_member,
    create_model,
    create_project,
    create_prompt,
    create_response,
    create_rubric,
    rate,
)

pytestmark = pytest.mark.django_db


def create_study(**options):
    """Two prompts by two models, the first with two turns, rated by two people; one of them cannot judge fluency."""
    project = create_project(slug="study", axes=("relevance", "fluency"), **options)
    models = [create_model(project, name) for name in ("zeta, 7B", "alpha")]
    for key, turns in (("mt#1", 2), ("温泉=", 1)):
        prompt = create_prompt(project, key=key, turns=[{"role": "user", "content": "?"}] * turns)
        for model in models:
            create_response(project, prompt=prompt, model=model, turns=["!"] * turns)
    batch = create_batch(project, name="main 1")
    people = [create_member(project) for _ in range(2)]
    points = [point.value for point in project.current_rubric().axes.first().points.order_by("rank")]
    for number, seat in enumerate(batch.assignments.order_by("pk")):
        value = points[number % len(points)]
        rate(
            seat,
            people[seat.seat - 1],
            {"relevance": value, "fluency": None if seat.seat == 2 else points[0]},
        )
    return project, batch


def read(folder):
    """Facets' own way, as its manual has it: specifications, labels by facet, models, observations."""
    text = (folder / "facets.txt").read_bytes().decode()
    assert text.count("\n") == text.count("\r\n")  # each line ends as Facets asks for
    lines = [line.partition(";")[0].strip() for line in text.split("\r\n")]
    lines = [line for line in lines if line]
    single = dict(
        (part.strip() for part in line.split("=")) for line in lines if "=" in line and not line.endswith("=")
    )
    models = [line.split(",") for line in lines[lines.index("Models =") + 1 :]]
    models = models[: models.index(["*"])]
    labels, facet = {}, None
    for line in lines[lines.index("Labels =") + 1 :]:
        if "=" in line:
            break
        if line == "*":
            facet = None
            continue
        number, name = (part.strip() for part in line.split(","))
        if facet is None:
            facet = labels.setdefault(name, {})
        else:
            facet[int(number)] = name
    data = (folder / single["Data"]).read_text().split()
    return single, models, labels, [tuple(map(int, line.split(","))) for line in data]


def test_every_score_is_an_observation_with_names(tmp_path):
    create_study()
    call_command("export", "study", out=tmp_path, format="facets")
    single, models, labels, data = read(tmp_path)
    assert (single["Facets"], single["Positive"], single["Noncentered"]) == ("4", "1, 2, 3, 4", "3")
    assert list(labels) == ["rater", "prompt", "model", "axis"]
    named = [
        (labels["rater"][r], labels["prompt"][p], labels["model"][m], labels["axis"][a], score)
        for r, p, m, a, score in data
    ]
    scores = Score.objects.exclude(value=None).select_related("assignment__item__response__model", "axis")
    assert len(named) == scores.count() == 18
    clean = {"zeta, 7B": "zeta 7B", "alpha": "alpha", "mt#1": "mt#1", "温泉=": "温泉"}
    assert sorted(named) == sorted(
        (
            score.assignment.rater.pseudonym,
            clean[score.assignment.item.prompt.key] + (" turn 2" if score.assignment.item.turn == 2 else ""),
            clean[score.assignment.item.response.model.name],
            score.axis.key,
            int(score.value),
        )
        for score in scores
    )
    assert models == [["?", "?", "?", str(number), "R5"] for number in labels["axis"]]
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    rows = {file["name"]: file["rows"] for file in manifest["files"]}
    assert rows == {
        "facets-data.txt": {"observations": 18},
        "facets.txt": {"raters": 2, "prompts": 3, "models": 2, "axes": 2},
    }


def test_points_that_facets_cannot_read_are_written_by_their_place(tmp_path):
    create_study(points=(-1, 0, 0.5))
    call_command("export", "study", out=tmp_path, format="facets")
    _single, models, _labels, data = read(tmp_path)
    assert {score for *_rest, score in data} == {1, 2, 3}
    assert models[0][-1] == "R3"
    assert "1 is -1; 2 is 0; 3 is 0.5" in (tmp_path / "facets.txt").read_text()
    (file, _specification) = json.loads((tmp_path / "manifest.json").read_text())["files"]
    assert file["notes"] == ["Places on the scale, from 1, stand for the points of: fluency, relevance"]


def test_ratings_of_other_purposes_are_left_out(tmp_path):
    project, _batch = create_study()
    item = project.items.first()
    extra = create_batch(project, items=[item], purpose="extra", raters_per_item=1)
    rate(extra.assignments.get(), create_member(project), {"relevance": 1, "fluency": 1})
    call_command("export", "study", out=tmp_path, format="facets")
    _single, _models, labels, data = read(tmp_path)
    assert len(data) == 18
    assert list(labels["rater"].values()) == ["R001", "R002"]
    (file, _specification) = json.loads((tmp_path / "manifest.json").read_text())["files"]
    assert file["notes"] == ["1 rating is left out: its purpose is not “main”."]


def test_an_axis_with_other_points_in_another_rubric_is_another_element(tmp_path):
    project, _batch = create_study()
    create_rubric(project, axes=["relevance"], points=(0, 1))
    second = create_batch(project, items=[project.items.first()], raters_per_item=1)
    rate(second.assignments.get(), create_member(project), {"relevance": 1})
    call_command("export", "study", out=tmp_path, format="facets")
    _single, models, labels, _data = read(tmp_path)
    assert sorted(labels["axis"].values()) == ["fluency", "relevance (rubric 1)", "relevance (rubric 2)"]
    assert sorted(model[-1] for model in models) == ["R1", "R5", "R5"]


def test_positions_in_a_list_are_no_raters(tmp_path):
    project = create_project(slug="study")
    create_response(project)
    batch = create_batch(project, raters_per_item=1)
    rate(batch.assignments.get(), create_member(project, kind="position"), {"relevance": 1, "fluency": 1})
    with pytest.raises(CommandError, match="positions in a list"):
        call_command("export", "study", out=tmp_path, format="facets")
    assert list(tmp_path.iterdir()) == []


def test_axes_without_an_order_are_no_rating_scales(tmp_path):
    create_study(kind="nominal")
    with pytest.raises(CommandError, match="an axis whose points have an order"):
        call_command("export", "study", out=tmp_path, format="facets")


def test_nothing_rated_is_an_empty_file(tmp_path):
    create_batch(create_project(slug="study"))
    call_command("export", "study", out=tmp_path, format="facets")
    assert (tmp_path / "facets-data.txt").read_bytes() == b""


def test_a_calibration_batch_is_written_when_it_is_named(tmp_path):
    project = create_project(slug="study")
    create_response(project)
    batch = create_batch(project, name="first", raters_per_item=1, purpose="calibration")
    rate(batch.assignments.get(), create_member(project), {"relevance": 4, "fluency": 4})
    assert Facets(Selection(project, batch)).count() == 1
    assert Facets(Selection(project)).count() == 0
