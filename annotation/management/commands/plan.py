from __future__ import annotations

import json
from typing import Any, get_args

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotation.management.named import batch_named
from annotation.planning import as_json, as_text, pilots, planned, widest_scale
from annotation.planning.pilot import counts_for
from projects.management.named import project_named
from stats.design.planner import MOST, Assignment


class Command(BaseCommand):
    help = (
        "How wide the intervals of a study will be, before anybody rates: of alpha, of a model’s mean, of a difference "
        "of two models; what it takes to narrow them, and which change buys most (docs/methods.md)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "project",
            nargs="?",
            help="its slug: plan with what its ratings tell, axis by axis; defaults without one",
        )
        parser.add_argument("--prompts", type=int, metavar="N", help="(default: as in the project)")
        parser.add_argument("--models", type=int, metavar="M", help="(default: as in the project)")
        parser.add_argument("--raters-per-item", type=int, metavar="K", help="(default: as in the project)")
        parser.add_argument("--raters", type=int, metavar="R", help="people (default: as in the project)")
        parser.add_argument(
            "--half-width", type=float, metavar="W", help="how many prompts or raters an interval of ±W takes"
        )
        parser.add_argument(
            "--assignment",
            choices=get_args(Assignment),
            default="scattered",
            help="who rates what (default: scattered, balanced over raters and models)",
        )
        parser.add_argument("--batch", metavar="NAME", help="take the ratings of this batch for the pilot")
        parser.add_argument("--level", type=float, default=0.95, help="of the intervals (default: 0.95)")
        parser.add_argument("--json", action="store_true", help="JSON (docs/methods.md) instead of text")

    def handle(
        self,
        *,
        project: str | None,
        prompts: int | None,
        models: int | None,
        raters_per_item: int | None,
        raters: int | None,
        half_width: float | None,
        batch: str | None,
        level: float,
        **options: Any,
    ) -> None:
        if not 0 < level < 1:
            raise CommandError("--level: between 0 and 1.")
        study = None
        sizes = {
            "--prompts": prompts,
            "--models": models,
            "--raters-per-item": raters_per_item,
            "--raters": raters,
        }
        if project is not None:
            study = project_named(project)
            for name, there in zip(sizes, counts_for(study), strict=True):
                sizes[name] = there if sizes[name] is None else sizes[name]
        elif batch is not None:
            raise CommandError("--batch needs a project.")
        missing = [name for name, size in sizes.items() if size is None]
        if missing:
            raise CommandError(f"Without a project, say {', '.join(missing)}.")
        named = batch_named(study, batch) if study else None
        for (name, size), most in zip(sizes.items(), MOST.values(), strict=True):
            if size is not None and not 1 <= size <= most:
                raise CommandError(f"{name}: {size:,} cannot be planned; say a number from 1 to {most:,}.")
        n_prompts, n_models, per_item, people = (size or 0 for size in sizes.values())
        found_before = pilots(project=study, batch=named, level=level) if study else []
        if half_width is not None:
            low, high = widest_scale(found_before)
            if not 0 < half_width < (high - low) / 2:
                raise CommandError(
                    f"--half-width: {half_width:g} is not between 0 and {(high - low) / 2:g}. On a scale from {low:g} to "
                    f"{high:g} an interval of ±{(high - low) / 2:g} holds every score; say how narrow it is to be, such as "
                    f"{(high - low) / 40:g}."
                )
        try:
            found = planned(
                found_before,
                prompts=n_prompts,
                models=n_models,
                raters_per_item=per_item,
                raters=people,
                assignment=options["assignment"],
                level=level,
            )
        except ValueError as error:
            raise CommandError(f"This cannot be planned: {error}.") from None
        if options["json"]:
            self.stdout.write(
                json.dumps(as_json(found, project=study, half_width=half_width), ensure_ascii=False, indent=1)
            )
        else:
            self.stdout.write(as_text(found, project=study, half_width=half_width), ending="")
