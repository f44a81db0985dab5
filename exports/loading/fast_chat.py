"""MT-Bench as FastChat judges it: `model_judgment/<judge>_single.jsonl` and `…_pair.jsonl`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from exports.loading.judging_formats import JudgmentFormat, failure_of, in_both_orders, text_of
from exports.loading.rows import JudgeScoreRecord
from projects.loading.fields import Columns
from projects.loading.formats.base import LONGEST_KEY
from projects.loading.formats.contents import wrong
from projects.loading.records import Record
from projects.tables import Row, quoted
from projects.tables.messages import _

#: What the first of the two models gets.
WINNERS = {"model_1": 1.0, "model_2": -1.0, "tie": 0.0, "error": None}


class SingleJudgmentFormat(JudgmentFormat):
    name = "mt-bench-single"
    about = _("MT-Bench: scores of single answers (model_judgment/…_single.jsonl)")

    @classmethod
    def recognises(cls, rows: Sequence[Row], columns: Columns) -> bool:
        return bool(rows) and all(
            {"question_id", "model", "judgment", "score"} <= set(row.values) for row in rows
        )

    def records(self, row: Row) -> Iterator[Record]:
        judge, prompt = self.judge(row)
        said, score = text_of(row.values.get("judgment")), row.values.get("score")
        failed = score in (-1, "-1", None, "")
        yield JudgeScoreRecord(
            row=row,
            prompt=self.fields_of(row).name("prompt_id", LONGEST_KEY),
            model=self.model(row, "model"),
            judge=judge,
            axis=self.axis(row),
            score=None if failed else score,
            turn=self.turn(row),
            failure=failure_of(said) if failed else "",
            reason=said,
            judge_prompt=prompt,
            again=True,
        )


class PairJudgmentFormat(JudgmentFormat):
    name = "mt-bench-pair"
    about = _("MT-Bench: verdicts on pairs in both orders (model_judgment/…_pair.jsonl)")
    WANTED: ClassVar = {"question_id", "model_1", "model_2", "g1_winner", "g2_winner"}

    @classmethod
    def recognises(cls, rows: Sequence[Row], columns: Columns) -> bool:
        return bool(rows) and all(set(row.values) >= cls.WANTED for row in rows)

    def records(self, row: Row) -> Iterator[Record]:
        judge, prompt = self.judge(row)
        games = []
        for game in ("g1", "g2"):
            winner = row.values[f"{game}_winner"]
            if not isinstance(winner, str) or winner not in WINNERS:
                raise wrong(
                    row,
                    f"{game}_winner",
                    _("“%(value)s” is none of: model_1, model_2, tie, error."),
                    value=quoted(str(winner)),
                )
            games.append((WINNERS[winner], winner, text_of(row.values.get(f"{game}_judgment"))))
        models = self.model(row, "model_1"), self.model(row, "model_2")
        if models[0] == models[1]:
            raise wrong(row, "model_2", _("Both sides are the same model."))
        yield from in_both_orders(
            row,
            models,
            games,
            prompt=self.fields_of(row).name("prompt_id", LONGEST_KEY),
            judge=judge,
            judge_prompt=prompt,
            turn=self.turn(row),
        )
