"""Raters as the page shows them: whom to look at, then a table for one axis, each cell with its interval or its reason."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.utils.translation import gettext as _

from annotation.figures import Figure
from annotation.figures import number as plain
from annotation.legend import Legend, Letters
from annotation.raters import words
from annotation.raters.as_json import MEANS, sorted_by_pseudonym
from annotation.raters.project import ProjectRaters
from annotation.raters.report import said_of
from stats.estimate import Estimate, Reason, Result
from stats.raters import OneRater, RaterPanel

ON_AXIS = (
    ("severity", "severity"),
    ("pearson", "rest-correlation"),
    ("residual_sd", "residual-spread"),
    ("entropy", "entropy"),
    ("drift", "drift"),
)
"""Figures of a rater on an axis, and their entries in `annotation.explanations`."""
OVER_AXES = (("equal_axes", "equal-axes"), ("halo", "halo"), ("pace", "time"))


_HYPHEN = re.compile(r"(?<=[ (])-(?=\d)")
"""That stands for a minus."""


@dataclass(frozen=True)
class Remark:
    """A rater to look at, and why."""

    rater: str
    reasons: list[str]
    in_doubt: bool


@dataclass(frozen=True)
class Row:
    rater: str
    n: int
    group: str
    figures: list[Figure]
    flags: list[str]


@dataclass(frozen=True)
class ModelRow:
    model: str
    means: list[Figure]


@dataclass(frozen=True)
class Column:
    name: str
    about: str


@dataclass(frozen=True)
class AxisPage:
    """One axis, everybody on it."""

    columns: list[Column]
    rows: list[Row]
    groups: int
    models: list[ModelRow]
    means: list[str]
    """Names of the columns of means."""
    notes: list[tuple[str, str]]
    """What the letters in the cells stand for: why a figure or its interval does not exist."""
    notes_on_models: list[tuple[str, str]]


def remarks(found: ProjectRaters, panel: RaterPanel) -> list[Remark]:
    shown = []
    for one in sorted_by_pseudonym(found, panel):
        flags = dict.fromkeys(raised.flag for raised in one.flags)
        reasons = [
            f"{words.FLAGS[flag]}: "
            + ", ".join(said_of(found, raised, labels=True) for raised in one.flags if raised.flag is flag)
            for flag in flags
        ]
        if reasons:
            reasons = [_HYPHEN.sub("−", reason) for reason in reasons]
            shown.append(Remark(found.pseudonyms[one.rater], reasons, one.rater in panel.in_doubt))
    return shown


def axis_page(found: ProjectRaters, panel: RaterPanel, place: int) -> AxisPage:
    people = sorted_by_pseudonym(found, panel)
    letters = Letters()
    legend, of_models = _Legend(letters), _Legend(letters)
    of_all = panel.axes[place]
    names = [
        (name, about)
        for name, about in ON_AXIS
        if not all(_without_order(getattr(one.axes[place], name)) for one in people)
    ]
    rows = [
        _row(found, one, place, [name for name, _about in names], of_all.n_components, legend)
        for one in people
    ]
    models = []
    if of_all.means is not None:
        columns = [getattr(of_all.means, name) for name in MEANS]
        models = [
            ModelRow(found.models[model], [of_models.figure("mean", column[model]) for column in columns])
            for model in range(len(columns[0]))
            if isinstance(columns[0][model], Estimate)
        ]
    return AxisPage(
        columns=[Column(str(words.FIGURES[name]), about) for name, about in (*names, *OVER_AXES)],
        rows=rows,
        groups=of_all.n_components,
        models=models,
        notes=legend.notes,
        notes_on_models=of_models.notes,
        means=[str(words.MEANS[name]) for name in MEANS],
    )


def _row(
    found: ProjectRaters, one: OneRater, place: int, names: list[str], groups: int, legend: _Legend
) -> Row:
    axis = one.axes[place]
    here = dict.fromkeys(raised.flag for raised in one.flags if raised.axis in (place, None))
    group = ""
    if groups > 1:
        group = str(axis.component + 1) if axis.component >= 0 else _("none")
    return Row(
        rater=found.pseudonyms[one.rater],
        n=axis.n,
        group=group,
        figures=[
            *(legend.figure(name, getattr(axis, name)) for name in names),
            *(legend.figure(name, getattr(one, name)) for name, _about in OVER_AXES),
        ],
        flags=[str(words.SHORT[flag]) for flag in here],
    )


def _without_order(figure: Result) -> bool:
    return not isinstance(figure, Estimate) and figure.reason is Reason.NOT_ORDERED


class _Legend(Legend):
    """Of a table on the page."""

    def figure(self, name: str, result: Result) -> Figure:
        letter = self.letter(result)
        if not isinstance(result, Estimate):
            return Figure(name, said=f"— {letter}", n=result.n)
        if result.low is None or result.high is None:
            return Figure(name, _shown(name, result.value), said=letter, n=result.n)
        ends = f"{_shown(name, result.low)} – {_shown(name, result.high)}"
        return Figure(name, _shown(name, result.value), ends, n=result.n)


def _shown(name: str, value: float) -> str:
    if name in words.SHARES:
        return f"{100 * value:.0f} %"
    if name == "seconds":
        return f"{value:.0f}"
    text = plain(value)
    return f"+{text}" if name in words.SIGNED and value > 0 and text != "0.00" else text
