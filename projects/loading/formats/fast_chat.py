"""MT-Bench as FastChat keeps it: `question.jsonl`, and `model_answer/<model>.jsonl` for each model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any, ClassVar

from projects.loading.fields import Columns, Fields
from projects.loading.formats.base import (
    LONGEST_KEY,
    LONGEST_MODEL,
    LONGEST_WORD,
    MOST_SAMPLES,
    Format,
    rest_of,
)
from projects.loading.formats.contents import (
    answers,
    failed,
    prompt_turns,
    says_that_it_failed,
    storable,
    wrong,
)
from projects.loading.records import PromptRecord, Record, ResponseRecord
from projects.tables import Row
from projects.tables.messages import _

#: Names that say nothing about the model; then the folder does.
NAMELESS = {"results", "answers", "output", "model_answer"}


class QuestionFormat(Format):
    name = "mt-bench-questions"
    about = _("MT-Bench: questions (question.jsonl)")
    called: ClassVar = {"prompt_id": "question_id"}
    KNOWN: ClassVar = ("question_id", "category", "turns", "reference")

    @classmethod
    def recognises(cls, rows: Sequence[Row], columns: Columns) -> bool:
        return bool(rows) and all("question_id" in row.values and "turns" in row.values for row in rows)

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.columns = self.columns_of(self.table, self.loading)
        self._kept: dict[str, None] = {}

    def records(self, row: Row) -> Iterator[Record]:
        fields = Fields(row, self.columns, self.loading.problems)
        rest = rest_of(row.values, self.KNOWN)
        self._kept.update(dict.fromkeys(rest))
        metadata = storable(rest)
        reference = row.values.get("reference")
        if isinstance(reference, list):
            metadata["reference"] = storable(reference)  # turn by turn, which one text cannot keep
            reference = "\n\n".join(part for part in reference if isinstance(part, str))
        elif reference is not None and not isinstance(reference, str):
            raise wrong(row, "reference", _("Here should be text."))
        category = fields.text("category", LONGEST_WORD)
        yield PromptRecord(
            row=row,
            key=fields.name("question_id", LONGEST_KEY),
            turns=prompt_turns(row, row.values.get("turns"), "turns"),
            category=category,
            reference=reference or "",
            metadata=metadata,
            given=(
                "turns",
                *(["category"] if category else []),
                *(["reference"] if reference else []),
                *(["metadata"] if metadata else []),
            ),
        )

    def finish(self) -> None:
        self.tell_unknown(self._kept, kept=True)


class AnswerFormat(Format):
    name = "mt-bench-answers"
    about = _("MT-Bench: answers of a model (model_answer/<model>.jsonl)")
    called: ClassVar = {"prompt_id": "question_id", "model": "model_id", "response": "choices"}
    KNOWN: ClassVar = ("question_id", "model_id", "choices")

    @classmethod
    def recognises(cls, rows: Sequence[Row], columns: Columns) -> bool:
        return bool(rows) and all("question_id" in row.values and "choices" in row.values for row in rows)

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.columns = self.columns_of(self.table, self.loading)
        self._file_says = _model_of(self.table.name)
        self._told: set[str] = set()

    def records(self, row: Row) -> Iterator[Record]:
        fields = Fields(row, self.columns, self.loading.problems)
        prompt = fields.name("question_id", LONGEST_KEY)
        model = fields.name("model_id", LONGEST_MODEL)
        self._compare_names(row, model)
        choices = row.values.get("choices")
        if not isinstance(choices, list) or not choices:
            raise wrong(row, "choices", _("Here should be a list of answers that is not empty."))
        generation = storable(rest_of(row.values, self.KNOWN))
        for at, choice in enumerate(choices):
            path = f"choices[{at}]"
            if not isinstance(choice, dict):
                raise wrong(row, path, _("Here should be an object with index and turns."))
            sample = choice.get("index", at)
            if not isinstance(sample, int) or not 0 <= sample <= MOST_SAMPLES:
                raise wrong(row, f"{path}.index", _("Here should be a whole number from 0 on."))
            turns = answers(row, choice.get("turns"), f"{path}.turns")
            if says_that_it_failed(turns):
                if not self.loading.options.skip_failed:
                    raise failed(row, f"{path}.turns", model)
                self.loading.tell_skipped(row)
                continue
            more = storable(rest_of(choice, ("index", "turns")))
            yield ResponseRecord(
                row=row,
                prompt=prompt,
                model=model,
                turns=turns,
                sample=sample,
                generation={**generation, **more},
            )

    def finish(self) -> None:
        """Everything was told where it was met."""

    def _compare_names(self, row: Row, model: str) -> None:
        if self._file_says not in ("", model) and model not in self._told:
            self._told.add(model)
            self.warn(
                _("The file’s name says “%(file)s”, its rows say model “%(model)s”; the rows are believed."),
                row=row,
                file=self._file_says,
                model=model,
            )


def _model_of(name: str) -> str:
    """The model that a file is named after; "" when its name says nothing.

    >>> _model_of("model_answer/gpt-4.jsonl"), _model_of("model_answer/gpt-4/results.jsonl"), _model_of("answers.jsonl")
    ('gpt-4', 'gpt-4', '')
    """
    path = PurePath(name)
    stem = path.name.removesuffix(".jsonl").removesuffix(".json")
    if stem.lower() not in NAMELESS:
        return stem
    folder = path.parent.name
    return "" if folder.lower() in NAMELESS else folder
