from __future__ import annotations

import argparse
import json as json_module
import re
import sys
from datetime import date, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from annotation.models.batch import Purpose
from annotation.services import Raters, make_batch, new_seed, preview
from annotation.services.errors import BatchCannotBeMade, SingleRaterNotConfirmed
from projects.management.named import project_named
from projects.models import Project

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def _lease(text: str) -> timedelta:
    found = re.fullmatch(r"(\d+)\s*([mhd])", text.strip())
    if not found:
        raise argparse.ArgumentTypeError(f"“{text}” is no length of time; write 30m, 2h or 1d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"“{text}” is no date; write it like 2027-01-31") from None


def _show(bar: tqdm[Any], done: int) -> None:
    bar.update(done - bar.n)


class Command(BaseCommand):
    help = "Hand responses out: make a batch, with so many seats at each item that fits the selection."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="the project's slug")
        parser.add_argument("name", help="the batch's name")
        parser.add_argument(
            "--raters-per-item", type=int, default=2, metavar="N", help="different raters for each item (2)"
        )
        choose = parser.add_argument_group("which items; all of the project's, if nothing is said")
        choose.add_argument(
            "--models", nargs="+", default=[], metavar="NAME", help="responses of these models"
        )
        choose.add_argument(
            "--sources", nargs="+", default=[], metavar="NAME", help="prompts from these sources"
        )
        choose.add_argument(
            "--tags", nargs="+", default=[], metavar="TAG", help="prompts with any of these tags"
        )
        choose.add_argument(
            "--categories", nargs="+", default=[], metavar="NAME", help="prompts of these categories"
        )
        choose.add_argument("--turns", nargs="+", type=int, default=[], metavar="N", help="these turns only")
        choose.add_argument(
            "--sample-prompts", type=int, metavar="N", help="N of the prompts that fit, by chance"
        )
        parser.add_argument(
            "--seed", type=int, help="what the sample and every shuffle are drawn from (a new one)"
        )
        parser.add_argument(
            "--purpose", choices=[p.value for p in Purpose if p != Purpose.SURPLUS], default=Purpose.MAIN.value,
            help="why it is rated (main); agreement counts main alone",
        )  # fmt: skip
        parser.add_argument(
            "--filling", choices=["pool", "planned"], default="pool",
            help="pool: a rater takes the next seat; planned: seats are given out in advance, balanced (pool)",
        )  # fmt: skip
        parser.add_argument(
            "--side-by-side", action="store_true",
            help="planned: the same raters for all responses to a prompt",
        )  # fmt: skip
        parser.add_argument(
            "--order", choices=["mixed", "by_prompt"], default="mixed",
            help="mixed: everything shuffled; by_prompt: the responses to one prompt one after the other (mixed)",
        )  # fmt: skip
        parser.add_argument(
            "--raters",
            default="all",
            metavar="WHO",
            help="all, group:NAME, or pseudonyms like R001,R002 (all)",
        )
        parser.add_argument(
            "--lease", type=_lease, default=timedelta(hours=2), metavar="TIME",
            help="after how long without work a seat goes to others: 30m, 2h, 1d (2h)",
        )  # fmt: skip
        parser.add_argument("--due", type=_day, metavar="DATE", help="when it should be done: 2027-01-31")
        parser.add_argument("--yes", action="store_true", help="do not ask, not even when N is 1")
        parser.add_argument("--dry-run", action="store_true", help="only say what it would be")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *, project: str, name: str, **options: Any) -> None:
        try:
            self._make(project_named(project), name, **options)
        except BatchCannotBeMade as reason:
            raise CommandError(str(reason)) from reason

    def _make(self, project: Project, name: str, **options: Any) -> None:
        seed = new_seed() if options["seed"] is None else options["seed"]
        terms: dict[str, Any] = {
            "project": project,
            "name": name,
            "raters_per_item": options["raters_per_item"],
            "purpose": options["purpose"],
            "filling": options["filling"],
            "seed": seed,
            "raters": Raters.parse(options["raters"], project=project),
            "models": options["models"],
            "sources": options["sources"],
            "tags": options["tags"],
            "categories": options["categories"],
            "turns": options["turns"],
            "sample_prompts": options["sample_prompts"],
        }
        foreseen = preview(**terms, confirm_single=options["yes"])
        for problem in foreseen.problems:
            if not isinstance(problem, SingleRaterNotConfirmed):
                raise problem
        counts = {
            "items": foreseen.items,
            "prompts": foreseen.prompts,
            "models": foreseen.models,
            "raters": foreseen.raters,
            "raters_per_item": options["raters_per_item"],
            "seats": foreseen.seats,
            "seed": seed,
        }
        if foreseen.problems and not options["dry_run"]:
            self._confirm()
        if not options["dry_run"]:
            with tqdm(total=foreseen.items, unit=" items", disable=None) as bar:
                make_batch(
                    **terms,
                    order=options["order"],
                    lease=options["lease"],
                    due_on=options["due"],
                    side_by_side=options["side_by_side"],
                    confirm_single=True,
                    progress=lambda done, _all: _show(bar, done),
                )
        self._report(name, counts, **options)

    def _confirm(self) -> None:
        """Ask about one rater per item, where somebody can answer."""
        try:
            answer = input(f"{SingleRaterNotConfirmed()} [y/N] ") if sys.stdin.isatty() else ""
        except EOFError:
            answer = ""
        if answer.strip().lower() not in ("y", "yes"):
            raise CommandError(f"{SingleRaterNotConfirmed()} Nothing was made; give --yes if it is.")

    def _report(self, name: str, counts: dict[str, int], **options: Any) -> None:
        if options["json"]:
            self.stdout.write(json_module.dumps({"batch": name, "made": not options["dry_run"], **counts}))
            return
        verb = "would have" if options["dry_run"] else "has"
        each = round(counts["seats"] / counts["raters"]) if counts["raters"] else 0
        seats, items, prompts, models = (
            _counted(counts[name], name) for name in ("seats", "items", "prompts", "models")
        )
        self.stdout.write(
            f"Batch “{name}” {verb} {seats}: {items} ({prompts}, {models})"
            f" × {_counted(counts['raters_per_item'], 'raters')} each."
        )
        self.stdout.write(
            f"Given to {_counted(counts['raters'], 'raters')}, about {_counted(each, 'seats')} each."
            f" Filling: {options['filling']}. Order: {options['order']}. Seed: {counts['seed']}."
        )


def _counted(n: int, things: str) -> str:
    """
    >>> _counted(1, "seats"), _counted(1200, "seats")
    ('1 seat', '1,200 seats')
    """
    return f"{n:,} {things.removesuffix('s') if n == 1 else things}"
