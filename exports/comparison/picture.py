"""What is drawn of a comparison, in the reader's words."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from annotation.agreement.words import REASONS
from exports.comparison.axis import AxisComparison
from exports.comparison.plots import AxisPlot, CurvePoint, Mean, comparison_spec
from exports.comparison.project import ProjectComparison
from stats.estimate import Estimate, Result, Undefined


def picture(found: ProjectComparison) -> dict[str, Any]:
    """Each axis with the means of people and of all judges, and the curves of the alternative annotator test."""
    people = _("people")
    judges = [of.judge.name for of in found.judges]
    places = range(len(found.judges[0].axes)) if found.judges else range(0)
    axes = [_axis(people, {of.judge.name: of.axes[place] for of in found.judges}) for place in places]
    words = {
        "title": _("Judges beside people: %(project)s") % {"project": found.project.slug},
        "description": _(
            "Means of each model by people and by judges, with intervals; winning rates over epsilon."
        ),
        "mean": _("mean score and its interval"),
        "epsilon": _("epsilon"),
        "rate": _("winning rate"),
        "registered": _("Alternative annotator test"),
        "nothing": _("Nothing to compare."),
    }
    return comparison_spec(axes, who=[people, *judges], words=words)


def _axis(people: str, by_judge: dict[str, AxisComparison]) -> AxisPlot:
    first = next(iter(by_judge.values()))
    values = first.grid.values
    # People's means stand once: over what the first judge scored, too.
    means = [_mean(mean.model, people, mean.human) for mean in first.means]
    means += [_mean(mean.model, name, mean.judge) for name, of in by_judge.items() for mean in of.means]
    curve = [
        CurvePoint(name, point.epsilon, point.winning_rate.value, point.registered)
        for name, of in by_judge.items()
        for point in of.alt_test.curve
        if isinstance(point.winning_rate, Estimate)
    ]
    rate = first.alt_test.winning_rate
    return AxisPlot(
        title=f"{first.judged.axis.label} ({first.judged.axis.key})",
        low=float(values[0]),
        high=float(values[-1]),
        means=[mean for mean in means if mean is not None],
        curve=curve,
        no_curve=_("No curve: %(reason)s") % {"reason": REASONS[rate.reason]}
        if isinstance(rate, Undefined)
        else "",
    )


def _mean(model: str, who: str, figure: Result) -> Mean | None:
    if not isinstance(figure, Estimate):
        return None
    return Mean(model, who, figure.value, figure.low, figure.high, figure.n)
