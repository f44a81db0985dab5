"""How well raters agree, a row per figure."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

from django.utils.translation import gettext_lazy as _

from annotation.agreement import agreement, as_json
from annotation.agreement.project import axes_of
from exports.files import Column, Kind, Row
from exports.tables.base import ExportTable


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
