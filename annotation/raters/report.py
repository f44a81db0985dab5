"""The raters of a project as text for a terminal: whom to look at, then every figure in tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotation.agreement.report import figure_in_words
from annotation.agreement.words import REASONS, WHERE_EXPLAINED
from annotation.legend import Legend, Letters
from annotation.raters import words
from annotation.raters.as_json import MEANS, OVER_AXES, sorted_by_pseudonym
from annotation.raters.project import ProjectRaters
from annotation.terminal import padded, width
from stats.estimate import Estimate, Reason, Result, Undefined
from stats.raters import AxisOfAll, Flag, Raised, RaterPanel

ON_AXIS = ("severity", "pearson", "residual_sd", "entropy", "modal_share", "longest_run", "drift")
ONLY_IF_KNOWN = ("gold", "retest")


def as_text(found: ProjectRaters) -> str:
    return "\n".join(_lines(found)) + "\n"


def _lines(found: ProjectRaters) -> Iterator[str]:
    if found.batch:
        yield _("Raters of %(project)s, batch “%(batch)s”") % {
            "project": found.project.slug,
            "batch": found.batch.name,
        }
    else:
        yield _("Raters of %(project)s, all batches") % {"project": found.project.slug}
    if found.batch and found.does_not_count:
        yield _(
            "This batch is for “%(purpose)s”: its ratings are not independent ones of the design, and are not counted."
        ) % {"purpose": found.batch.get_purpose_display()}
    panel = found.panel
    if isinstance(panel, Undefined):
        yield _("Nothing to say about raters: %(reason)s.") % {"reason": REASONS[panel.reason]}
        return
    yield from _design(panel)
    yield ""
    yield from _whom_to_look_at(found, panel)
    letters = Letters()
    for place, axis in enumerate(panel.axes):
        yield ""
        yield from _axis(found, panel, place, axis, letters)
    yield ""
    yield from _over_axes(found, panel, letters)
    yield ""
    yield _(
        "%(level)s %% intervals, linearised and clustered by prompt: for these raters and other prompts."
    ) % {"level": f"{100 * found.level:g}"}
    yield _(
        "Severity above 0 is lenient, below 0 severe; drift above 0: more lenient in the last third than in the first."
    )
    yield _(
        "A flag goes by the size of a figure and changes no data: look at the ratings before deciding anything."
    )
    yield ""
    yield str(WHERE_EXPLAINED)


def _design(panel: RaterPanel) -> Iterator[str]:
    health = panel.health
    counts = ngettext("%(n)s rater", "%(n)s raters", health.n_raters) % {"n": f"{health.n_raters:,}"}
    least, most = health.load
    each = ngettext("%(n)s item each", "%(n)s items each", most) % {"n": f"{most:,}"}
    if least < most:
        each = _("%(least)s to %(most)s items each") % {"least": f"{least:,}", "most": f"{most:,}"}
    yield f"{counts} · {each}"
    if not health.connected:
        yield "! " + _(
            "The raters fall into %(n)s groups that share no item: severities compare within a group only."
        ) % {"n": f"{health.components:,}"}
    elif health.connectivity is not None:
        yield _(
            "All are linked by shared items; connectivity %(value)s (0 falls apart, 1 or more is well linked)."
        ) % {"value": f"{health.connectivity:.3f}"}


def _whom_to_look_at(found: ProjectRaters, panel: RaterPanel) -> Iterator[str]:
    flagged = [one for one in sorted_by_pseudonym(found, panel) if one.flags]
    if not flagged:
        yield str(words.nobody_stands_out(panel))
        return
    yield _("Whom to look at")
    for one in flagged:
        yield f"  {found.pseudonyms[one.rater]}"
        for flag in dict.fromkeys(raised.flag for raised in one.flags):
            yield f"    {words.FLAGS[flag]}: " + ", ".join(
                said_of(found, raised) for raised in one.flags if raised.flag is flag
            )


def said_of(found: ProjectRaters, raised: Raised, *, labels: bool = False) -> str:
    """“fluency +0.71 (more than +0.50)”, with the axis' key or its label."""
    shares = {Flag.EQUAL_AXES, Flag.BELOW_FLOOR}
    signed = {Flag.LENIENT, Flag.SEVERE, Flag.DRIFT, Flag.FAST}

    def shown(value: float) -> str:
        if raised.flag in shares:
            return f"{100 * value:.0f} %"
        if raised.flag is Flag.LONG_RUN:
            return f"{value:.0f}"
        return f"{value:+.2f}" if raised.flag in signed else f"{value:z.2f}"

    more = raised.value > raised.threshold
    limit = _("more than %(limit)s") if more else _("less than %(limit)s")
    where = ""
    if raised.axis is not None:
        axis = found.axes[raised.axis].axis
        where = f"{axis.label if labels else axis.key} "
    return f"{where}{shown(raised.value)} ({limit % {'limit': shown(raised.threshold)}})"


