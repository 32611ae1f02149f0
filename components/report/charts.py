"""The report's charts, by Vega-Lite, as SVG: they need no script and no network to be seen."""

from collections.abc import Mapping, Sequence
from typing import Any

import vl_convert
from markupsafe import Markup

from serving.palette import colour

_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
# currentColor: the page's ink, be the page light or dark.
_AXIS = {
    **dict.fromkeys(("labelColor", "titleColor", "gridColor", "domainColor"), "currentColor"),
    "tickColor": "currentColor",
    "gridOpacity": 0.15,
    "titleFontWeight": "normal",
}
_CONFIG = {
    "axis": _AXIS,
    "legend": {"labelColor": "currentColor", "titleColor": "currentColor"},
    "view": {"stroke": None},
    "aria": False,
    "font": "system-ui, sans-serif",
}
_WIDTH, _HEIGHT = 400, 200  # pixels
_MOST_TICKS = 12


def lines(
    rows: Sequence[Mapping[str, Any]],
    *,
    x: str,
    y: str,
    series: str,
    order: Sequence[str],
    description: str,
    ordinal: bool = False,
) -> Markup:
    """Draws a line for each series, told apart by colour, dashes and marks.

    Args:
      rows: The data, a point each.
      x: Key of what runs to the right; its numbers are whole.
      y: Key of what runs upwards.
      series: Key of a series' name.
      order: The names, in the order of their colours.
      description: For those who cannot see it.
      ordinal: Whether `x` are names instead of numbers.

    Returns:
      An SVG element.
    """
    colours = ["#{:02x}{:02x}{:02x}".format(*colour(number)) for number in range(len(order))]
    # With one domain, Vega-Lite makes one legend of the three.
    told_apart = {"field": series, "type": "nominal", "title": None}
    domain = {"domain": list(order)}
    places = list(dict.fromkeys(row[x] for row in rows))
    places = places if ordinal else sorted(places)
    ticks = places[:: max(-(-len(places) // _MOST_TICKS), 1)]
    if ordinal:
        axis: dict[str, Any] = {"values": ticks, "labelAngle": -35}
        horizontal: dict[str, Any] = {"type": "ordinal", "sort": None, "axis": axis}
    else:
        horizontal = {"type": "quantitative", "axis": {"values": ticks, "format": "d"}}
        horizontal["scale"] = {"zero": False}
    return _svg(
        {
            "data": {"values": list(rows)},
            "mark": {"type": "line", "point": {"filled": True, "size": 40}, "invalid": None},
            "encoding": {
                "x": {"field": x, "title": x, **horizontal},
                "y": {"field": y, "type": "quantitative", "title": y, "scale": {"zero": False}},
                "color": {**told_apart, "scale": {**domain, "range": colours}},
                "strokeDash": {**told_apart, "scale": domain},
                "shape": {**told_apart, "scale": domain},
            },
        },
        description,
    )


def reliability(calibration: Sequence[Sequence[float]]) -> Markup:
    """Draws how often pixels are right, by confidence.

    Args:
      calibration: [bins][3], of each bin the pixels, the sum of their confidences, and how many are
        right.

    Returns:
      An SVG element.
    """
    total = sum(pixels for pixels, _, _ in calibration) or 1
    points = [
        {"confidence": sure / pixels, "right": right / pixels, "share of pixels": pixels / total}
        for pixels, sure, right in calibration
        if pixels
    ]
    axes = {
        name: {"field": key, "type": "quantitative", "scale": {"domain": [0, 1]}, "title": key}
        for name, key in (("x", "confidence"), ("y", "right"))
    }
    size = {
        "field": "share of pixels",
        "type": "quantitative",
        "scale": {"range": [20, 500]},
        "legend": {"format": ".0%"},
    }
    ideal = [{"confidence": value, "right": value} for value in (0, 1)]
    return _svg(
        {
            "layer": [
                {
                    "data": {"values": ideal},
                    "mark": {"type": "line", "strokeDash": [5, 4], "color": "currentColor"},
                    "encoding": axes,
                },
                {
                    "data": {"values": points},
                    "mark": {"type": "line", "color": "#0072b2"},
                    "encoding": axes,
                },
                {
                    "data": {"values": points},
                    "mark": {"type": "point", "filled": True, "color": "#0072b2", "opacity": 1},
                    "encoding": {**axes, "size": size},
                },
            ]
        },
        "Share of the pixels that are right, by the model's confidence",
    )


def _svg(chart: Mapping[str, Any], description: str) -> Markup:
    spec = {
        "$schema": _SCHEMA,
        "width": _WIDTH,
        "height": _HEIGHT,
        "background": "transparent",
        "padding": {"left": 15, "top": 5, "bottom": 5, "right": 30},  # fonts differ in width
        "config": _CONFIG,
        **chart,
    }
    # One description instead of Vega's for every mark: it would be read out number by number.
    label = Markup('<svg role="img" aria-label="{}" ').format(description)
    svg = vl_convert.vegalite_to_svg(spec).replace("<svg ", label, 1)
    return Markup(svg)  # noqa: S704, Vega has escaped what is in it
