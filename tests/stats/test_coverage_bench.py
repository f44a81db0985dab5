"""The bench of intervals: its population has the truth that it claims, and an interval that is wrong would show."""

import json
import sys

import numpy as np
import pytest
from scipy import special

from bench import coverage
from bench.coverage_studies import raters
from bench.coverage_studies.found import estimates
from bench.coverage_studies.population import ITEM_SD, MIDDLE, PROMPT_SD, Cell, draw, people
from stats.agreement import ITEM_JACKKNIFE, Interval, Method, PatternHistogram, alpha, estimate, panel
from stats.estimate import Estimate, Reason, Undefined
from stats.judges.categories import category_means
from stats.judges.levels import correlations, noise_of_means

CELL = Cell(20_000, 4, 2, 6)


@pytest.fixture(scope="module")
def population():
    return draw(CELL, np.random.default_rng(1))


def _of_qualities():
    """Qualities (n,) of a response of any model and their weights (n,): Gauss-Hermite's, for each model."""
    node, weight = np.polynomial.hermite_e.hermegauss(60)
    sd = np.hypot(PROMPT_SD, ITEM_SD)
    quality = MIDDLE + CELL.strength[:, None] + sd * node
    return quality, weight / weight.sum()


def _shares(quality):
    """(..., R, 5) how likely each rater is to give each point, over all times."""
    node, weight = np.polynomial.legendre.leggauss(12)
    level = quality[..., None, None] + CELL.severity[:, None] + CELL.drift[:, None] * node / 2
    below = [special.ndtr((c + 0.5 - level) / CELL.noise[:, None]) @ weight / 2 for c in (1, 2, 3, 4)]
    return np.diff(np.stack([np.zeros_like(below[0]), *below, np.ones_like(below[0])], axis=-1), axis=-1)


def test_models_of_the_population_have_the_means_of_the_closed_form(population):
    quality, weight = _of_qualities()
    expected = raters.expected_score(CELL, quality) @ weight
    error = population.score.mean(axis=2).std(axis=0) / np.sqrt(CELL.prompts)
    assert np.abs(population.score.mean(axis=(0, 2)) - expected).max() < 4 * error.max()


def test_agreement_of_the_population_is_that_of_the_closed_form(population):
    quality, weight = _of_qualities()
    share = _shares(quality)
    score = share @ np.arange(1.0, 6.0)  # (M, n, R)
    n = CELL.raters
    two = share.sum(axis=2, keepdims=True) - share  # the others'
    exact = ((share * two).sum(axis=(2, 3)) / (n * (n - 1)) @ weight).mean()
    product = ((score.sum(axis=2) ** 2 - (score**2).sum(axis=2)) / (n * (n - 1)) @ weight).mean()
    mean = (score.mean(axis=2) @ weight).mean()
    square = ((share @ np.arange(1.0, 6.0) ** 2).mean(axis=2) @ weight).mean()
    found = panel(population.histogram())
    assert found.exact.value == pytest.approx(exact, abs=0.01)
    assert found.alpha["interval"].value == pytest.approx((product - mean**2) / (square - mean**2), abs=0.015)


def test_each_item_has_different_raters_and_each_set_of_them_is_as_likely():
    who = np.sort(people(Cell(20_000, 1, 3, 5), np.random.default_rng(2))[:, 0], axis=1)
    assert (np.diff(who, axis=1) > 0).all()
    sets, number = np.unique(who, axis=0, return_counts=True)
    assert len(sets) == 10
    assert np.abs(number - 2_000).max() < 5 * np.sqrt(2_000)


@pytest.mark.parametrize("suite", ["agreement", "rankings", "designs", "raters", "judges"])
def test_a_study_of_each_chapter_has_intervals_and_a_truth_for_each(suite):
    cell = coverage.SMALL[0]
    tasks = [coverage.Task(suite, cell, number, 200, 1_200) for number in (coverage.TRUTH, 0, 1)]
    found = coverage.rows(coverage.measured(tasks, processes=1))
    assert len(found) >= 10
    assert all(row.studies == 2 and np.isfinite(row.coverage) for row in found)


def test_the_command_prints_a_table_or_json(monkeypatch, capsys):
    command = [
        "coverage",
        "--small",
        "--only",
        "rankings",
        "--studies",
        "2",
        "--processes",
        "1",
        "--replicates",
        "200",
    ]
    monkeypatch.setattr(sys, "argv", command)
    coverage.main()
    assert "| bradley_terry.strengths | " in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", [*command, "--json"])
    coverage.main()
    assert {"figure", "cell", "coverage", "error", "outside"} <= json.loads(capsys.readouterr().out)[0].keys()


def test_the_same_task_gives_the_same_numbers():
    task = coverage.Task("designs", coverage.SMALL[0], 3, 100, 0)
    assert coverage.run(task) == coverage.run(task)


