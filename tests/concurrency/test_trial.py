"""Many people at once, and everything that goes wrong in real life."""

from __future__ import annotations

import os

import pytest

from annotation.services import searching
from tests.concurrency.trial import ODDS, Services, Trial, study
from tests.concurrency.ways import Api, Pages

# HYOTEI_FULL=1: the size of a real study, which takes some minutes.
FULL = bool(os.environ.get("HYOTEI_FULL"))
RATERS = 53

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("scratch"),
    pytest.mark.timeout(3600 if FULL else 300),
]


@pytest.mark.parametrize(
    ("raters_per_item", "filling", "order"),
    [(2, "pool", "mixed"), (3, "pool", "by_prompt"), (2, "planned", "mixed")],
)
def test_every_item_ends_with_exactly_n_raters_and_no_acknowledged_rating_is_lost(
    raters_per_item, filling, order
):
    trial = Trial(
        study(items=4840 if FULL else 150, raters=RATERS),
        raters_per_item=raters_per_item, filling=filling, order=order, patience=3000,
    )  # fmt: skip

    assert trial.run() == []

    print(trial)
    trial.was_lively("killed", "cut off", "aborted", "kept", "set_aside")


def test_the_same_holds_when_raters_have_had_most_of_what_is_left(monkeypatch):
    """Few raters, each of whom must rate nearly everything, and little seen at once: sweeping is the rule."""
    for name, size in (("NEAR", 1), ("FAR", 2), ("SWEEP", 3)):
        monkeypatch.setattr(searching, name, size)
    trial = Trial(
        study(items=400 if FULL else 40, raters=5), raters_per_item=3, odds=dict(ODDS) | {"skip": 0}
    )

    assert trial.run() == []

    print(trial)
    trial.was_lively("killed", "cut off", "aborted", "kept", "late")


@pytest.mark.parametrize("raters_per_item", [2, 3])
def test_the_same_holds_through_pages_and_api(raters_per_item):
    trial = Trial(
        study(items=1000 if FULL else 40, raters=RATERS if FULL else 24, login=True),
        raters_per_item=raters_per_item, ways=(Services, Pages, Api), patience=3000,
    )  # fmt: skip

    assert trial.run() == []

    print(trial)
    trial.was_lively("killed", "cut off", "aborted", "kept", "saved by a page")
