from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from projects.bundles import Generation, Written, prepare_generation
from projects.bundles.commands import PrepareCommand, watch
from projects.bundles.flags import answering, batch_files, prompt_filter, text_or_file, words_of
from projects.bundles.sampling import by_category, pairs
from projects.models import Project


class Command(PrepareCommand):
    help = (
        "Write the prompts of a project as a bundle: a folder that `python -m offline.generate` answers on a GPU node, "
        "without a database. docs/bundles.md describes it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--model", required=True, metavar="NAME", help="its responses are loaded under this name"
        )
        super().add_arguments(parser)
        asked = parser.add_argument_group("what it is asked")
        asked.add_argument("--samples", type=int, default=1, metavar="N", help="answers to each prompt (1)")
        asked.add_argument(
            "--system",
            default="",
            metavar="TEXT|@FILE",
            help="for prompts without a system turn of their own",
        )
        asked.add_argument(
            "--variant", nargs="+", action="extend", default=[], metavar="NAME=FILE",
            help="a wording: a template with {prompt}, and perhaps {options} and {instruction}; each prompt is asked in each",
        )  # fmt: skip
        asked.add_argument(
            "--chain-of-thought", action="store_true", help="ask to think step by step before answering"
        )
        asked.add_argument(
            "--instructions", choices=["en", "ja"], default="en",
            help="language of what is added to questions with options, and for chain of thought (en)",
        )  # fmt: skip
        asked.add_argument(
            "--in-category", nargs="+", action="extend", default=[], metavar="CATEGORY:FIELD=VALUE",
            help="a sampling field for prompts of one category: math:temperature=0",
        )  # fmt: skip
        asked.add_argument(
            "--missing-only",
            action="store_true",
            help="only what the project has no response of this model to",
        )

    def prepare(self, project: Project, options: dict[str, Any]) -> Written:
        variants = pairs(options["variant"], "--variant")
        return prepare_generation(
            project=project,
            asked=Generation(
                answering=answering(options["model"], options),
                prompts=prompt_filter(options),
                samples=options["samples"],
                system=text_or_file(options["system"], "--system"),
                variants={name: words_of(Path(file), "--variant") for name, file in variants.items()},
                chain_of_thought=options["chain_of_thought"],
                language=options["instructions"],
                missing_only=options["missing_only"],
                in_category=by_category(options["in_category"], "--in-category"),
            ),
            folder=options["out"],
            shards=batch_files(options),
            watch=watch(options["json"]),
        )
