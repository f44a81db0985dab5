from __future__ import annotations

import pytest
from django.utils import translation


@pytest.fixture(autouse=True)
def english():
    """A request leaves its language behind in the thread."""
    with translation.override("en"):
        yield
