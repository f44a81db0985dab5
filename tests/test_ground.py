"""The ground: server, settings, health."""

import pytest
from django.db import connection


@pytest.mark.django_db
def test_the_tests_run_against_postgresql_15_or_later():
    assert connection.vendor == "postgresql"
    assert connection.pg_version >= 150000
