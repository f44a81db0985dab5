"""Many programs at once over the API: the same guarantees as from the page."""

from __future__ import annotations

import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction
from django.urls import reverse
from rest_framework.test import APIClient

from annotation.models import Assignment, Score, Submission
from exports.tokens import make_token
from tests.factories import create_batch, create_item, create_member, create_project

pytestmark = pytest.mark.django_db(transaction=True)
ITEMS, RATERS, PER_ITEM = 12, 6, 2


@pytest.fixture
def tokens(settings):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}  # no throttles
    with transaction.atomic():
        project = create_project(slug="study")
        for _ in range(ITEMS):
            create_item(project)
        create_batch(project, raters_per_item=PER_ITEM)
        return [make_token(user=create_member(project).user, name="program") for _ in range(RATERS)]


def until_nothing_is_left(token):
    """Rate everything; send each submit twice, as a program does that heard no answer."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    acknowledged = []
    try:
        seat = client.post(reverse("api:next", args=["study"])).data
        while seat:
            sent = {"submission_id": str(uuid.uuid4()), "scores": {"relevance": 3, "fluency": "unsure"}}
            address = reverse("api:submit", args=["study", seat["key"]])
            first = client.post(address, sent, format="json")
            again = client.post(address, sent, format="json")
            assert (first.status_code, again.status_code) == (200, 200), (first.data, again.data)
            assert again.data["repeated"]
            acknowledged.append(str(first.data["seat"]))
            seat = again.data["next"]
    finally:
        connection.close()
    return acknowledged


@pytest.mark.parametrize("tabs", [1, 2])
def test_programs_at_once_fill_every_item_with_different_raters_and_lose_nothing(tokens, tabs):
    with ThreadPoolExecutor(RATERS * tabs) as pool:
        acknowledged = [seat for seats in pool.map(until_nothing_is_left, tokens * tabs) for seat in seats]

    submitted = Assignment.objects.submitted()
    assert {str(seat.key) for seat in submitted} == set(acknowledged)
    assert Counter(submitted.values_list("item", flat=True)) == dict.fromkeys(
        Assignment.objects.values_list("item", flat=True), PER_ITEM
    )
    assert len(set(submitted.values_list("item", "rater"))) == ITEMS * PER_ITEM
    assert Score.objects.count() == ITEMS * PER_ITEM * 2
    assert Submission.objects.filter(outcome="kept").count() == ITEMS * PER_ITEM
    assert not Assignment.objects.open().exists()
