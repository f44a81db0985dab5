"""Means by category, also on the Japanese MT-Bench, whose judgments hold four pairs twice."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stats.agreement import Interval
from stats.estimate import Reason, Undefined
from stats.judges.categories import category_means, last_of_each, repeated

MT_BENCH = Path(__file__).parents[3] / "shared" / "data" / "ja-mt-bench"
FEW = Interval(replicates=50, fewest=50)


def rng(seed=1):
    return np.random.default_rng(seed)


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def mt_bench():
    if not MT_BENCH.exists():
        pytest.skip("no Japanese MT-Bench here (../shared/data/ja-mt-bench)")
    reference = json.loads((MT_BENCH / "reference.json").read_text(encoding="utf-8"))
    rows = lines(MT_BENCH / "model_judgment" / "gpt-4_single.jsonl")
    categories = {str(q["question_id"]): q["category"] for q in lines(MT_BENCH / "question_full.jsonl")}
    model, question, turn = (np.array([row[key] for row in rows]) for key in ("model", "question_id", "turn"))
    score = np.array([row["score"] for row in rows], float)
    category = np.array([categories[row["question_id"]] for row in rows])
    return reference, model, question, turn, score, category


def test_the_reference_of_mt_bench_has_no_other_figures(mt_bench):
    assert set(mt_bench[0]) == {
        "method",
        "rows",
        "duplicate_keys",
        "mean_all_rows",
        "mean_last_row_per_question",
        "category_means_last_row",
    }


def test_pairs_that_were_judged_twice_are_named(mt_bench):
    reference, model, question, turn, score, _ = mt_bench
    assert score.size == reference["rows"]
    twice = repeated(model, question, turn)
    found = {(model[i], question[i], int(turn[i])) for i in twice}
    assert len(twice) == len(found) == len(reference["duplicate_keys"])
    assert found == {tuple(key) for key in reference["duplicate_keys"]}


def test_means_of_mt_bench_with_and_without_what_was_replaced(mt_bench):
    reference, model, question, turn, score, category = mt_bench
    last = last_of_each(model, question, turn)
    checked = 0
    for name, rows in (("mean_all_rows", np.arange(score.size)), ("mean_last_row_per_question", last)):
        assert set(reference[name]) == set(model)
        for which, (n, mean) in reference[name].items():
            of = rows[model[rows] == which]
            _, prompt = np.unique(question[of], return_inverse=True)
            found = category_means(score[of], category[of], prompt=prompt, interval=FEW, rng=rng())
            assert found.overall.n == n
            assert abs(found.overall.value - mean) <= 0.5e-4 + 1e-9
            assert found.overall.units == 80
            assert found.overall.low < mean < found.overall.high
            checked += 1
            if name == "mean_last_row_per_question":
                expected = reference["category_means_last_row"][which]
                ours = {key: figure.value for key, figure in found.by_category.items()}
                assert ours == pytest.approx(expected, abs=0.5e-4 + 1e-9)
                assert found.macro.value == pytest.approx(np.mean(list(expected.values())))
                checked += len(expected)
    assert checked == 14 + 7 * 8


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("ab")), max_size=30))
def test_a_row_is_repeated_or_the_first_and_each_key_has_one_last_row(keys):
    number, letter = np.array([k[0] for k in keys], int), np.array([k[1] for k in keys], str)
    again, last = repeated(number, letter), last_of_each(number, letter)
    assert again.tolist() == [i for i, key in enumerate(keys) if key in keys[:i]]
    assert last.tolist() == [i for i, key in enumerate(keys) if key not in keys[i + 1 :]]


def test_a_category_without_scores_makes_the_macro_mean_undefined():
    found = category_means([1, 2, np.nan], np.array(["a", "a", "b"]), interval=FEW, rng=rng())
    assert found.overall.value == 1.5
    assert found.by_category["b"] == Undefined(Reason.NO_SCORES, 0)
    assert isinstance(found.macro, Undefined)


def test_nothing_one_prompt_and_malformed_input():
    assert category_means([], np.array([], str), rng=rng()).overall == Undefined(Reason.NO_SCORES)
    one = category_means([3.0], np.array(["a"]), rng=rng())
    assert (one.overall.value, one.overall.no_interval) == (3, Reason.ONE_UNIT)
    with pytest.raises(ValueError, match="category and a prompt"):
        category_means([1.0, 2], np.array(["a"]), rng=rng())
