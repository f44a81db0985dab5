"""A plan as JSON and as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotation.agreement import words as agreement_words
from annotation.agreement.report import figure_as_json, figure_in_words
from annotation.agreement.words import REASONS
from annotation.legend import Legend, Letters
from annotation.planning import words
from annotation.planning.pilot import Pilot
from annotation.terminal import padded, width
from projects.models import Project
from stats.design.components import named
from stats.design.planner import (
    FIGURES,
    MOST,
    Agreement,
    Assignment,
    Change,
    Plan,
    Width,
    buys_most,
    changes,
)
from stats.estimate import Estimate, Reason, Undefined


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan for one axis of a pilot, or from defaults."""

    plan: Plan
    pilot: Pilot | None

    @property
    def name(self) -> str:
        return self.pilot.axis.key if self.pilot else _("defaults")

    @property
    def changes(self) -> list[Change]:
        return changes(self.plan)


def planned(
    pilots: Sequence[Pilot],
    *,
    prompts: int,
    models: int,
    raters_per_item: int,
    raters: int,
    assignment: Assignment = "scattered",
    level: float = 0.95,
) -> list[Planned]:
    """The same plan for each axis of a pilot; from defaults without one. Raises ValueError for what cannot be."""
    plan = Plan(
        prompts=prompts,
        models=models,
        raters_per_item=raters_per_item,
        raters=raters,
        assignment=assignment,
        level=level,
    )
    return [
        Planned(
            replace(
                plan, components=pilot.components.components(), agreement=pilot.agreement or plan.agreement
            ),
            pilot,
        )
        for pilot in pilots
    ] or [Planned(plan, None)]


# JSON


def as_json(found: Sequence[Planned], *, project: Project | None, half_width: float | None) -> dict[str, Any]:
    plan = found[0].plan
    return {
        "project": project.slug if project else None,
        "level": plan.level,
        "plan": {
            "prompts": plan.prompts,
            "models": plan.models,
            "raters_per_item": plan.raters_per_item,
            "raters": plan.raters,
            "assignment": plan.assignment,
            "items": plan.items,
            "ratings": plan.ratings,
            "ratings_per_rater": plan.ratings_per_rater,
        },
        "half_width": half_width,
        "axes": [_axis_as_json(of, half_width) for of in found],
    }


def _axis_as_json(of: Planned, half_width: float | None) -> dict[str, Any]:
    plan, pilot = of.plan, of.pilot
    estimated = dict(named(pilot.components)) if pilot else {}
    axis: dict[str, Any] = {
        "axis": pilot.axis.key if pilot else None,
        "from": "ratings" if pilot else "defaults",
        "rubric_versions": list(pilot.versions) if pilot else [],
        "components": {
            name: {
                "planned": getattr(plan.components, name),
                **({"estimated": figure_as_json(estimated[name])} if name in estimated else {}),
            }
            for name in words.COMPONENTS
        },
        "alpha": {
            "expected": plan.agreement.alpha,
            "sigma": plan.agreement.sigma_k(plan.raters_per_item) if plan.raters_per_item > 1 else None,
            "from": "pilot" if plan.agreement.sigma is not None else "table",
            **({"estimated": figure_as_json(pilot.alpha)} if pilot else {}),
        },
        "half_widths": {figure: _width_as_json(plan.half_width(figure)) for figure in FIGURES},
        "changes": [
            {
                "change": change.name,
                "prompts": change.plan.prompts,
                "raters_per_item": change.plan.raters_per_item,
                "raters": change.plan.raters,
                "more_ratings": change.ratings,
                "narrower": {figure: _width_as_json(change.narrower[figure]) for figure in FIGURES},
            }
            for change in of.changes
        ],
        "buys_most": {
            figure: change.name if (change := buys_most(plan, figure)) else None for figure in FIGURES
        },
    }
    if half_width is not None:
        axis["for_half_width"] = {
            figure: {
                "prompts": _width_as_json(plan.prompts_for(half_width, figure)),
                "raters_per_item": _width_as_json(plan.raters_per_item_for(half_width, figure)),
            }
            for figure in FIGURES
        }
    return axis


def _width_as_json(width: Width) -> dict[str, Any]:
    if isinstance(width, Undefined):
        return {"value": None, "reason": str(width.reason)}
    return {"value": width}


