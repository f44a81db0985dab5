"""What automatic judges said: of single responses, and of pairs of them. `manage.py load` reads both back."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from exports.files import Column, Kind, Row
from exports.models import JudgeRun, JudgeScore, JudgeVerdict
from exports.selection import CHUNK, Selection
from exports.tables.base import ExportTable

JUDGE = Column("judge", Kind.CATEGORY, 20, _("the judge’s name"))
JUDGE_PROMPT = Column(
    "judge_prompt", Kind.CATEGORY, 30, _("what the judge was told, or its name: scores under two prompts do not compare")
)  # fmt: skip
REPEAT = Column("repeat", Kind.INTEGER, 9, _("above 1 where the judge was asked the same again"))
FAILURE = Column("failure", Kind.CATEGORY, 12, _("why there is none: api_error, unparsed or refused"))
REASON = Column("reason", width=60, about=_("what the judge said for it"))


def _runs(selection: Selection) -> QuerySet[JudgeRun]:
    runs = JudgeRun.objects.visible_to(selection.seen_by) if selection.seen_by else JudgeRun.objects.all()
    return runs.filter(project=selection.project)


class JudgeScoreTable(ExportTable):
    """One row per score of a judge on an axis, failures included."""

    name = "judge_scores"
    columns = (
        Column("prompt_id", width=24, about=_("the prompt’s id")),
        Column("model", Kind.CATEGORY, 24, _("the model that wrote the response")),
        JUDGE,
        Column("axis", Kind.CATEGORY, 16, _("the axis’ key")),
        Column("score", Kind.NUMBER, 8, _("the value given; empty when the judge failed")),
        Column("turn", Kind.INTEGER, 7, _("the turn of the response, from 1")),
        Column("sample", Kind.INTEGER, 9, _("which of several responses of one model to one prompt, from 0")),
        REPEAT,
        FAILURE,
        REASON,
        JUDGE_PROMPT,
        Column("response_sha256", width=20, about=_("of the text that the judge saw, where it is known")),
        Column("rubric", Kind.INTEGER, 8, _("the version of the rubric that has the axis")),
    )

    @cached_property
    def _scores(self) -> QuerySet[JudgeScore]:
        scores = JudgeScore.objects.filter(run__in=_runs(self.selection))
        return scores.filter(item__in=self.selection.items.values("pk")) if self.selection.batch else scores

    def count(self) -> int:
        return self._scores.count()

    def rows(self, limit: int | None = None) -> Iterator[Row]:
        runs = {run.pk: run for run in _runs(self.selection)}
        found = self._scores.order_by("pk").values_list(
            "run_id", "item__prompt__key", "item__response__model__name", "axis__key", "value", "item__turn",
            "item__response__sample", "repeat", "failure", "reason", "response_sha256", "axis__rubric__number",
        )  # fmt: skip
        for run, prompt, model, *said, sha256, rubric in found[:limit].iterator(chunk_size=CHUNK):
            yield prompt, model, runs[run].name, *said, runs[run].prompt, sha256, rubric


class JudgeVerdictTable(ExportTable):
    """One row per verdict of a judge on two responses; the same pair in the other order is a row of its own."""

    name = "judge_verdicts"
    columns = (
        Column("prompt_id", width=24, about=_("the prompt’s id")),
        Column("first_model", Kind.CATEGORY, 24, _("the model whose response the judge was shown first")),
        Column("second_model", Kind.CATEGORY, 24, _("the model whose response the judge was shown second")),
        JUDGE,
        Column("value", Kind.NUMBER, 8, _("1: the first is better; -1: the second is; 0: neither; between: less sure; empty when the judge failed")),
        Column("verdict", Kind.CATEGORY, 10, _("as the judge said it")),
        Column("axis", Kind.CATEGORY, 16, _("what they were compared in, where the judge says so")),
        Column("turn", Kind.INTEGER, 7, _("the turn of the responses, from 1")),
        Column("sample", Kind.INTEGER, 9, _("which of several responses of one model to one prompt, from 0")),
        Column("second_sample", Kind.INTEGER, 9, _("the same of the second response")),
        REPEAT,
        FAILURE,
        REASON,
        JUDGE_PROMPT,
    )  # fmt: skip

    @cached_property
    def _verdicts(self) -> QuerySet[JudgeVerdict]:
        verdicts = JudgeVerdict.objects.filter(run__in=_runs(self.selection))
        if self.selection.batch:
            responses = self.selection.items.values("response")
            verdicts = verdicts.filter(Q(first__in=responses) | Q(second__in=responses))
        return verdicts

    def count(self) -> int:
        return self._verdicts.count()

    def rows(self, limit: int | None = None) -> Iterator[Row]:
        runs = {run.pk: run for run in _runs(self.selection)}
        found = self._verdicts.order_by("pk").values_list(
            "run_id", "first__prompt__key", "first__model__name", "second__model__name", "value", "verdict", "axis",
            "turn", "first__sample", "second__sample", "repeat", "failure", "reason",
        )  # fmt: skip
        for run, prompt, first, second, *said in found[:limit].iterator(chunk_size=CHUNK):
            yield prompt, first, second, runs[run].name, *said, runs[run].prompt
