"""The tables that a project is taken away in: their columns, and their rows as they stream."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from annotation.agreement import agreement, as_json
from annotation.agreement.project import axes_of
from exports.files import Column, Kind, Row
from exports.selection import CHUNK, Selection
from projects.models import Point

RATER_KIND = _("“person”; “position”, a place in a list that stands for nobody; or “simulated”")


class ExportTable(ABC):
    """A table of a selection, under the name of its file or sheet."""

    name: str

    def __init__(self, selection: Selection) -> None:
        self.selection = selection

    @property
    @abstractmethod
    def columns(self) -> Sequence[Column]: ...

    @abstractmethod
    def count(self) -> int: ...

    @abstractmethod
    def rows(self, limit: int | None = None) -> Iterator[Row]:
        """All rows as they stream, or those of the first `limit` things that the table is made from."""

    def first(self) -> Row | None:
        return next(self.rows(limit=20), None)


class LongTable(ExportTable):
    """One row per score. `manage.py load` reads it back."""

    name = "long"

    @property
    def columns(self) -> Sequence[Column]:
        return [
            Column("prompt_id", width=24, about=_("the prompt’s id")),
            Column("model", Kind.CATEGORY, 24, _("the model that wrote the response")),
            Column("rater", Kind.CATEGORY, 9, _("the rater’s pseudonym in this project")),
            Column("axis", Kind.CATEGORY, 16, _("the axis’ key")),
            Column("score", Kind.NUMBER, 8, _("the value given; empty when the rater could not judge")),
            Column("turn", Kind.INTEGER, 7, _("the turn of the response, from 1")),
            Column("sample", Kind.INTEGER, 9, _("which of several responses of one model to one prompt, from 0")),
            Column("na_reason", Kind.CATEGORY, 16, _("why the rater could not judge; empty beside a score")),
            Column("rated_at", Kind.TIME, 28, _("when the rating was submitted (UTC)")),
            Column("comment", width=40, about=_("the rater’s comment on the response, the same on each axis")),
            Column("purpose", Kind.CATEGORY, 12, _("why the rating was asked for; “main” is what agreement counts")),
            Column("batch", Kind.CATEGORY, 20, _("the batch’s name")),
            Column("rubric", Kind.INTEGER, 8, _("the version of the rubric that it was rated under")),
            Column("occasion", Kind.INTEGER, 10, _("above 1 where the rater rated the same item again")),
            Column("seconds", Kind.NUMBER, 10, _("time spent on the whole response, idle time left out")),
            Column("flagged", Kind.BOOLEAN, 9, _("whether the rater flagged the response")),
            Column("origin", Kind.CATEGORY, 9, _("“here”, or “loaded” from a file")),
            Column("rater_kind", Kind.CATEGORY, 11, RATER_KIND),
        ]  # fmt: skip

    def count(self) -> int:
        return int(self.selection.counts["scores"])

    def rows(self, limit: int | None = None) -> Iterator[Row]:
        for one in self.selection.ratings(limit):
            before = (one.prompt, one.model, one.rater)
            after = (
                one.submitted_at,
                one.comment,
                one.purpose,
                one.batch.name,
                one.batch.rubric,
                one.occasion,
                one.seconds,
                one.flagged,
                one.origin,
                one.rater_kind,
            )
            for pk, axis in one.batch.axes:
                if pk in one.scores:
                    value, na_reason = one.scores[pk]
                    yield (*before, axis, value, one.turn, one.sample, na_reason, *after)


class WideTable(ExportTable):
    """One row per assignment that a rater has done with, a column per axis.

    An axis without a score is empty; where the rater could not judge, the column beside it says why. A skipped
    assignment is a row without scores.
    """

    name = "wide"

    _BEFORE = (
        Column("prompt_id", width=24, about=_("the prompt’s id")),
        Column("model", Kind.CATEGORY, 24, _("the model that wrote the response")),
        Column("turn", Kind.INTEGER, 7, _("the turn of the response, from 1")),
        Column("sample", Kind.INTEGER, 9, _("which of several responses of one model to one prompt, from 0")),
        Column("rater", Kind.CATEGORY, 9, _("the rater’s pseudonym in this project")),
        Column("state", Kind.CATEGORY, 11, _("“submitted”, or “skipped” by the rater")),
    )
    _AFTER = (
        Column("comment", width=40, about=_("the rater’s comment on the response")),
        Column("flagged", Kind.BOOLEAN, 9, _("whether the rater flagged the response")),
        Column("skip_reason", width=24, about=_("why the rater skipped the response")),
        Column("rated_at", Kind.TIME, 28, _("when the rating was submitted (UTC)")),
        Column("seconds", Kind.NUMBER, 10, _("time spent on the response, idle time left out")),
        Column("purpose", Kind.CATEGORY, 12, _("why the rating was asked for; “main” is what agreement counts")),
        Column("batch", Kind.CATEGORY, 20, _("the batch’s name")),
        Column("rubric", Kind.INTEGER, 8, _("the version of the rubric that it was rated under")),
        Column("occasion", Kind.INTEGER, 10, _("above 1 where the rater rated the same item again")),
        Column("origin", Kind.CATEGORY, 9, _("“here”, or “loaded” from a file")),
        Column("rater_kind", Kind.CATEGORY, 11, RATER_KIND),
    )  # fmt: skip

    @property
    def columns(self) -> Sequence[Column]:
        taken = {one.name for one in (*self._BEFORE, *self._AFTER)}
        axes: list[Column] = []
        for key in self.selection.axes:
            name = key
            while name in taken or f"{name}_na_reason" in taken:  # an axis may be called “comment”
                name = f"axis_{name}"
            taken |= {name, f"{name}_na_reason"}
            score = gettext("the score on the axis “%(axis)s”; empty when there is none") % {"axis": key}
            reason = gettext("why the rater could not judge on the axis “%(axis)s”") % {"axis": key}
            axes += [
                Column(name, Kind.NUMBER, max(8, len(name) + 3), score),
                Column(f"{name}_na_reason", Kind.CATEGORY, 16, reason),
            ]
        return [*self._BEFORE, *axes, *self._AFTER]

    def count(self) -> int:
        return int(self.selection.counts["submitted"] + self.selection.counts["skipped"])

    def rows(self, limit: int | None = None) -> Iterator[Row]:
        axes = self.selection.axes
        nothing = (None, None)
        places: dict[tuple[tuple[int, str], ...], list[int | None]] = {}
        for one in self.selection.ratings(limit):
            if (pks := places.get(one.batch.axes)) is None:
                by_key = {key: pk for pk, key in one.batch.axes}
                pks = places[one.batch.axes] = [by_key.get(key) for key in axes]
            cells = [cell for pk in pks for cell in (one.scores.get(pk, nothing) if pk else nothing)]
            yield (
                one.prompt,
                one.model,
                one.turn,
                one.sample,
                one.rater,
                one.state,
                *cells,
                one.comment,
                one.flagged,
                one.skip_reason,
                one.submitted_at,
                one.seconds,
                one.purpose,
                one.batch.name,
                one.batch.rubric,
                one.occasion,
                one.origin,
                one.rater_kind,
            )


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
    )

    def count(self) -> int:
        return self.selection.responses.count()

    def rows(self, limit: int | None = None) -> Iterator[Row]:
        for *said, truncated in self.selection.responses.values_list(
            "prompt__key", "model__name", "sample", "turns", "generation", "metadata", "truncated"
        )[:limit].iterator(chunk_size=CHUNK // 4):
            yield (*said, [str(turn) for turn in truncated])


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


class AgreementTable(ExportTable):
    """One row per figure of agreement of each axis, from the function that the monitor and `manage.py agreement` call."""

    name = "agreement"
    columns = (
        Column("axis", Kind.CATEGORY, 16, _("the axis’ key")),
        Column("figure", Kind.CATEGORY, 20, _("which figure, as `manage.py agreement --json` names it")),
        Column("value", Kind.NUMBER, 10, _("the figure; empty where it is undefined")),
        Column("low", Kind.NUMBER, 10, _("lower end of its interval")),
        Column("high", Kind.NUMBER, 10, _("upper end of its interval")),
        Column(
            "level", Kind.NUMBER, 8, _("of the interval: 0.95 is made to cover the truth 95 times in 100")
        ),
        Column("method", Kind.CATEGORY, 18, _("how the interval was made")),
        Column("seed", Kind.INTEGER, 8, _("of the resamples: the same one gives the same interval")),
        Column("n", Kind.INTEGER, 8, _("items that the figure was computed from")),
        Column("units", Kind.INTEGER, 8, _("prompts, or items, that were resampled")),
        Column("reason", Kind.CATEGORY, 24, _("why there is no figure, or no interval")),
        Column("definition", width=60, about=_("which definition it follows")),
    )

    @cached_property
    def _figures(self) -> list[Row]:
        selection = self.selection
        said = as_json(agreement(project=selection.project, batch=selection.batch))
        return [
            (
                axis["axis"],
                name,
                *(figure.get(field) for field in ("value", "low", "high", "level", "method")),
                said["seed"],
                figure.get("n"),
                figure.get("units"),
                figure.get("reason") or figure.get("no_interval"),
                axis["variants"].get(name),
            )
            for axis in said["axes"]
            for name, figure in _figures_of(axis)
        ]

    def count(self) -> int:
        if "_figures" in self.__dict__:
            return len(self._figures)
        # Said on a page before anything is computed: every axis has the same figures.
        rubrics = self.selection.batches.values_list("rubric_id", flat=True).distinct()
        return len(axes_of(self.selection.project, rubrics)) * FIGURES_OF_AN_AXIS

    def first(self) -> Row | None:
        """None: an example is not worth computing all of them."""
        return None

    def rows(self, limit: int | None = None) -> Iterator[Row]:
        return iter(self._figures[:limit])


FIGURES_OF_AN_AXIS = 13


def _figures_of(axis: dict[str, Any], before: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Figures of an axis under their full names: “alpha.ordinal”, “exact”, “na.exact”."""
    for name, said in axis.items():
        if isinstance(said, dict) and "value" in said:
            yield f"{before}{name}", said
        elif isinstance(said, dict) and name in ("alpha", "na"):
            yield from _figures_of(said, f"{name}.")


