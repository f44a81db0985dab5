"""Many people at once, and everything that goes wrong in real life."""

from __future__ import annotations

import os

import pytest

from tests.concurrency.trial import Trial, study

FULL = bool(os.environ.get("HYOTEI_FULL"))
ITEMS, RATERS = (4840, 53) if FULL else (150, 53)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("scratch")]


@pytest.mark.parametrize(
    ("raters_per_item", "filling", "order"),
    [(2, "pool", "mixed"), (3, "pool", "by_prompt"), (2, "planned", "mixed")],
)
def test_every_item_ends_with_exactly_n_raters_and_no_acknowledged_rating_is_lost(
    raters_per_item, filling, order
):
    trial = Trial(
        study(items=ITEMS, raters=RATERS), raters_per_item=raters_per_item, filling=filling, order=order
    )  # fmt: skip

    assert trial.run() == []

    print(dict(trial.happened))
    for event in ("killed", "cut off", "aborted", "kept", "late", "set_aside"):
        assert trial.happened[event], f"the trial was too calm to prove anything: {dict(trial.happened)}"
