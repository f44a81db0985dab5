"""What WildBench's `unified_infer` writes: an array of results, and its form for MT-Bench."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from projects.loading.fields import Columns, Fields
from projects.loading.formats.base import LONGEST_KEY, LONGEST_WORD, Format, rest_of
from projects.loading.formats.contents import failed, prompt_turns, says_that_it_failed, storable, wrong
from projects.loading.formats.foreign import Texts, flagged, named
from projects.loading.records import PromptRecord, Record, ResponseRecord
from projects.tables import Row, Table
from projects.tables.messages import _


class _Results(Format):
    certain = True
    names_vary = True

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.columns = self.columns_of(self.table, self.loading)

    def response(
        self, row: Row, prompt: str, model: str, answers: list[list[str]], generation: dict[str, Any]
    ) -> Iterator[Record]:
        """`answers`: of each turn, one for each sample."""
        for sample in range(min(len(one) for one in answers)):
            turns = [one[sample] for one in answers]
            if says_that_it_failed(turns):
                if not self.loading.options.skip_failed:
                    raise failed(row, "output", model)
                self.loading.tell_skipped(row)
                continue
            yield ResponseRecord(
                row=row,
                prompt=prompt,
                model=model,
                turns=turns,
                sample=sample,
                generation=flagged(turns, {"engine": "unified_infer", **storable(generation)}, []),
            )

    def finish(self) -> None:
        """Everything was told where it was met."""


class WildBenchFormat(_Results):
    name = "wildbench"
    about = _("WildBench: results of a model")
    called: ClassVar = {"prompt_id": "session_id", "response": "output", "model": "generator"}
    KNOWN: ClassVar = (
        "session_id",
        "chat_history",
        "model_input",
        "output",
        "generator",
        "primary_tag",
        "checklist",
    )

    @classmethod
    def recognises(cls, rows: Sequence[Row], columns: Columns) -> bool:
        return bool(rows) and all({"session_id", "output", "generator"} <= set(row.values) for row in rows)

    def records(self, row: Row) -> Iterator[Record]:
        fields = Fields(row, self.columns, self.loading.problems)
        key = fields.name("prompt_id", LONGEST_KEY)
        history = row.values.get("chat_history")
        if history:
            if (
                not isinstance(history, list)
                or not all(isinstance(text, str) for text in history)
                or len(history) % 2 == 0
            ):
                raise wrong(
                    row,
                    "chat_history",
                    _("Here should be texts of user and assistant in turn, the user’s last."),
                )
            said = [
                {"role": "assistant" if at % 2 else "user", "content": text}
                for at, text in enumerate(history)
            ]
            category = fields.text("primary_tag", LONGEST_WORD)
            yield PromptRecord(
                row=row,
                key=key,
                turns=prompt_turns(row, said, "chat_history"),
                category=category,
                given=("turns", *(["category"] if category else [])),
            )
        model = named(self.loading, row, row.values["generator"], "generator")
        generation = rest_of(row.values, self.KNOWN)
        yield from self.response(row, key, model, [_texts(row, "output")], generation)


class WildBenchMTBenchFormat(_Results):
    name = "wildbench-mt-bench"
    about = _("WildBench’s tool on MT-Bench: results of a model")
    called: ClassVar = {"prompt_id": "question_id", "response": "turn1_output", "model": "model_id"}
    KNOWN: ClassVar = (
        "question_id",
        "category",
        "turn1_output",
        "turn2_output",
        "model_id",
        "turn_id",
        "model_input",
    )

    @classmethod
    def recognises(cls, rows: Sequence[Row], columns: Columns) -> bool:
        return bool(rows) and all({"question_id", "turn1_output"} <= set(row.values) for row in rows)

    def records(self, row: Row) -> Iterator[Record]:
        fields = Fields(row, self.columns, self.loading.problems)
        answers = [_texts(row, "turn1_output")]
        if row.values.get("turn2_output"):
            answers.append(_texts(row, "turn2_output"))
        model = named(
            self.loading, row, row.values.get("model_id") or row.values.get("generator"), "model_id"
        )
        yield from self.response(
            row, fields.name("prompt_id", LONGEST_KEY), model, answers, rest_of(row.values, self.KNOWN)
        )


class AlpacaEvalFormat(_Results):
    """No ids: a prompt is found by its exact words."""

    name = "alpaca-eval"
    about = _("AlpacaEval: outputs of a model")
    called: ClassVar = {"prompt_id": "instruction", "response": "output", "model": "generator"}
    KNOWN: ClassVar = ("instruction", "output", "generator", "input")

    @classmethod
    def recognises(cls, rows: Sequence[Row], columns: Columns) -> bool:
        return bool(rows) and all({"instruction", "output", "generator"} <= set(row.values) for row in rows)

    @classmethod
    def columns_of(cls, table: Table, loading: Any) -> Columns:
        return Columns([*table.columns], cls.called, frozenset(table.columns))

    def records(self, row: Row) -> Iterator[Record]:
        asked = row.values["instruction"]
        if not isinstance(asked, str) or not asked.strip():
            raise wrong(row, "instruction", _("Here should be text."))
        if more := row.values.get("input"):
            asked = f"{asked}\n\n{more}"
        source = row.values.get("dataset")
        prompt, _whole = Texts.of(self.loading).found(
            row, [asked], "instruction", source=source if isinstance(source, str) else ""
        )
        model = named(self.loading, row, row.values["generator"], "generator")
        yield from self.response(row, prompt, model, [_texts(row, "output")], rest_of(row.values, self.KNOWN))


def _texts(row: Row, field: str) -> list[str]:
    """A text, or one for each sample."""
    found = row.values[field]
    texts = [found] if isinstance(found, str) else found
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise wrong(row, field, _("There is no answer here."))
    return texts
