"""Who is rating, asked for with each submit."""

from __future__ import annotations

from functools import cache

from django.db import connection
from django.db.models import DateTimeField, Model

from annotation.services.prepared import prepared_cursor
from projects.models import Member, Project


def rater_of(user_id: int, project_slug: str) -> Member | None:
    """What `for_raters` finds, without compiling or planning a query for it: that takes longer than running it."""
    statement, names, project_names = _statement()
    with prepared_cursor() as cursor:
        cursor.execute(statement, [project_slug, user_id])
        row = cursor.fetchone()
    if row is None:
        return None
    member = Member.from_db(connection.alias, names, row[: len(names)])
    member.project = Project.from_db(connection.alias, project_names, row[len(names) :])
    return member


@cache
def _statement() -> tuple[str, list[str], list[str]]:
    def names_and_columns(model: type[Model], alias: str) -> tuple[list[str], list[str]]:
        # Times take long to read, and no page of a rater shows them.
        fields = [f for f in model._meta.concrete_fields if not isinstance(f, DateTimeField)]
        return [f.attname for f in fields], [
            f"{alias}.{connection.ops.quote_name(str(f.column))}" for f in fields
        ]

    names, columns = names_and_columns(Member, "m")
    project_names, project_columns = names_and_columns(Project, "p")
    statement = f"""
        SELECT {", ".join(columns + project_columns)}
        FROM projects_member m JOIN projects_project p ON p.id = m.project_id
        WHERE p.slug = %s AND m.user_id = %s AND m.active AND m.is_rater
    """  # noqa: S608  names of our own columns
    return statement, names, project_names
