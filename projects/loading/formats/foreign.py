"""What layouts of other tools share: whose answers a file holds, and which prompt a text is."""

from __future__ import annotations

import hashlib
import json
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from django.db import connection

from projects.loading.fields import BadRow
from projects.loading.formats.base import LONGEST_MODEL
from projects.loading.formats.contents import wrong
from projects.tables import Problem, Row, Table, listed, quoted, say
from projects.tables.messages import _

if TYPE_CHECKING:
    from projects.loading.loading import Loading

METADATA = "metadata"


def note_model(loading: Loading, table: Table, name: str) -> None:
    """Files of this folder are of this model."""
    loading.shared[METADATA, PurePath(table.name).parent] = name


def model_beside(loading: Loading, table: Table) -> str:
    """The model that a metadata.json in the file's folder names; "" without one."""
    found: str = loading.shared.get((METADATA, PurePath(table.name).parent), "")
    return found


def named(loading: Loading, row: Row, said: Any, field: str) -> str:
    """A model's name as the project knows it: what the options say goes before what the row says."""
    name = loading.options.model or said
    if not isinstance(name, str) or not name.strip():
        reason = say(_("This file does not say whose answers these are."))
        raise BadRow(
            Problem(
                reason, row.place(field), field, say(_("Name the model (%(option)s)."), option=say("--model"))
            )
        )
    if len(name) > LONGEST_MODEL:
        raise wrong(row, field, _("A model’s name has 1 to %(most)s characters."), most=LONGEST_MODEL)
    return loading.options.model_names.get(name.strip(), name.strip())


def flagged(turns: list[str], generation: dict[str, Any], finish_reasons: list[Any]) -> dict[str, Any]:
    """`generation` with the turns that were cut off and those that are empty, from 1."""
    flags = {
        "truncated": [at for at, reason in enumerate(finish_reasons, 1) if reason == "length"],
        "empty": [at for at, text in enumerate(turns, 1) if not text.strip()],
    }
    return generation | {name: turns for name, turns in flags.items() if turns}


class Texts:
    """The project's prompts by the words of the user: for files that have no ids."""

    def __init__(self, loading: Loading) -> None:
        self.loading = loading
        self.keys: dict[str, list[bool]] = {}
        """By key, of each turn of the user whether it is to be answered: the prompt itself answers the others."""
        self._by_text: dict[bytes, list[str]] = {}
        self._by_beginning: dict[bytes, list[str]] = {}
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT key, turns::text FROM projects_prompt WHERE project_id = %s ORDER BY id",
                [loading.project.pk],
            )
            while rows := cursor.fetchmany(1000):
                for key, turns in rows:
                    self._add(key, json.loads(turns))

    @classmethod
    def of(cls, loading: Loading) -> Texts:
        found: Texts = loading.shared.get(cls) or loading.shared.setdefault(cls, cls(loading))
        return found

    def _add(self, key: str, turns: list[dict[str, str]]) -> None:
        said = [turn["content"] for turn in turns if turn["role"] == "user"]
        self.keys[key] = [
            turns[at + 1 : at + 2] == [] or turns[at + 1]["role"] != "assistant"
            for at, turn in enumerate(turns)
            if turn["role"] == "user"
        ]
        for n in range(1, len(said)):
            self._by_beginning.setdefault(_digest(said[:n]), []).append(key)
        self._by_text.setdefault(_digest(said), []).append(key)

    def answers(self, key: str, said: list[tuple[Any, str]]) -> list[str]:
        """The answers among messages (role, text) that do not stand in the prompt."""
        found, users = [], -1
        is_open = self.keys[key]
        for role, text in said:
            users += role == "user"
            if role == "assistant" and 0 <= users < len(is_open) and is_open[users]:
                found.append(text)
        return found

    def found(self, row: Row, said: list[str], field: str, *, source: str = "") -> tuple[str, bool]:
        """The prompt with these turns of the user, and whether they are all of its turns. Raises BadRow."""
        for keys, whole in ((self._by_text, True), (self._by_beginning, False)):
            if len(found := keys.get(_digest(said), [])) > 1 and source:
                found = [key for key in found if self._source(key) == source] or found
            if len(found) == 1:
                return found[0], whole
            if found:
                raise wrong(
                    row,
                    field,
                    _("Several prompts have this text, and it is not clear which is meant: %(ids)s."),
                    ids=listed(found, 10),
                )
        reason = say(
            _("No prompt of the project has these words: “%(words)s”."), words=quoted(" / ".join(said), 80)
        )
        problem = Problem(reason, row.place(field), field, say(_("Load the prompts first.")))
        raise BadRow(problem, why=BadRow.UNKNOWN)

    def _source(self, key: str) -> str:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT source FROM projects_prompt WHERE project_id = %s AND key = %s",
                [self.loading.project.pk, key],
            )
            found = cursor.fetchone()
            return str(found[0]) if found else ""


def _digest(said: list[str]) -> bytes:
    return hashlib.sha256("\0".join(text.strip() for text in said).encode("utf-8", "surrogatepass")).digest()[
        :16
    ]
