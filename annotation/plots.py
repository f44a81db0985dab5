"""Plots as Vega-Lite specs: the same one is drawn in a page, as SVG and PNG, and in a release. No Django here.

Altair and vl-convert are large, so web processes keep them out: they run `python -m annotation.plots`, which reads an
order from standard input (JSON) and writes what was asked for.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Theme = Literal["light", "dark"]

DATA = "alpha"
ROW = 44
WIDTH = 640
INK: dict[Theme, dict[str, str]] = {
    "light": {"ink": "#474f57", "strong": "#1a1e22", "accent": "#1f4f8f", "line": "#dddcd5", "hush": "#5f6770", "paper": "#ffffff"},
    "dark": {"ink": "#b4bcc4", "strong": "#e6e8ea", "accent": "#93b9ef", "line": "#2f353b", "hush": "#97a1ab", "paper": "#1a1e22"},
}  # fmt: skip
_FONT = (
    "-apple-system, BlinkMacSystemFont, 'Segoe UI', Roboto, 'Noto Sans', 'Hiragino Sans', 'BIZ UDPGothic', "
    "'Yu Gothic', Meiryo, 'Noto Sans JP', 'Noto Sans CJK JP', sans-serif"
)


@dataclass(frozen=True)
class AlphaRow:
    """Alpha on one axis, as it is plotted."""

    axis: str
    alpha: float | None
    low: float | None
    high: float | None
    said: str
    """All of it in words, for the tooltip; or why there is no alpha."""

    def as_datum(self, place: int) -> dict[str, Any]:
        return {**asdict(self), "place": place}


def alpha_spec(*, words: Mapping[str, str], theme: Theme = "light") -> dict[str, Any]:
    """Alpha by axis with intervals, without its data: they come under the name `DATA` (`with_data`).

    `words` has `title`, `alpha`, `axis` and `description`. The spec hangs on nothing else, so that it can be kept.
    """
    import altair as alt

    ink = INK[theme]
    rows = alt.Chart(alt.NamedData(name=DATA))
    y = alt.Y(
        "axis:N",
        title=None,
        sort=alt.EncodingSortField(field="place", op="min"),
        axis=alt.Axis(labelLimit=180, labelFontSize=13, ticks=False, domain=False, labelPadding=10),
    )
    x = alt.X(
        "alpha:Q",
        title=words["alpha"],
        scale=alt.Scale(domainMax=1, zero=True, nice=True),
        axis=alt.Axis(tickCount=6, format=".1f", labelFontSize=12, titleFontSize=12, titlePadding=8),
    )
    tooltip = [alt.Tooltip("axis:N", title=words["axis"]), alt.Tooltip("said:N", title=words["alpha"])]
    # Krippendorff's own marks for content analysis: lines to read by, no pass and no fail.
    marks = alt.Chart(alt.InlineData([{"at": 0.667, "said": ".667"}, {"at": 0.8, "said": ".800"}]))
    zero = alt.Chart(alt.InlineData([{"at": 0}]))
    drawn = alt.layer(
        marks.mark_rule(color=ink["hush"], strokeDash=[2, 4]).encode(x="at:Q"),
        marks.mark_text(color=ink["hush"], fontSize=11, baseline="bottom", dy=-4).encode(
            x="at:Q", y=alt.value(0), text="said:N"
        ),
        zero.mark_rule(color=ink["hush"]).encode(x="at:Q"),
        # Said by the points; and where no row has an interval, it would be a mark without words.
        rows.mark_rule(strokeWidth=3, strokeCap="round", color=ink["accent"], opacity=0.55, aria=False)
        .encode(x=alt.X("low:Q"), x2="high:Q", y=y, tooltip=tooltip)
        .transform_filter("isValid(datum.low)"),
        rows.mark_point(filled=True, size=110, color=ink["accent"], opacity=1)
        .encode(x=x, y=y, tooltip=tooltip)
        .transform_filter("isValid(datum.alpha)"),
        rows.mark_text(align="left", dx=4, fontSize=12, color=ink["hush"])
        .encode(x=alt.datum(0), y=y, text="said:N")
        .transform_filter("!isValid(datum.alpha)"),
        rows.mark_text(dy=-13, fontSize=12, fontWeight=600, color=ink["strong"])
        .encode(x="alpha:Q", y=y, text=alt.Text("alpha:Q", format=".2f"))
        .transform_filter("isValid(datum.alpha)"),
    ).properties(width=WIDTH, height=alt.Step(ROW), title=words["title"], description=words["description"])
    spec: dict[str, Any] = drawn.to_dict()
    spec["config"] = look(theme)
    return spec


def look(theme: Theme) -> dict[str, Any]:
    """Vega-Lite's config: colours and letters as the pages have them."""
    ink = INK[theme]
    return {
        "background": None,
        "font": _FONT,
        "view": {"stroke": None},
        "title": {"anchor": "start", "fontSize": 14, "fontWeight": 600, "color": ink["strong"], "offset": 20},
        "axis": {
            "labelColor": ink["ink"],
            "titleColor": ink["ink"],
            "titleFontWeight": "normal",
            "gridColor": ink["line"],
            "gridOpacity": 0.6,
            "domainColor": ink["line"],
            "tickColor": ink["line"],
        },
    }


def plot_height(rows: int) -> int:
    """About how high `alpha_spec` is drawn, so that a page can keep the room free."""
    return ROW * rows + 85


def with_data(spec: dict[str, Any], rows: list[AlphaRow]) -> dict[str, Any]:
    data = {DATA: [row.as_datum(place) for place, row in enumerate(rows)]}
    # A number: with a step for each row, Vega-Lite warns in the console that it cannot fit the height as well.
    # What no row has is left out: Vega warns in the console of a field that is nowhere.
    nowhere = {field for field in ("low", "alpha") if all(getattr(row, field) is None for row in rows)}
    layers = [layer for layer in spec["layer"] if layer["encoding"].get("x", {}).get("field") not in nowhere]
    height = ROW * max(1, len(rows))
    return spec | {"layer": layers, "height": height, "datasets": spec.get("datasets", {}) | data}


def on_paper(spec: dict[str, Any], theme: Theme = "light") -> dict[str, Any]:
    """The same with a background, for a file that stands by itself."""
    return spec | {"config": spec["config"] | {"background": INK[theme]["paper"], "padding": 16}}


def svg(spec: dict[str, Any]) -> str:
    import vl_convert

    text: str = vl_convert.vegalite_to_svg(spec)
    return text


def png(spec: dict[str, Any], *, scale: float = 2) -> bytes:
    import vl_convert

    picture: bytes = vl_convert.vegalite_to_png(spec, scale=scale)
    return picture


def main() -> None:
    order = json.load(sys.stdin)
    out = sys.stdout.buffer
    if order["make"] == "spec":
        out.write(json.dumps(alpha_spec(words=order["words"], theme=order["theme"])).encode())
    elif order["make"] == "svg":
        out.write(svg(order["spec"]).encode())
    elif order["make"] == "png":
        out.write(png(order["spec"]))


if __name__ == "__main__":
    main()
