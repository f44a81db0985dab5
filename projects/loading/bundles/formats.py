"""The files of a bundle: `manifest.json`, `items.jsonl`, `runs.jsonl`, and the journals `results-<k>-of-<n>.jsonl`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from offline.bundle import BundleError, Item, Manifest, check_item, hash_of_file
from projects.loading.bundles.asked import Prompts, asks, builds_on
from projects.loading.bundles.known import Bundles
from projects.loading.bundles.records import AnsweredRecord, AskedRecord
from projects.loading.fields import BadRow, Columns
from projects.loading.formats.base import (
    LONGEST_KEY,
    LONGEST_MODEL,
    LONGEST_WORD,
    MOST_SAMPLES,
    MOST_TURNS,
    Format,
)
from projects.loading.formats.contents import wrong
from projects.loading.records import Record
from projects.tables import Place, Problem, Problems, Refused, Row, quoted, say
from projects.tables.messages import _

LONGEST_LINE = 64 << 20
_ITEM_FIELDS = {one.name for one in fields(Item)}
_MANIFEST_FIELDS = {one.name for one in fields(Manifest)}
#: Of an item, what is kept with it besides what decides where its answer goes.
_OF_ITEM = (
    "sample",
    "variant",
    "model",
    "turn",
    "repeat",
    "order",
    "other",
    "response_sha256",
    "other_sha256",
    "system",
    "params",
)
#: Of a journal's line, what is kept as how the answer was made.
_OF_LINE = (
    "run_id", "attempt", "seed", "finish_reason", "truncated", "usage", "request_sha256", "prompt_sha256", "served_model",
    "system_fingerprint", "reasoning", "started_at", "finished_at",
)  # fmt: skip
#: What a field of a manifest is; what is missing has its default.
_KINDS: dict[str, tuple[type, ...]] = {
    "model": (dict,), "sampling": (dict,), "seed": (dict,), "engine": (dict,), "chat_template_kwargs": (dict,),
    "chat_template": (dict, type(None)), "judge": (dict, type(None)), "variants": (list,), "samples": (int,), "job_id": (str,),
    "items_sha256": (str,), "reasoning_parser": (str,),
}  # fmt: skip
_OF_ITEM_KINDS: dict[str, tuple[type, ...]] = {
    "prompt_sha256": (str,), "variant": (str,), "system": (str, type(None)), "params": (dict,), "model": (str, type(None)),
    "order": (str,), "other": (str, type(None)), "response_sha256": (str, type(None)),
    "other_sha256": (str, type(None)),
}  # fmt: skip
_READ = ("scores", "parse", "reasons", "verdict", "checklist")


class _OfBundle(Format):
    certain = True
    asks_more = True

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.bundles = Bundles.of(self.loading)

    def finish(self) -> None:
        """Everything was told where it was met."""


class ManifestFormat(_OfBundle):
    name = "bundle-manifest"
    about = _("Manifest of a bundle (manifest.json)")
    rank = 0

    @classmethod
    def recognises(cls, rows: Sequence[Row], columns: Columns) -> bool:
        return len(rows) == 1 and {"format", "job_id", "kind", "items_sha256"} <= set(rows[0].values)

    def records(self, row: Row) -> Iterator[Record]:
        values = row.values
        if strange := sorted(values.keys() - _MANIFEST_FIELDS):
            raise wrong(row, strange[0], _("There is no such field in a manifest."))
        if values.get("format") != 1:
            raise wrong(row, "format", _("Only bundles of format 1 can be read here."))
        _check_kinds(row, values, _KINDS)
        judge = values.get("judge") or {}
        if not isinstance(judge.get("axes", []), list) or not all(
            isinstance(axis, dict) and isinstance(axis.get("name"), str) for axis in judge.get("axes", [])
        ):
            raise wrong(row, "judge.axes", _("Here should be a list of axes with names."))
        try:
            manifest = Manifest(**values)
            manifest.check(self.table.name)
        except (BundleError, TypeError, AttributeError) as bad:
            raise BadRow(
                Problem(say(_("This is no manifest: %(what)s"), what=str(bad)), row.place())
            ) from None
        name = manifest.model["name"]
        if not isinstance(name, str) or len(name) > LONGEST_MODEL:
            raise wrong(
                row, "model.name", _("A model’s name has 1 to %(most)s characters."), most=LONGEST_MODEL
            )
        samples = max(1, len(manifest.variants)) * manifest.samples
        if (
            manifest.samples < 1
            or samples > MOST_SAMPLES
            or not all(isinstance(one, str) for one in manifest.variants)
        ):
            raise wrong(row, "samples", _("This is not what a bundle has here."))
        called = judge.get("name", "")
        if not isinstance(called, str) or len(called or (name if judge else "")) > LONGEST_WORD:
            raise wrong(row, "judge.name", _("This is longer than %(most)s characters."), most=LONGEST_WORD)
        self.bundles.add(manifest)
        yield from ()


class ItemsFormat(_OfBundle):
    name = "bundle-items"
    about = _("Conversations of a bundle (items.jsonl)")
    called: ClassVar = {}
    rank = 1

    @classmethod
    def recognises(cls, rows: Sequence[Row], columns: Columns) -> bool:
        return bool(rows) and all(
            {"item_id", "prompt_id", "prompt_sha256", "turns"} <= set(row.values) for row in rows
        )

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._prompts = Prompts(self.loading)

    @cached_property
    def manifest(self) -> Manifest:
        manifest = self.bundles.by_items.get(hash_of_file(self.table.path))
        if manifest is None:
            reason = say(_("No manifest speaks of this file as it is."))
            advice = say(
                _("Load it with the manifest.json of its bundle; if that is so, copy the bundle again.")
            )
            raise Refused(Problem(reason, Place(self.table.name), advice=advice))
        return manifest

    def rows(self) -> Iterator[Row]:
        return self._prompts.ahead(super().rows(), self.manifest)

    def records(self, row: Row) -> Iterator[Record]:
        values = row.values
        if strange := sorted(values.keys() - _ITEM_FIELDS):
            raise wrong(row, strange[0], _("There is no such field in an item."))
        _check_kinds(row, values, _OF_ITEM_KINDS)
        try:
            item = Item(**values)
            check_item(item, str(row.place()))
        except (BundleError, TypeError, AttributeError) as bad:
            raise BadRow(Problem(say(_("This is no item: %(what)s"), what=str(bad)), row.place())) from None
        if not isinstance(values["prompt_id"], str) or not 0 < len(item.prompt_id) <= LONGEST_KEY:
            raise wrong(
                row, "prompt_id", _("Here should be an id of 1 to %(most)s characters."), most=LONGEST_KEY
            )
        for name, most in (("sample", MOST_SAMPLES), ("repeat", MOST_SAMPLES), ("turn", MOST_TURNS)):
            number = values.get(name, 0)
            if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= most:
                raise wrong(row, name, _("Here should be a whole number from 0 on."))
        self._compare(row, item)
        users = [place for place, turn in enumerate(item.turns) if turn["role"] == "user"]
        yield AskedRecord(
            row=row,
            job=self.manifest.job_id,
            item=item.item_id,
            prompt=item.prompt_id,
            turns=[users.index(place) + 1 for place in item.answered],
            said={name: values[name] for name in _OF_ITEM if name in values},
        )

    def _compare(self, row: Row, item: Item) -> None:
        """An answer to other words than the prompt's would be taken for an answer to it. What was judged has a hash of its own."""
        turns = self._prompts.known(item.prompt_id)
        judge = self.manifest.judge or {}
        if turns is None or (judge and judge.get("style") != "checklist"):
            return
        if not (builds_on if judge else asks)(item, turns):
            asked = item.turns[-1]["content"]
            reason = say(
                _("The bundle asks something else than the prompt “%(id)s” of this project: “%(asked)s”"),
                id=quoted(item.prompt_id),
                asked=quoted(asked, 100),
            )
            advice = say(
                _("Load it into the project that it was prepared from, or give the prompts ids of their own.")
            )
            raise BadRow(Problem(reason, row.place("turns"), "turns", advice))