class AboutTable(ExportTable):
    """What the file holds, and what each column means. It says nothing of when it was made: the file's name does."""

    name = "about"
    columns = (
        Column("sheet", width=14),
        Column("name", width=28),
        Column("meaning", width=100),
    )

    def _lines(self) -> Iterator[Row]:
        selection = self.selection
        batch = selection.batch.name if selection.batch else gettext("all batches")
        yield "", gettext("project"), f"{selection.project.title} ({selection.project.slug})"
        if selection.project.is_simulated:
            yield "", gettext("simulated"), gettext("The ratings were made by a program, not by people.")
        yield "", gettext("batch"), batch
        yield "", gettext("ratings submitted"), str(selection.counts["submitted"])
        yield "", gettext("scores, with “cannot judge”"), str(selection.counts["scores"])
        yield "", gettext("assignments skipped"), str(selection.counts["skipped"])
        yield (
            "",
            gettext("empty cells"),
            gettext("No score and no reason: not rated. No score but a reason: the rater could not judge. 0 is a score."),
        )  # fmt: skip
        for table in (LongTable, WideTable, PromptTable, ResponseTable, AxisTable, AgreementTable):
            for one in table(selection).columns:
                yield table.name, one.name, str(one.about)

    def count(self) -> int:
        return sum(1 for _line in self._lines())

    def rows(self, limit: int | None = None) -> Iterator[Row]:
        return islice(self._lines(), limit)


TABLES: dict[str, type[ExportTable]] = {
    table.name: table
    for table in (LongTable, WideTable, PromptTable, ResponseTable, AxisTable, AgreementTable, AboutTable)
}
