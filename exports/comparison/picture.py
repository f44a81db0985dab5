"""What is drawn of a comparison, in the reader's words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _

from annotation.agreement.words import REASONS
from exports.comparison.axis import AxisComparison
from exports.comparison.plots import AxisPlot, CurvePoint, Mean, comparison_spec
from exports.comparison.project import ProjectComparison
from exports.comparison.verdicts.figures import PairComparison
from stats.estimate import Estimate, Result, Undefined


def picture(found: ProjectComparison) -> dict[str, Any]:
    """Each axis with the means of people and of all judges, and the curves of the alternative annotator test."""
    people = _("people")
    judges = [of.judge.name for of in found.judges]
    scoring = [of for of in found.judges if of.axes]
    places = range(len(scoring[0].axes)) if scoring else range(0)
    axes = [_axis(people, {of.judge.name: of.axes[place] for of in scoring}) for place in places]
    axes += _win_rates(people, found)
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


def _win_rates(people: str, found: ProjectComparison) -> Iterator[AxisPlot]:
    """By what the judges compared in; people's beside them where their scores are on one axis alone."""
    by_axis: dict[str, list[tuple[str, PairComparison]]] = {}
    for of in found.judges:
        for one in of.verdicts:
            by_axis.setdefault(one.pairs.axis, []).append((of.judge.name, one))
    for axis, judges in by_axis.items():
        means = [
            _mean(rates.model, name, rates.rates.adjusted) for name, one in judges for rates in one.models
        ]
        first = judges[0][1]
        if len(first.people) == 1:
            names = first.pairs.models
            means += [
                _mean(model, people, one.human)
                for model, one in zip(names, first.people[0].found.models, strict=True)
            ]
        title = _("Win rates: %(axis)s") % {"axis": axis} if axis else _("Win rates")
        yield AxisPlot(
            title=title,
            low=0.0,
            high=1.0,
            means=[mean for mean in means if mean is not None],
            curve=[],
            label=_("win rate and its interval"),
        )


def _mean(model: str, who: str, figure: Result) -> Mean | None:
    if not isinstance(figure, Estimate):
        return None
    return Mean(model, who, figure.value, figure.low, figure.high, figure.n)
