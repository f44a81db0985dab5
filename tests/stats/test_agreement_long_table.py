"""A histogram from the columns of a long table."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stats.agreement import Interval, Method, PatternHistogram, merge, panel

POINTS = [1, 2, 3]
BY_PROMPT = Interval(Method.CLUSTER_JACKKNIFE)

rows = st.lists(
    st.tuples(
        st.sampled_from(["elyza###0", "elyza###1", "質問", "=1+1"]),
        st.sampled_from(["swallow", "calm"]),
        st.integers(1, 2),
        st.sampled_from([1.0, 2.0, 3.0, np.nan]),
    ),
    max_size=25,
)


def of(table) -> PatternHistogram:
    prompt, model, turn, score = ([row[n] for row in table] for n in range(4))
    return PatternHistogram.from_long(values=POINTS, prompt=prompt, model=model, turn=turn, score=score)


def of_numbers(table) -> PatternHistogram:
    """The same, numbered by hand."""
    items = {row[:3]: None for row in table}
    prompts = {row[0]: None for row in table}
    return PatternHistogram.from_ratings(
        values=POINTS,
        item=[list(items).index(row[:3]) for row in table],
        rank=[-1 if np.isnan(row[3]) else int(row[3]) for row in table],
        cluster=[list(prompts).index(row[0]) for row in table],
    )


def figures(histogram: PatternHistogram) -> list:
    found = panel(histogram, interval=BY_PROMPT)
    numbers = [
        found.n_items,
        found.n_scored,
        found.n_pairable,
        found.n_ratings,
        found.n_na,
        found.n_conflicts,
    ]
    results = [*found.alpha.values(), found.exact, found.within_one, found.ac2, found.icc_1_1, found.na_alpha]
    return [
        *numbers,
        *(
            (round(result.value, 9), result.low and round(result.low, 9), result.units)
            if hasattr(result, "value")
            else result
            for result in results
        ),
    ]


@given(rows)
def test_names_of_prompts_and_models_are_as_good_as_numbers(table):
    assert figures(of(table)) == figures(of_numbers(table))


@given(rows, st.integers(0, 25))
def test_files_that_share_prompts_can_be_merged(table, cut):
    """An item must not be torn apart; its prompt may be in both."""
    first = sorted(table, key=lambda row: row[1:3])
    while 0 < cut < len(first) and first[cut - 1][1:3] == first[cut][1:3]:
        cut += 1
    assert figures(merge([of(first[:cut]), of(first[cut:])])) == figures(of(table))


def test_a_release_with_numbers_for_names_is_read_too():
    one = PatternHistogram.from_long(values=POINTS, prompt=[1, 1, 2], model=[7, 7, 7], score=[1, 2, 3])
    assert one.clusters is not None
    assert list(one.clusters.key) == [1, 2]
    assert (one.n_items, one.n_pairable) == (2, 1)


def test_samples_of_one_model_are_items_of_their_own():
    table = {"values": POINTS, "prompt": ["p"] * 4, "model": ["m"] * 4, "score": [1, 2, 3, 3]}
    assert PatternHistogram.from_long(**table).n_items == 1
    assert PatternHistogram.from_long(**table, sample=[0, 0, 1, 1]).n_pairable == 2


def test_malformed_columns_are_refused():
    with pytest.raises(ValueError, match="not a point"):
        PatternHistogram.from_long(values=POINTS, prompt=["p"], model=["m"], score=[4])
    with pytest.raises(ValueError, match="2 scores"):
        PatternHistogram.from_long(values=POINTS, prompt=["p"], model=["m", "m"], score=[1, 2])
    with pytest.raises(ValueError, match="a list"):
        PatternHistogram.from_long(values=POINTS, prompt=["p"], model=["m"], score=[[1]])