class RunsFormat(_OfBundle):
    name = "bundle-runs"
    about = _("Runs of a bundle (runs.jsonl)")
    rank = 1

    @classmethod
    def recognises(cls, rows: Sequence[Row], columns: Columns) -> bool:
        return bool(rows) and all({"run_id", "event"} <= set(row.values) for row in rows)

    def rows(self) -> Iterator[Row]:
        return without_torn_line(self)

    def records(self, row: Row) -> Iterator[Record]:
        if row.values.get("event") == "begins":
            self.bundles.runs[str(row.values["run_id"])] = row.values
        yield from ()


class JournalFormat(_OfBundle):
    name = "bundle-results"
    about = _("Journal of a bundle: what came back (results-1-of-1.jsonl)")
    called: ClassVar = {"response": "content"}

    @classmethod
    def recognises(cls, rows: Sequence[Row], columns: Columns) -> bool:
        wanted = {"item_id", "custom_id", "turn", "status"}
        return bool(rows) and all(wanted <= set(row.values) for row in rows)

    def rows(self) -> Iterator[Row]:
        return without_torn_line(self)

    def records(self, row: Row) -> Iterator[Record]:
        said = row.values
        item, turn, status = said.get("item_id"), said.get("turn"), said.get("status")
        if not isinstance(item, str) or not item:
            raise wrong(row, "item_id", _("Here should be text."))
        if isinstance(turn, bool) or not isinstance(turn, int) or not 1 <= turn <= MOST_TURNS:
            raise wrong(row, "turn", _("Here should be a whole number from 1 on."))
        if status not in ("ok", "error", "blocked"):
            raise wrong(
                row, "status", _("“%(value)s” is none of: ok, error, blocked."), value=quoted(str(status))
            )
        if status == "blocked":
            return
        content = said.get("content")
        if status == "ok" and not isinstance(content, str | None):
            raise wrong(row, "content", _("Here should be text."))
        error = said.get("error") if isinstance(said.get("error"), dict) else {}
        assert isinstance(error, dict)
        for name in ("scores", "parse", "reasons"):
            if name in said and not isinstance(said[name], dict | None):
                raise wrong(row, name, _("Here should be an object."))
        kept = {name: said[name] for name in _OF_LINE if said.get(name) not in (None, "", {})}
        yield AnsweredRecord(
            row=row,
            job=str(said.get("job_id") or ""),
            item=item,
            turn=turn,
            ok=status == "ok",
            settled=status == "ok" and said.get("settled", True) is True,
            final=status == "error" and not error.get("retryable"),
            content=content or "",
            said=kept,
            read={name: said[name] for name in _READ if said.get(name)},
            error=f"{error.get('type', '')}: {error.get('message', '')}"[:1000] if error else "",
        )


def _check_kinds(row: Row, values: dict[str, Any], kinds: dict[str, tuple[type, ...]]) -> None:
    for name, kind in kinds.items():
        if name in values and (not isinstance(values[name], kind) or isinstance(values[name], bool)):
            raise wrong(row, name, _("This is not what a bundle has here."))


def without_torn_line(form: Format) -> Iterator[Row]:
    """The rows of a journal whose last line may have been torn in two when its writer was killed."""
    problems = Problems()
    yield from form.table.rows(problems)
    if problems and _ends_torn(form.table.path):
        problems.take_back_the_last()
        reason = say(_("The last line was torn in two when the run was stopped, and was passed over."))
        form.loading.problems.warn(Problem(reason, Place(form.table.name)))
    untold = problems.n_errors - sum(problem.times for problem in problems.errors)
    form.loading.problems.add_all(problems.errors)
    form.loading.problems.n_errors += untold
    for warning in problems.warnings:
        form.loading.problems.warn(warning, times=warning.times)


def _ends_torn(path: Path) -> bool:
    """Whether the last line does not end, and is no JSON."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - LONGEST_LINE))
        last = file.read().rsplit(b"\n", 1)[-1]
    try:
        json.loads(last)
    except ValueError:
        return bool(last.strip())
    return False
