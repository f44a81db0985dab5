from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import translation
from tqdm import tqdm

from annotation.management.named import batch_named
from exports.comparison import plots
from exports.comparison.as_json import as_json
from exports.comparison.judges import SeveralRuns, UnknownJudge, find_judge, known_judges
from exports.comparison.picture import picture
from exports.comparison.project import ProjectComparison, compare
from exports.comparison.reading import Judge
from exports.comparison.text import as_text
from exports.comparison.verdicts.wildbench import K
from projects.management.named import project_named
from projects.models import Axis, Project
from stats.agreement.intervals import Interval, Method
from stats.judges.alt_test import SKILLED, Few, Setting
from stats.ranking.wildbench import OFF

FEWEST = 1000
"""Resamples below which nobody goes unasked."""


class Command(BaseCommand):
    help = "How far automatic judges agree with the people of a project, axis by axis (docs/methods.md)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="its slug")
        parser.add_argument(
            "--judge",
            action="append",
            default=[],
            metavar="NAME",
            help="a judge whose scores or verdicts were loaded, or NAME@PROMPT; several are compared with each other",
        )
        parser.add_argument("--json", action="store_true", help="JSON (docs/methods.md) instead of text")
        parser.add_argument(
            "--plot",
            type=Path,
            metavar="FILE",
            help="draw it, too: as .svg, .png, .html or .json (Vega-Lite)",
        )
        parser.add_argument("--batch", metavar="NAME", help="count the ratings of this batch only")
        parser.add_argument(
            "--axis", action="append", default=[], metavar="KEY", help="this axis only; may be repeated"
        )
        parser.add_argument(
            "--own-family",
            nargs="+",
            action="extend",
            default=[],
            metavar="MODEL",
            help="models of the judge’s own family: does it prefer them?",
        )
        parser.add_argument(
            "--baseline",
            default="",
            metavar="MODEL",
            help="win rates against this model: by scores, length taken out, and by verdicts on pairs",
        )
        parser.add_argument(
            "--margin",
            type=float,
            default=0.0,
            metavar="POINTS",
            help="beside verdicts on pairs: people’s means no further apart than this are a tie (default: 0)",
        )
        parser.add_argument(
            "--wildbench-k",
            type=float,
            default=K,
            metavar="CHARACTERS",
            help="of WB-Reward: a slight winner that is longer by more than this has only tied; -1: no such rule "
            "(default: %(default)g)",
        )
        parser.add_argument(
            "--adjust-severity", action="store_true", help="take raters’ severity out of people’s means"
        )
        parser.add_argument(
            "--epsilon",
            type=float,
            default=SKILLED,
            help="of the alternative annotator test: .2 for experts, .15 for skilled annotators, .1 for a crowd "
            "(default: %(default)s)",
        )
        parser.add_argument(
            "--min-items",
            type=int,
            default=30,
            help="of that test: annotators with fewer are left out, or tested with --wilcoxon (default: 30)",
        )
        parser.add_argument("--wilcoxon", action="store_true", help="test annotators with few items, too")
        parser.add_argument("--level", type=float, default=0.95, help="of the intervals (default: 0.95)")
        parser.add_argument("--seed", type=int, default=1, help="of everything drawn (default: 1)")
        parser.add_argument(
            "--replicates", type=int, default=2000, metavar="N", help="resamples of prompts (default: 2000)"
        )
        parser.add_argument("--language", choices=["ja", "en"], help="of the text and the plot")

    def handle(self, *, project: str, judge: Sequence[str], **options: Any) -> None:
        with translation.override(options["language"] or translation.get_language()):
            self._handle(project, judge, options)

    def _handle(self, slug: str, names: Sequence[str], options: dict[str, Any]) -> None:
        study = project_named(slug)
        plot: Path | None = options["plot"]
        if plot is not None:
            self._check_plot(plot)
        batch = batch_named(study, options["batch"])
        baseline: str = options["baseline"]
        self._check_names(study, options["axis"], [*options["own_family"], *([baseline] if baseline else [])])
        interval, setting = self._interval(options), self._setting(options)
        if not options["margin"] >= 0:
            raise CommandError("--margin: 0 or more points.")
        if not (options["wildbench_k"] >= 0 or options["wildbench_k"] == OFF):
            raise CommandError("--wildbench-k: 0 or more characters, or -1 for none.")
        judges = [self._judge(study, name) for name in dict.fromkeys(names)]
        if not judges:
            raise CommandError(f"Name a judge with --judge; {self._known(study)}")
        with tqdm(
            total=1,
            disable=True if options["json"] else None,
            leave=False,
            bar_format="{desc} {bar} {elapsed}",
        ) as bar:

            def progress(done: int, steps: int, what: str) -> None:
                bar.total = max(steps, 1)
                bar.set_description_str(what, refresh=False)
                bar.update(done - bar.n)

            try:
                found = compare(
                    project=study,
                    judges=judges,
                    batch=batch,
                    axes=options["axis"],
                    own=options["own_family"],
                    baseline=baseline,
                    margin=options["margin"],
                    k=options["wildbench_k"],
                    adjust=options["adjust_severity"],
                    setting=setting,
                    interval=interval,
                    seed=options["seed"],
                    progress=progress,
                )
            except KeyboardInterrupt:
                raise CommandError("Stopped.", returncode=130) from None
        if plot is not None:
            self._draw(found, plot)
        if options["json"]:
            self.stdout.write(json.dumps(as_json(found), ensure_ascii=False, indent=1))
        else:
            self.stdout.write(as_text(found), ending="")
            if plot is not None:
                self.stdout.write(f"{plot}")

    def _judge(self, project: Project, name: str) -> Judge:
        try:
            return find_judge(project, name)
        except UnknownJudge as error:
            raise CommandError(f"There is no judge “{error.name}”; {self._known(project)}") from None
        except SeveralRuns as error:
            runs = ", ".join(f"“{run}”" for run in error.runs)
            raise CommandError(
                f"“{error.name}” judged the same responses with several prompts; name one of {runs}."
            ) from None

    @staticmethod
    def _known(project: Project) -> str:
        if known := known_judges(project):
            return f"“{project.slug}” has {', '.join(f'“{name}”' for name in known)}."
        return f"“{project.slug}” has no judge scores yet: load them first (docs/formats.md)."

    @staticmethod
    def _check_names(project: Project, axes: Sequence[str], models: Sequence[str]) -> None:
        keys = list(dict.fromkeys(Axis.objects.filter(rubric__project=project).values_list("key", flat=True)))
        for axis in axes:
            if axis not in keys:
                raise CommandError(
                    f"“{project.slug}” has no axis “{axis}”; it has {', '.join(keys) or 'none'}."
                )
        names = list(project.language_models.values_list("name", flat=True))
        for model in models:
            if model not in names:
                raise CommandError(
                    f"“{project.slug}” has no model “{model}”; it has {', '.join(names[:30])}."
                )

    @staticmethod
    def _interval(options: dict[str, Any]) -> Interval:
        if options["seed"] < 0:
            raise CommandError("A seed is 0 or more.")
        replicates = options["replicates"]
        if replicates < 100:
            raise CommandError("--replicates: 100 or more.")
        try:
            return Interval(
                Method.CLUSTER_BOOTSTRAP,
                level=options["level"],
                replicates=replicates,
                fewest=min(replicates, FEWEST),
            )
        except ValueError as error:
            raise CommandError(f"--level: {error}.") from None

    @staticmethod
    def _setting(options: dict[str, Any]) -> Setting:
        if not 0 <= options["epsilon"] < 1:
            raise CommandError("--epsilon: from 0 to below 1.")
        if options["min_items"] < 2:
            raise CommandError("--min-items: 2 or more.")
        few = Few.WILCOXON if options["wilcoxon"] else Few.LEAVE_OUT
        return Setting(epsilon=options["epsilon"], min_items=options["min_items"], few=few)

    @staticmethod
    def _check_plot(path: Path) -> None:
        if path.suffix.lower() not in plots.KINDS:
            raise CommandError(f"--plot: the file’s name ends in one of {', '.join(plots.KINDS)}.")
        if not path.absolute().parent.is_dir():
            raise CommandError(f"--plot: there is no folder {path.parent}.")

    @staticmethod
    def _draw(found: ProjectComparison, path: Path) -> None:
        try:
            plots.write(picture(found), path)
        except OSError as error:
            raise CommandError(f"--plot: {error.strerror}: {path}") from None
