"""Arena-Hard: questions and answers, as it has them now and as it had them in 2024."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from projects.loading.fields import Columns, Fields
from projects.loading.formats.base import LONGEST_KEY, LONGEST_WORD, Format, rest_of
from projects.loading.formats.contents import failed, prompt_turns, says_that_it_failed, storable, wrong
from projects.loading.formats.foreign import flagged, named
from projects.loading.records import PromptRecord, Record, ResponseRecord
from projects.tables import Row
from projects.tables.messages import _


class ArenaHardQuestionFormat(Format):
    name = "arena-hard-questions"
    about = _("Arena-Hard: questions (question.jsonl)")
    called: ClassVar = {"prompt_id": "uid"}
    KNOWN: ClassVar = ("uid", "prompt", "category")
    certain = True

    @classmethod
    def recognises(cls, rows: Sequence[Row], columns: Columns) -> bool:
        return bool(rows) and all({"uid", "prompt"} <= set(row.values) for row in rows)

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.columns = self.columns_of(self.table, self.loading)

    def records(self, row: Row) -> Iterator[Record]:
        fields = Fields(row, self.columns, self.loading.problems)
        metadata = storable(rest_of(row.values, self.KNOWN))
        category = fields.text("category", LONGEST_WORD)
        yield PromptRecord(
            row=row,
            key=fields.name("prompt_id", LONGEST_KEY),
            turns=prompt_turns(row, row.values["prompt"], "prompt"),
            category=category,
            metadata=metadata,
            given=("turns", *(["category"] if category else []), *(["metadata"] if metadata else [])),
        )

    def finish(self) -> None:
        """Everything was told where it was met."""


class ArenaHardAnswerFormat(Format):
    """The last message's content is an object with the answer in it; older files have a text there."""

    name = "arena-hard-answers"
    about = _("Arena-Hard: answers of a model (model_answer/<model>.jsonl)")
    called: ClassVar = {"prompt_id": "uid", "response": "messages"}
    KNOWN: ClassVar = ("uid", "model", "messages")
    certain = True
    names_vary = True

    @classmethod
    def recognises(cls, rows: Sequence[Row], columns: Columns) -> bool:
        return bool(rows) and all({"uid", "model", "messages"} <= set(row.values) for row in rows)

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.columns = self.columns_of(self.table, self.loading)

    def records(self, row: Row) -> Iterator[Record]:
        fields = Fields(row, self.columns, self.loading.problems)
        messages = row.values["messages"]
        if not isinstance(messages, list) or not all(isinstance(one, dict) for one in messages):
            raise wrong(row, "messages", _("Here should be a list of messages."))
        turns: list[str] = []
        more: dict[str, Any] = {}
        for at, message in enumerate(messages):
            if message.get("role") != "assistant":
                continue
            content = message.get("content")
            if isinstance(content, dict):
                more |= rest_of(content, ("answer",))
                content = content.get("answer")
            if not isinstance(content, str):
                raise wrong(row, f"messages[{at}].content.answer", _("There is no answer here."))
            turns.append(content)
        if not turns:
            raise wrong(row, "messages", _("There is no answer here."))
        model = named(self.loading, row, row.values["model"], "model")
        if says_that_it_failed(turns):
            if not self.loading.options.skip_failed:
                raise failed(row, "messages", model)
            self.loading.tell_skipped(row)
            return
        generation = {"engine": "arena-hard", **storable(rest_of(row.values, self.KNOWN)), **storable(more)}
        yield ResponseRecord(
            row=row,
            prompt=fields.name("prompt_id", LONGEST_KEY),
            model=model,
            turns=turns,
            generation=flagged(turns, generation, []),
        )

    def finish(self) -> None:
        """Everything was told where it was met."""
