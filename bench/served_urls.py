"""The real addresses, and the floor: what a request costs that authenticates, commits one row, and does nothing else."""

from __future__ import annotations

from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.http import require_POST

from config.urls import urlpatterns as real

# Not a model of ours: a table that exists while the bench runs.
TABLE = "CREATE TABLE IF NOT EXISTS bench_floor (id bigserial PRIMARY KEY, user_id bigint NOT NULL, words text NOT NULL)"


@require_POST
def floor(request: HttpRequest) -> HttpResponse:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO bench_floor (user_id, words) VALUES (%s, %s)",
            [request.user.pk, request.POST["submission"]],
        )
    return HttpResponse("kept")


urlpatterns = [path("bench/floor/", floor), *real]
