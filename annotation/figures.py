"""Figures of agreement in words: a number with its interval and what it was computed from, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotation.agreement import AxisAgreement, ProjectAgreement
from projects.models import Axis
from stats.agreement import Metric, Panel
from stats.estimate import Estimate, Reason, Result

FEW_ITEMS = 30
"""Below so many items with two scores, alpha says little; the page says so beside it."""

BARS_WIDTH = 90
BARS_HEIGHT = 30

REASONS: dict[Reason, str | Promise] = {
    Reason.NO_SCORES: gettext_lazy("no scores yet"),
    Reason.NO_ITEM_WITH_TWO_SCORES: gettext_lazy("no item has two scores yet"),
    Reason.ONE_ITEM: gettext_lazy("only one item has two scores"),
    Reason.NO_VARIATION: gettext_lazy("undefined: every score is the same"),
    Reason.NO_VARIATION_BETWEEN_ITEMS: gettext_lazy("undefined: all items have the same mean"),
    Reason.NEGATIVE_VALUES: gettext_lazy("undefined for negative values"),
    Reason.NOT_ORDERED: gettext_lazy("the points have no order"),
    Reason.TWO_POINTS: gettext_lazy("there are two points only"),
    Reason.NO_NA: gettext_lazy("nobody said “cannot judge”"),
    Reason.ONE_UNIT: gettext_lazy("no interval: all items belong to one prompt"),
    Reason.UNDEFINED_RESAMPLES: gettext_lazy("no interval: undefined in too many resamples"),
    Reason.NO_SPREAD: gettext_lazy("no interval: all resamples are the same"),
    Reason.NOT_ASKED: gettext_lazy("no interval was asked for"),
}
METRICS: dict[Metric, str | Promise] = {
    "nominal": gettext_lazy("nominal"),
    "ordinal": gettext_lazy("ordinal"),
    "interval": gettext_lazy("interval"),
}
METHODS: dict[str, str | Promise] = {
    "cluster_bootstrap": gettext_lazy("bootstrap over prompts"),
    "cluster_jackknife": gettext_lazy("jackknife over prompts"),
    "item_bootstrap": gettext_lazy("bootstrap over items"),
    "item_jackknife": gettext_lazy("jackknife over items"),
}


@dataclass(frozen=True)
class Figure:
    """One number as a page shows it."""

    name: str
    value: str = ""
    """Empty where it is undefined; then `said` is the reason."""
    interval: str = ""
    said: str = ""
    n: int = 0
    method: str = ""


@dataclass(frozen=True)
class Bar:
    """How often a point was given."""

    value: str
    label: str
    count: int
    percent: int
    x: float
    y: float
    tall: float


@dataclass(frozen=True)
class AxisFigures:
    """What the monitor says about one axis."""

    axis: Axis
    versions: tuple[int, ...]
    panel: Panel
    alpha: Figure
    metric: str
    exact: Figure
    within_one: Figure
    more: list[Figure]
    bars: list[Bar]
    bar_width: float
    n_raters: int | None
    na_percent: str
    caution: str

    bars_width = BARS_WIDTH

    @property
    def plotted(self) -> tuple[Result, str]:
        """Headline alpha as it was computed, and its reason in words."""
        return self.panel.alpha[self.panel.headline], self.alpha.said


def figures(of: ProjectAgreement) -> list[AxisFigures]:
    return [_axis(axis) for axis in of.axes]


def _axis(of: AxisAgreement) -> AxisFigures:
    panel = of.panel
    metric = panel.headline
    headline = _figure(_("Krippendorff’s alpha"), panel.alpha[metric])
    others: list[tuple[str, Result, bool]] = [
        (_("Krippendorff’s alpha, {metric}").format(metric=METRICS[other]), panel.alpha[other], False)
        for other in panel.alpha
        if other != metric
    ]
    others += [
        (_("Mean difference between two raters, in points"), panel.mean_abs_difference, False),
        (_("Gwet’s AC2, quadratic weights"), panel.ac2, False),
        (_("Gwet’s AC1"), panel.ac1, False),
        (_("Brennan–Prediger"), panel.brennan_prediger, False),
        (_("Reliability of one rating, ICC(1,1)"), panel.icc_1_1, False),
        (_("Reliability of the mean, ICC(1,k)"), panel.icc_1_k, False),
        (_("Agreement on “cannot judge”"), panel.na_exact, True),
        (_("The same beyond chance, nominal alpha"), panel.na_alpha, False),
    ]
    rate = panel.na_rate
    return AxisFigures(
        axis=of.axis,
        versions=of.versions,
        panel=panel,
        alpha=headline,
        metric=str(METRICS[metric]),
        exact=_figure(_("Exact agreement"), panel.exact, percent=True),
        within_one=_figure(_("Agreement within one point"), panel.within_one, percent=True),
        more=[_figure(name, result, percent=percent) for name, result, percent in others],
        bars=_bars(of),
        bar_width=_bar_width(len(panel.distribution)),
        n_raters=of.n_raters,
        na_percent="" if rate is None else _percent(rate),
        caution=_caution(panel),
    )


def _figure(name: str, result: Result, *, percent: bool = False) -> Figure:
    if not isinstance(result, Estimate):
        return Figure(name, said=str(REASONS[result.reason]), n=result.n)
    shown = _percent if percent else number
    interval = said = ""
    if result.low is not None and result.high is not None:
        interval = f"{shown(result.low)} – {shown(result.high)}"
    elif result.no_interval is not None:
        said = str(REASONS[result.no_interval])
    method = str(METHODS.get(result.method, result.method))
    return Figure(name, shown(result.value), interval, said, result.n, method)


def number(value: float) -> str:
    """Two places and a real minus.

    >>> number(-0.0196), number(0.7149), number(-0.001)
    ('−0.02', '0.71', '0.00')
    """
    text = f"{value:.2f}"
    return "0.00" if text == "-0.00" else text.replace("-", "−")


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if 0 < share < 0.1 else f"{100 * share:.0f} %"


def _bars(of: AxisAgreement) -> list[Bar]:
    points = sorted(of.axis.points.all(), key=lambda point: point.value)
    counts = [int(count) for count in of.panel.distribution]
    most, total = max(counts, default=0) or 1, sum(counts) or 1
    step = BARS_WIDTH / len(points)
    tall = [max(1.5, BARS_HEIGHT * count / most) if count else 0.5 for count in counts]
    return [
        Bar(
            value=point.shown,
            label=point.label,
            count=count,
            percent=round(100 * count / total),
            x=round(place * step, 2),
            y=round(BARS_HEIGHT - height, 2),
            tall=round(height, 2),
        )
        for place, (point, count, height) in enumerate(zip(points, counts, tall, strict=True))
    ]


def _bar_width(points: int) -> float:
    step = BARS_WIDTH / points
    return round(step - min(3, step / 4), 2)


def _caution(panel: Panel) -> str:
    """What to keep in mind when reading alpha here. Calmly: neither is anybody's fault."""
    if panel.little_variation:
        return _(
            "Nearly all scores are the same here. Raters agree, but there is little variation, and alpha says little then."
        )
    if 0 < panel.n_pairable < FEW_ITEMS:
        return _("Fewer than {n} items have two scores: too few to lean on yet.").format(n=FEW_ITEMS)
    return ""
