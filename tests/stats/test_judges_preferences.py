"""Verdicts on pairs beside people's preferences."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stats.agreement import Interval
from stats.agreement.pairs import cohen_kappa
from stats.estimate import Estimate, Reason, Undefined
from stats.judges.grid import Ratings
from stats.judges.preferences import preferences
from stats.ranking import Verdicts

FEW = Interval(replicates=200, fewest=100)
NAN = np.nan


def rng(seed=1):
    return np.random.default_rng(seed)


class Study:
    """P prompts, M models, all pairs of them; R persons who rate a part of the responses from 1 to 5."""

    def __init__(self, seed=0, prompts=12, models=4, raters=3, rated=0.7, failed=0.1) -> None:
        chance = rng(seed)
        self.shape = (prompts, models)
        quality = chance.normal(3, 1, self.shape)
        scores = np.clip(np.rint(quality[:, :, None] + chance.normal(0, 0.7, (*self.shape, raters))), 1, 5)
        self.scores = np.where(chance.random(scores.shape) < rated, scores, NAN)
        with np.errstate(invalid="ignore"):
            n = (~np.isnan(self.scores)).sum(axis=2)
            self.human = np.where(n, np.nansum(self.scores, axis=2) / np.maximum(n, 1), NAN)
        row, first, second = (
            np.array(part) for part in zip(*((p, a, b) for p in range(prompts) for a, b in combinations(range(models), 2)), strict=True)
        )  # fmt: skip
        one, other = (
            np.where(chance.random(row.size) < failed, NAN, np.sign(np.rint(quality[row, first] - quality[row, second] + chance.normal(0, 1, row.size))) / 2 + 0.5)
            for _ in range(2)
        )  # fmt: skip
        self.verdicts = Verdicts(row, first, second, one, other, models)
        self.cells = row * models + first, row * models + second
        at = np.argwhere(~np.isnan(self.scores))
        self.ratings = Ratings(at[:, 0], at[:, 1], at[:, 2], self.scores[tuple(at.T)])

    @property
    def means(self):
        flat = self.human.ravel()
        return np.column_stack([flat[cell] for cell in self.cells])

    def compared(self, **options):
        given = {
            "cells": self.cells,
            "ratings": self.ratings,
            "shape": self.shape,
            "interval": FEW,
            "rng": rng(),
        }
        return preferences(self.verdicts, self.means, **given | options)

    def pairs(self):
        """(pair, what people prefer, what the judge prefers) one by one."""
        for i, (one, other) in enumerate(zip(self.verdicts.one, self.verdicts.other, strict=True)):
            ahead = self.means[i, 0] - self.means[i, 1]
            if not np.isnan(one + other + ahead):
                yield i, outcome(ahead), one if one == other else 0.5


def outcome(ahead, margin=0.0):
    return 0.5 if abs(ahead) <= margin + 1e-9 else float(ahead > 0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_every_share_is_that_of_counting_pair_by_pair(seed):
    study = Study(seed)
    found = study.compared()
    pairs = list(study.pairs())
    assert found.n_pairs == len(pairs)
    assert found.agreement.value == pytest.approx(np.mean([h == j for _, h, j in pairs]))
    assert found.human_ties.value == pytest.approx(np.mean([h == 0.5 for _, h, _ in pairs]))
    assert found.judge_ties.value == pytest.approx(np.mean([j == 0.5 for _, _, j in pairs]))
    decided = [h == j for _, h, j in pairs if 0.5 not in (h, j)]
    assert (found.decided.value, found.decided.n) == (pytest.approx(np.mean(decided)), len(decided))
    assert np.sum(found.counts) == len(pairs)
    assert found.counts[0][0] == sum((h, j) == (1, 1) for _, h, j in pairs)
    assert found.counts[0][2] == sum((h, j) == (1, 0) for _, h, j in pairs)


def test_kappa_is_cohens_when_every_pair_is_told_both_ways():
    study = Study(3)
    pairs = [(h, j) for _, h, j in study.pairs()]
    both = [*pairs, *((1 - h, 1 - j) for h, j in pairs)]
    table = np.array(
        [[[sum((h, j) == (a, b) for h, j in both) for b in (0, 0.5, 1)] for a in (0, 0.5, 1)]], float
    )
    assert study.compared().kappa.value == pytest.approx(cohen_kappa(table)[0])


def test_persons_who_rated_both_responses_are_set_beside_the_judge_and_each_other():
    study = Study(5, raters=4)
    with_judge, alike = [], []
    for i, _, judge in study.pairs():
        row, a, b = (int(x[i]) for x in (study.verdicts.prompt, study.verdicts.first, study.verdicts.second))
        ahead = study.scores[row, a] - study.scores[row, b]
        said = [outcome(one) for one in ahead if not np.isnan(one)]
        if len(said) >= 2:
            with_judge.append(np.mean([one == judge for one in said]))
            alike.append(np.mean([x == y for x, y in combinations(said, 2)]))
    found = study.compared().raters
    assert found.judge.value == pytest.approx(np.mean(with_judge))
    assert found.people.value == pytest.approx(np.mean(alike))
    assert found.difference.value == pytest.approx(np.mean(with_judge) - np.mean(alike))
    assert found.judge.n == len(with_judge) > 20


def test_win_rates_of_both_sides_are_over_the_same_pairs():
    study = Study(2)
    found = study.compared()
    wins = {m: [] for m in range(4)}
    for i, h, j in study.pairs():
        wins[int(study.verdicts.first[i])].append((h, j))
        wins[int(study.verdicts.second[i])].append((1 - h, 1 - j))
    for m, one in enumerate(found.models):
        assert one.n == len(wins[m])
        assert (one.human.value, one.judge.value) == pytest.approx(tuple(np.mean(wins[m], axis=0)))
    at_prompt = {}
    for i, h, j in study.pairs():
        row = int(study.verdicts.prompt[i])
        at_prompt.setdefault((row, int(study.verdicts.first[i])), []).append((h, j))
        at_prompt.setdefault((row, int(study.verdicts.second[i])), []).append((1 - h, 1 - j))
    rates = np.array(
        [
            np.mean([np.mean(got, axis=0) for (_, k), got in at_prompt.items() if k == m], axis=0)
            for m in range(4)
        ]
    )
    assert found.pearson.value == pytest.approx(np.corrcoef(rates.T)[0, 1])
    without = study.compared(leave_out=1)
    assert without.pearson.value == pytest.approx(np.corrcoef(np.delete(rates, 1, axis=0).T)[0, 1])


def test_which_response_is_called_the_first_changes_nothing():
    study = Study(4)
    told = study.compared()
    v = study.verdicts
    study.verdicts = Verdicts(v.prompt, v.second, v.first, 1 - v.other, 1 - v.one, v.n_models)
    study.cells = study.cells[::-1]
    flipped = study.compared()
    for name in ("agreement", "kappa", "decided", "human_ties", "pearson", "spearman", "kendall"):
        a, b = getattr(told, name), getattr(flipped, name)
        assert (a.value, a.low, a.high) == pytest.approx((b.value, b.low, b.high))
    assert told.raters.judge.value == pytest.approx(flipped.raters.judge.value)


def test_a_judge_that_says_what_people_say_agrees_fully():
    study = Study(6, failed=0)
    v = study.verdicts
    got = np.array([outcome(a - b) if a == a and b == b else 0.5 for a, b in study.means])
    study.verdicts = Verdicts(v.prompt, v.first, v.second, got, got, v.n_models)
    found = study.compared()
    assert (found.agreement.value, found.decided.value, found.kappa.value) == pytest.approx((1, 1, 1))
    assert found.pearson.value == found.kendall.value == pytest.approx(1)
    assert found.human_ties == found.judge_ties


def test_means_within_the_margin_are_ties():
    study = Study(7)
    assert study.compared(margin=10).human_ties.value == 1
    share = [outcome(study.means[i, 0] - study.means[i, 1], 0.5) == 0.5 for i, *_ in study.pairs()]
    assert study.compared(margin=0.5).human_ties.value == pytest.approx(np.mean(share))


def test_what_cannot_be_said_has_its_reason():
    study = Study(8)
    positions = Ratings(
        study.ratings.row, study.ratings.model, np.full(study.ratings.row.size, -1), study.ratings.value
    )
    assert study.compared(ratings=positions).raters.judge == Undefined(Reason.ANONYMOUS, 0)
    assert study.compared(ratings=None).raters.people == Undefined(Reason.SINGLE_RATINGS, 0)
    two = Study(8, models=2)
    assert two.compared().pearson.reason == Reason.NOT_ENOUGH
    assert study.compared(margin=10).decided == Undefined(Reason.NOT_ENOUGH, 0)  # all ties
    study.human[:] = NAN
    nothing = study.compared()
    assert (nothing.n_pairs, nothing.agreement) == (0, Undefined(Reason.NOTHING_SHARED))
    assert all(isinstance(one.human, Undefined) for one in nothing.models)


def test_intervals_are_over_prompts():
    study = Study(9, prompts=40)
    found = study.compared().agreement
    assert isinstance(found, Estimate)
    assert found.units == 40
    assert found.low < found.value < found.high
    v = study.verdicts
    study.verdicts = Verdicts(np.zeros_like(v.prompt), v.first, v.second, v.one, v.other, v.n_models)
    assert study.compared().agreement.no_interval == Reason.ONE_UNIT
