"""LLM-jp's published layout, `llm-human-eval-jp`: a prompt a line, its responses by letter, its ratings as lists.

    {"id", "turns": [{"prompt", "responses": {"llm_a": {"response", "human_evals": {"relevance": [4, 5, "NA"], …}}}}]}

The lists say neither who rated nor when: a place in a list is no person. What the layout cannot hold is left out, and
said in notes.
"""

from __future__ import annotations

import json
import string
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.utils.translation import gettext, ngettext

from annotation.models import Assignment, Score
from annotation.models.batch import Purpose
from exports.files.columns import number
from exports.selection import Selection
from projects.models import LanguageModel, Prompt

HUMAN_EVAL = "llm-human-eval-jp"
PROMPTS_AT_ONCE = 50
NOT_RATED = "NA"

#: Names of the layout where they differ from ours.
AXIS_NAMES = {"accuracy": "factuality", "detail": "detailedness"}


class CannotBeWritten(Exception):
    """The project is no project of this layout."""


def letters() -> Iterator[str]:
    """llm_a … llm_z, llm_aa …"""
    for first in ["", *string.ascii_lowercase]:
        for last in string.ascii_lowercase:
            yield f"llm_{first}{last}"


class HumanEval:
    """A selection in this layout: main ratings of the first response of each model."""

    def __init__(self, selection: Selection) -> None:
        self.selection = selection

    @cached_property
    def names(self) -> dict[str, str]:
        """Names of the models by letter. Models that are called like letters keep them."""
        found = list(
            LanguageModel.objects.filter(project=self.selection.project).order_by("pk").values_list("name", flat=True)
        )  # fmt: skip
        known = set(letters())
        if all(name in known for name in found):
            return {name: name for name in sorted(found, key=lambda name: (len(name), name))}
        if len(found) > len(known):
            raise CannotBeWritten(f"The layout has letters for {len(known)} models; there are {len(found)}.")
        return dict(zip(letters(), found, strict=False))

    @cached_property
    def axes(self) -> dict[str, str]:
        """Names in the layout by our keys."""
        keys: Iterable[str] = self.selection.axes
        if not keys and (rubric := self.selection.project.current_rubric()):
            keys = rubric.axes.order_by("position").values_list("key", flat=True)
        return {key: AXIS_NAMES.get(key, key) for key in keys}

    @property
    def _ratings(self) -> QuerySet[Assignment]:
        return self.selection.assignments.filter(state=Assignment.State.SUBMITTED, purpose=Purpose.MAIN)

    def count(self) -> int:
        return self.selection.prompts.count()

    def notes(self) -> list[str]:
        """What is left out or changed."""
        return [note for note in self._notes() if note]

    def _notes(self) -> Iterator[str]:
        shown = ", ".join(f"{letter} = {name}" for letter, name in self.names.items() if letter != name)
        if shown:
            yield gettext("Models by letter: %(names)s") % {"names": shown}
        if others := self.selection.counts["submitted"] - self._ratings.count():
            yield ngettext(
                "%(n)s rating is left out: its purpose is not “main”.",
                "%(n)s ratings are left out: their purpose is not “main”.",
                others,
            ) % {"n": f"{others:,}"}
        if samples := self.selection.responses.filter(sample__gt=0).count():
            yield ngettext(
                "%(n)s response is left out: the layout has one per model and prompt.",
                "%(n)s responses are left out: the layout has one per model and prompt.",
                samples,
            ) % {"n": f"{samples:,}"}
        yield gettext("Raters, times, comments and reasons are left out: the layout has no place for them.")

    def lines(self) -> Iterator[dict[str, Any]]:
        letter_of = {name: letter for letter, name in self.names.items()}
        rank = {letter: at for at, letter in enumerate(self.names)}
        chunk: list[Prompt] = []
        for prompt in self.selection.prompts.iterator(chunk_size=PROMPTS_AT_ONCE):
            chunk.append(prompt)
            if len(chunk) == PROMPTS_AT_ONCE:
                yield from self._lines(chunk, letter_of, rank)
                chunk.clear()
        yield from self._lines(chunk, letter_of, rank)

    def pieces(self) -> Iterator[bytes]:
        for line in self.lines():
            yield json.dumps(line, ensure_ascii=False).encode() + b"\n"

    def _lines(
        self, prompts: list[Prompt], letter_of: dict[str, str], rank: dict[str, int]
    ) -> Iterator[dict[str, Any]]:
        ratings: dict[tuple[int, int], list[dict[str, Any]]] = {}
        for rating in (
            self._ratings.filter(item__prompt__in=prompts)
            .select_related("item", "rater")
            .prefetch_related(Prefetch("scores", Score.objects.select_related("axis").order_by()))
            .order_by("rater__pseudonym", "occasion", "pk")
        ):
            given = {
                score.axis.key: NOT_RATED if score.value is None else json.loads(number(score.value))
                for score in rating.scores.all()
            }
            ratings.setdefault((rating.item.response_id, rating.item.turn), []).append(given)
        responses: dict[int, list[tuple[str, int, list[str]]]] = {}
        for prompt, pk, model, turns in self.selection.responses.filter(
            prompt__in=prompts, sample=0
        ).values_list("prompt_id", "pk", "model__name", "turns"):
            responses.setdefault(prompt, []).append((letter_of[model], pk, turns))
        for one in prompts:
            ordered = sorted(responses.get(one.pk, []), key=lambda response: rank[response[0]])
            yield {
                "id": one.key,
                "turns": [
                    {
                        "prompt": asked,
                        "responses": {
                            letter: {
                                "response": turns[at],
                                "human_evals": {
                                    name: [
                                        given.get(key, NOT_RATED) for given in ratings.get((pk, at + 1), [])
                                    ]
                                    for key, name in self.axes.items()
                                },
                            }
                            for letter, pk, turns in ordered
                            if at < len(turns)
                        },
                    }
                    for at, asked in enumerate(one.user_turns)
                ],
            }
