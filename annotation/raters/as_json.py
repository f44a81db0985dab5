"""The raters of a project as JSON (docs/methods.md)."""

from __future__ import annotations

from typing import Any

from annotation.agreement.report import figure_as_json
from annotation.raters.project import ProjectRaters
from stats.agreement.systems import SystemReliability
from stats.estimate import Undefined
from stats.raters import AxisOfAll, OneRater, RaterPanel

FIGURES = (
    "severity",
    "deviation",
    "pearson",
    "spearman",
    "residual_sd",
    "entropy",
    "modal_share",
    "longest_run",
    "drift",
    "drift_slope",
    "gold",
    "retest",
)
"""Of a rater on an axis."""
OVER_AXES = ("equal_axes", "halo", "seconds", "pace", "below_floor")
MEANS = ("plain", "adjusted", "plain_without", "adjusted_without")


def as_json(found: ProjectRaters) -> dict[str, Any]:
    head: dict[str, Any] = {
        "project": found.project.slug,
        "batch": found.batch.name if found.batch else None,
        "purpose": found.purpose,
        "computed_at": found.computed_at.isoformat(),
        "level": found.level,
        "reading_speed": found.reading_speed,
    }
    panel = found.panel
    if isinstance(panel, Undefined):
        return head | {"reason": str(panel.reason), "axes": [], "raters": []}
    health = panel.health
    return head | {
        "design": {
            "n_raters": health.n_raters,
            "components": health.components,
            "connectivity": health.connectivity,
            "n_pairs": health.n_pairs,
            "empty_pairs": health.empty_pairs,
            "load": list(health.load),
            "shared": list(health.shared),
        },
        "halo": figure_as_json(panel.halo),
        "equal_axes": panel.equal_axes,
        "in_doubt": [found.pseudonyms[rater] for rater in panel.in_doubt],
        "axes": [_axis(found, place, axis) for place, axis in enumerate(panel.axes)],
        "raters": [_rater(found, one) for one in sorted_by_pseudonym(found, panel)],
    }


def sorted_by_pseudonym(found: ProjectRaters, panel: RaterPanel) -> list[OneRater]:
    """R999 before R1000."""
    names = found.pseudonyms
    return sorted(panel.raters, key=lambda one: (len(names[one.rater]), names[one.rater]))


def _axis(found: ProjectRaters, place: int, axis: AxisOfAll) -> dict[str, Any]:
    of = found.axes[place]
    models = []
    if axis.means is not None:
        columns = [getattr(axis.means, name) for name in MEANS]
        models = [
            {"model": found.models[model]}
            | {name: figure_as_json(column[model]) for name, column in zip(MEANS, columns, strict=True)}
            for model in range(len(columns[0]))
        ]
    return {
        "axis": of.axis.key,
        "kind": of.axis.kind,
        "rubric_versions": list(of.versions),
        "n_ratings": axis.n,
        "n_pairable": axis.n_pairable,
        "components": axis.n_components,
        "residual_sd": axis.residual_sd,
        "severity_sd": axis.severity_sd,
        "entropy": axis.entropy,
        "models": models,
        "system_reliability": _reliability(found.reliability[place]),
    }


def _reliability(of: SystemReliability | None) -> dict[str, Any] | None:
    if of is None:
        return None
    return {
        "n_models": of.n_models,
        "n_prompts": of.n_prompts,
        "n_items": of.n_items,
        "splits": of.splits,
        "halves": figure_as_json(of.halves),
        "stepped_up": figure_as_json(of.stepped_up),
    }


def _rater(found: ProjectRaters, one: OneRater) -> dict[str, Any]:
    keys = [of.axis.key for of in found.axes]
    return {
        "rater": found.pseudonyms[one.rater],
        "n": one.n,
        "flags": [
            {
                "flag": str(raised.flag),
                "axis": None if raised.axis is None else keys[raised.axis],
                "value": raised.value,
                "threshold": raised.threshold,
                "n": raised.n,
            }
            for raised in one.flags
        ],
        **{name: figure_as_json(getattr(one, name)) for name in OVER_AXES},
        "axes": [
            {
                "axis": key,
                "n": axis.n,
                "n_shared": axis.n_shared,
                "n_na": axis.n_na,
                "component": None if axis.component < 0 else axis.component + 1,
                **{name: figure_as_json(getattr(axis, name)) for name in FIGURES},
            }
            for key, axis in zip(keys, one.axes, strict=True)
        ],
    }
