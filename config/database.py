"""Where the data lives: the server that DATABASE_URL names, or an embedded PostgreSQL under var/postgres."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import environ

from config.embedded import PORT, ROLE, EmbeddedServer

ENGINE = "config.postgres"


@cache
def embedded_server(data: Path, *, volatile: bool = False) -> EmbeddedServer:
    """One object for each server, so that a process holds it once."""
    return EmbeddedServer(data, volatile=volatile)


def database_at(url: str) -> dict[str, Any]:
    return dict(environ.Env.db_url_config(url, engine=ENGINE))


def embedded_database(data: Path, *, volatile: bool = False) -> dict[str, Any]:
    """Django's settings for the embedded server in `data`, which starts with the first connection and not before."""
    server = embedded_server(data, volatile=volatile)
    return {
        "ENGINE": ENGINE,
        "NAME": server.database,
        "USER": ROLE,
        "HOST": str(server.socket_folder),
        "PORT": PORT,
        "OPTIONS": {},
        "EMBEDDED": {"data": data, "volatile": volatile},  # Django copies these settings deeply
    }
