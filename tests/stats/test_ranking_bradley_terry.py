"""Bradley-Terry strengths from win tables, and battles from scores and verdicts."""

import choix
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from stats.agreement import Interval
from stats.estimate import Estimate, Reason, Undefined
from stats.ranking import Battles, Verdicts, bradley_terry, fit, strongly_connected
from stats.ranking.bradley_terry import ELO

FEW = Interval(replicates=200, fewest=100)


def rng(seed=1):
    return np.random.default_rng(seed)


def one_battle_a_prompt(wins: np.ndarray) -> Battles:
    """Battles with that table (M, M) of whole wins, each on a prompt of its own."""
    first, second = np.nonzero(wins)
    times = wins[first, second].astype(int)
    first, second = np.repeat(first, times), np.repeat(second, times)
    return Battles(np.arange(first.size), first, second, np.ones(first.size), len(wins))


def connected_table(models: int, seed: int) -> np.ndarray:
    """Wins (M, M) in whole numbers, each model beating the next in a ring at least once."""
    wins = rng(seed).integers(0, 6, (models, models)).astype(float)
    wins[np.arange(models), (np.arange(models) + 1) % models] += 1
    np.fill_diagonal(wins, 0)
    return wins


def four_models(vector) -> tuple[Battles, str]:
    rows = []
    for pair, (wins, losses, ties) in vector["inputs"]["wins_a_wins_b_ties"].items():
        a, b = ("ABCD".index(name) for name in pair.split("|"))
        rows += [(a, b, points) for points, n in ((1, wins), (0, losses), (0.5, ties)) for _ in range(n)]
    first, second, points = np.array(rows).T
    return Battles(np.arange(len(rows)), first.astype(int), second.astype(int), points, 4), "ABCD"


# References


def test_four_models_have_the_strengths_of_four_other_implementations(vectors):
    vector = vectors["bt/four-models"]
    battles, names = four_models(vector)
    expected, tolerance = vector["expected"], vector["tolerance"]
    natural = bradley_terry(battles, probabilities=True, interval=FEW, rng=rng())
    elo = bradley_terry(battles, scale="elo", interval=FEW, rng=rng())
    against_a = bradley_terry(battles, anchor=0, interval=FEW, rng=rng())
    for i, name in enumerate(names):
        assert natural.strengths[i].value == pytest.approx(expected["natural_centered"][name], abs=tolerance)
        assert elo.strengths[i].value - 1000 == pytest.approx(expected["elo_centered"][name], abs=tolerance)
        assert 1 / (1 + np.exp(-against_a.strengths[i].value)) == pytest.approx(
            expected["p_vs_A"][name], abs=tolerance
        )
    assert natural.probabilities[0, 1].value == pytest.approx(expected["p_A_beats_B"], abs=tolerance)
    assert natural.groups == ((0, 1, 2, 3),)
    assert natural.variant == "Bradley-Terry, ties half a win each, mean 0"
    assert elo.variant == "Bradley-Terry, ties half a win each, mean 1000, Elo scale (400 / ln 10)"


def test_separation_is_found_and_not_hidden(vectors):
    wins = vectors["bt/separation"]["inputs"]["wins"]
    table = np.zeros((3, 3))
    for pair, n in wins.items():
        table["ABC".index(pair[0]), "ABC".index(pair[2])] = n
    found = bradley_terry(one_battle_a_prompt(table), interval=FEW, rng=rng())
    assert found.strengths == [Undefined(Reason.SEPARATED, n) for n in (5, 10, 5)]
    assert found.groups == ((0,), (1,), (2,))
    with_prior = bradley_terry(one_battle_a_prompt(table), prior=0.1, interval=FEW, rng=rng())
    values = [strength.value for strength in with_prior.strengths]
    assert values[0] > values[1] > values[2]
    assert "normal prior with SD 2.24" in with_prior.variant


