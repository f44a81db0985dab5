"""What people do among themselves beside what the judge does in their place."""

import numpy as np
import pytest

from stats.agreement import ICC_1_K, PatternHistogram, alpha, estimate
from stats.estimate import Estimate, Reason, Undefined
from stats.judges.ceiling import ceiling, ceiling_figures
from stats.judges.grid import Grid, Ratings
from stats.resampling import resamples
from tests.stats.comparisons import FEW, POINT, drawn_by_index, rng, study, value
from tests.stats.test_judges_error import alt_test_grid


def test_ceilings_of_the_reference_data(vectors):
    vector, grid = vectors["judge/ceiling"], alt_test_grid(vectors)
    expected, tolerance = vector["expected"], vector["tolerance"]
    of = ceiling(grid, interval=FEW, rng=rng())
    assert value(of.alpha.people) == pytest.approx(expected["alpha_human_human_ordinal"], abs=tolerance)
    each = expected["alpha_judge_vs_each_human"]
    assert [value(r.alpha) for r in of.raters] == pytest.approx(each, abs=tolerance)
    assert value(of.alpha.judge) == pytest.approx(np.mean(each), abs=tolerance)
    people, judge = expected["loo_pearson_human_vs_rest"], expected["loo_pearson_judge_vs_same_rest"]
    assert [value(r.people) for r in of.raters] == pytest.approx(people, abs=tolerance)
    assert [value(r.judge) for r in of.raters] == pytest.approx(judge, abs=tolerance)
    assert value(of.rest.people) == pytest.approx(np.mean(people), abs=tolerance)
    assert value(of.rest.judge) == pytest.approx(np.mean(judge), abs=tolerance)
    assert value(of.rest.difference) == pytest.approx(np.mean(judge) - np.mean(people), abs=tolerance)
    assert [(r.rater, r.n) for r in of.raters] == [(0, 40), (1, 40), (2, 40)]


def test_alpha_of_two_people_is_the_same_by_ranks_and_by_points(vectors):
    """The vector's pairs of people, one of whom takes the judge's place."""
    expected, grid = vectors["judge/ceiling"]["expected"], alt_test_grid(vectors)
    columns = grid.ratings.value.reshape(-1, 3)
    for (a, b), known in zip([(0, 1), (0, 2), (1, 2)], expected["alpha_human_pairs"], strict=True):
        two = Grid(grid.human, columns[:, [b]], grid.prompt, grid.values, grid.ratings)
        assert value(ceiling(two, interval=POINT, rng=rng()).raters[a].alpha) == pytest.approx(
            known, abs=1e-9
        )


def slow(grid: Grid) -> dict[str, float]:
    """Rater by rater, response by response."""
    of, means = grid.ratings, {"alpha": [], "people": [], "judge": []}
    judge = grid.judge[of.row, of.model]
    cell = of.row * grid.human.shape[1] + of.model
    several = (np.bincount(cell)[cell] >= 2) & ~np.isnan(judge)
    points = np.unique(np.concatenate([grid.values, judge[several]]))
    for rater in np.unique(of.rater[several]):
        mine = np.flatnonzero(several & (of.rater == rater))
        rest = [of.value[(cell == cell[i]) & (np.arange(cell.size) != i)].mean() for i in mine]
        means["people"].append(np.corrcoef(of.value[mine], rest)[0, 1])
        means["judge"].append(np.corrcoef(judge[mine], rest)[0, 1])
        scores = np.column_stack([of.value[mine], judge[mine]])
        two = PatternHistogram.from_scores(scores, values=points)
        means["alpha"].append(value(estimate(two, alpha("ordinal"))))
    rank = np.searchsorted(grid.values, of.value[several]) + 1
    people = PatternHistogram.from_ratings(values=grid.values, item=cell[several], rank=rank)
    at = np.unique(cell[several])
    icc = value(estimate(people, ICC_1_K))
    r = np.corrcoef(grid.human.ravel()[at], grid.judge.ravel()[at])[0, 1]
    return {
        "alpha.people": value(estimate(people, alpha("ordinal"))),
        "alpha.judge": np.mean(means["alpha"]),
        "rest.people": np.mean(means["people"]),
        "rest.judge": np.mean(means["judge"]),
        "reliability": icc,
        "pearson": r,
        "corrected": r / np.sqrt(icc),
    }


@pytest.mark.parametrize("judge", ["points", "anything"])
def test_ceilings_of_resamples_are_those_of_prompts_written_out(judge):
    grid = study(prompts=25, raters=5, per_item=3, missing=0.1, judge=judge).shared()
    keep = rng().random(grid.ratings.row.size) < 0.7  # one, two or three ratings of a response
    of = grid.ratings
    some = Ratings(of.row[keep], of.model[keep], of.rater[keep], of.value[keep])
    grid = Grid(grid.human, grid.judge, grid.prompt, grid.values, some)
    figures = ceiling_figures(grid).figures[0]
    weights = np.vstack([np.ones(len(grid.human)), resamples(grid.prompt, 3, rng())])
    for row, found in zip(weights, figures.of(weights), strict=True):
        by_name = dict(zip(figures.names, found, strict=True))
        for name, expected in slow(drawn_by_index(grid, row)).items():
            assert by_name[f"ceiling.{name}"] == pytest.approx(expected), name


