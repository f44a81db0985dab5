from __future__ import annotations

import re
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext

from projects.models import Project, User
from projects.rubric_files import DEFAULT_PRESET, BadRubric, make_project, presets, read_rubric

SLUG = re.compile(r"[A-Za-z0-9_-]{1,60}")
SHOWN = 20


class Command(BaseCommand):
    help = "Make a project with a rubric: one of the presets, or a JSON or YAML file (docs/formats.md)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="its name in addresses and commands: letters, digits, “-” and “_”")
        parser.add_argument(
            "--rubric",
            default=DEFAULT_PRESET,
            metavar="PRESET_OR_FILE",
            help=f"presets: {', '.join(presets())} (default: {DEFAULT_PRESET})",
        )
        parser.add_argument("--name", default="", help="its name on pages (default: the slug)")
        parser.add_argument("--name-ja", default="", help="its name on Japanese pages")
        parser.add_argument("--coordinator", metavar="USERNAME", help="an account that shall run the project")

    def handle(
        self, *, slug: str, rubric: str, name: str, name_ja: str, coordinator: str | None, **options: Any
    ) -> None:
        if not SLUG.fullmatch(slug):
            raise CommandError(f"“{slug}” is no slug: up to 60 ASCII letters, digits, “-” and “_”.")
        if Project.objects.filter(slug=slug).exists():
            raise CommandError(f"There is a project “{slug}” already.")
        for said in (name, name_ja):
            if len(said) > 200:
                raise CommandError("A name has at most 200 characters.")
        user = None
        if coordinator and not (user := User.objects.filter(username=coordinator).first()):
            raise CommandError(f"There is no account “{coordinator}”.")
        try:
            spec = read_rubric(rubric)
        except BadRubric as bad:
            lines = [problem.said(gettext) for problem in bad.problems[:SHOWN]]
            if more := len(bad.problems) - SHOWN:
                lines += [f"… and {more} more."] if more > 0 else []
            raise CommandError("\n".join(lines)) from None
        project = make_project(slug=slug, name=name, name_ja=name_ja, spec=spec, coordinator=user)
        axes = ", ".join(axis.key for axis in spec.axes)
        self.stdout.write(f"Project “{project.slug}” made, with the rubric “{spec.name}”: {axes}.")