def _axis(
    found: ProjectRaters, panel: RaterPanel, place: int, axis: AxisOfAll, letters: Letters
) -> Iterator[str]:
    of = found.axes[place]
    yield f"{of.axis.key} · {of.axis.label} · {of.axis.get_kind_display()}"
    counts = [
        ngettext("%(n)s score", "%(n)s scores", axis.n) % {"n": f"{axis.n:,}"},
        ngettext("%(n)s item with two scores or more", "%(n)s items with two scores or more", axis.n_pairable)
        % {"n": f"{axis.n_pairable:,}"},
    ]
    if axis.severity_sd is not None:
        counts.append(_("SD of severities %(sd)s") % {"sd": f"{axis.severity_sd:.2f}"})
    if axis.residual_sd is not None:
        counts.append(_("SD of a score without them %(sd)s") % {"sd": f"{axis.residual_sd:.2f}"})
    if axis.entropy is not None:
        counts.append(_("entropy of all scores %(bits)s bits") % {"bits": f"{axis.entropy:.2f}"})
    yield "  " + " · ".join(counts)
    if axis.n_components > 1:
        yield "  ! " + _(
            "The raters fall into %(n)s groups that share no item: severities compare within a group only."
        ) % {"n": f"{axis.n_components:,}"}
    several = axis.n_components > 1
    people = sorted_by_pseudonym(found, panel)
    names = [
        *(name for name in ON_AXIS if not _nowhere([getattr(one.axes[place], name) for one in people])),
        *(
            name
            for name in ONLY_IF_KNOWN
            if any(isinstance(getattr(one.axes[place], name), Estimate) for one in people)
        ),
    ]
    legend = _Legend(letters)
    rows = [
        [
            found.pseudonyms[one.rater],
            *(
                [str(one.axes[place].component + 1) if one.axes[place].component >= 0 else "–"]
                if several
                else []
            ),
            f"{one.axes[place].n:,}",
            *(legend.cell(name, getattr(one.axes[place], name)) for name in names),
        ]
        for one in people
    ]
    head = [
        _("rater"),
        *([_("group")] if several else []),
        "n",
        *(str(words.FIGURES[name]) for name in names),
    ]
    yield from _table(head, rows)
    yield from legend.lines()
    if axis.means is not None:
        legend = _Legend(letters)
        columns = [getattr(axis.means, name) for name in MEANS]
        rows = [
            [found.models[model], *(legend.cell("mean", column[model]) for column in columns)]
            for model in range(len(columns[0]))
            if not isinstance(columns[0][model], Undefined)
        ]
        yield "  " + _("Means of models")
        yield from _table([_("model"), *(str(words.MEANS[name]) for name in MEANS)], rows)
        yield from legend.lines()
    if reliable := found.reliability[place]:
        figure, halves = figure_in_words(reliable.stepped_up), figure_in_words(reliable.halves)
        if figure == halves:  # there is neither, for the same reason
            yield "  " + _("Reliability of the models' means: %(figure)s") % {"figure": figure}
        else:
            yield "  " + _(
                "Reliability of the models' means: %(figure)s (two halves of the raters: %(halves)s)"
            ) % {"figure": figure, "halves": halves}


def _over_axes(found: ProjectRaters, panel: RaterPanel, letters: Letters) -> Iterator[str]:
    yield _("Over all axes")
    people = sorted_by_pseudonym(found, panel)
    legend = _Legend(letters)
    rows = [
        [
            found.pseudonyms[one.rater],
            f"{one.n:,}",
            *(legend.cell(name, getattr(one, name)) for name in OVER_AXES),
        ]
        for one in people
    ]
    if isinstance(panel.halo, Estimate):
        everybody = ["" for _name in OVER_AXES]
        everybody[OVER_AXES.index("halo")] = legend.cell("halo", panel.halo)
        if panel.equal_axes is not None:
            everybody[OVER_AXES.index("equal_axes")] = f"{100 * panel.equal_axes:.0f} %"
        rows.append([_("all"), f"{sum(one.n for one in people):,}", *everybody])
    yield from _table([_("rater"), "n", *(str(words.FIGURES[name]) for name in OVER_AXES)], rows)
    yield from legend.lines()
    yield "  " + _("Too fast to read: less than a second for %(n)s characters.") % {
        "n": f"{found.reading_speed:g}"
    }


def _nowhere(column: Sequence[Result]) -> bool:
    """Whether a figure does not exist on such an axis."""
    return all(isinstance(one, Undefined) and one.reason is Reason.NOT_ORDERED for one in column)


class _Legend(Legend):
    """Of a table in a terminal."""

    def cell(self, name: str, figure: Result) -> str:
        """“+0.35 [+0.12, +0.58]”, “– a”"""
        letter = self.letter(figure)
        letter = f" {letter}" if letter else ""
        if isinstance(figure, Undefined):
            return f"–{letter}"
        if figure.low is None or figure.high is None:
            return number(name, figure.value) + letter
        ends = f"[{number(name, figure.low, end=True)}, {number(name, figure.high, end=True)}]"
        return f"{number(name, figure.value)} {ends}"


def number(name: str, value: float, *, end: bool = False) -> str:
    """A figure in the manner of its kind; the end of an interval without the percent sign."""
    if name in words.SHARES:
        return f"{100 * value:.0f}" + ("" if end else " %")
    if name in words.SIGNED:
        return f"{value:+z.2f}" if round(value, 2) else "0.00"
    if name == "longest_run":
        return f"{value:.0f}"
    return f"{value:z.0f}" if name == "seconds" and value >= 10 else f"{value:z.2f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(width(row[at]) for row in [head, *rows]) for at in range(len(head))]
    for row in [head, *rows]:
        yield "    " + "  ".join(map(padded, row, widths)).rstrip()
