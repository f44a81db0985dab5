"""From the database to grids: which score stands where."""

import numpy as np
import pytest

from exports.comparison.judges import SeveralRuns, UnknownJudge, find_judge
from exports.comparison.reading import read
from exports.models import JudgeRun, JudgeScore
from projects.models import Axis
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


@pytest.fixture
def project():
    return create_project(axes=("relevance", "fluency"), points=(1, 2, 3, 4, 5))


@pytest.fixture
def conversation(project):
    """One prompt of two turns and one of one turn, by m1 and m2; m1 answered the second twice."""
    m1, m2 = (create_model(project, name) for name in ("m1", "m2"))
    asked = [{"role": "user", "content": text} for text in ("?", "??")]
    long, short = create_prompt(project, key="long", turns=asked), create_prompt(project, key="short")
    for model, first in [(m1, "あいう"), (m2, "あ")]:
        create_response(project, prompt=long, model=model, turns=[first, "**い** 😀"])
        create_response(project, prompt=short, model=model, turns=["# う\n- え"])
    create_response(project, prompt=short, model=m1, sample=1, turns=["お"])
    return {
        (i.prompt.key, i.response.model.name, i.turn, i.response.sample): i
        for i in project.items.select_related("prompt", "response__model")
    }


def score(run, item, value, *, repeat=1, axis="fluency", **fields) -> None:
    found = Axis.objects.filter(rubric__project=run.project, key=axis).order_by("-rubric__number").first()
    JudgeScore.objects.create(run=run, item=item, axis=found, value=value, repeat=repeat, **fields)


def read_all(project, *names, **options):
    judges = [find_judge(project, name) for name in names]
    return read(project=project, judges=judges, batch=None, purpose="main", **options)


def test_rows_are_prompts_at_a_turn_and_a_sample_and_columns_are_models(project, conversation):
    run = JudgeRun.objects.create(project=project, name="gpt")
    for n, item in enumerate(conversation.values()):
        score(run, item, 1 + n / 2)

    (axis,) = read_all(project, "gpt")

    (grid,) = axis.grids
    assert axis.models == ("m1", "m2")
    assert [axis.prompts[prompt] for prompt in grid.prompt] == ["long", "long", "short", "short"]
    np.testing.assert_array_equal(grid.length, [[3, 1], [7, 7], [7, 7], [1, np.nan]])
    np.testing.assert_array_equal(axis.style["bold"], [[0, 0], [1, 1], [0, 0], [0, np.nan]])
    np.testing.assert_array_equal(axis.style["headers"][2], [1, 1])
    np.testing.assert_array_equal(grid.values, [1, 2, 3, 4, 5])
    assert np.isnan(grid.human).all()
    expected = {key: 1 + n / 2 for n, key in enumerate(conversation)}
    assert grid.judge[1, 1] == expected["long", "m2", 2, 0]
    assert grid.judge[3, 0] == expected["short", "m1", 1, 1]


def test_repeats_are_kept_in_their_order_and_averaged(project, conversation):
    run = JudgeRun.objects.create(project=project, name="gpt")
    item = conversation["short", "m1", 1, 0]
    for repeat, value in [(7, 5), (0, 1), (3, 3)]:
        score(run, item, value, repeat=repeat)
    score(run, conversation["short", "m2", 1, 0], 2, repeat=1)
    score(run, conversation["short", "m2", 1, 0], None, repeat=2, failure="refused")

    (axis,) = read_all(project, "gpt")

    (grid,) = axis.grids
    np.testing.assert_array_equal(grid.repeats, [[[1, 3, 5], [2, np.nan, np.nan]]])
    np.testing.assert_array_equal(grid.judge, [[3, 2]])
    (asked,) = axis.asked
    assert (asked.n, asked.failures) == (5, {"api_error": 0, "unparsed": 0, "refused": 1})