@pytest.mark.parametrize("seed", range(4))
def test_strengths_are_those_of_choix(seed):
    wins = connected_table(6, seed)
    data = [(m, n) for m in range(6) for n in range(6) for _ in range(int(wins[m, n]))]
    assert fit(wins[None])[0] == pytest.approx(choix.ilsr_pairwise(6, data, alpha=0), abs=1e-5)
    penalised = choix.opt_pairwise(6, data, alpha=0.3, tol=1e-9)
    assert fit(wins[None], prior=0.3)[0] == pytest.approx(penalised - penalised.mean(), abs=1e-4)


def test_strengths_are_those_of_a_logistic_regression():
    wins = connected_table(5, 9)
    m, n = np.nonzero(wins)
    design = np.zeros((m.size, 5))
    design[np.arange(m.size), m], design[np.arange(m.size), n] = 1, -1
    both = np.vstack([design, -design])
    model = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10, max_iter=10_000).fit(
        both, np.r_[np.ones(m.size), np.zeros(m.size)], sample_weight=np.tile(wins[m, n], 2)
    )
    coefficients = model.coef_[0]
    assert fit(wins[None])[0] == pytest.approx(coefficients - coefficients.mean(), abs=1e-4)


def test_strengths_are_where_a_general_optimiser_finds_the_maximum():
    wins = connected_table(7, 3) + 0.5
    np.fill_diagonal(wins, 0)

    def loss(b):
        return (wins * np.logaddexp(0, -(b[:, None] - b[None, :]))).sum()

    best = minimize(loss, np.zeros(7), tol=1e-12).x
    assert fit(wins[None])[0] == pytest.approx(best - best.mean(), abs=1e-4)


# Properties


@settings(max_examples=60)
@given(st.integers(2, 7), st.integers(0, 10_000))
def test_expected_wins_are_wins_and_names_do_not_matter(models, seed):
    wins = connected_table(models, seed)
    strengths = fit(wins[None])[0]
    p = 1 / (1 + np.exp(-(strengths[:, None] - strengths)))
    assert ((wins + wins.T) * p).sum(axis=1) == pytest.approx(wins.sum(axis=1), abs=1e-6)
    assert strengths.mean() == pytest.approx(0, abs=1e-9)
    order = rng(seed).permutation(models)
    assert fit(wins[None][:, order[:, None], order])[0] == pytest.approx(strengths[order], abs=1e-7)
    assert fit(wins.T[None])[0] == pytest.approx(-strengths, abs=1e-7)


@settings(max_examples=60)
@given(st.integers(1, 6), st.integers(0, 10_000), st.floats(0, 1))
def test_strong_connectivity_is_that_of_scipy(models, seed, share):
    from scipy.sparse.csgraph import connected_components

    wins = (rng(seed).random((models, models)) < share) * 1.0
    np.fill_diagonal(wins, 0)
    expected = connected_components(wins, connection="strong", return_labels=False) == 1
    assert strongly_connected(wins[None])[0] == expected
    assert np.isfinite(fit(wins[None])[0]).all() == expected


def test_a_table_of_nothing_but_ties_makes_all_equal():
    found = bradley_terry(Battles.from_scores(np.full((30, 4), 3.0)), interval=FEW, rng=rng())
    assert [strength.value for strength in found.strengths] == [0, 0, 0, 0]
    assert {strength.no_interval for strength in found.strengths} == {Reason.NO_SPREAD}


def test_lopsided_tables_converge():
    wins = np.array([[0, 1e6, 1e6], [1, 0, 1e6], [0.5, 1, 0]])
    strengths = fit(wins[None])[0]
    p = 1 / (1 + np.exp(-(strengths[:, None] - strengths)))
    assert ((wins + wins.T) * p).sum(axis=1) == pytest.approx(wins.sum(axis=1), rel=1e-6)


