"""A plan as JSON and as text."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.utils.translation import gettext as _

from annotation.agreement import words as agreement_words
from annotation.agreement.report import figure_as_json, figure_in_words
from annotation.planning import words
from annotation.planning.pilot import Pilot
from projects.models import Project
from stats.design.components import named
from stats.design.planner import (
    FIGURES,
    Agreement,
    Assignment,
    Change,
    Plan,
    Width,
    buys_most,
    changes,
)
from stats.estimate import Estimate, Undefined


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
    yield _(
        "Plan: %(prompts)s prompts × %(models)s models, each response rated by %(k)s of %(raters)s raters"
    ) % {
        "prompts": f"{plan.prompts:,}",
        "models": f"{plan.models:,}",
        "k": plan.raters_per_item,
        "raters": f"{plan.raters:,}",
    }
    yield "  " + _(
        "%(items)s items · %(ratings)s ratings · about %(each)s for each rater · %(assignment)s"
    ) % {
        "items": f"{plan.items:,}",
        "ratings": f"{plan.ratings:,}",
        "each": f"{plan.ratings_per_rater:,.0f}",
        "assignment": words.ASSIGNMENTS[plan.assignment],
    }
    yield ""
    if project:
        yield _("What %(project)s tells so far") % {"project": project.slug}
        for of in found:
            yield from _pilot_lines(of)
        yield ""
    yield from _table(_("Variances planned with, in squared points"), axes, _variances(found))
    yield ""
    level = f"{100 * plan.level:g}"
    widths = [
        (str(words.FIGURES[figure]), [_width(of.plan.half_width(figure)) for of in found])
        for figure in FIGURES
    ]
    yield from _table(_("Half-widths of %(level)s %% intervals") % {"level": level}, axes, widths)
    if half_width is not None:
        yield ""
        yield from _table(
            _("For ±%(width)s it takes, all else as planned") % {"width": f"{half_width:g}"},
            axes,
            _needs(found, half_width),
        )
    yield ""
    for of in found:
        yield from _change_lines(of, several=len(found) > 1)
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
    yield f"  {pilot.axis.key} · {pilot.axis.label} · " + _("%(n)s scores on %(prompts)s prompts") % {
        "n": f"{found.n_ratings:,}",
        "prompts": f"{found.n_prompts:,}",
    }
    rows = [(str(agreement_words.METRICS["ordinal"]), pilot.alpha)]
    rows = [(_("alpha, %(metric)s") % {"metric": label}, figure) for label, figure in rows]
    rows += [
        (str(words.COMPONENTS[name]), figure) for name, figure in named(found) if name in words.COMPONENTS
    ]
    width = max(_columns(label) for label, _figure in rows)
    for label, figure in rows:
        yield f"    {_padded(label, width)}  {figure_in_words(figure)}"


def _variances(found: Sequence[Planned]) -> list[tuple[str, list[str]]]:
    rows = [
        (str(label), [f"{getattr(of.plan.components, name):.3f}" for of in found])
        for name, label in words.COMPONENTS.items()
        if name != "model"  # plays no part in these intervals
    ]
    return [*rows, (_("alpha to expect"), [f"{of.plan.agreement.alpha:z.2f}" for of in found])]


def _needs(found: Sequence[Planned], half_width: float) -> list[tuple[str, list[str]]]:
    rows = []
    for figure in FIGURES:
        label = words.FIGURES[figure]
        prompts = [of.plan.prompts_for(half_width, figure) for of in found]
        raters = [of.plan.raters_per_item_for(half_width, figure) for of in found]
        rows.append((_("%(figure)s: prompts") % {"figure": label}, [_number(n) for n in prompts]))
        rows.append((_("%(figure)s: or raters per item") % {"figure": label}, [_number(n) for n in raters]))
    return rows


def _change_lines(of: Planned, *, several: bool) -> Iterator[str]:
    """A column for each change; the one that narrows a figure most is marked."""
    heading = _("What narrows it")
    if several:
        heading = _("What narrows it: %(axis)s") % {"axis": of.name}
    rows = []
    for figure in FIGURES:
        best = buys_most(of.plan, figure)
        shrinks = [change.narrower[figure] for change in of.changes]
        rows.append(
            (
                str(words.FIGURES[figure]),
                [
                    _percent(by, best is not None and best.name == change.name)
                    for by, change in zip(shrinks, of.changes, strict=True)
                ],
            )
        )
    cost = (_("ratings more"), [f"{change.ratings:,}  " for change in of.changes])
    yield from _table(heading, [_change(of.plan, change) for change in of.changes], [*rows, cost])


def _percent(by: Width, best: bool) -> str:
    if isinstance(by, Undefined) or abs(by) < 0.005:
        return "–  "
    return f"{100 * by:.0f} %" + (" ←" if best else "  ")


def _change(before: Plan, change: Change) -> str:
    after = change.plan
    if change.name == "more_prompts":
        return _("%(n)s prompts more") % {"n": f"{after.prompts - before.prompts:,}"}
    if change.name == "more_raters_per_item":
        return _("a rater more per item")
    return _("%(n)s people more") % {"n": f"{after.raters - before.raters:,}"}


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
    first = max(_columns(heading) - 2, *(_columns(label) for label, _cells in rows))
    widths = [max(map(_columns, column)) for column in zip(heads, *(cells for _, cells in rows), strict=True)]
    for label, cells in [(heading, heads), *((f"  {label}", cells) for label, cells in rows)]:
        figures = "  ".join(
            _padded(cell, width, left=False) for cell, width in zip(cells, widths, strict=True)
        )
        yield f"{_padded(label, first + 2)}  {figures}".rstrip()


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _padded(text: str, width: int, *, left: bool = True) -> str:
    space = " " * (width - _columns(text))
    return text + space if left else space + text


def _width(width: Width) -> str:
    return "–" if isinstance(width, Undefined) else f"±{width:.3f}"


def _number(needed: int | Undefined) -> str:
    return "–" if isinstance(needed, Undefined) else f"{needed:,}"
