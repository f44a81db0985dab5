"""What the commands that prepare bundles have in common: what they say, and how they end."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterable
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from projects.bundles.errors import NotPrepared
from projects.bundles.flags import add_flags
from projects.bundles.written import Written
from projects.management.named import project_named
from projects.models import Project


class PrepareCommand(BaseCommand):
    """A command that writes a bundle."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("project", help="the project's slug")
        add_flags(parser)

    @abstractmethod
    def prepare(self, project: Project, options: dict[str, Any]) -> Written:
        """Raises NotPrepared."""

    def handle(self, *, project: str, **options: Any) -> None:
        try:
            written = self.prepare(project_named(project), options)
        except NotPrepared as why:
            raise CommandError(f"Nothing was written. {why}") from None
        except OSError as error:
            raise CommandError(f"Nothing was written: {error}") from error
        except KeyboardInterrupt:
            raise CommandError("Stopped; nothing was written.", returncode=130) from None
        if options["json"]:
            self.stdout.write(json.dumps(written.as_json(), ensure_ascii=False, indent=2))
            return
        self._tell(written)

    def _tell(self, written: Written) -> None:
        manifest = written.manifest
        counts = [f"{name.replace('_', ' ')}: {n:,}" for name, n in sorted(written.counts.items())]
        self.stdout.write(f"{written.folder}: {', '.join(written.files)}")
        self.stdout.write(
            "  "
            + ", ".join(
                [*counts, f"items: {manifest.n_items:,}", f"turns to be answered: {manifest.n_turns:,}"]
            )
        )
        sampling = ", ".join(
            f"{name} {json.dumps(value, ensure_ascii=False)}"
            for name, value in manifest.sampling.items()
            if name not in ("response_format", "structured_outputs")
        )
        self.stdout.write(f"  sampling: {sampling}; seed {manifest.seed['base']}")
        for note in written.notes:
            self.stdout.write(f"  {note}")
        module = "judge" if manifest.kind == "judge" else "generate"
        self.stdout.write(f"Then: python -m offline.{module} {written.folder}")


def watch(hidden: bool) -> Any:
    def rows(name: str, count: int, of: Iterable[Any]) -> Iterable[Any]:
        # None: no bar in logs
        return tqdm(
            of, desc=name, total=count, unit=f" {name}", disable=True if hidden else None, leave=False
        )

    return rows
