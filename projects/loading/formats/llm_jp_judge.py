"""What llm-jp-judge generates: `<benchmark>.jsonl` beside a `metadata.json` that names the model.

Version 2 has lists with an entry per turn, version 1 single texts where there is one turn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any, ClassVar

from projects.loading.fields import Columns, Fields
from projects.loading.formats.base import LONGEST_KEY, LONGEST_WORD, Format, rest_of
from projects.loading.formats.contents import prompt_turns, storable, wrong
from projects.loading.formats.foreign import flagged, model_beside, named, note_model
from projects.loading.records import PromptRecord, Record, ResponseRecord
from projects.tables import Problem, Row, as_text, quoted, say
from projects.tables.cells import BadCell
from projects.tables.messages import _


class MetadataFormat(Format):
    name = "llm-jp-judge-metadata"
    about = _("llm-jp-judge: which model (metadata.json)")
    certain = True
    rank = 0

    @classmethod
    def recognises(cls, rows: Sequence[Row], columns: Columns) -> bool:
        return (
            len(rows) == 1
            and "model_name" in rows[0].values
            and not {"response", "prompt", "ID"} & rows[0].values.keys()
        )

    def records(self, row: Row) -> Iterator[Record]:
        name = row.values["model_name"]
        if not isinstance(name, str) or not name.strip():
            raise wrong(row, "model_name", _("Here should be text."))
        note_model(self.loading, self.table, name.strip())
        yield from ()

    def finish(self) -> None:
        """Everything was told where it was met."""


class GenerationFormat(Format):
    name = "llm-jp-judge-generation"
    about = _("llm-jp-judge: answers of a model (<benchmark>.jsonl)")
    called: ClassVar = {"prompt_id": "ID"}
    certain = True
    asks_more = True
    names_vary = True
    KNOWN: ClassVar = ("ID", "prompt", "response", "text", "reference", "category")

    @classmethod
    def recognises(cls, rows: Sequence[Row], columns: Columns) -> bool:
        return bool(rows) and all(
            {"ID", "prompt", "response", "error_messages"} <= set(row.values) for row in rows
        )

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.columns = self.columns_of(self.table, self.loading)

    def records(self, row: Row) -> Iterator[Record]:
        fields = Fields(row, self.columns, self.loading.problems)
        values = row.values
        key = fields.name("prompt_id", LONGEST_KEY)
        is_new = isinstance(values["prompt"], list)
        # What was asked of people is `text`; `prompt` may have a template around it.
        asked = values.get("text") or values["prompt"]
        reference, category = _joined(values.get("reference")), fields.text("category", LONGEST_WORD)
        yield PromptRecord(
            row=row,
            key=key,
            turns=prompt_turns(row, asked, "text" if values.get("text") else "prompt"),
            category=category,
            reference=reference,
            given=("turns", *(["category"] if category else []), *(["reference"] if reference else [])),
        )
        answers = values["response"] if isinstance(values["response"], list) else [values["response"]]
        model = named(self.loading, row, model_beside(self.loading, self.table), "model")
        if not answers or not all(isinstance(answer, str) for answer in answers):
            if not all(isinstance(answer, str | None) for answer in answers):
                raise wrong(row, "response", _("There is no answer here."))
            there = list(takewhile(lambda answer: answer is not None, answers))
            if not there or not self.loading.options.partial:
                self._leave_out(row, values.get("error_messages"))
                return
            self.loading.leave_out("loaded in part")
            answers = there
        generation = {
            "engine": "llm-jp-judge",
            "version": 2 if is_new else 1,
            **({"prompt": values["prompt"]} if values.get("text") and values["prompt"] != asked else {}),
            **rest_of(values, self.KNOWN),
        }
        errors = generation.get("error_messages")
        if not _any(errors):
            generation.pop("error_messages", None)
        if not _any(generation.get("pattern")):
            generation.pop("pattern", None)
        yield ResponseRecord(
            row=row,
            prompt=key,
            model=model,
            turns=answers,
            generation=flagged(answers, storable(generation), []),
        )

    def _leave_out(self, row: Row, errors: Any) -> None:
        self.loading.leave_out("failed")
        said = [str(one) for one in _flat(errors) if one]
        reason = say(
            _("This conversation failed, and was left out: %(error)s"),
            error=quoted(said[-1] if said else "–", 200),
        )
        self.loading.problems.warn(Problem(reason, row.place()), key=("failed", self.table.name))

    def finish(self) -> None:
        """Everything was told where it was met."""


def _joined(found: Any) -> str:
    parts = found if isinstance(found, list) else [found]
    try:
        return "\n\n".join(text for part in parts if (text := as_text(part)))
    except BadCell:
        return ""


def _flat(found: Any) -> Iterator[Any]:
    if isinstance(found, list):
        for one in found:
            yield from _flat(one)
    else:
        yield found


def _any(found: Any) -> bool:
    return any(one for one in _flat(found))
