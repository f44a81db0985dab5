from __future__ import annotations

import pytest
from django.core.cache import cache
from django.utils import translation
from rest_framework.test import APIClient


@pytest.fixture(autouse=True)
def english():
    """A request leaves its language behind in the thread."""
    with translation.override("en"):
        yield


@pytest.fixture(autouse=True)
def fresh_throttles():
    """What one test asked does not count against the next."""
    cache.clear()


@pytest.fixture
def api():
    """`api(user)`: a client that belongs to that person, as if by token."""

    def client_of(user=None):
        client = APIClient()
        if user:
            client.force_authenticate(user)
        return client

    return client_of