# Text


def as_text(found: Sequence[Planned], *, project: Project | None, half_width: float | None) -> str:
    return "\n".join(_lines(found, project, half_width)) + "\n"


def _lines(found: Sequence[Planned], project: Project | None, half_width: float | None) -> Iterator[str]:
    plan, axes = found[0].plan, [of.name for of in found]
    yield _("Plan: %(prompts)s × %(models)s, each response rated by %(k)s of %(raters)s") % {
        "prompts": _counted(ngettext("%(n)s prompt", "%(n)s prompts", plan.prompts), plan.prompts),
        "models": _counted(ngettext("%(n)s model", "%(n)s models", plan.models), plan.models),
        "k": f"{plan.raters_per_item:,}",
        "raters": _counted(ngettext("%(n)s rater", "%(n)s raters", plan.raters), plan.raters),
    }
    yield "  " + " · ".join(
        [
            _counted(ngettext("%(n)s item", "%(n)s items", plan.items), plan.items),
            _counted(ngettext("%(n)s rating", "%(n)s ratings", plan.ratings), plan.ratings),
            _("about %(n)s for each rater") % {"n": f"{plan.ratings_per_rater:,.0f}"},
            str(words.ASSIGNMENTS[plan.assignment]),
        ]
    )
    yield ""
    if project:
        yield _("What %(project)s tells so far") % {"project": project.slug}
        for of in found:
            yield from _pilot_lines(of)
        yield ""
    yield from _table(_("Variances planned with, in squared points"), axes, _variances(found))
    yield ""
    level = f"{100 * plan.level:g}"
    letters = Letters()
    legend = Legend(letters)
    widths = [
        (
            str(words.FIGURES[figure]),
            [_or_why(of.plan.half_width(figure), "±{:.3f}", legend) for of in found],
        )
        for figure in FIGURES
    ]
    yield from _table(_("Half-widths of %(level)s %% intervals") % {"level": level}, axes, widths)
    yield from legend.lines()
    if half_width is not None:
        yield ""
        legend = Legend(letters)
        yield from _table(
            _("For ±%(width)s it takes, all else as planned") % {"width": f"{half_width:g}"},
            axes,
            _needs(found, half_width, legend),
        )
        yield from legend.lines()
    yield ""
    for of in found:
        yield from _change_lines(of, letters, several=len(found) > 1)
        yield ""
    for assumption in words.ASSUMPTIONS:
        yield f"  * {assumption}"
    for note in _notes(found):
        yield f"  ! {note}"
    yield ""
    yield str(agreement_words.WHERE_EXPLAINED)


def _pilot_lines(of: Planned) -> Iterator[str]:
    pilot = of.pilot
    if pilot is None:
        return
    found = pilot.components
    yield f"  {pilot.axis.key} · {pilot.axis.label} · " + " · ".join(
        [
            _counted(ngettext("%(n)s score", "%(n)s scores", found.n_ratings), found.n_ratings),
            _counted(ngettext("%(n)s prompt", "%(n)s prompts", found.n_prompts), found.n_prompts),
        ]
    )
    rows = [(str(agreement_words.METRICS["ordinal"]), pilot.alpha)]
    rows = [(_("alpha, %(metric)s") % {"metric": label}, figure) for label, figure in rows]
    rows += [
        (str(words.COMPONENTS[name]), figure) for name, figure in named(found) if name in words.COMPONENTS
    ]
    widest = max(width(label) for label, _figure in rows)
    for label, figure in rows:
        yield f"    {padded(label, widest)}  {figure_in_words(figure)}"


def _variances(found: Sequence[Planned]) -> list[tuple[str, list[str]]]:
    rows = [
        (str(label), [f"{getattr(of.plan.components, name):.3f}" for of in found])
        for name, label in words.COMPONENTS.items()
        if name != "model"  # plays no part in these intervals
    ]
    return [*rows, (_("alpha to expect"), [f"{of.plan.agreement.alpha:z.2f}" for of in found])]


