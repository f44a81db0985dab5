"""A file that was taken away says the same of agreement as the database."""

from __future__ import annotations

import numpy as np
import pytest
from django.core.management import call_command

from annotation.agreement import agreement
from exports.histograms import histograms
from stats.agreement import Interval, Method, panel
from stats.estimate import Estimate
from tests.factories import (
    create_batch,
    create_member,
    create_model,
    create_project,
    create_prompt,
    create_response,
    rate,
)

pytestmark = pytest.mark.django_db

AXES = ("relevance", "fluency")
POINTS = (0, 1, 2, 3, 4, 5)
BY_PROMPT = Interval(Method.CLUSTER_JACKKNIFE)


@pytest.fixture
def project():
    """Two turns, two samples, an item with one rater, "cannot judge", zeros, and a repeat that does not count."""
    project = create_project(slug="here", axes=AXES, points=POINTS)
    models = [create_model(project, name) for name in ("swallow", "=calm")]
    for number in range(6):
        prompt = create_prompt(project, key=f"elyza###{number}", turns=["一つ目", "二つ目"])
        for model in models:
            create_response(project, prompt=prompt, model=model, turns=["答え", "NA"])
    create_response(project, prompt=prompt, model=models[0], sample=1, turns=["another", "二"])
    raters = [create_member(project) for _ in range(3)]
    main = create_batch(project, name="main", raters_per_item=3)
    rng = np.random.default_rng(1)
    for number, seat in enumerate(main.assignments.order_by("pk")):
        if number % 7 == 3:
            continue  # not rated yet
        score = {axis: int(rng.integers(0, 6)) for axis in AXES}
        rate(seat, raters[seat.seat - 1], score | {"fluency": None} if number % 5 == 0 else score)
    extra = create_batch(project, name="extra", purpose="extra", raters_per_item=1)
    for seat in extra.assignments.order_by("pk")[:4]:
        rate(seat, create_member(project), dict.fromkeys(AXES, 5))
    return project


def same(ours, theirs):
    """But for the order of sums."""
    assert (type(ours), ours.n) == (type(theirs), theirs.n)
    if isinstance(ours, Estimate):
        assert [ours.value, ours.low, ours.high] == pytest.approx([theirs.value, theirs.low, theirs.high])
        assert (ours.units, ours.method) == (theirs.units, theirs.method)


@pytest.mark.parametrize("name", ["csv", "tsv", "parquet"])
def test_the_histogram_of_a_file_equals_that_of_the_database(project, tmp_path, name, capsys):
    call_command("export", "here", "--out", str(tmp_path), "--format", name, "--table", "long")
    found = histograms(tmp_path / f"long.{name}", points=dict.fromkeys(AXES, POINTS))

    wanted = {axis.axis.key: axis.panel for axis in agreement(project=project, interval=BY_PROMPT).axes}
    assert set(wanted) == set(found)
    for axis, expected in wanted.items():
        ours = panel(found[axis], interval=BY_PROMPT)
        assert ours.n_na == expected.n_na
        assert (ours.n_na > 0) == (axis == "fluency")
        assert ours.n_conflicts == expected.n_conflicts
        for number in ["n_items", "n_scored", "n_pairable", "n_ratings", "n_pairs", "mean"]:
            assert getattr(ours, number) == getattr(expected, number), (axis, number)
        assert list(ours.distribution) == list(expected.distribution)
        for figure in ["exact", "within_one", "ac1", "ac2", "icc_1_1", "na_exact"]:
            same(getattr(ours, figure), getattr(expected, figure))
        for metric, figure in expected.alpha.items():
            same(ours.alpha[metric], figure)
        assert isinstance(ours.alpha["ordinal"], Estimate)
        assert ours.alpha["ordinal"].units == 6  # prompts, with both turns and all models


def test_what_counts_can_be_chosen(project, tmp_path, capsys):
    call_command("export", "here", "--out", str(tmp_path), "--format", "parquet", "--table", "long")
    [found] = histograms(tmp_path / "long.parquet", points={"relevance": POINTS}, purposes=["extra"]).values()
    assert list(found.distribution) == [0, 0, 0, 0, 0, 4]
