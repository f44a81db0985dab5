"""Our own layout: a row is a prompt, a response, a rating, or several of these at once.

JSON lines say by their fields what they hold; tables say it by their columns.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from projects.loading.fields import BadRow, Columns, Fields
from projects.loading.formats.base import (
    LONGEST_KEY,
    LONGEST_MODEL,
    LONGEST_WORD,
    MOST_SAMPLES,
    MOST_TURNS,
    Format,
    rest_of,
)
from projects.loading.formats.contents import (
    answers,
    failed,
    prompt_turns,
    says_that_it_failed,
    storable,
    texts,
)
from projects.loading.records import PromptRecord, Record, ResponseRecord
from projects.tables import BadCell, Problem, Row, Table, as_integer, is_empty, listed, say
from projects.tables.messages import _

if TYPE_CHECKING:
    from projects.loading.loading import Loading

NUMBERED = re.compile(r"(prompt|response)_([2-9]|[1-4][0-9]|50)")


class RowKind(ABC):
    """One thing that a row can hold."""

    name: ClassVar[str]
    #: What rows of this kind cannot be without, for the error that says so.
    needs: ClassVar[str]
    fields: ClassVar[tuple[str, ...]]
    #: Whether fields that nobody knows are kept with it.
    keeps_rest: ClassVar[bool] = False
    #: Two kinds that both read the column of scores exclude each other.
    reads_scores: ClassVar[bool] = False

    def __init__(self, loading: Loading, columns: Columns) -> None:
        self.loading = loading
        self.columns = columns

    @classmethod
    def all_fields(cls, loading: Loading) -> Sequence[str]:
        """`fields`, and those that depend on the project."""
        return cls.fields

    @classmethod
    def aliases(cls, loading: Loading) -> Mapping[str, str]:
        """Plain names of columns that stand for fields of another name."""
        return {}

    @classmethod
    @abstractmethod
    def holds(cls, names: Columns | set[str]) -> bool:
        """Whether a table with these fields has everything that this needs."""

    @classmethod
    def is_meant(cls, filled: set[str]) -> bool:
        """Whether a row that has these fields filled is meant to hold this, be it complete or not."""
        return cls.holds(filled)

    @abstractmethod
    def records(self, fields: Fields, metadata: dict[str, Any]) -> Iterator[Record]:
        """What the row holds of this kind; `metadata` is what else it says, where this kind keeps that."""


class PromptRow(RowKind):
    name = "prompts"
    needs = "prompt_id, turns | prompt"
    fields = (
        "prompt_id", "turns", "prompt", "source", "category", "tags", "reference", "checklist", "options", "answer",
        "metadata",
    )  # fmt: skip
    keeps_rest = True
    #: Fields that may be said; turns are always.
    OPTIONAL: ClassVar = ("source", "category", "tags", "reference", "checklist", "options", "answer")

    @classmethod
    def holds(cls, names: Columns | set[str]) -> bool:
        return "prompt_id" in names and cls._has_turns(names)

    @classmethod
    def is_meant(cls, filled: set[str]) -> bool:
        return cls._has_turns(filled)

    @staticmethod
    def _has_turns(names: Columns | set[str]) -> bool:
        turns_are_answers = "model" in names and "response" not in names and "responses" not in names
        return "prompt" in names or ("turns" in names and not turns_are_answers)

    def records(self, fields: Fields, metadata: dict[str, Any]) -> Iterator[Record]:
        key = fields.name("prompt_id", LONGEST_KEY)
        if fields.has("turns") and not fields.has("prompt"):
            turns = prompt_turns(fields.row, _listed(fields.raw("turns")), self.columns.of("turns"))
        else:
            asked = [fields.text(name) for name in self.columns.numbered("prompt") if fields.has(name)]
            if not "".join(asked).strip():
                raise fields.refuse("prompt", say(_("This is empty.")))
            turns = prompt_turns(fields.row, asked, self.columns.of("prompt"))
        given = [
            "turns",
            *(name for name in self.OPTIONAL if fields.has(name)),
            *(["metadata"] if metadata else []),
        ]
        yield PromptRecord(
            row=fields.row,
            key=key,
            turns=turns,
            source=fields.text("source", LONGEST_WORD),
            category=fields.text("category", LONGEST_WORD),
            tags=texts(fields, "tags", LONGEST_WORD),
            reference=_joined(fields, "reference"),
            checklist=storable(fields.items("checklist")),
            options=storable(fields.items("options")),
            answer=fields.text("answer"),
            metadata=metadata,
            given=tuple(given),
        )


class ResponseRow(RowKind):
    name = "responses"
    needs = "prompt_id, model, response | turns"
    fields = (
        "prompt_id",
        "model",
        "response",
        "turns",
        "responses",
        "sample",
        "generation",
        "metadata",
        "truncated",
        "empty",  # of our own downloads; the text itself says it
    )
    keeps_rest = True

    @classmethod
    def holds(cls, names: Columns | set[str]) -> bool:
        if "prompt_id" not in names:
            return False
        return "responses" in names or ("model" in names and ("response" in names or "turns" in names))

    @classmethod
    def is_meant(cls, filled: set[str]) -> bool:
        return "responses" in filled or "response" in filled or ("model" in filled and "turns" in filled)

    def records(self, fields: Fields, metadata: dict[str, Any]) -> Iterator[Record]:
        if fields.has("responses"):
            yield from self._of_all_models(fields)
            return
        model = fields.name("model", LONGEST_MODEL)
        if fields.has("response"):
            cells = [fields.raw(name) for name in self.columns.numbered("response")] or [
                fields.raw("response")
            ]
            while len(cells) > 1 and cells[-1] in (None, ""):
                cells.pop()
            path = self.columns.of("response")
            given = cells[0] if len(cells) == 1 else [cell if cell is not None else "" for cell in cells]
        else:
            path = self.columns.of("turns")
            given = _listed(fields.raw("turns"))
        yield from self._record(
            fields.row,
            path,
            prompt=fields.name("prompt_id", LONGEST_KEY),
            model=model,
            given=given,
            sample=fields.integer("sample", 0, least=0, most=MOST_SAMPLES),
            generation=storable(fields.mapping("generation")),
            metadata=metadata,
            truncated=_turns(fields, "truncated") if fields.has("truncated") else None,
        )

    def _of_all_models(self, fields: Fields) -> Iterator[Record]:
        prompt = fields.name("prompt_id", LONGEST_KEY)
        path = self.columns.of("responses")
        for model, said in fields.mapping("responses").items():
            here = f"{path}.{model}"
            if not model.strip() or len(model) > LONGEST_MODEL:
                reason = say(_("A model’s name has 1 to %(most)s characters."), most=LONGEST_MODEL)
                raise BadRow(Problem(reason, fields.row.place(path), here))
            sample, given = 0, said
            generation: dict[str, Any] = {}
            metadata: dict[str, Any] = {}
            if isinstance(said, dict):
                given = said.get("turns", said.get("response"))
                sample = said.get("sample", 0)
                generation = said.get("generation") or {}
                metadata = rest_of(said, ("turns", "response", "sample", "generation"))
                if (
                    not isinstance(sample, int)
                    or not 0 <= sample <= MOST_SAMPLES
                    or not isinstance(generation, dict)
                ):
                    reason = say(_("Here should be an object with turns, sample and generation."))
                    raise BadRow(Problem(reason, fields.row.place(path), here))
            yield from self._record(
                fields.row,
                here,
                prompt=prompt,
                model=model.strip(),
                given=given,
                sample=sample,
                generation=storable(generation),
                metadata=storable(metadata),
            )

    def _record(self, row: Row, path: str, *, model: str, given: Any, **more: Any) -> Iterator[Record]:
        turns = answers(row, given, path)
        if says_that_it_failed(turns):
            if self.loading.options.skip_failed:
                self.loading.tell_skipped(row)
                return
            raise failed(row, path, model)
        yield ResponseRecord(row=row, model=model, turns=turns, **more)


class RowsFormat(Format):
    """Rows of our own."""

    name = "hyotei"
    about = _("Hyotei’s own rows: prompts, responses, ratings, judge scores, one or several of them per row")
    #: Set by `only`.
    kinds: ClassVar[tuple[type[RowKind], ...]] = ()

    def __init__(self, loading: Loading, table: Table) -> None:
        super().__init__(loading, table)
        self.columns = self.columns_of(table, loading)
        self._has_header = table.format not in ("jsonl", "json")
        held = [kind for kind in self.kinds if not self._has_header or kind.holds(self.columns)]
        self._held = [kind(loading, self.columns) for kind in held or self.kinds]
        self._known: dict[tuple[str, ...], set[str]] = {}
        self._field_of = {self.columns.of(field): field for field in self.columns}
        self._kept: dict[str, None] = {}
        self._left_out: dict[str, None] = {}

    @classmethod
    def only(cls, kinds: Sequence[type[RowKind]]) -> type[RowsFormat]:
        """This layout with rows that hold nothing but these."""
        return type(cls.__name__, (cls,), {"kinds": tuple(kinds)})

    @classmethod
    def fields(cls, loading: Loading) -> Sequence[str]:
        return list(dict.fromkeys(name for kind in cls.kinds for name in kind.all_fields(loading)))

    @classmethod
    def columns_of(cls, table: Table, loading: Loading) -> Columns:
        said = loading.options.columns
        names = table.columns
        if table.format in ("jsonl", "json"):
            names = [*names, *said.values()]  # which later objects may have
        numbered = {name for name in names if NUMBERED.fullmatch(name)}
        aliases = {alias: name for kind in cls.kinds for alias, name in kind.aliases(loading).items()}
        known = frozenset(cls.fields(loading)) | numbered
        return Columns(names, said, known, aliases, only_said=loading.options.only_columns)

    @classmethod
    def recognises(cls, rows: Sequence[Row], columns: Columns) -> bool:
        return any(kind.holds(columns) for kind in cls.kinds)

    def records(self, row: Row) -> Iterator[Record]:
        fields = Fields(row, self.columns, self.loading.problems)
        filled = {self._field_of.get(name, name) for name, value in row.values.items() if not is_empty(value)}
        present = [kind for kind in self._held if kind.is_meant(filled)] or self._nearest(fields)
        self._refuse_two_readings(fields, present)
        rest = rest_of(row.values, self._known_to(present))
        keeper = self._keeper(present, nested="responses" in filled)
        metadata: dict[str, Any] = {}
        if keeper:
            metadata = {**storable(fields.mapping("metadata")), **storable(rest)}
        (self._kept if keeper else self._left_out).update(dict.fromkeys(rest))
        for kind in present:
            yield from kind.records(fields, metadata if kind is keeper else {})

    def _known_to(self, kinds: list[RowKind]) -> set[str]:
        """Columns that these kinds read, or that were said to hold something."""
        names = tuple(kind.name for kind in kinds)
        if names not in self._known:
            column_of = self.columns.by_field
            read = {column_of.get(field, field) for kind in kinds for field in kind.all_fields(self.loading)}
            numbered = {self.columns.of(field) for field in self.columns if NUMBERED.fullmatch(field)}
            self._known[names] = read | numbered | set(self.loading.options.columns.values())
        return self._known[names]

    def _nearest(self, fields: Fields) -> list[RowKind]:
        """What a row that lacks something was meant to be: where there is a header, it says so."""
        if self._has_header and len(self._held) == 1:
            return self._held
        wanted = "; ".join(f"{kind.name} ({kind.needs})" for kind in self._held)
        reason = say(
            _("This row has the fields %(fields)s, and could be nothing of what is known: %(wanted)s."),
            fields=listed(name for name in fields.row.values) or "–",
            wanted=wanted,
        )
        raise BadRow(Problem(reason, fields.row.place()))

    @staticmethod
    def _refuse_two_readings(fields: Fields, present: list[RowKind]) -> None:
        readings = [kind.name for kind in present if kind.reads_scores]
        if len(readings) > 1:
            reason = say(_("This row could be any of: %(kinds)s."), kinds=listed(readings))
            raise BadRow(
                Problem(
                    reason, fields.row.place(), advice=say(_("Name the one that is meant as the format."))
                )
            )

    @staticmethod
    def _keeper(present: list[RowKind], *, nested: bool) -> RowKind | None:
        """With whom unknown fields are kept: what varies from row to row belongs to the response."""
        if not all(kind.keeps_rest for kind in present):
            return None
        return present[0] if nested else present[-1]

    def finish(self) -> None:
        self.tell_unknown(self._kept, kept=True)
        self.tell_unknown((name for name in self._left_out if name not in self._kept), kept=False)


def _listed(found: Any) -> Any:
    """A cell of text that is a list in JSON, as that list."""
    if isinstance(found, str) and found.lstrip().startswith("["):
        try:
            turns = json.loads(found)
        except (ValueError, RecursionError):
            return found
        if isinstance(turns, list) and turns and all(isinstance(turn, str | dict) for turn in turns):
            return turns
    return found


def _turns(fields: Fields, name: str) -> list[int] | None:
    """Numbers of turns; none where there is an empty list, for then `generation` may still say more."""
    try:
        return [as_integer(turn, least=1, most=MOST_TURNS) for turn in fields.items(name)] or None
    except BadCell as bad:
        raise fields.refuse(name, bad.reason, bad.advice) from None


def _joined(fields: Fields, name: str) -> str:
    """Text, or one text per turn."""
    found = fields.raw(name)
    if isinstance(found, list) and all(isinstance(part, str) for part in found):
        return "\n\n".join(found)
    return fields.text(name)
