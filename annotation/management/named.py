"""What commands are told by name."""

from __future__ import annotations

from django.core.management.base import CommandError

from annotation.models import Batch
from projects.models import Project


def batch_named(project: Project, name: str | None) -> Batch | None:
    """One of the project's batches; None where none was named."""
    if name is None:
        return None
    found = project.batches.filter(name=name).first()
    if found is None:
        names = ", ".join(f"“{other}”" for other in project.batches.values_list("name", flat=True))
        raise CommandError(f"“{project.slug}” has no batch “{name}”; it has {names or 'none'}.")
    return found