def test_intervals_cover_the_truth():
    truth = np.array([0.5, 0, -0.5])
    first, second = np.triu_indices(3, 1)
    p = 1 / (1 + np.exp(-(truth[first] - truth[second])))
    prompt = np.repeat(np.arange(60), 3)
    held = []
    for seed in range(100):
        points = (rng(seed).random((60, 3)) < p).astype(float).ravel()
        battles = Battles(prompt, np.tile(first, 60), np.tile(second, 60), points, 3)
        strengths = bradley_terry(battles, interval=FEW, rng=rng(seed)).strengths
        assert (strengths[0].units, strengths[0].n) == (60, 120)
        held += [s.low <= true <= s.high for s, true in zip(strengths, truth, strict=True)]
    assert 0.90 <= np.mean(held) <= 0.99


def test_prompts_are_drawn_and_not_battles():
    """Every battle of a prompt goes the same way: there are 20 things to draw, however many battles."""
    scores = np.where(np.arange(20)[:, None] % 2, [[1, 2]], [[2, 1]]).astype(float)
    once = bradley_terry(Battles.from_scores(scores), interval=FEW, rng=rng())
    often = bradley_terry(
        Battles.from_scores(np.tile(scores, (9, 1)), np.tile(np.arange(20), 9)), interval=FEW, rng=rng()
    )
    assert often.strengths[0].low == pytest.approx(once.strengths[0].low)
    assert (often.strengths[0].units, once.strengths[0].units) == (20, 20)


def test_resamples_that_separate_are_counted():
    scores = np.full((20, 2), 1.0)
    scores[:, 0] = 2
    scores[0] = [1, 2]  # the only win of the second: 36 % of resamples are without it
    found = bradley_terry(Battles.from_scores(scores), interval=FEW, rng=rng())
    assert 0.25 < found.separated_replicates / 200 < 0.46
    assert found.strengths[0].value == pytest.approx(np.log(19) / 2)
    assert found.strengths[0].no_interval == Reason.UNDEFINED_RESAMPLES
    assert found.strengths[0].undefined_replicates == found.separated_replicates


def test_probabilities_come_from_the_same_resamples():
    battles = Battles.from_scores(rng(4).normal((0.4, 0, 0), size=(50, 3)))
    found = bradley_terry(battles, probabilities=True, interval=FEW, rng=rng())
    assert set(found.probabilities) == {(0, 1), (0, 2), (1, 2)}
    two = bradley_terry(battles, anchor=1, interval=FEW, rng=rng())
    low = 1 / (1 + np.exp(-two.strengths[0].low))
    assert found.probabilities[0, 1].low == pytest.approx(low, abs=1e-9)
    assert two.strengths[1].value == 0
    assert two.strengths[1].no_interval == Reason.NO_SPREAD


# What there is nothing to say of


def test_models_that_never_met_are_not_compared():
    table = np.zeros((5, 5))
    table[0, 1] = table[1, 0] = table[2, 3] = table[3, 2] = 2
    found = bradley_terry(one_battle_a_prompt(table), interval=FEW, rng=rng())
    assert [strength.reason for strength in found.strengths] == [Reason.NOT_COMPARED] * 4 + [Reason.NO_SCORES]
    assert set(found.groups) == {(0, 1), (2, 3)}


def test_a_model_without_battles_leaves_the_others_as_they_are():
    table = connected_table(3, 1)
    wider = np.zeros((4, 4))
    wider[np.ix_([0, 1, 3], [0, 1, 3])] = table
    found = bradley_terry(one_battle_a_prompt(wider), interval=FEW, rng=rng())
    assert found.strengths[2] == Undefined(Reason.NO_SCORES)
    values = [found.strengths[m].value for m in (0, 1, 3)]
    assert values == pytest.approx(fit(table[None])[0])
    anchored = bradley_terry(one_battle_a_prompt(wider), anchor=2, interval=FEW, rng=rng())
    assert anchored.strengths[0].reason == Reason.NOT_COMPARED


def test_one_model_one_prompt_and_no_battle():
    one = bradley_terry(Battles.from_scores(np.ones((5, 1))), interval=FEW, rng=rng())
    assert one.strengths == [Undefined(Reason.ONE_MODEL)]
    none = bradley_terry(Battles.from_scores(np.full((5, 2), np.nan)), interval=FEW, rng=rng())
    assert none.strengths == [Undefined(Reason.NO_SCORES)] * 2
    prompt = bradley_terry(Battles.from_scores([[2.0, 2.0]]), interval=FEW, rng=rng())
    assert prompt.strengths[0].no_interval == Reason.ONE_UNIT


