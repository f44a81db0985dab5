"""Ratings: a row per score, or a row per assignment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from exports.files import Column, Kind, Row
from exports.tables.base import ExportTable

RATER_KIND = _("“person”; “position”, a place in a list that stands for nobody; or “simulated”")


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
