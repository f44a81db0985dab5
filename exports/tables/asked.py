"""What was asked, what was answered, and on which axes it was rated."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext_lazy as _

from exports.files import Column, Kind, Row
from exports.selection import CHUNK
from exports.tables.base import ExportTable
from projects.models import Point


class PromptTable(ExportTable):
    """The prompts as they were loaded."""

    name = "prompts"
    columns = (
        Column("prompt_id", width=24, about=_("the prompt’s id")),
        Column("turns", Kind.JSON, 60, _("what was asked, turn by turn (JSON)")),
        Column("source", Kind.CATEGORY, 24, _("where the prompt is from")),
        Column("category", Kind.CATEGORY, 16, _("its category")),
        Column("tags", Kind.LIST, 20, _("its tags")),
        Column("reference", width=40, about=_("a reference answer")),
        Column("checklist", Kind.JSON, 30, _("what an answer should hold (JSON)")),
        Column("options", Kind.JSON, 20, _("the options of a multiple choice (JSON)")),
        Column("answer", width=14, about=_("the right answer")),
        Column("metadata", Kind.JSON, 30, _("fields that Hyotei does not know (JSON)")),
    )

    def count(self) -> int:
        return self.selection.prompts.count()

    def rows(self, limit: int | None = None) -> Iterator[Row]:
        return self.selection.prompts.values_list(
            "key", "turns", "source", "category", "tags", "reference", "checklist", "options", "answer", "metadata"
        )[:limit].iterator(chunk_size=CHUNK // 4)  # fmt: skip


class ResponseTable(ExportTable):
    """The responses as they were loaded, with the models that wrote them."""

    name = "responses"
    columns = (
        Column("prompt_id", width=24, about=_("the prompt’s id")),
        Column("model", Kind.CATEGORY, 24, _("the model that wrote the response")),
        Column("sample", Kind.INTEGER, 9, _("which of several responses of one model to one prompt, from 0")),
        Column("turns", Kind.LIST, 60, _("the response, turn by turn")),
        Column("generation", Kind.JSON, 30, _("how it was generated (JSON)")),
        Column("metadata", Kind.JSON, 30, _("fields that Hyotei does not know (JSON)")),
        Column("truncated", Kind.LIST, 11, _("turns, from 1, that were cut off at their longest length")),
        Column("empty", Kind.LIST, 11, _("turns, from 1, in which nothing was answered")),
    )

    def count(self) -> int:
        return self.selection.responses.count()

    def rows(self, limit: int | None = None) -> Iterator[Row]:
        turns = [column.name for column in self.columns].index("turns")
        for *said, truncated in self.selection.responses.values_list(
            "prompt__key", "model__name", "sample", "turns", "generation", "metadata", "truncated"
        )[:limit].iterator(chunk_size=CHUNK // 4):
            empty = [str(turn) for turn, text in enumerate(said[turns], 1) if not text.strip()]
            yield (*said, [str(turn) for turn in truncated], empty)


class AxisTable(ExportTable):
    """One row per point of each axis, of every version of the rubric that something was rated under."""

    name = "axes"
    columns = (
        Column("rubric", Kind.INTEGER, 8, _("the version of the rubric")),
        Column("axis", Kind.CATEGORY, 16, _("the axis’ key")),
        Column("position", Kind.INTEGER, 9, _("its place among the axes")),
        Column("kind", Kind.CATEGORY, 10, _("ordinal, nominal or binary")),
        Column("allow_na", Kind.BOOLEAN, 10, _("whether a rater may say “cannot judge”")),
        Column("label_ja", width=18, about=_("its name in Japanese")),
        Column("label_en", width=18, about=_("its name in English")),
        Column("description_ja", width=40, about=_("what is asked, in Japanese")),
        Column("description_en", width=40, about=_("what is asked, in English")),
        Column("value", Kind.NUMBER, 8, _("a value on its scale")),
        Column("point_label_ja", width=18, about=_("the value’s name in Japanese")),
        Column("point_label_en", width=18, about=_("the value’s name in English")),
        Column("point_description_ja", width=40, about=_("what the value means, in Japanese")),
        Column("point_description_en", width=40, about=_("what the value means, in English")),
    )

    def _points(self) -> list[Row]:
        return list(
            Point.objects.filter(axis__rubric__in=self.selection.batches.values("rubric"))
            .order_by("axis__rubric__number", "axis__position", "rank")
            .values_list(
                "axis__rubric__number", "axis__key", "axis__position", "axis__kind", "axis__allow_na",
                "axis__label_ja", "axis__label_en", "axis__description_ja", "axis__description_en",
                "value", "label_ja", "label_en", "description_ja", "description_en",
            )
        )  # fmt: skip

    def count(self) -> int:
        return len(self._points())

    def rows(self, limit: int | None = None) -> Iterator[Row]:
        return iter(self._points()[:limit])
