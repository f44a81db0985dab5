"""Arena-Hard's judgments: two games with the baseline, with sides swapped in the second."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from exports.loading.judging_formats import JudgmentFormat, in_both_orders, text_of
from projects.loading.fields import Columns
from projects.loading.formats.base import LONGEST_KEY
from projects.loading.formats.contents import wrong
from projects.loading.records import Record
from projects.tables import Problem, Row, quoted, say
from projects.tables.messages import _

#: What side A gets.
VERDICTS = {
    "A>>B": 1.0,
    "A>B": 0.5,
    "A=B": 0.0,
    "B>A": -0.5,
    "B>>A": -1.0,
    "A<B": -0.5,
    "A<<B": -1.0,
    "B=A": 0.0,
}
#: Of the first form, which names no baseline.
BASELINE = "gpt-4-0314"


class ArenaHardJudgmentFormat(JudgmentFormat):
    """In the first game the baseline is A."""

    name = "arena-hard-judgments"
    about = _("Arena-Hard: verdicts against a baseline (model_judgment/<judge>/<model>.jsonl)")
    called: ClassVar = {"prompt_id": "uid", "verdict": "games"}

    @classmethod
    def recognises(cls, rows: Sequence[Row], columns: Columns) -> bool:
        return bool(rows) and all(
            {"games", "model"} <= set(row.values) and ("uid" in row.values or "question_id" in row.values)
            for row in rows
        )

    @classmethod
    def columns_of(cls, table: Any, loading: Any) -> Columns:
        called = {"prompt_id": "uid" if "uid" in table.columns else "question_id", "verdict": "games"}
        return Columns([*table.columns], called, frozenset(table.columns))

    def records(self, row: Row) -> Iterator[Record]:
        games = row.values["games"]
        if not isinstance(games, list) or not 1 <= len(games) <= 2:
            raise wrong(row, "games", _("Here should be a list of one or two games."))
        judge, prompt = self.judge(row)
        read = [self._game(row, game, number) for number, game in enumerate(games)]
        models = self._baseline(row), self.model(row, "model")
        if models[0] == models[1]:
            raise wrong(row, "model", _("Both sides are the same model."))
        yield from in_both_orders(
            row,
            models,
            # A score speaks of sides; of the baseline it is the other way round in the second game.
            [(value if number == 0 or value is None else -value or 0.0, verdict, reason) for number, (value, verdict, reason) in enumerate(read)],
            prompt=self.fields_of(row).name("prompt_id", LONGEST_KEY),
            judge=judge,
            judge_prompt=prompt,
            turn=1,
        )  # fmt: skip

    def _baseline(self, row: Row) -> str:
        if "baseline" in row.values:
            return self.model(row, "baseline")
        reason = say(_("This form names no baseline; it is taken to be %(model)s."), model=BASELINE)
        self.loading.problems.warn(Problem(reason, self.table.place(None)), key=("baseline", self.table.name))
        return self.loading.options.model_names.get(BASELINE, BASELINE)

    def _game(self, row: Row, game: Any, number: int) -> tuple[float | None, str, str]:
        if game is None:
            return None, "", ""
        if not isinstance(game, dict):
            raise wrong(row, f"games[{number}]", _("Here should be an object."))
        said = game.get("judgment")
        reason = text_of(said.get("answer") if isinstance(said, dict) else said)
        score = game.get("score")
        if score is None or score == "":
            return None, "", reason
        if not isinstance(score, str) or score not in VERDICTS:
            raise wrong(
                row,
                f"games[{number}].score",
                _("“%(value)s” is no verdict, such as A>>B."),
                value=quoted(str(score)),
            )
        return VERDICTS[score], score, reason

    def judge(self, row: Row) -> tuple[str, str]:
        """The first form does not say who judged."""
        if "judge" not in row.values and not self.loading.options.judge:
            return "gpt-4-1106-preview", "arena-hard"
        name, prompt = super().judge(row)
        return name, prompt or "arena-hard"
