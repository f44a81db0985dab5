"""A seat with all that its page shows, from the row of one statement.

The ORM would compile a query over five tables for each rating, which costs more than running it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Model
from django.utils.safestring import mark_safe

from annotation.models import Assignment, Batch
from annotation.rendering import VERSION
from annotation.services.rubric import rubric_of
from projects.models import Item, Member, Prompt, Response

JOINED = f"""
    annotation_batch b, projects_item i
    JOIN projects_prompt p ON p.id = i.prompt_id
    JOIN projects_response r ON r.id = i.response_id
    LEFT JOIN annotation_rendering h ON h.response_id = i.response_id AND h.turn = i.turn AND h.version = '{VERSION}'
        AND h.digest = sha256(convert_to(r.turns[i.turn], 'UTF8'))
"""
JOINS = "b.id = a.batch_id AND i.id = a.item_id"
# What no page of a rater shows is fetched when somebody asks for it: it may be large, and takes time to read.
_LEFT_OUT = {
    "metadata", "generation", "model", "sample", "source", "category", "tags", "options", "answer", "created_at",
    "selection", "due_on", "closed_at", "created_by", "open_to", "group", "raters_per_item",
    "withdrawn_at", "withdrawn_by", "skip_reason", "position", "emptied_at", "codes",
}  # fmt: skip


class _Part(NamedTuple):
    model: type[Model]
    names: list[str]
    columns: str
    readers: list[tuple[int, Any]]
    """Of columns that psycopg does not read into what the field has: JSON."""

    @classmethod
    def of(cls, model: type[Model], alias: str) -> _Part:
        fields = [field for field in model._meta.concrete_fields if field.name not in _LEFT_OUT]
        readers = [
            (place, field.from_db_value)
            for place, field in enumerate(fields)
            if hasattr(field, "from_db_value")
        ]
        columns = ", ".join(f"{alias}.{connection.ops.quote_name(str(field.column))}" for field in fields)
        return cls(model, [field.attname for field in fields], columns, readers)

    def read(self, values: list[Any]) -> Any:
        for place, reader in self.readers:
            values[place] = reader(values[place], None, connection)
        return self.model.from_db(connection.alias, self.names, values)


@cache
def _parts() -> tuple[_Part, ...]:
    return tuple(
        _Part.of(model, alias)
        for model, alias in ((Assignment, "a"), (Batch, "b"), (Item, "i"), (Prompt, "p"), (Response, "r"))
    )


@cache
def columns() -> str:
    """What a statement that joins `JOINED` selects or returns."""
    return ", ".join([*(part.columns for part in _parts()), "h.html"])


def card(row: Sequence[Any], *, rater: Member) -> Assignment:
    """The seat of a row of `columns()`, with everything around it at hand."""
    found = []
    start = 0
    for part in _parts():
        end = start + len(part.names)
        found.append(part.read(list(row[start:end])))
        start = end
    seat, batch, item, prompt, response = found
    seat.batch, seat.item, seat.rater = batch, item, rater
    batch.project, batch.rubric = rater.project, rubric_of(batch.rubric_id)
    item.project, item.prompt, item.response = rater.project, prompt, response
    response.prompt = prompt
    if html := row[start]:
        seat.answer_html = mark_safe(html)  # noqa: S308  cleaned when it was made
    assigned: Assignment = seat
    return assigned
