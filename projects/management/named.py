"""What commands are told by name."""

from __future__ import annotations

from django.core.management.base import CommandError

from projects.models import Project


def project_named(slug: str) -> Project:
    found = Project.objects.filter(slug=slug).first()
    if found is None:
        known = ", ".join(Project.objects.values_list("slug", flat=True)[:20]) or "none"
        raise CommandError(f"There is no project “{slug}”. Projects: {known}.")
    return found
