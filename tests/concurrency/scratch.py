"""A database for one test: a copy of the test database, in which connections may be killed and constraints dropped."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.db import connection


@contextmanager
def scratch_database() -> Iterator[None]:
    """All threads of this process that connect inside work in the copy, which is gone afterwards."""
    settings = connection.settings_dict
    name = settings["NAME"]
    copy = f"{name}_{uuid.uuid4().hex[:8]}"
    connection.close()
    with _maintenance() as server:
        # A thread of an earlier test may have left a connection behind, and nobody may be in what is copied.
        server.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        server.execute(f'CREATE DATABASE "{copy}" TEMPLATE "{name}"')
    settings["NAME"] = copy
    try:
        yield
    finally:
        connection.close()
        settings["NAME"] = name
        with _maintenance() as server:
            server.execute(f'DROP DATABASE "{copy}" WITH (FORCE)')


def _maintenance() -> psycopg.Connection:
    parameters = connection.get_connection_params() | {"dbname": "postgres"}
    wanted = {
        key: value
        for key, value in parameters.items()
        if key in ("host", "port", "user", "password", "dbname")
    }
    return psycopg.connect(**wanted, autocommit=True)