def test_who_rated_little_is_left_out_and_still_one_of_the_rest():
    grid = study(prompts=20, models=3, raters=3, per_item=2)
    of = grid.ratings
    seldom = np.flatnonzero(of.rater == 2)[6:]
    keep = np.setdiff1d(np.arange(of.row.size), seldom)
    some = Ratings(of.row[keep], of.model[keep], of.rater[keep], of.value[keep])
    grid = Grid(grid.human, grid.judge, grid.prompt, grid.values, some)
    found = ceiling(grid, interval=POINT, rng=rng())
    assert ([r.rater for r in found.raters], found.left_out) == ([0, 1], 1)
    cell = some.row * 3 + some.model
    for one in found.raters:
        mine = np.flatnonzero((some.rater == one.rater) & (np.bincount(cell)[cell] == 2))
        rest = [some.value[(cell == cell[i]) & (some.rater != one.rater)][0] for i in mine]
        assert one.n == mine.size
        assert value(one.people) == pytest.approx(np.corrcoef(some.value[mine], rest)[0, 1])


def test_a_judge_who_is_one_more_person_does_as_well_as_people():
    r = rng()
    quality = r.normal(size=(300, 4)) + 3
    scores = np.clip(np.round(quality[:, :, None] + r.normal(size=(300, 4, 4)) * 0.8), 1, 5)
    row, model, rater = np.indices((300, 4, 3))
    ratings = Ratings(row.ravel(), model.ravel(), rater.ravel(), scores[:, :, :3].ravel())
    grid = Grid(scores[:, :, :3].mean(axis=2), scores[:, :, 3], np.arange(300), np.arange(1, 6.0), ratings)
    of = ceiling(grid, interval=FEW, rng=rng())
    assert value(of.alpha.difference) == pytest.approx(0, abs=0.03)
    assert value(of.rest.difference) == pytest.approx(0, abs=0.03)
    # whereas the judge and the mean of all correlate as no two people do, and that is not what is compared
    assert value(of.pearson) > value(of.rest.people) + 0.02
    assert value(of.corrected) == pytest.approx(np.sqrt(1 / 1.64), abs=0.04)


def test_a_perfect_judge_is_better_than_people_and_a_constant_one_has_no_place():
    grid = study(prompts=40, per_item=3)
    perfect = Grid(grid.human, grid.human.copy(), grid.prompt, grid.values, grid.ratings)
    of = ceiling(perfect, interval=POINT, rng=rng())
    assert value(of.alpha.difference) > 0
    assert value(of.pearson) == pytest.approx(1)
    assert value(of.corrected) > 1
    constant = Grid(grid.human, np.full(grid.human.shape, 3.0), grid.prompt, grid.values, grid.ratings)
    of = ceiling(constant, interval=POINT, rng=rng())
    assert of.rest.judge.reason is of.corrected.reason is of.raters[0].judge.reason is Reason.CONSTANT
    assert isinstance(of.raters[0].people, Estimate)
    assert isinstance(of.reliability, Estimate)
    assert isinstance(of.rest.people, Estimate)


def test_single_ratings_have_no_ceiling():
    of = ceiling(study(per_item=1), interval=POINT, rng=rng())
    figures = [of.alpha.people, of.alpha.judge, of.rest.people, of.rest.judge, of.reliability, of.corrected]
    assert set(figures) == {Undefined(Reason.SINGLE_RATINGS)}
    assert of.raters == ()


def test_positions_in_a_list_have_what_needs_no_person():
    grid = study()
    of = grid.ratings
    positions = Ratings(of.row, of.model, np.full(of.row.size, -1), of.value)
    found = ceiling(
        Grid(grid.human, grid.judge, grid.prompt, grid.values, positions), interval=POINT, rng=rng()
    )
    named = ceiling(grid, interval=POINT, rng=rng())
    for figure in (found.alpha.judge, found.alpha.difference, found.rest.people, found.rest.judge):
        assert figure == Undefined(Reason.ANONYMOUS)
    assert found.alpha.people == named.alpha.people
    assert (found.reliability, found.corrected) == (named.reliability, named.corrected)


def test_without_ratings_or_without_enough_of_them_it_says_so():
    bare = ceiling(Grid.of([[1.0, 2.0]], [[1.0, 2.0]]), interval=POINT, rng=rng())
    assert {bare.alpha.people, bare.alpha.judge, bare.corrected} == {Undefined(Reason.NO_DATA)}
    few = ceiling(study(prompts=3, models=2), interval=POINT, rng=rng())
    assert few.alpha.judge == few.rest.people == Undefined(Reason.NOT_ENOUGH)
    assert few.left_out == np.unique(study(prompts=3, models=2).ratings.rater).size
    assert isinstance(few.alpha.people, Estimate)


def test_means_without_reliability_correct_nothing():
    values = np.array([[1.0, 5.0], [5.0, 1.0], [2.0, 4.0], [4.0, 2.0]])  # every mean is 3
    row, rater = np.indices(values.shape)
    ratings = Ratings(row.ravel(), np.zeros(8, int), rater.ravel(), values.ravel())
    grid = Grid(np.full((4, 1), 3.0), np.arange(4.0)[:, None], np.arange(4), np.arange(1, 6.0), ratings)
    of = ceiling(grid, interval=POINT, rng=rng())
    assert isinstance(of.corrected, Undefined)
    assert of.pearson == Undefined(Reason.CONSTANT, 4)
