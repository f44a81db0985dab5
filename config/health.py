"""Two addresses for those who watch over the processes: `/healthz` and `/readyz`.

They are answered before anything else, so that a probe needs no right host name, no HTTPS and no session.
"""

from __future__ import annotations

from collections.abc import Callable

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse

GetResponse = Callable[[HttpRequest], HttpResponse]
_migrated = False


def answer_probes(get_response: GetResponse) -> GetResponse:
    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path == "/healthz":
            return _line({"status": "ok"})
        if request.path == "/readyz":
            reason = why_not_ready()
            if reason:
                return _line({"status": "not ready", "reason": reason}, status=503)
            return _line({"status": "ready"})
        return get_response(request)

    return middleware


def why_not_ready() -> str:
    """What is missing; empty if nothing is. The migrations are looked at until they are all there, then not again."""
    global _migrated
    try:
        with connection.cursor() as cursor:
            cursor.execute("select 1")
        if not _migrated:
            executor = MigrationExecutor(connection)
            if executor.migration_plan(executor.loader.graph.leaf_nodes()):
                return "migrations are not applied"
            _migrated = True
    except DatabaseError:
        connection.close()
        return "the database cannot be reached"
    return ""


def _line(content: dict[str, str], status: int = 200) -> HttpResponse:
    response = JsonResponse(content, status=status, headers={"Cache-Control": "no-store"})
    response.content += b"\n"
    return response
