"""Dawid and Skene: planted labels, a plain second implementation, and refusals."""

import numpy as np
import pytest

from stats.estimate import Reason, Undefined
from stats.raters import dawid_skene


def labelled(seed=0, items=400, raters=6, per_item=4, k=3, skill=(0.9, 0.85, 0.8, 0.8, 0.75, None)):
    """Labels of raters with a skill; None presses the most frequent label."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(k, items, p=[0.5, 0.3, 0.2])
    item = np.repeat(np.arange(items), per_item)
    rater = np.array([rng.choice(raters, per_item, replace=False) for _ in range(items)]).ravel()
    label = truth[item].copy()
    for who, hit in enumerate(skill):
        rows = np.flatnonzero(rater == who)
        if hit is None:
            label[rows] = 0
        else:
            wrong = rows[rng.random(rows.size) > hit]
            label[wrong] = (label[wrong] + rng.integers(1, k, wrong.size)) % k
    return item, rater, label, truth


def fitted(item, rater, label, k=3, **options):
    options = {"ordered": False, "rng": np.random.default_rng(1)} | options
    return dawid_skene(item=item, rater=rater, label=label, n_labels=k, **options)


def test_planted_labels_and_skills_are_found():
    item, rater, label, truth = labelled()
    found = fitted(item, rater, label)
    votes = np.array([np.bincount(label[item == i], minlength=3).argmax() for i in range(400)])
    right = (found.labels() == truth).mean()
    assert right > 0.93
    assert right >= (votes == truth).mean()
    skills = [one.value for one in found.accuracy]
    assert skills[:5] == pytest.approx([0.9, 0.85, 0.8, 0.8, 0.75], abs=0.06)
    assert found.confusion[5].argmax(axis=1).tolist() == [0, 0, 0]  # the one who always says the first
    assert all(one.low < one.value < one.high for one in found.accuracy)


def test_likelihood_never_falls():
    found = fitted(*labelled(seed=2)[:3])
    assert (np.diff(found.objective) > -1e-9).all()


def test_a_plain_implementation_finds_the_same():
    item, rater, label, _ = labelled(seed=3, items=60)
    found = fitted(item, rater, label, starts=1)
    posterior = np.array([np.bincount(label[item == i], minlength=3) for i in range(60)]) / 4
    for _ in range(len(found.objective)):
        prior = (posterior.sum(axis=0) + 0.1) / (60 + 0.3)
        confusion = np.full((6, 3, 3), 0.1)
        for i, r, given in zip(item, rater, label, strict=True):
            confusion[r, :, given] += posterior[i]
        confusion /= confusion.sum(axis=2, keepdims=True)
        posterior = np.tile(prior, (60, 1))
        for i, r, given in zip(item, rater, label, strict=True):
            posterior[i] *= confusion[r, :, given]
        likelihood = posterior.sum(axis=1)
        posterior /= likelihood[:, None]
    assert found.posterior == pytest.approx(posterior)
    assert found.prevalence == pytest.approx(prior)
    assert found.log_likelihood == pytest.approx(np.log(likelihood).sum())


def test_more_starts_are_never_worse():
    data = labelled(seed=4, items=50, per_item=3)[:3]
    assert fitted(*data, starts=8).objective[-1] >= fitted(*data, starts=1).objective[-1] - 1e-9


def test_new_names_for_raters_change_no_label():
    item, rater, label, _ = labelled(seed=5, items=80)
    one, other = fitted(item, rater, label, starts=1), fitted(item, 5 - rater, label, starts=1)
    assert one.posterior == pytest.approx(other.posterior)
    assert [a.value for a in one.accuracy] == pytest.approx([a.value for a in other.accuracy[::-1]])


def test_scores_with_an_order_are_refused():
    with pytest.raises(ValueError, match="without an order"):
        fitted(*labelled()[:3], ordered=True)


def test_two_raters_an_item_are_not_enough():
    item, rater, label, _ = labelled(per_item=2)
    assert fitted(item, rater, label) == Undefined(Reason.NOT_ENOUGH, 400)


def test_items_with_fewer_labels_are_left_out():
    item, rater, label, _ = labelled(items=50)
    found = fitted(np.append(item, 50), np.append(rater, 0), np.append(label, 1))
    assert (found.n_items, found.n_left_out) == (50, 1)
    assert np.isnan(found.posterior[50]).all()
    assert found.labels()[50] == -1
    assert found.posterior[:50] == pytest.approx(fitted(item, rater, label).posterior, abs=1e-6)


def test_positions_are_no_raters():
    item, rater, label, _ = labelled(items=20)
    assert fitted(item, np.full_like(rater, -1), label) == Undefined(Reason.ANONYMOUS, 20)


def test_no_labels_and_no_rest_are_undefined():
    nothing = np.array([], dtype=int)
    assert fitted(nothing, nothing, nothing) == Undefined(Reason.NO_SCORES)
    assert fitted(*labelled()[:3], steps=2) == Undefined(Reason.NOT_CONVERGED, 400)


def test_malformed_labels_are_refused():
    with pytest.raises(ValueError, match="0 to 2"):
        fitted(np.array([0]), np.array([0]), np.array([3]))
    with pytest.raises(ValueError, match="smoothing"):
        fitted(*labelled()[:3], smoothing=0)
    with pytest.raises(ValueError, match="2 items"):
        fitted(np.array([0, 1]), np.array([0]), np.array([0]))
