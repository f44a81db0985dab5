"""LLM-jp's published layout, `llm-human-eval-jp`: a prompt a line, with all responses and all their ratings.

    {"id": "elyza###0", "turns": [{"prompt": …, "responses": {"llm_a": {"response": …, "human_evals": {"fluency": [5, 4, "NA"]}}}}]}

Who rated is not published: the third rating of one response and the third of another need not be one person's. So
ratings become those of positions, which stand for nobody. NA and 0 mean that somebody could not judge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from projects.loading.fields import Columns
from projects.loading.formats.base import LONGEST_KEY, LONGEST_MODEL, LONGEST_WORD, Format, rest_of
from projects.loading.formats.contents import failed, says_that_it_failed, storable, wrong
from projects.loading.records import PromptRecord, RatingRecord, Record, ResponseRecord
from projects.tables import Row, listed, quoted
from projects.tables.messages import _

CANNOT_JUDGE = ("NA", "N/A", "na", "n/a", "", None, 0, "0")
SOURCE_FROM_ID = "###"
LONGEST_LIST = 1000


class HumanEvalFormat(Format):
    name = "llm-human-eval-jp"
    names_vary = True
    called: ClassVar = {"prompt_id": "id", "response": "turns", "model": "turns"}
    about = _("LLM-jp’s published ratings: a prompt per line, with responses and ratings by position")

    @classmethod
    def recognises(cls, rows: Sequence[Row], columns: Columns) -> bool:
        return bool(rows) and all(_looks_like_it(row.values) for row in rows)

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._kept: dict[str, None] = {}
        self._unnamed: dict[str, None] = {}

    def records(self, row: Row) -> Iterator[Record]:
        key = row.values.get("id")
        if (
            not isinstance(key, str | int)
            or isinstance(key, bool)
            or not str(key).strip()
            or len(str(key)) > LONGEST_KEY
        ):
            raise wrong(row, "id", _("Here should be an id of 1 to %(most)s characters."), most=LONGEST_KEY)
        key = str(key).strip()
        turns = row.values.get("turns")
        if not isinstance(turns, list) or not turns:
            raise wrong(row, "turns", _("Here should be a list of turns that is not empty."))
        asked, answered, rated = self._read(row, turns)
        rest = rest_of(row.values, ("id", "turns"))
        self._kept.update(dict.fromkeys(rest))
        source = key.partition(SOURCE_FROM_ID)[0] if SOURCE_FROM_ID in key else ""
        yield PromptRecord(
            row=row,
            key=key,
            turns=[{"role": "user", "content": text} for text in asked],
            source=source[:LONGEST_WORD],
            metadata=storable(rest),
            given=("turns", *(["source"] if source else []), *(["metadata"] if rest else [])),
        )
        for letter, texts in answered.items():
            if says_that_it_failed(texts):
                if not self.loading.options.skip_failed:
                    raise failed(row, f"turns[0].responses.{letter}.response", self._named(letter))
                self.loading.tell_skipped(row)
                rated.pop(letter, None)
                continue
            yield ResponseRecord(row=row, prompt=key, model=self._named(letter), turns=texts)
        for letter, ratings in rated.items():
            for turn, axis, position, score, path in ratings:
                yield RatingRecord(
                    row=row,
                    prompt=key,
                    model=self._named(letter),
                    rater=str(position),
                    rater_kind="position",
                    axis=axis,
                    score=None if score in CANNOT_JUDGE else score,
                    score_field=path,
                    axis_field=path.rpartition("[")[0],
                    turn=turn,
                )

    def _read(
        self, row: Row, turns: list[Any]
    ) -> tuple[list[str], dict[str, list[str]], dict[str, list[tuple[int, str, int, Any, str]]]]:
        """What was asked; what each model answered; how that was rated."""
        asked: list[str] = []
        answered: dict[str, list[str]] = {}
        rated: dict[str, list[tuple[int, str, int, Any, str]]] = {}
        for number, turn in enumerate(turns, 1):
            path = f"turns[{number - 1}]"
            if (
                not isinstance(turn, Mapping)
                or not isinstance(turn.get("prompt"), str)
                or not turn["prompt"].strip()
            ):
                raise wrong(row, f"{path}.prompt", _("Here should be text."))
            asked.append(turn["prompt"])
            responses = turn.get("responses")
            if not isinstance(responses, Mapping):
                raise wrong(
                    row, f"{path}.responses", _("Here should be an object, with a response for each model.")
                )
            for letter, said in responses.items():
                here = f"{path}.responses.{letter}"
                text = said.get("response") if isinstance(said, Mapping) else None
                if not isinstance(text, str):
                    raise wrong(row, f"{here}.response", _("There is no answer here."))
                if not letter.strip() or len(letter) > LONGEST_MODEL:
                    raise wrong(
                        row, here, _("A model’s name has 1 to %(most)s characters."), most=LONGEST_MODEL
                    )
                if len(answered.setdefault(letter, [])) != number - 1:
                    raise wrong(row, here, _("This model answers here, but not on an earlier turn."))
                answered[letter].append(text)
                rated.setdefault(letter, []).extend(self._ratings(row, number, said.get("human_evals"), here))
        return asked, answered, rated

    @staticmethod
    def _ratings(row: Row, turn: int, found: Any, path: str) -> Iterator[tuple[int, str, int, Any, str]]:
        path = f"{path}.human_evals"
        if found is None:
            return
        if not isinstance(found, Mapping):
            raise wrong(row, path, _("Here should be an object, with a list of ratings for each axis."))
        for axis, ratings in found.items():
            here = f"{path}.{axis}"
            if not isinstance(ratings, list) or len(ratings) > LONGEST_LIST:
                raise wrong(row, here, _("Here should be a list of ratings, one per rater."))
            for position, score in enumerate(ratings, 1):
                if isinstance(score, list | dict | bool):
                    raise wrong(
                        row, f"{here}[{position - 1}]", _("“%(value)s” is not a number."), value=quoted(score)
                    )
                yield turn, axis, position, score, f"{here}[{position - 1}]"

    def _named(self, letter: str) -> str:
        names = self.loading.options.model_names
        if names and letter not in names:
            self._unnamed[letter] = None
        return names.get(letter, letter).strip()

    def finish(self) -> None:
        self.tell_unknown(self._kept, kept=True)
        if self._unnamed:
            self.warn(_("The names file has no name for: %(letters)s."), letters=listed(self._unnamed))


def _looks_like_it(values: dict[str, Any]) -> bool:
    turns = values.get("turns")
    return (
        "id" in values
        and isinstance(turns, list)
        and bool(turns)
        and all(isinstance(turn, dict) and "responses" in turn for turn in turns)
    )