def test_people_are_who_rated_in_main_batches_and_cannot_judge_is_no_score(project, conversation):
    run = JudgeRun.objects.create(project=project, name="gpt")
    items = [conversation["short", name, 1, 0] for name in ("m1", "m2")]
    for item in items:
        score(run, item, 3)
    batch = create_batch(project, items=items, raters_per_item=2)
    ann, bob = create_member(project), create_member(project)
    for seat in batch.assignments.order_by("item", "seat"):
        place = items.index(seat.item)
        rater, value = (ann, 4 + place) if seat.seat == 1 else (bob, None if place else 1)
        rate(seat, rater, {"relevance": 2, "fluency": value})

    relevance, fluency = read_all(project, "gpt")

    assert (fluency.n_ratings, fluency.n_na) == (3, 1)
    np.testing.assert_array_equal(fluency.grids[0].human, [[2.5, 5]])
    ratings = fluency.grids[0].ratings
    named = [
        (fluency.models[m], fluency.raters[r], v)
        for m, r, v in zip(ratings.model, ratings.rater, ratings.value, strict=True)
    ]
    assert named == [("m1", ann.pseudonym, 4), ("m1", bob.pseudonym, 1), ("m2", ann.pseudonym, 5)]
    assert not ratings.anonymous
    assert relevance.asked[0].n == 0
    np.testing.assert_array_equal(relevance.grids[0].human, [[2, 2]])


def test_versions_of_the_rubric_with_the_same_axis_are_one_axis(project, conversation):
    run = JudgeRun.objects.create(project=project, name="gpt")
    item = conversation["short", "m1", 1, 0]
    batch = create_batch(project, items=[item], raters_per_item=1)
    rate(batch.assignments.get(), create_member(project), {"relevance": 2, "fluency": 4})
    create_rubric(project, axes=("fluency",), points=(1, 2, 3, 4, 5))
    score(run, item, 3.5)
    create_rubric(project, axes=("fluency",), points=(1, 2, 3))
    score(run, item, 2.5, repeat=2)

    found = {(axis.axis.key, axis.versions): axis for axis in read_all(project, "gpt", axes=["fluency"])}

    assert set(found) == {("fluency", (1, 2)), ("fluency", (3,))}
    grid = found["fluency", (1, 2)].grids[0]
    assert (grid.human.tolist(), grid.judge.tolist()) == ([[4.0]], [[3.5]])
    assert found["fluency", (3,)].grids[0].judge.tolist() == [[2.5]]


def test_judges_of_other_projects_are_not_known_here(project):
    JudgeRun.objects.create(project=create_project(), name="gpt")

    with pytest.raises(UnknownJudge) as unknown:
        find_judge(project, "gpt")
    assert unknown.value.known == []


def test_an_at_in_the_name_of_a_judge_is_part_of_it(project, conversation):
    JudgeRun.objects.create(project=project, name="gpt@2024")
    runs = [
        JudgeRun.objects.create(project=project, name="gpt", prompt=p, prompt_sha256=p * 64) for p in "ab"
    ]
    for run in runs:
        score(run, conversation["short", "m1", 1, 0], 3)

    assert find_judge(project, "gpt@2024").runs[0].name == "gpt@2024"
    assert find_judge(project, "gpt@b").runs == (runs[1],)
    with pytest.raises(SeveralRuns):
        find_judge(project, "gpt")
    with pytest.raises(UnknownJudge):
        find_judge(project, "gpt@")


def test_severity_can_be_taken_out_of_peoples_means(project):
    """Two raters meet on two responses, and each has one alone: the severe one is one point below, always."""
    models = [create_model(project, f"m{n}") for n in range(4)]
    items = [
        create_response(project, prompt=create_prompt(project, key=f"p{n}"), model=model).items.get()
        for n, model in enumerate(models)
    ]
    run = JudgeRun.objects.create(project=project, name="gpt")
    for item in items:
        score(run, item, 3)
    mild, severe = create_member(project), create_member(project)
    batch = create_batch(project, items=items, raters_per_item=2)
    for n, item in enumerate(items):
        first, second = batch.assignments.filter(item=item).order_by("seat")
        rate(first, mild, {"relevance": 3, "fluency": None if n == 3 else 4})
        rate(second, severe, {"relevance": 3, "fluency": None if n == 2 else 3})

    plain = read_all(project, "gpt", axes=["fluency"])[0]
    without = read_all(project, "gpt", axes=["fluency"], adjust=True)[0]

    assert (plain.adjusted, without.adjusted) == (None, True)
    assert np.diag(plain.grids[0].human).tolist() == [3.5, 3.5, 4, 3]
    assert np.diag(without.grids[0].human).tolist() == pytest.approx([3.5, 3.5, 3.5, 3.5])
    assert without.grids[0].ratings.value.tolist() == plain.grids[0].ratings.value.tolist()