def test_no_models_have_no_strengths():
    found = bradley_terry(Battles.from_scores(np.empty((0, 0))), interval=FEW, rng=rng())
    assert (found.strengths, found.groups, found.n_battles) == ([], (), 0)
    assert bradley_terry(Battles.from_scores(np.empty((3, 0))), prior=1, rng=rng()).strengths == []


def test_what_is_malformed_is_refused():
    with pytest.raises(ValueError, match="there is not"):
        Battles(np.array([0]), np.array([0]), np.array([3]), np.array([1.0]), 2)
    with pytest.raises(ValueError, match="itself"):
        Battles(np.array([0]), np.array([1]), np.array([1]), np.array([1.0]), 2)
    with pytest.raises(ValueError, match="no model 5"):
        bradley_terry(Battles.from_scores(np.ones((2, 2))), anchor=5, rng=rng())
    with pytest.raises(ValueError, match="0 or more"):
        bradley_terry(Battles.from_scores(np.ones((2, 2))), prior=-1, rng=rng())
    with pytest.raises(ValueError, match="1, 1/2 or 0"):
        Verdicts(np.array([0]), np.array([0]), np.array([1]), np.array([2.0]), np.array([1.0]), 2)


# Battles


def test_a_battle_is_a_tie_within_the_margin_and_none_without_both_scores():
    scores = [[3, 3, 4], [2, 2.5, np.nan]]
    battles = Battles.from_scores(scores, margin=0.5)
    assert battles.first.tolist() == [0, 0, 1, 0]
    assert battles.second.tolist() == [1, 2, 2, 1]
    assert battles.points.tolist() == [0.5, 0, 0, 0.5]
    assert Battles.from_scores(scores).points.tolist() == [0.5, 0, 0, 0]
    thirds = Battles.from_scores([[1 / 3 + 1 / 3 + 1 / 3, 1.0]])
    assert thirds.points.tolist() == [0.5]


def test_verdicts_that_contradict_each_other_are_ties_and_failed_ones_no_battles():
    one = np.array([1, 1, 0.5, 0, np.nan])
    other = np.array([1, 0, 0.5, 0.5, 1])
    verdicts = Verdicts(np.arange(5), np.zeros(5, int), np.ones(5, int), one, other, 2)
    assert verdicts.battles().points.tolist() == [1, 0.5, 0.5, 0.5]
    assert verdicts.consistent.tolist() == [True, False, True, False, False]


def test_blocks_of_prompts_change_nothing(monkeypatch):
    from stats.ranking import battles as module

    scores = rng(2).normal(size=(40, 5))
    weights = rng(3).integers(0, 3, (7, 40)).astype(float)
    whole = Battles.from_scores(scores).wins(weights)
    monkeypatch.setattr(module, "_CELLS", 26)
    assert np.array_equal(Battles.from_scores(scores).wins(weights), whole)
    assert (whole + whole.transpose(0, 2, 1))[:, 0, 1] == pytest.approx(weights.sum(axis=1))


def test_ten_models_and_a_thousand_resamples_keep_their_gradient_at_zero():
    scores = np.round(rng(5).normal(size=(484, 10)) + np.linspace(0, 1, 10))
    battles = Battles.from_scores(scores)
    wins = battles.wins(rng(6).multinomial(484, np.full(484, 1 / 484), 1000).astype(float))
    strengths = fit(wins)
    p = 1 / (1 + np.exp(-(strengths[:, :, None] - strengths[:, None])))
    off = (wins - (wins + wins.transpose(0, 2, 1)) * p).sum(axis=2)
    assert np.abs(off).max() < 1e-6
    assert abs(ELO - 173.7178) < 1e-4
    assert isinstance(bradley_terry(battles, interval=FEW, rng=rng()).strengths[0], Estimate)
