"""LLM-jp's published layout, `llm-human-eval-jp`: a prompt a line, its responses by letter, its ratings as lists.

    {"id", "turns": [{"prompt", "responses": {"llm_a": {"response", "human_evals": {"relevance": [4, 5, "NA"], …}}}}]}

The lists say neither who rated nor when: a place in a list is no person. What the layout cannot hold is left out, and
said in notes. A project that was loaded from such a file, and nothing else, comes out as it went in.
"""

from __future__ import annotations

import json
import string
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Func, IntegerField, OuterRef, Q, QuerySet
from django.db.models.functions import JSONArray
from django.utils.translation import gettext, ngettext

from annotation.models import Assignment, Score
from annotation.models.batch import Purpose
from exports.files.columns import number
from exports.selection import Selection
from projects.models import Axis, LanguageModel, Point, Prompt

HUMAN_EVAL = "llm-human-eval-jp"
PROMPTS_AT_ONCE = 50
NOT_RATED = "NA"

#: Names of the layout where they differ from ours.
AXIS_NAMES = {"accuracy": "factuality", "detail": "detailedness"}

#: One rating: what was given, by key of the axis.
Given = dict[str, int | float | str]


class CannotBeWritten(Exception):
    """The project does not go into this layout; the message says why."""


def letters() -> Iterator[str]:
    """llm_a … llm_z, llm_aa …"""
    for first in ["", *string.ascii_lowercase]:
        for last in string.ascii_lowercase:
            yield f"llm_{first}{last}"


def questions(turns: list[dict[str, str]]) -> list[str]:
    """What was asked and left to the model to answer, turn by turn."""
    following = [turn["role"] for turn in turns[1:]] + [""]
    return [
        turn["content"]
        for turn, after in zip(turns, following, strict=True)
        if turn["role"] == "user" and after != "assistant"
    ]


class HumanEval:
    """A selection in this layout: main ratings of the first response of each model."""

    def __init__(self, selection: Selection) -> None:
        self.selection = selection

    @cached_property
    def names(self) -> dict[str, str]:
        """Names of the models by letter. Models that are called like letters keep them."""
        models = LanguageModel.objects.filter(project=self.selection.project).order_by("pk")
        found = list(models.values_list("name", flat=True))
        known = {letter: at for at, letter in enumerate(letters())}
        if all(name in known for name in found):
            return {name: name for name in sorted(found, key=known.__getitem__)}
        if len(found) > len(known):
            raise CannotBeWritten(
                gettext("This layout has letters for %(most)s models; there are %(n)s.")
                % {"most": len(known), "n": len(found)}
            )
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

    def check(self) -> None:
        """Raises CannotBeWritten where a score would be read as something else."""
        _ = self.names
        rubrics = self.selection.batches.values("rubric")
        if Point.objects.filter(axis__rubric__in=rubrics, value=0).exists():
            raise CannotBeWritten(gettext("In this layout 0 means “not rated”, and here it is a score."))

    def notes(self) -> list[str]:
        """What is left out or called by another name."""
        return list(self._notes())

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
        not_the_users = Q(turns__contains=[{"role": "system"}]) | Q(turns__contains=[{"role": "assistant"}])
        if prompts := self.selection.prompts.filter(not_the_users).count():
            yield ngettext(
                "%(n)s prompt loses its turns that are not the user’s.",
                "%(n)s prompts lose their turns that are not the user’s.",
                prompts,
            ) % {"n": f"{prompts:,}"}
        asked = Func("prompt__turns", function="jsonb_array_length", output_field=IntegerField())
        if longer := self.selection.responses.filter(turns__len__gt=asked).count():
            yield ngettext(
                "%(n)s response loses turns that nothing was asked for.",
                "%(n)s responses lose turns that nothing was asked for.",
                longer,
            ) % {"n": f"{longer:,}"}
        yield gettext(
            "Raters, times, comments, reasons and the prompts’ tags and references are left out: the layout has no "
            "place for them."
        )

    def pieces(self) -> Iterator[bytes]:
        """The file, a line a piece."""
        for line in self.lines():
            yield json.dumps(line, ensure_ascii=False).encode() + b"\n"

    def lines(self) -> Iterator[dict[str, Any]]:
        self.check()
        chunk: list[Prompt] = []
        for prompt in self.selection.prompts.iterator(chunk_size=PROMPTS_AT_ONCE):
            chunk.append(prompt)
            if len(chunk) == PROMPTS_AT_ONCE:
                yield from self._lines(chunk)
                chunk.clear()
        yield from self._lines(chunk)

    def _lines(self, prompts: list[Prompt]) -> Iterator[dict[str, Any]]:
        ratings = self._ratings_of(prompts)
        letter_of = {name: letter for letter, name in self.names.items()}
        rank = {letter: at for at, letter in enumerate(self.names)}
        responses: dict[int, list[tuple[int, str, int, list[str]]]] = defaultdict(list)
        for prompt, pk, model, turns in self.selection.responses.filter(
            prompt__in=prompts, sample=0
        ).values_list("prompt_id", "pk", "model__name", "turns"):
            letter = letter_of[model]
            responses[prompt].append((rank[letter], letter, pk, turns))
        for one in prompts:
            yield {
                "id": one.key,
                "turns": [
                    {
                        "prompt": asked,
                        "responses": {
                            letter: {"response": turns[at], "human_evals": self._evals(ratings[pk, at + 1])}
                            for _rank, letter, pk, turns in sorted(responses[one.pk])
                            if at < len(turns)
                        },
                    }
                    for at, asked in enumerate(questions(one.turns))
                ],
            }

    def _ratings_of(self, prompts: list[Prompt]) -> dict[tuple[int, int], list[Given]]:
        """Ratings by response and turn, raters in the order of their pseudonyms: R999 before R1000."""
        scores = Score.objects.filter(assignment=OuterRef("pk")).order_by()
        rows: Any = (
            self._ratings.filter(item__prompt__in=prompts)
            .order_by()
            .annotate(given=ArraySubquery(scores.values(score=JSONArray("axis_id", "value"))))
            .values_list("item__response_id", "item__turn", "rater__pseudonym", "occasion", "pk", "given")
        )
        found: dict[tuple[int, int], list[Given]] = defaultdict(list)
        for response, turn, _pseudonym, _occasion, _pk, given in sorted(
            rows, key=lambda row: (len(row[2]), row[2:5])
        ):
            found[response, turn].append(
                {
                    self._keys[axis]: NOT_RATED if value is None else json.loads(number(value))
                    for axis, value in given
                }
            )
        return found

    @cached_property
    def _keys(self) -> dict[int, str]:
        return dict(Axis.objects.filter(rubric__project=self.selection.project).values_list("pk", "key"))

    def _evals(self, ratings: list[Given]) -> dict[str, list[int | float | str]]:
        return {name: _listed(key, ratings) for key, name in self.axes.items()}


def _listed(key: str, ratings: list[Given]) -> list[int | float | str]:
    """What was given on an axis; whoever has no score on it keeps their place, unless nobody with one follows."""
    places = [rating.get(key) for rating in ratings]
    while places and places[-1] is None:
        places.pop()
    return [NOT_RATED if given is None else given for given in places]
