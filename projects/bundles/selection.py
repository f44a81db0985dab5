"""Which prompts of a project are meant."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from projects.bundles.errors import NotPrepared
from projects.models import Project, Prompt

SHOWN = 20


@dataclass(frozen=True)
class PromptFilter:
    """Prompts from any of `sources`, with any of `tags`, and with one of the `keys`; an empty one lets all through."""

    sources: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()

    def prompts(self, project: Project) -> QuerySet[Prompt]:
        """Raises NotPrepared for what the project does not have: most likely it was mistyped."""
        prompts = every = Prompt.objects.filter(project=project)
        if self.sources:
            there = every.exclude(source="").order_by("source").values_list("source", flat=True).distinct()
            if missing := _missing(self.sources, there):
                text = _("No prompt has the source %(missing)s; there are: %(known)s.")
                raise NotPrepared(text % _shown(missing, there), field="source")
            prompts = prompts.filter(source__in=self.sources)
        if self.tags:
            tags = sorted({tag for of in every.values_list("tags", flat=True).distinct() for tag in of})
            if missing := _missing(self.tags, tags):
                text = _("No prompt has the tag %(missing)s; there are: %(known)s.")
                raise NotPrepared(text % _shown(missing, tags), field="tag")
            prompts = prompts.filter(tags__overlap=list(self.tags))
        if self.keys:
            keys = every.values_list("key", flat=True)
            if missing := _missing(self.keys, keys.filter(key__in=self.keys)):
                text = _("There is no prompt %(missing)s; there are: %(known)s.")
                raise NotPrepared(text % _shown(missing, keys), field="prompts")
            prompts = prompts.filter(key__in=self.keys)
        return prompts


def _missing(asked: Iterable[str], known: Iterable[Any]) -> list[str]:
    there = set(known)
    return [one for one in dict.fromkeys(asked) if one not in there]


def _shown(missing: list[str], there: Any) -> dict[str, str]:
    return {
        "missing": ", ".join(f"“{one}”" for one in missing[:SHOWN]),
        "known": ", ".join(there[:SHOWN]) or "–",
    }
