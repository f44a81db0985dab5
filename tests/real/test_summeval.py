"""SummEval-OP (Siledar et al. 2024, MIT): 32 products × 13 systems × 3 raters × 7 axes, against reference figures."""

import json
from pathlib import Path

import numpy as np
import pytest

from annotation.agreement import agreement, as_json
from annotation.models import Assignment, Score
from projects.models import Axis, Item, LanguageModel, Project, Prompt, Response
from stats.agreement import PatternHistogram, panel
from stats.estimate import Estimate
from tests.factories import create_batch, create_member, create_project

DATA = Path(__file__).parents[3] / "shared" / "data" / "summeval-op"
AXES = {
    "fl": "Fluency",
    "co": "Coherence",
    "re": "Relevance",
    "fa": "Faithfulness",
    "ac": "Aspect Coverage",
    "sc": "Sentiment Consistency",
    "sp": "Specificity",
}

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not DATA.exists(), reason="no SummEval-OP here (../shared/data/summeval-op)"),
]


@pytest.fixture(scope="module")
def reference() -> dict:
    return json.loads((DATA / "reference.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def scores() -> np.ndarray:
    """(axes, products, systems, raters)"""
    lines = (DATA / "summeval-op-detailed.jsonl").read_text(encoding="utf-8").splitlines()
    products = [json.loads(line) for line in lines]
    return np.array([[product[axis] for product in products] for axis in AXES])


@pytest.fixture
def project(scores) -> Project:
    """As a file of ratings would be loaded: three raters known only by their place in a list."""
    _axes, products, systems, raters = scores.shape
    project = create_project(axes=list(AXES.values()))
    models = LanguageModel.objects.bulk_create(
        LanguageModel(project=project, name=f"system {n}") for n in range(systems)
    )
    prompts = Prompt.objects.bulk_create(
        Prompt(
            project=project,
            key=f"product {n}",
            turns=[{"role": "user", "content": f"Reviews of product {n}"}],
        )
        for n in range(products)
    )
    responses = Response.objects.bulk_create(
        Response(prompt=prompt, model=model, turns=["A summary."]) for prompt in prompts for model in models
    )
    items = Item.objects.bulk_create(
        Item(project=project, prompt=response.prompt, response=response) for response in responses
    )
    people = [create_member(project, kind="position", is_rater=True) for _ in range(raters)]
    batch = create_batch(project, items=[], filling="loaded")
    seats = Assignment.objects.bulk_create(
        Assignment(batch=batch, item=item, seat=seat, rater=rater, origin="loaded", state="submitted")
        for item in items
        for seat, rater in enumerate(people, 1)
    )
    axes = list(Axis.objects.filter(rubric=batch.rubric_id).order_by("position"))
    said = scores.reshape(len(axes), -1)
    Score.objects.bulk_create(
        (
            Score(assignment=seat, axis=axis, value=said[of, place])
            for place, seat in enumerate(seats)
            for of, axis in enumerate(axes)
        ),
        batch_size=5000,
    )
    return project


def test_agreement_is_that_of_the_reference_to_four_decimals(project, reference):
    found = {axis["axis"]: axis for axis in as_json(agreement(project=project))["axes"]}
    assert set(found) == set(reference["axes"])
    for name, expected in reference["axes"].items():
        axis = found[name]
        for metric in ["nominal", "ordinal", "interval"]:
            figure = axis["alpha"][metric]
            assert round(figure["value"], 4) == expected[metric], (name, metric)
            assert figure["low"] < figure["value"] < figure["high"]
            assert figure["units"] == 32  # products, not the 416 summaries
        assert round(axis["exact"]["value"], 4) == expected["pairwise_exact"]
        assert round(axis["mean"], 4) == expected["mean"]
        assert axis["distribution"] == expected["value_counts"]
        assert (axis["n_items"], axis["n_pairable"], axis["n_ratings"]) == (
            expected["n_units"],
            expected["n_pairable_units"],
            expected["n_ratings"],
        )
        assert (axis["n_raters"], axis["n_raters_reason"]) == (None, "anonymous_raters")


def test_axes_pooled_give_the_pooled_reference(scores, reference):
    """From arrays: we never show alpha over axes, but its figure is known."""
    histogram = PatternHistogram.from_scores(scores.reshape(-1, 3), values=[1, 2, 3, 4, 5])
    found = panel(histogram)
    for metric, figure in found.alpha.items():
        assert isinstance(figure, Estimate)
        assert round(figure.value, 4) == reference["pooled"][metric]
