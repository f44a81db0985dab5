from __future__ import annotations

import pytest

from tests.concurrency.scratch import scratch_database


@pytest.fixture
def scratch(transactional_db):
    """A database of the test's own; nothing of it is left afterwards."""
    with scratch_database():
        yield
