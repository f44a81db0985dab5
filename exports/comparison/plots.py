"""The picture of a comparison as a Vega-Lite spec: an axis a row, with the models' means, and the alternative
annotator test's winning rate over epsilon. No Django here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from annotation.plots import INK, Theme, look, on_paper, png, svg

KINDS = (".svg", ".png", ".html", ".json")
WIDTH = 440
CURVE_WIDTH = 260
ROW = 16
"""Of one mark: a model has one for people and one for each judge."""


@dataclass(frozen=True)
class Mean:
    """A model's mean as people or a judge have it."""

    model: str
    who: str
    mean: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class CurvePoint:
    who: str
    epsilon: float
    rate: float
    registered: bool


@dataclass(frozen=True)
class AxisPlot:
    """One axis, as it is plotted."""

    title: str
    low: float
    high: float
    """The first and the last point of the axis."""
    means: Sequence[Mean]
    curve: Sequence[CurvePoint]
    no_curve: str = ""
    """Why there is no curve, where there is none."""
    label: str = ""
    """Of the means, where they are none of scores."""


def comparison_spec(
    axes: Sequence[AxisPlot], *, who: Sequence[str], words: Mapping[str, str], theme: Theme = "light"
) -> dict[str, Any]:
    """All axes below each other. `who`: people first, then the judges, as they are called in the data.

    `words` has `title`, `description`, `mean`, `epsilon`, `rate`, `registered` and `nothing`.
    """
    import altair as alt

    ink = INK[theme]
    colours = alt.Scale(
        domain=list(who), range=[ink["strong"], ink["accent"], "#c2571a", "#3d7f5f", "#8a5aa3", "#8a6d1f"]
    )
    colour = alt.Color("who:N", title=None, scale=colours, legend=alt.Legend(orient="top", labelFontSize=12))
    shape = alt.Shape("who:N", title=None, scale=alt.Scale(domain=list(who)), legend=None)
    drawn = [
        alt.hconcat(
            _means(axis, who, words, colour, shape), _curve(axis, words, colour, ink["hush"]), spacing=48
        )
        for axis in axes
        if axis.means
    ]
    chart = alt.vconcat(*drawn, spacing=36) if drawn else _nothing(words["nothing"], ink["hush"])
    spec: dict[str, Any] = chart.properties(title=words["title"], description=words["description"]).to_dict()
    spec["config"] = look(theme)
    return spec


def _nothing(said: str, colour: str) -> Any:
    import altair as alt

    words = alt.Chart(alt.InlineData([{"said": said}]))
    return words.mark_text(align="left", color=colour, fontSize=13).encode(text="said:N", x=alt.value(0))


def _means(axis: AxisPlot, who: Sequence[str], words: Mapping[str, str], colour: Any, shape: Any) -> Any:
    import altair as alt

    rows = alt.Chart(alt.InlineData([asdict(mean) for mean in axis.means]))
    order = list(
        dict.fromkeys(mean.model for mean in sorted(axis.means, key=lambda m: (m.who != who[0], -m.mean)))
    )
    y = alt.Y(
        "model:N",
        title=None,
        sort=order,
        axis=alt.Axis(labelLimit=180, labelFontSize=12, domain=False, ticks=False),
    )
    offset = alt.YOffset("who:N", sort=list(who))
    scale = alt.Scale(domain=[axis.low, axis.high], nice=False, zero=False)
    x, low = (alt.X(f"{name}:Q", title=axis.label or words["mean"], scale=scale) for name in ("mean", "low"))
    tooltip = [
        "model:N",
        "who:N",
        *(alt.Tooltip(f"{name}:Q", format=".2f") for name in ("mean", "low", "high")),
        "n:Q",
    ]
    layers = [
        rows.mark_rule(strokeWidth=2.5, strokeCap="round", opacity=0.55)
        .encode(x=low, x2="high:Q", y=y, yOffset=offset, color=colour, tooltip=tooltip)
        .transform_filter("isValid(datum.low)"),
        rows.mark_point(filled=True, size=60, opacity=1).encode(
            x=x, y=y, yOffset=offset, color=colour, shape=shape, tooltip=tooltip
        ),
    ]
    if all(mean.low is None for mean in axis.means):
        del layers[0]
    title = alt.TitleParams(axis.title, fontSize=13)
    return alt.layer(*layers).properties(width=WIDTH, height=len(order) * (len(who) + 1) * ROW, title=title)


def _curve(axis: AxisPlot, words: Mapping[str, str], colour: Any, hush: str) -> Any:
    import altair as alt

    if not axis.curve:
        return _nothing(axis.no_curve, hush)
    rows = alt.Chart(alt.InlineData([asdict(point) for point in axis.curve]))
    x = alt.X("epsilon:Q", title=words["epsilon"], scale=alt.Scale(domain=[0, 0.3], nice=False))
    y = alt.Y(
        "rate:Q", title=words["rate"], scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%", tickCount=5)
    )
    tooltip = ["who:N", "epsilon:Q", alt.Tooltip("rate:Q", format=".0%")]
    half = alt.Chart(alt.InlineData([{"at": 0.5}]))
    fixed = alt.Chart(alt.InlineData([{"at": next(p.epsilon for p in axis.curve if p.registered)}]))
    models = len({mean.model for mean in axis.means})
    return alt.layer(
        half.mark_rule(color=hush, strokeDash=[2, 4]).encode(y="at:Q"),
        fixed.mark_rule(color=hush, strokeDash=[6, 3]).encode(x="at:Q"),
        rows.mark_line(interpolate="step-after", strokeWidth=2).encode(
            x=x, y=y, color=colour, tooltip=tooltip
        ),
        rows.mark_point(filled=True, size=70, opacity=1)
        .encode(x=x, y=y, color=colour, tooltip=tooltip)
        .transform_filter("datum.registered"),
    ).properties(
        width=CURVE_WIDTH,
        height=max(120, models * ROW * 3),
        title=alt.TitleParams(words["registered"], fontSize=12, fontWeight="normal"),
    )


def write(spec: dict[str, Any], path: Path) -> None:
    """As SVG, PNG, HTML that needs no network, or the spec itself; the file's name says which."""
    paper = on_paper(spec)
    match path.suffix.lower():
        case ".svg":
            path.write_text(svg(paper), encoding="utf-8")
        case ".png":
            path.write_bytes(png(paper))
        case ".html":
            import vl_convert

            path.write_text(vl_convert.vegalite_to_html(paper, bundle=True), encoding="utf-8")
        case ".json":
            path.write_text(json.dumps(paper, ensure_ascii=False, indent=1), encoding="utf-8")
        case other:
            raise ValueError(f"a plot is written as one of {', '.join(KINDS)}, not {other or path.name}")
