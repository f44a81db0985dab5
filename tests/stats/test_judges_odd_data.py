"""Whatever the data: a figure is a finite number with ends in order, or a reason; never NaN, a warning or an exception."""

import math
from dataclasses import fields, is_dataclass, replace
from enum import Enum

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stats.agreement import Interval
from stats.estimate import Estimate, Undefined
from stats.judges.alt_test import Few, Scoring, Setting, advantage_figures, alt_tests
from stats.judges.bias import length_bias
from stats.judges.comparing import compare_judges, on_shared_cells, pearson_with, perm_both, williams_test
from stats.judges.family import own_family
from stats.judges.grid import Grid, Ratings
from stats.judges.length_control import length_controlled_win_rate
from stats.judges.ppi import ppi_models
from stats.judges.separability import separability, separability_figures

FEW_DRAWS = Interval(replicates=60, fewest=2)


def sound(value, path=""):
    """No number in here is NaN or infinite; intervals are in order, and whatever has none says why."""
    if isinstance(value, Estimate):
        assert math.isfinite(value.value), path
        assert (value.low is None) == (value.high is None) == (value.no_interval is not None), path
        if value.low is not None:
            assert math.isfinite(value.low), path
            assert value.low <= value.high, path
    elif isinstance(value, Undefined) or value is None or isinstance(value, str | Enum):
        pass
    elif isinstance(value, float | int):
        assert math.isfinite(value), path
    elif isinstance(value, dict):
        for name, part in value.items():
            sound(part, f"{path}.{name}")
    elif is_dataclass(value):
        for field in fields(value):
            sound(getattr(value, field.name), f"{path}.{field.name}")
    else:
        for place, part in enumerate(value):
            sound(part, f"{path}[{place}]")


def odd_grid(chance, prompts, models, raters, points, missing, turns, constant):
    """Few points, holes, turns, an axis on which one side may say the same of everything."""
    shape = (prompts, models)
    given_by = np.where(
        chance.random((*shape, raters)) < missing, np.nan, chance.integers(1, points + 1, (*shape, raters))
    ).astype(float)
    row, model, rater = np.nonzero(~np.isnan(given_by))
    n = (~np.isnan(given_by)).sum(axis=2)
    human = np.where(n > 0, np.nansum(given_by, axis=2) / n.clip(min=1), np.nan)
    judge = np.where(chance.random(shape) < missing, np.nan, chance.integers(1, points + 1, shape)).astype(
        float
    )
    if constant == "judge":
        judge = np.where(np.isnan(judge), np.nan, 3.0)
    if constant == "copy":
        judge = human.copy()
    length = np.where(chance.random(shape) < missing / 2, 0, chance.integers(1, 4, shape) * 100).astype(float)
    return Grid(
        human,
        judge,
        np.arange(prompts) // turns,
        np.arange(1.0, points + 1),
        Ratings(row, model, rater, given_by[row, model, rater]),
        length=length,
    )


GRIDS = st.builds(
    odd_grid,
    st.integers(0, 10**6).map(np.random.default_rng),
    prompts=st.integers(0, 12),
    models=st.integers(1, 5),
    raters=st.integers(1, 3),
    points=st.integers(1, 3),
    missing=st.sampled_from([0.0, 0.2, 0.7, 1.0]),
    turns=st.integers(1, 2),
    constant=st.sampled_from(["", "judge", "copy"]),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(GRIDS, st.sampled_from(list(Few)), st.sampled_from(list(Scoring)))
def test_every_figure_is_a_number_or_a_reason(grid, few, scoring):
    chance = np.random.default_rng(1)
    other = replace(grid, judge=grid.judge[::-1].copy())
    setting = Setting(min_items=3, few=few, scoring=scoring, curve=(0.0, 0.1, 0.2))
    sound(alt_tests([grid, other], setting, interval=FEW_DRAWS, rng=chance))
    sound(separability(grid, interval=FEW_DRAWS, rng=chance))
    marks = {"bold": np.where(np.isnan(grid.human), 0, grid.human)}
    sound(length_bias(grid, interval=FEW_DRAWS, rng=chance))
    sound(length_bias(grid, style=marks, prompt_effects=False, interval=FEW_DRAWS, rng=chance))
    families = ["own", *["other"] * (grid.human.shape[1] - 1)]
    sound(own_family(grid, families, "own", interval=FEW_DRAWS, rng=chance))
    sound(ppi_models(grid))
    if grid.human.shape[1] > 1:
        sound(
            length_controlled_win_rate(
                grid.judge, grid.length, grid.prompt, model=0, baseline=1, interval=FEW_DRAWS, rng=chance
            )
        )
    one, two = on_shared_cells([grid, other])
    figures = {
        name: [separability_figures(each), advantage_figures(each, setting)]
        for name, each in (("one", one), ("two", two))
        if each.n_models > 0
    }
    sound(compare_judges(figures, one.prompt, interval=FEW_DRAWS, rng=chance))
    for level in ("none", "item", "sys", "system"):
        of = pearson_with(one.human, level)
        sound(perm_both(one.judge, two.judge, of, permutations=30, rng=chance))
        sound(perm_both(one.judge, two.judge, of, permutations=30, rng=chance, prompt=one.prompt))
    sound(williams_test(one.human, one.judge, two.judge))


@pytest.mark.parametrize("bad", [Estimate(math.nan, None, None, 0.95, "none", 1, 1), [{"a": math.inf}]])
def test_what_is_unsound_is_seen(bad):
    with pytest.raises(AssertionError):
        sound(bad)