def _needs(found: Sequence[Planned], half_width: float, legend: Legend) -> list[tuple[str, list[str]]]:
    rows = []
    for figure in FIGURES:
        prompts = [
            _or_why(
                of.plan.prompts_for(half_width, figure),
                "{:,}",
                legend,
                not_enough=_("not even %(n)s prompts are enough") % {"n": f"{MOST['prompts']:,}"},
            )
            for of in found
        ]
        raters = [
            _or_why(
                of.plan.raters_per_item_for(half_width, figure),
                "{:,}",
                legend,
                not_enough=ngettext(
                    "the only rater is not enough",
                    "not even all %(n)s raters at each item are enough",
                    of.plan.raters,
                )
                % {"n": f"{of.plan.raters:,}"},
            )
            for of in found
        ]
        label = words.FIGURES[figure]
        rows.append((_("%(figure)s: prompts") % {"figure": label}, prompts))
        rows.append((_("%(figure)s: or raters per item") % {"figure": label}, raters))
    return rows


def _change_lines(of: Planned, letters: Letters, *, several: bool) -> Iterator[str]:
    """A column for each change; the one that narrows a figure most is marked."""
    heading = _("What narrows it")
    if several:
        heading = _("What narrows it: %(axis)s") % {"axis": of.name}
    legend = Legend(letters)
    rows = []
    for figure in FIGURES:
        best = buys_most(of.plan, figure)
        cells = [
            _or_why(change.narrower[figure], "{:z.0%}", legend).replace("%", " %")
            + (" ←" if best is not None and best.name == change.name else "  ")
            for change in of.changes
        ]
        rows.append((str(words.FIGURES[figure]), cells))
    cost = (_("more ratings"), [f"{change.ratings:,}  " for change in of.changes])
    yield from _table(heading, [_change(of.plan, change) for change in of.changes], [*rows, cost])
    yield from legend.lines()


def _change(before: Plan, change: Change) -> str:
    after = change.plan
    if change.name == "more_prompts":
        more = after.prompts - before.prompts
        return _counted(ngettext("%(n)s more prompt", "%(n)s more prompts", more), more)
    if change.name == "more_raters_per_item":
        return _("one more rater per item")
    more = after.raters - before.raters
    return _counted(ngettext("%(n)s more rater", "%(n)s more raters", more), more)


def _counted(words: str, n: int) -> str:
    return words % {"n": f"{n:,}"}


def _notes(found: Sequence[Planned]) -> Iterator[str]:
    for of in found:
        if of.pilot is None:
            continue
        missing = [str(words.COMPONENTS[name]) for name in words.COMPONENTS if _by_default(of.pilot, name)]
        if missing:
            yield _("%(axis)s: defaults stand in for %(what)s.") % {
                "axis": of.name,
                "what": ", ".join(missing),
            }
        if of.pilot.agreement is None:
            yield _("%(axis)s: there is no alpha yet; %(alpha)s is a guess.") % {
                "axis": of.name,
                "alpha": Agreement().alpha,
            }
    if any(of.pilot is None for of in found):
        yield _(
            "Defaults are guesses for scores from 1 to 5. After a pilot, name the project to plan with its own figures."
        )


def _by_default(pilot: Pilot, name: str) -> bool:
    """Whether a component that plays a part could not be estimated."""
    if name == "model" or isinstance(getattr(pilot.components, name), Estimate):
        return False
    return not (name == "rater" and isinstance(pilot.components.residual, Estimate))


# Columns


def _table(heading: str, heads: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> Iterator[str]:
    """Rows of figures under `heads`; letters of double width count as two."""
    first = max(width(heading) - 2, *(width(label) for label, _cells in rows))
    widths = [max(map(width, column)) for column in zip(heads, *(cells for _, cells in rows), strict=True)]
    for label, cells in [(heading, heads), *((f"  {label}", cells) for label, cells in rows)]:
        figures = "  ".join(padded(cell, to, left=False) for cell, to in zip(cells, widths, strict=True))
        yield f"{padded(label, first + 2)}  {figures}".rstrip()


def _or_why(figure: Width, shown: str, legend: Legend, *, not_enough: str = "") -> str:
    """A figure, or a dash and the letter of the reason why there is none."""
    if not isinstance(figure, Undefined):
        return shown.format(figure)
    reason = str(words.REASONS.get(figure.reason, REASONS[figure.reason]))
    if figure.reason is Reason.NOT_ENOUGH and not_enough:
        reason = not_enough
    return f"– {legend.letter_of(reason)}"
