from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from annotation.models import Batch
from exports.bundles import Judging, prepare_judging
from exports.bundles.judging import ORDERS
from offline.judging import presets
from projects.bundles import NotPrepared, Written
from projects.bundles.commands import PrepareCommand, watch
from projects.bundles.flags import answering, batch_files, prompt_filter
from projects.bundles.sampling import pairs
from projects.models import Project


class Command(PrepareCommand):
    help = (
        "Write responses of a project as a bundle: a folder that `python -m offline.judge` puts to an automatic judge on a "
        "GPU node, without a database. docs/bundles.md describes it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--judge", required=True, metavar="NAME", help="its scores are loaded under this name"
        )
        parser.add_argument(
            "--preset", required=True, metavar="PRESET", help=f"what it is asked: {', '.join(presets.names())}; or a file",
        )  # fmt: skip
        super().add_arguments(parser)
        asked = parser.add_argument_group("what it is asked")
        asked.add_argument(
            "--repeats", type=int, default=1, metavar="K", help="times that each response is judged (1)"
        )
        asked.add_argument(
            "--attempts", type=int, default=3, metavar="N", help="answers until one can be read (3)"
        )
        asked.add_argument(
            "--axis", nargs="+", action="extend", default=[], metavar="PRESET=PROJECT", help="an axis that the project calls otherwise"
        )  # fmt: skip
        asked.add_argument(
            "--project-axes", action="store_true", help="ask for the project's own axes, in its words"
        )
        asked.add_argument("--baseline", default="", metavar="MODEL", help="pairs: the model to compare with")
        asked.add_argument(
            "--order", choices=ORDERS, default="both", help="pairs: which response stands first (both)"
        )
        chosen = parser.add_argument_group("which responses (those that somebody has rated)")
        chosen.add_argument(
            "--models", nargs="+", action="extend", default=[], metavar="NAME", help="of these models"
        )
        chosen.add_argument("--batch", metavar="NAME", help="those of this batch")
        chosen.add_argument("--all", action="store_true", help="also those that nobody has rated")
        chosen.add_argument(
            "--skip-missing", action="store_true", help="leave out prompts without the reference or checklist that is needed"
        )  # fmt: skip
        chosen.add_argument(
            "--without-reference", action="store_true", help="only prompts without a reference"
        )

    def prepare(self, project: Project, options: dict[str, Any]) -> Written:
        return prepare_judging(
            project=project,
            asked=Judging(
                answering=answering(options["judge"], options),
                preset=options["preset"],
                repeats=options["repeats"],
                attempts=options["attempts"],
                prompts=prompt_filter(options),
                models=tuple(options["models"]),
                batch=_batch(project, options["batch"]),
                everything=options["all"],
                order=options["order"],
                baseline=options["baseline"],
                axes=pairs(options["axis"], "--axis"),
                project_axes=options["project_axes"],
                skip_missing=options["skip_missing"],
                without_reference=options["without_reference"],
            ),
            folder=options["out"],
            shards=batch_files(options),
            watch=watch(options["json"]),
        )


def _batch(project: Project, name: str | None) -> Batch | None:
    if name is None:
        return None
    batches = {one.name: one for one in Batch.objects.filter(project=project).select_related("rubric")}
    if name not in batches:
        raise NotPrepared(f"{project.slug} has no batch “{name}”. Batches: {', '.join(batches) or 'none'}.")
    return batches[name]
