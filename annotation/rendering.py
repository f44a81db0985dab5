"""Rendering what raters will be shown, before they come: the worker's, at times when nothing else waits."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from projects import markdown

_AT_ONCE = 100


def _version() -> str:
    parts = [Path(markdown.__file__).read_bytes()]
    parts += [
        f"{name} {version(name)}".encode() for name in ("markdown-it-py", "nh3", "pygments", "latex2mathml")
    ]
    return hashlib.sha256(b"\n".join(parts)).hexdigest()[:16]


VERSION = _version()
"""Of the renderer: what another one made is made anew."""

# From one item to the next, past those that are done: however many there are, few are looked at in one statement.
_WAITING = """
    SELECT i.id, i.response_id, i.turn, r.turns[i.turn]
    FROM projects_item i JOIN projects_response r ON r.id = i.response_id
    WHERE i.id > %(after)s AND r.turns[i.turn] IS NOT NULL
        AND NOT EXISTS (
            SELECT FROM annotation_rendering h
            WHERE h.response_id = i.response_id AND h.turn = i.turn AND h.version = %(version)s
        )
        AND EXISTS (
            SELECT FROM annotation_assignment a JOIN annotation_batch b ON b.id = a.batch_id AND b.state = 'open'
            WHERE a.item_id = i.id AND a.state IN ('empty', 'planned', 'open')
        )
    ORDER BY i.id LIMIT %(most)s
"""
_KEEP = """
    INSERT INTO annotation_rendering (response_id, turn, version, digest, html)
    SELECT DISTINCT ON (n.response, n.turn) n.response, n.turn, %(version)s, n.digest, n.html
    FROM unnest(%(responses)s::bigint[], %(turns)s::smallint[], %(digests)s::bytea[], %(htmls)s::text[])
        AS n (response, turn, digest, html)
    ON CONFLICT (response_id, turn) DO UPDATE
    SET version = excluded.version, digest = excluded.digest, html = excluded.html
"""
_FORGET = """
    DELETE FROM annotation_rendering h WHERE NOT EXISTS (
        SELECT FROM projects_item i
        JOIN annotation_assignment a ON a.item_id = i.id
        JOIN annotation_batch b ON b.id = a.batch_id AND b.state <> 'closed'
        WHERE i.response_id = h.response_id AND i.turn = h.turn
    )
"""


def render_waiting(go_on: Callable[[], bool] = lambda: True) -> tuple[int, bool]:
    """Render what can be handed out now; how many texts, and whether that was all.

    Few at a time, each lot kept at once: it can be stopped (`go_on` says False) and run again, by several at once, too.
    """
    after = done = 0
    while go_on():
        with connection.cursor() as cursor:
            cursor.execute(_WAITING, {"after": after, "version": VERSION, "most": _AT_ONCE})
            found = cursor.fetchall()
        if not found:
            return done, True
        _keep([(response, turn, text, _html(text)) for _, response, turn, text in found])
        after = found[-1][0]
        done += len(found)
    return done, False


def _html(text: str) -> str | None:
    """None where the page has other words for it, or must try for itself."""
    return markdown.render_for_keeping(text) if text.strip() else None


@transaction.atomic
def _keep(made: list[tuple[int, int, str, str | None]]) -> None:
    columns: dict[str, list[Any]] = {
        "responses": [response for response, _, _, _ in made],
        "turns": [turn for _, turn, _, _ in made],
        "digests": [hashlib.sha256(text.encode()).digest() for _, _, text, _ in made],
        "htmls": [None if html is None else str(html) for _, _, _, html in made],
    }
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, columns | {"version": VERSION})


def forget_renderings() -> int:
    """Delete what belongs to no batch that could still be rated; how many."""
    with connection.cursor() as cursor:
        cursor.execute(_FORGET)
        return int(cursor.rowcount)
