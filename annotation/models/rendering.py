"""What raters are shown, made before they come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models

from projects.models import Response


class Rendering(models.Model):
    """One turn of a response as HTML.

    To render a text takes longer than to hand it out, so the worker does it beforehand (`annotation.rendering`). It can
    be lost at any time: the table is unlogged, and whatever is missing is rendered when it is shown. `digest` is the
    SHA-256 of the text and `version` that of the renderer; neither another text nor an older renderer counts.
    """

    # The migration adds the constraint, with ON DELETE CASCADE: this is nothing to ask anybody about.
    response = models.ForeignKey(
        Response, models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False
    )
    turn = models.PositiveSmallIntegerField()
    version = models.CharField(max_length=16)
    digest = models.BinaryField()
    html = models.TextField(null=True)  # noqa: DJ001
    """None where the text is empty, or too much for the renderer."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["response", "turn"], name="rendering_once_per_turn"),
        ]

    def __str__(self) -> str:
        return f"{self.response_id}@{self.turn}"

    if TYPE_CHECKING:
        response_id: int