def _tally(half_width):
    """Of means with an SD of 1 around 5, and intervals of so wide a half."""
    rng = np.random.default_rng(4)
    cell = coverage.SMALL[0]
    means = 5 + rng.normal(size=2_000)
    studies = {i: {("mean", 0): (x, x - half_width, x + half_width)} for i, x in enumerate(means)}
    (row,) = coverage.rows({("raters", cell): studies | {coverage.TRUTH: {("mean", 0): (5.0, 5.0, 5.0)}}})
    return row


def test_right_intervals_are_within_and_short_or_long_ones_are_not():
    assert _tally(1.96).coverage == pytest.approx(0.95, abs=0.015)
    assert not _tally(1.96).outside
    assert _tally(1.5).outside
    assert _tally(2.6).outside
    assert _tally(1.96).error == pytest.approx(1.96 * np.sqrt(0.95 * 0.05 / 2_000), rel=0.2)


def test_studies_without_an_interval_are_counted_apart():
    cell = coverage.SMALL[0]
    studies = {
        coverage.TRUTH: {("mean", 0): (5.0, 5.0, 5.0)},
        0: {("mean", 0): (5.0, 4.0, 6.0)},
        1: {("mean", 0): (5.0, np.nan, np.nan)},
    }
    (row,) = coverage.rows({("raters", cell): studies})
    assert row.coverage == 1
    assert row.without == 0.5


def test_estimates_are_found_wherever_they_are():
    one = Estimate(1.0, 0.0, 2.0, 0.95, "", 3, 3)
    found = estimates({"a": [one, Undefined(Reason.CONSTANT)], "b": {"c": one}, "not": 3.0})
    assert list(found) == [("a", 0), ("a", 1), ("b.c", 0)]


def test_the_correlation_of_means_is_covered_though_noise_takes_it_down():
    rng = np.random.default_rng(6)
    cell = Cell(100, 10, 2, 12)
    truth = correlations(
        draw(cell.larger(40_000), rng).grid(), "system", interval=Interval(Method.NONE), rng=rng
    )
    covered = 0
    for _ in range(100):
        found = correlations(
            draw(cell, rng).grid(), "system", interval=Interval(replicates=400, fewest=2), rng=rng
        )
        covered += found.pearson.low <= truth.pearson.value <= found.pearson.high
    assert covered >= 87  # 42 with percentiles of plain resamples


def test_the_noise_of_means_is_how_much_they_scatter():
    rng = np.random.default_rng(7)
    cell = Cell(40, 5, 2, 6)
    grids = [draw(cell, rng).grid() for _ in range(2_000)]
    human, judge = (
        np.array([side.mean(axis=0) - side.mean() for side in sides])
        for sides in zip(*[(g.human, g.judge) for g in grids], strict=True)
    )
    human, judge = human - human.mean(axis=0), judge - judge.mean(axis=0)
    scatter = [np.sum(a * b) / (len(grids) - 1) for a, b in ((human, human), (judge, judge), (human, judge))]
    assert np.mean([noise_of_means(grid) for grid in grids], axis=0) == pytest.approx(scatter, rel=0.1)


def test_a_judge_that_says_what_people_say_has_no_other_correlation_in_any_resample():
    drawn = draw(Cell(10, 3, 2, 6), np.random.default_rng(8))
    grid = drawn.grid(drawn.score.mean(axis=2))
    found = correlations(grid, "system", rng=np.random.default_rng(9)).pearson
    assert found.value == pytest.approx(1)
    assert found.no_interval is Reason.NO_SPREAD


def test_the_jackknife_of_alpha_covers_the_truth_at_sixty_items():
    rng = np.random.default_rng(5)
    cell = Cell(60, 1, 2, 6)
    whole = estimate(draw(cell.larger(100_000), rng, items_alone=True).histogram(), alpha("ordinal"))
    covered = 0
    for _ in range(200):
        scores = draw(cell, rng, items_alone=True).score[:, 0]
        histogram = PatternHistogram.from_scores(scores, values=[1, 2, 3, 4, 5])
        found = estimate(histogram, alpha("ordinal"), interval=ITEM_JACKKNIFE)
        covered += found.low <= whole.value <= found.high
    assert 0.90 <= covered / 200 <= 0.99


def test_a_part_of_the_prompts_has_an_interval_as_wide_as_its_own_number_asks_for():
    rng = np.random.default_rng(10)
    category = np.repeat([0, 1], [6, 194])
    covered = 0
    for _ in range(300):
        found = category_means(
            rng.normal(size=200), category, interval=Interval(replicates=1_000, fewest=2), rng=rng
        ).by_category[0]
        assert found.units == 6
        covered += found.low <= 0 <= found.high
    assert covered / 300 >= 0.93  # .88 with the tails of 200 prompts
