from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotation.management.named import batch_named
from annotation.raters import as_json, as_text, raters
from projects.management.named import project_named
from stats.raters import READING_SPEED


class Command(BaseCommand):
    help = (
        "How each rater of a project rates: severity, consistency, use of the scale, pace (docs/methods.md)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="its slug")
        parser.add_argument("--batch", metavar="NAME", help="count the ratings of this batch only")
        parser.add_argument("--json", action="store_true", help="JSON (docs/methods.md) instead of text")
        parser.add_argument("--level", type=float, default=0.95, help="of the intervals (default: 0.95)")
        parser.add_argument(
            "--reading-speed",
            type=float,
            default=READING_SPEED,
            metavar="CHARACTERS",
            help=f"characters a second that nobody reads: faster ratings are counted (default: {READING_SPEED:g})",
        )

    def handle(
        self, *, project: str, batch: str | None, level: float, reading_speed: float, **options: Any
    ) -> None:
        study = project_named(project)
        named = batch_named(study, batch)
        if not 0 < level < 1:
            raise CommandError(f"--level: a level lies between 0 and 1, not at {level}.")
        if not reading_speed > 0:
            raise CommandError(f"--reading-speed: a speed is above 0, not {reading_speed}.")
        found = raters(project=study, batch=named, level=level, reading_speed=reading_speed)
        if options["json"]:
            self.stdout.write(json.dumps(as_json(found), ensure_ascii=False, indent=1))
        else:
            self.stdout.write(as_text(found), ending="")
