"""Questions with options, as MMLU-Pro and its kin publish them: `question`, `options`, `answer`, `category`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from offline.multiple_choice import LETTERS, NoSuchOption, right_letter
from projects.loading.fields import Columns, Fields
from projects.loading.formats.base import LONGEST_KEY, LONGEST_WORD, Format, rest_of
from projects.loading.formats.contents import prompt_turns, storable, wrong
from projects.loading.records import PromptRecord, Record
from projects.tables import Row, as_text, listed, quoted
from projects.tables.messages import _

#: What fills up options that are not there.
PADDING = ("N/A", "")


class MultipleChoiceFormat(Format):
    """The question is the prompt's turn as it stands; preparing a generation puts the options below it."""

    name = "multiple-choice"
    about = _("Multiple choice: questions with options, as in MMLU-Pro")
    called: ClassVar = {"source": "src"}
    IDS: ClassVar = ("question_id", "prompt_id", "id")
    KNOWN: ClassVar = (
        "question_id", "prompt_id", "id", "question", "options", "choices", "answer", "answer_index", "category", "subject", "src",
    )  # fmt: skip

    @classmethod
    def recognises(cls, rows: Sequence[Row], columns: Columns) -> bool:
        return bool(rows) and all(
            "question" in row.values
            and ("options" in row.values or "choices" in row.values)
            and any(name in row.values for name in cls.IDS)
            and not {"turns", "prompt", "response", "model"} & row.values.keys()
            for row in rows
        )

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.columns = self.columns_of(self.table, self.loading)
        self._kept: dict[str, None] = {}

    def records(self, row: Row) -> Iterator[Record]:
        fields = Fields(row, self.columns, self.loading.problems)
        rest = rest_of(row.values, self.KNOWN)
        self._kept.update(dict.fromkeys(rest))
        metadata = storable(rest)
        key = next((name for name in self.IDS if fields.has(name)), self.IDS[0])
        category = "category" if fields.has("category") else "subject"
        options = self._options(row, fields)
        record = PromptRecord(
            row=row,
            key=fields.name(key, LONGEST_KEY),
            turns=prompt_turns(row, row.values.get("question"), "question"),
            source=fields.text("source", LONGEST_WORD),
            category=fields.text(category, LONGEST_WORD),
            options=options,
            answer=self._answer(row, fields, options),
            metadata=metadata,
        )
        said = ("source", "category", "options", "answer", "metadata")
        record.given = ("turns", *(name for name in said if getattr(record, name)))
        yield record

    def _options(self, row: Row, fields: Fields) -> list[str]:
        name = "options" if fields.has("options") else "choices"
        found = fields.items(name)
        if any(isinstance(one, list | dict) or one is None for one in found):
            raise wrong(row, name, _("Here should be a list of texts."))
        options = [as_text(one) for one in found]
        # Only those at the end: the letters of the others stay as they are.
        while options and options[-1].strip() in PADDING:
            options.pop()
        if not 2 <= len(options) <= len(LETTERS):
            raise wrong(
                row, name, _("A question has 2 to %(most)s options; here are %(n)s."), most=len(LETTERS), n=len(options)
            )  # fmt: skip
        return options

    def _answer(self, row: Row, fields: Fields, options: list[str]) -> str:
        """The letter; "" where the right answer is kept secret, as in test sets."""
        by_index = ""
        if fields.has("answer_index"):
            by_index = LETTERS[fields.integer("answer_index", 0, least=0, most=len(options) - 1)]
        if not fields.has("answer"):
            return by_index
        said = fields.text("answer")
        try:
            letter = right_letter(options, said)
        except NoSuchOption:
            shown = listed(LETTERS[: len(options)], 26)
            raise wrong(
                row, "answer", _("“%(answer)s” is none of the options: neither a letter (%(letters)s) nor their words."),
                answer=quoted(said), letters=shown,
            ) from None  # fmt: skip
        if by_index and by_index != letter:
            raise wrong(
                row, "answer_index", _("answer_index, counted from 0, says %(index)s; answer says %(answer)s."),
                index=by_index, answer=letter,
            )  # fmt: skip
        return letter

    def finish(self) -> None:
        self.tell_unknown(self._kept, kept=True)
