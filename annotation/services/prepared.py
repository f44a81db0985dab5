"""Statements that the server parses and plans once per connection: those that every rating passes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from django.db import connection
from psycopg import Cursor, RawCursor


class _Prepared(Cursor[Any]):
    def execute(self, query: Any, params: Any = None, **how: Any) -> Self:
        super().execute(query, params, **how, prepare=True)
        if connection.queries_logged and self._query is None:  # it is not sent again once it is prepared
            self._query = self._convert_query(query, params)
        return self


class _PreparedAsItIs(RawCursor[Any], _Prepared):
    pass


@contextmanager
def prepared_cursor(*, as_it_is: bool = False) -> Iterator[Any]:
    """As `connection.cursor()`; parameters travel beside the statement, so each must be of a type that shows.

    `as_it_is`: the statement has $1, $2 where its parameters go. Others are looked through for their places, and long ones
    (4,096 characters) each time anew.

    A pooler between us and the server may hand each transaction another connection. Who has one says so to Django by
    DISABLE_SERVER_SIDE_CURSORS, and nothing is prepared.
    """
    connection.ensure_connection()
    raw = connection.connection
    if not connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS") and raw.prepare_threshold is None:
        raw.prepare_threshold = (
            5  # None, Django's choice, would forbid it; Django's own cursors never prepare
        )
    kind = _PreparedAsItIs if as_it_is else _Prepared
    with connection._prepare_cursor(kind(raw)) as cursor:  # type: ignore[attr-defined]
        yield cursor
