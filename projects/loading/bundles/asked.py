"""Whether a bundle asks what the project's prompts say: ids alone are the same in many projects."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from django.db import connection

from offline.bundle import Item, Manifest
from projects.tables import Row

if TYPE_CHECKING:
    from projects.loading.loading import Loading

LOOKED_UP_AT_ONCE = 200
#: Of a bundle that was prepared from a project of this name, so many items are compared: its prompts never change.
ENOUGH = 1_000


class Prompts:
    """The turns of prompts, looked up a few ahead of the rows that speak of them."""

    def __init__(self, loading: Loading) -> None:
        self.loading = loading
        self._turns: dict[str, list[dict[str, str]]] = {}

    def ahead(self, rows: Iterable[Row], manifest: Manifest | None) -> Iterator[Row]:
        """The same rows; while one is handed on, the prompt that it names is known."""
        own = manifest is not None and manifest.project in ("", self.loading.project.slug)
        left, seen = iter(rows), 0
        while some := list(islice(left, LOOKED_UP_AT_ONCE)):
            looks = not own or seen < ENOUGH
            seen += len(some)
            self._look_up([row.values.get("prompt_id") for row in some] if looks else [])
            yield from some

    def _look_up(self, keys: list[Any]) -> None:
        names = {key for key in keys if isinstance(key, str)}
        self._turns = {key: self._turns[key] for key in names if key in self._turns}
        if missing := [key for key in names if key not in self._turns]:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT key, turns::text FROM projects_prompt WHERE project_id = %s AND key = ANY (%s)",
                    [self.loading.project.pk, missing],
                )
                self._turns |= {key: json.loads(turns) for key, turns in cursor}

    def known(self, key: str) -> list[dict[str, str]] | None:
        """None where there is no such prompt, or where it is not looked at any more."""
        return self._turns.get(key)


def asks(item: Item, turns: list[dict[str, str]]) -> bool:
    """Whether the conversation is the prompt's. One turn of it may stand within a wording, or with options below it."""
    said = [turn for turn in turns if turn["role"] != "system"]
    if [turn["role"] for turn in said] != [turn["role"] for turn in item.turns]:
        return False
    pairs = list(zip(said, item.turns, strict=True))
    worded = item.answered[0]
    return all(
        ours["content"] in theirs["content"] if at == worded else ours["content"] == theirs["content"]
        for at, (ours, theirs) in enumerate(pairs)
    )


def builds_on(item: Item, turns: list[dict[str, str]]) -> bool:
    """Whether a judge that makes a checklist was shown the prompt's last question."""
    return [turn["content"] for turn in turns if turn["role"] == "user"][-1] in item.turns[-1]["content"]
