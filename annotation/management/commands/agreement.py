from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotation.agreement import agreement, as_json, as_text
from annotation.management.named import batch_named
from projects.management.named import project_named
from stats.agreement import Interval, Method


class Command(BaseCommand):
    help = "How well the raters of a project agree, axis by axis, with intervals (docs/methods.md)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="its slug")
        parser.add_argument("--batch", metavar="NAME", help="count the ratings of this batch only")
        parser.add_argument("--json", action="store_true", help="JSON (docs/methods.md) instead of text")
        parser.add_argument("--level", type=float, default=0.95, help="of the intervals (default: 0.95)")
        parser.add_argument(
            "--interval",
            choices=[str(method) for method in Method],
            default=str(Method.CLUSTER_BOOTSTRAP),
            help="how they are made; a cluster is a prompt with all its items (default: cluster_bootstrap)",
        )
        parser.add_argument("--seed", type=int, default=1, help="of the bootstrap (default: 1)")

    def handle(
        self, *, project: str, batch: str | None, level: float, interval: str, seed: int, **options: Any
    ) -> None:
        study = project_named(project)
        named = batch_named(study, batch)
        if seed < 0:
            raise CommandError("A seed is 0 or more.")
        try:
            wanted = Interval(Method(interval), level=level)
        except ValueError as error:
            raise CommandError(f"--level: {error}.") from None
        found = agreement(project=study, batch=named, interval=wanted, seed=seed)
        if options["json"]:
            self.stdout.write(json.dumps(as_json(found), ensure_ascii=False, indent=1))
        else:
            self.stdout.write(as_text(found), ending="")
