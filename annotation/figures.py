"""Figures of agreement in words: a number with its interval and what it was computed from, or why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from annotation.agreement import AxisAgreement, ProjectAgreement
from annotation.agreement.words import FEW_ITEMS as FEW_ITEMS_WORDS
from annotation.agreement.words import FEW_PROMPTS as FEW_PROMPTS_WORDS
from annotation.agreement.words import FIGURES, LITTLE_VARIATION, METHODS, METRICS, NO_INTERVAL, REASONS
from projects.models import Axis
from stats.agreement import FEW_ITEMS, Method, Panel
from stats.estimate import Estimate, Result

BARS_WIDTH = 90
BARS_HEIGHT = 30

_MORE = [
    "mean_abs_difference",
    "ac2",
    "ac1",
    "brennan_prediger",
    "icc_1_1",
    "icc_1_k",
    "na_exact",
    "na_alpha",
]
_SHARES = {"na_exact"}


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
    about: str = ""
    """The key of its entry in `annotation.explanations`."""


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
    about_caution: str

    bars_width = BARS_WIDTH

    @property
    def plotted(self) -> tuple[Result, str]:
        """Headline alpha as it was computed, and its reason in words."""
        return self.panel.alpha[self.panel.headline], self.alpha.said


def figures(of: ProjectAgreement) -> list[AxisFigures]:
    return [_axis(axis) for axis in of.axes]


def few_prompts(axes: Sequence[AxisFigures]) -> str:
    """Of all axes together, since it is the same prompts; nothing where each has a stronger word of its own."""
    few = [axis.panel.n_prompts or 0 for axis in axes if axis.panel.few_prompts and not axis.panel.few_items]
    return str(FEW_PROMPTS_WORDS) % {"n": max(few)} if few else ""


def _axis(of: AxisAgreement) -> AxisFigures:
    panel = of.panel
    metric = panel.headline
    headline = _figure(_("Krippendorff’s alpha"), panel.alpha[metric], about="alpha")
    more = [
        _figure(
            _("Krippendorff’s alpha, {metric}").format(metric=METRICS[other]),
            panel.alpha[other],
            about="alpha-metrics",
        )
        for other in panel.alpha
        if other != metric
    ]
    more += [
        _figure(
            str(FIGURES[name]),
            getattr(panel, name),
            about=name.replace("_", "-"),
            percent=name in _SHARES,
        )
        for name in _MORE
    ]
    rate = panel.na_rate
    caution, about_caution = _caution(panel)
    return AxisFigures(
        axis=of.axis,
        versions=of.versions,
        panel=panel,
        alpha=headline,
        metric=str(METRICS[metric]),
        exact=_figure(_("Exact agreement"), panel.exact, about="exact", percent=True),
        within_one=_figure(
            _("Agreement within one point"), panel.within_one, about="within-one", percent=True
        ),
        more=more,
        bars=_bars(of),
        bar_width=_bar_width(len(panel.distribution)),
        n_raters=of.n_raters,
        na_percent="" if rate is None else _percent(rate),
        caution=caution,
        about_caution=about_caution,
    )


def _figure(name: str, result: Result, *, about: str, percent: bool = False) -> Figure:
    if not isinstance(result, Estimate):
        return Figure(name, said=str(REASONS[result.reason]), n=result.n, about=about)
    shown = _percent if percent else number
    interval = said = ""
    if result.low is not None and result.high is not None:
        interval = f"{shown(result.low)} – {shown(result.high)}"
    elif result.no_interval is not None:
        said = str(NO_INTERVAL[result.no_interval])
    method = str(METHODS[Method(result.method)])
    return Figure(name, shown(result.value), interval, said, result.n, method, about)


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


def _caution(panel: Panel) -> tuple[str, str]:
    """What to keep in mind when reading alpha here, and where more of it is said. Calmly: neither is anybody's fault."""
    if panel.little_variation:
        return str(LITTLE_VARIATION), "little-variation"
    return (str(FEW_ITEMS_WORDS) % {"n": FEW_ITEMS}, "few-items") if panel.few_items else ("", "")
