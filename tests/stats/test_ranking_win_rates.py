"""Win rates of verdicts in both orders, also on the Japanese Vicuna QA benchmark."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stats.agreement import Interval
from stats.estimate import Reason, Undefined
from stats.ranking import Verdicts, against, bradley_terry, win_rates

VICUNA = Path(__file__).parents[3] / "shared" / "data" / "ja-vicuna-qa"
BASELINE = "openai--text-davinci-003"
FEW = Interval(replicates=200, fewest=100)


def rng(seed=1):
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def vicuna() -> tuple[list[str], Verdicts]:
    if not VICUNA.exists():
        pytest.skip("no Japanese Vicuna QA here (../shared/data/ja-vicuna-qa)")
    rows = [
        json.loads(line)
        for path in sorted((VICUNA / "model_judgment_pairwise_gpt-4").glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    models = sorted({row[side] for row in rows for side in ("model_1", "model_2")})
    points = {"model_1": 1.0, "tie": 0.5, "model_2": 0.0}
    verdicts = Verdicts(
        prompt=np.array([row["question_id"] for row in rows]),
        first=np.array([models.index(row["model_1"]) for row in rows]),
        second=np.array([models.index(row["model_2"]) for row in rows]),
        one=np.array([points[row["g1_winner"]] for row in rows]),
        other=np.array([points[row["g2_winner"]] for row in rows]),
        n_models=len(models),
    )
    return models, verdicts


def test_every_reference_figure_of_the_vicuna_benchmark(vicuna):
    models, verdicts = vicuna
    reference = json.loads((VICUNA / "reference.json").read_text(encoding="utf-8"))["models"]
    found = against(verdicts, models.index(BASELINE), interval=FEW, rng=rng())
    assert {models[m] for m in found} == set(reference)
    checked = 0
    for name, figures in reference.items():
        rates = found[models.index(name)]
        ours = {
            "questions": rates.wins + rates.losses + rates.ties,
            "win": rates.wins,
            "loss": rates.losses,
            "tie_or_inconsistent": rates.ties,
            "adjusted_win_rate": rates.adjusted.value,
            "order_consistency": rates.order_consistency.value,
        }
        assert set(ours) == set(figures)
        for key, expected in figures.items():
            assert abs(ours[key] - expected) <= 0.5e-4 + 1e-9, (name, key)
            checked += 1
        assert rates.adjusted.n == rates.adjusted.units == 80
        assert rates.adjusted.low < rates.adjusted.value < rates.adjusted.high
    assert checked == 36


def test_with_one_baseline_the_odds_of_the_win_rate_are_the_strengths(vicuna):
    models, verdicts = vicuna
    baseline = models.index(BASELINE)
    rates = against(verdicts, baseline, interval=FEW, rng=rng())
    ranking = bradley_terry(verdicts.battles(), anchor=baseline, interval=FEW, rng=rng())
    for m, rate in rates.items():
        p = rate.adjusted.value
        assert ranking.strengths[m].value == pytest.approx(np.log(p / (1 - p)), abs=1e-6)


def test_a_judge_that_always_prefers_what_is_shown_first_is_found_out():
    n = 30
    verdicts = Verdicts(np.arange(n), np.zeros(n, int), np.ones(n, int), np.ones(n), np.zeros(n), 2)
    first, second = win_rates(verdicts, interval=FEW, rng=rng())
    for rates in (first, second):
        assert (rates.wins, rates.losses, rates.ties) == (0, 0, n)
        assert rates.adjusted.value == 0.5
        assert rates.order_consistency.value == 0
        assert rates.shown_first.value == 1


@settings(max_examples=40)
@given(st.integers(0, 1000), st.integers(2, 5), st.integers(1, 30))
def test_wins_of_one_are_losses_of_another(seed, models, n):
    chance = rng(seed)
    first = chance.integers(models, size=n)
    second = (first + chance.integers(1, models, size=n)) % models
    one, other = chance.choice([0, 0.5, 1, np.nan], size=(2, n))
    verdicts = Verdicts(chance.integers(4, size=n), first, second, one, other, models)
    flipped = Verdicts(verdicts.prompt, second, first, 1 - other, 1 - one, models)
    found, again = (win_rates(v, interval=FEW, rng=rng()) for v in (verdicts, flipped))
    assert found == again
    assert sum(r.wins for r in found) == sum(r.losses for r in found)
    assert sum(r.wins + r.losses + r.ties + r.failed for r in found) == 2 * n
    for rates in found:
        size = rates.wins + rates.losses + rates.ties
        if size == 0:
            assert rates.adjusted == Undefined(Reason.NO_SCORES)
        else:
            assert rates.adjusted.value == pytest.approx((rates.wins + rates.ties / 2) / size)
            assert 0 <= rates.order_consistency.value <= 1


def test_no_verdicts_no_rates():
    nothing = np.array([], int)
    verdicts = Verdicts(nothing, nothing, nothing, np.array([]), np.array([]), 2)
    [one, _] = win_rates(verdicts, rng=rng())
    assert (one.adjusted, one.failed) == (Undefined(Reason.NO_SCORES), 0)
