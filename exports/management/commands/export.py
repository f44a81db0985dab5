from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from annotation.management.named import batch_named
from exports.facets import FACETS
from exports.files import FORMATS, Row
from exports.human_eval import HUMAN_EVAL, CannotBeWritten
from exports.selection import Selection
from exports.services import CHOICES, export
from projects.management.named import project_named


class Command(BaseCommand):
    help = (
        "Write a project's ratings to files in a folder, with a manifest.json that lists them. Running it again writes "
        "them anew; a file is there whole or not at all."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="the project's slug")
        parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder to write into")
        parser.add_argument(
            "--format",
            choices=[*FORMATS, HUMAN_EVAL, FACETS],
            default="csv",
            help=f"the files' format (csv); {HUMAN_EVAL} is the layout of LLM-jp's published ratings, {FACETS} that "
            "of the program for many-facet Rasch models",
        )
        parser.add_argument("--batch", metavar="NAME", help="only the ratings of this batch")
        parser.add_argument(
            "--table",
            choices=CHOICES,
            default="both",
            help="long: a row per score; wide: a row per assignment; both of these (the default); all: with prompts, "
            "responses, axes, what judges said, and agreement; or one of these. A workbook holds them all",
        )
        parser.add_argument(
            "--bom", action="store_true", help="begin CSV and TSV with a byte order mark, for Excel"
        )
        parser.add_argument("--json", action="store_true", help="print the manifest")

    def handle(
        self,
        *,
        project: str,
        out: Path,
        format: str,
        batch: str | None,
        table: str,
        bom: bool,
        json: bool,
        **options: Any,
    ) -> None:
        selection = self._selection(project, batch)
        if bom and not (format in FORMATS and FORMATS[format].takes_bom):
            raise CommandError(f"--bom is for csv and tsv; {format} has no byte order mark.")
        if out.exists() and not out.is_dir():
            raise CommandError(f"{out} is not a folder.")
        try:
            manifest = export(
                selection=selection, folder=out, format_name=format, tables=table, bom=bom, watch=_progress
            )
        except CannotBeWritten as reason:
            raise CommandError(str(reason)) from None
        except OSError as reason:
            raise CommandError(f"Nothing was written: {reason}") from reason
        except KeyboardInterrupt:
            raise CommandError("Stopped; nothing was written.", returncode=130) from None
        self._report(manifest, out, as_json=json)

    def _selection(self, slug: str, batch: str | None) -> Selection:
        found = project_named(slug)
        return Selection(found, batch_named(found, batch))

    def _report(self, manifest: dict[str, Any], out: Path, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(manifest, ensure_ascii=False, indent=2))
            return
        for file in manifest["files"]:
            rows = ", ".join(f"{name} {count:,}" for name, count in file["rows"].items())
            self.stdout.write(f"{out / file['name']}: {rows} ({file['bytes']:,} bytes)")
            for what, times in file.get("altered", {}).items():
                self.stderr.write(
                    f"  {what.replace('_', ' ')}: {times:,}; the other formats hold them as they are"
                )
            for note in file.get("notes", []):
                self.stderr.write(f"  {note}")
        self.stdout.write(f"{out / 'manifest.json'}: checksums and what was selected")


def _progress(name: str, count: int, rows: Iterable[Row]) -> Iterable[Row]:
    return tqdm(rows, desc=name, total=count, unit=" rows", disable=None)  # None: no bar in logs
