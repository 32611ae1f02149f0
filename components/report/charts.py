"""Draws the report's charts with Vega-Lite.

The charts are SVG, so the HTML page needs neither scripts nor network access to show them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import vl_convert
from markupsafe import Markup

from serving.palette import css_colour

_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
# `currentColor` is the page's text colour, so the axes are readable in both light and dark mode.
_AXIS = {
    **dict.fromkeys(("labelColor", "titleColor", "gridColor", "domainColor"), "currentColor"),
    "tickColor": "currentColor",
    "gridOpacity": 0.15,
    "titleFontWeight": "normal",
}
_CONFIG = {
    "axis": _AXIS,
    # Below the chart, a legend leaves the width of a phone to the chart.
    "legend": {
        "labelColor": "currentColor",
        "titleColor": "currentColor",
        "orient": "bottom",
        "columns": 4,
        "labelLimit": 80,
        "symbolOpacity": 1,
    },
    "view": {"stroke": None},
    "aria": False,
    "font": "system-ui, sans-serif",
}
_SYMBOL = dict.fromkeys(("symbolFillColor", "symbolStrokeColor"), "currentColor")
_WIDTH, _HEIGHT = 360, 190  # size of a chart in pixels
_MOST_TICKS = 12
_ACCENT = "var(--accent)"  # of serving/theme.css


def series_colours(classes: Sequence[str], shown: Sequence[int]) -> dict[str, str]:
    """Returns the CSS colours of some classes and of their mean, by name.

    Args:
      classes: Names of the classes, by class id.
      shown: Ids of the classes.
    """
    return {classes[class_id]: css_colour(class_id) for class_id in shown} | {
        "mean": "currentColor"
    }


def lines(
    rows: Sequence[Mapping[str, Any]],
    *,
    x: str,
    y: str,
    series: str,
    colours: Mapping[str, str],
    description: str,
    ordinal: bool = False,
) -> Markup:
    """Draws a line chart in which each series has its own colour, dash pattern and point shape.

    Args:
      rows: The points of all series. Each row contains the x value, the y value and the name of the
        series, and may contain the ends of an interval, `low` and `high`.
      x: Key of the x value in each row, also used as the axis title. The values are whole numbers
        unless `ordinal` is set.
      y: Key of the y value in each row, also used as the axis title.
      series: Key of the series name in each row.
      colours: CSS colour of each series, by its name.
      description: Description of the chart for screen readers.
      ordinal: Whether the x values are names instead of numbers.

    Returns:
      An SVG element.
    """
    # Vega-Lite merges the legends of colour, dash and shape only if all of them have equal domains.
    by_series = {"field": series, "type": "nominal", "title": None}
    domain = {"domain": list(colours)}
    across = {"x": _horizontal([row[x] for row in rows], x, ordinal=ordinal)}
    upwards = {"type": "quantitative", "title": y, "scale": {"zero": False}}
    colour_of = {"color": {**by_series, "scale": {**domain, "range": list(colours.values())}}}
    return _svg(
        {
            "data": {"values": list(rows)},
            "layer": [
                {
                    "transform": [{"filter": "isValid(datum.low)"}],
                    "mark": {"type": "rule", "opacity": 0.6},
                    "encoding": {
                        **across,
                        **colour_of,
                        "y": {"field": "low", **upwards},
                        "y2": {"field": "high"},
                    },
                },
                {
                    "mark": {
                        "type": "line",
                        "point": {"filled": True, "size": 40},
                        "invalid": None,
                    },
                    "encoding": {
                        **across,
                        **colour_of,
                        "y": {"field": y, **upwards},
                        "strokeDash": {**by_series, "scale": domain},
                        "shape": {**by_series, "scale": domain},
                    },
                },
            ],
        },
        description,
    )


def _horizontal(values: Sequence[Any], field: str, *, ordinal: bool) -> dict[str, Any]:
    """Returns the x axis of a chart, with at most twelve ticks."""
    positions = list(dict.fromkeys(values))
    positions = positions if ordinal else sorted(positions)
    ticks = positions[:: max(-(-len(positions) // _MOST_TICKS), 1)]
    titled = {"field": field, "title": field}
    if ordinal:
        axis = {"values": ticks, "labelAngle": -35}
        return {**titled, "type": "ordinal", "sort": None, "axis": axis}
    axis = {"values": ticks, "format": "d"}
    return {**titled, "type": "quantitative", "axis": axis, "scale": {"zero": False}}


def whiskers(rows: Sequence[Mapping[str, Any]], *, x: str, description: str) -> Markup:
    """Draws a value for each name as a point, with its interval, floor and earlier value.

    Args:
      rows: A row for each name, from top to bottom, with the keys `name`, `value`, `low` and `high`
        (ends of the interval), `floor` and `before` (earlier value). All but the name may be None.
      x: Title of the horizontal axis.
      description: Description of the chart for screen readers.

    Returns:
      An SVG element.
    """
    names = {
        "field": "name",
        "type": "nominal",
        "sort": None,
        "title": None,
        "axis": {"labelLimit": 110, "grid": False, "domain": False, "ticks": False},
    }

    def layer(mark: Mapping[str, Any], field: str, **more: Any) -> dict[str, Any]:
        scale = {"zero": False, "padding": 8}
        across = {
            "field": field,
            "type": "quantitative",
            "title": x,
            "scale": scale,
            "axis": {"tickCount": 6},
        }
        return {
            "transform": [{"filter": f"isValid(datum.{field})"}],
            "mark": {"color": _ACCENT, "opacity": 1, **mark},
            "encoding": {"y": names, "x": across, **more},
        }

    floor = {"type": "tick", "color": "currentColor", "thickness": 2, "size": 16}
    before = {"type": "point", "color": "currentColor", "size": 70, "strokeWidth": 1.5}
    return _svg(
        {
            "height": {"step": 24},
            "data": {"values": list(rows)},
            "layer": [
                # An empty layer keeps the names of rows without a value.
                {"mark": {"type": "point", "opacity": 0}, "encoding": {"y": names}},
                layer({"type": "rule", "strokeWidth": 2}, "low", x2={"field": "high"}),
                layer(floor, "floor"),
                layer(before, "before"),
                layer({"type": "point", "filled": True, "size": 60}, "value"),
            ],
        },
        description,
    )


def reliability(
    calibration: Sequence[Sequence[float]], raw_calibration: Sequence[Sequence[float]]
) -> Markup:
    """Draws a reliability diagram, which plots the share of correct pixels against confidence.

    Args:
      calibration: [bins][3]. For each confidence bin, the number of pixels, the sum of their
        confidences and the number of correctly predicted pixels.
      raw_calibration: The same without the temperature of the model; empty or equal if the model
        has none.

    Returns:
      An SVG element.
    """
    series = {"with": calibration}
    if raw_calibration and raw_calibration != calibration:
        series["without"] = raw_calibration
    points = [point for name, bins in series.items() for point in _points(name, bins)]
    axes = {
        name: {"field": key, "type": "quantitative", "scale": {"domain": [0, 1]}, "title": key}
        for name, key in (("x", "confidence"), ("y", "correct"))
    }
    size = {
        "field": "share of pixels",
        "type": "quantitative",
        "scale": {"range": [20, 500]},
        # Black, the default, would be invisible in dark mode.
        "legend": {"format": ".0%", "columns": 6, **_SYMBOL},
    }
    by_series = {
        "field": "series",
        "type": "nominal",
        "title": "temperature",
        "scale": {"domain": list(series), "range": [css_colour(0), css_colour(1)]},
        "legend": {} if len(series) > 1 else None,
    }
    ideal = [{"confidence": value, "correct": value} for value in (0, 1)]
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
                    "mark": {"type": "line"},
                    "encoding": {**axes, "color": by_series},
                },
                {
                    "data": {"values": points},
                    "mark": {"type": "point", "filled": True, "opacity": 1},
                    "encoding": {
                        **axes,
                        "color": by_series,
                        "shape": {**by_series, "scale": {"domain": list(series)}},
                        "size": size,
                    },
                },
            ]
        },
        "Share of correct pixels by confidence of the model",
    )


def _points(series: str, bins: Sequence[Sequence[float]]) -> list[dict[str, Any]]:
    total = sum(pixels for pixels, _, _ in bins) or 1
    return [
        {
            "series": series,
            "confidence": confidence / pixels,
            "correct": correct / pixels,
            "share of pixels": pixels / total,
        }
        for pixels, confidence, correct in bins
        if pixels
    ]


def _svg(chart: Mapping[str, Any], description: str) -> Markup:
    spec = {
        "$schema": _SCHEMA,
        "width": _WIDTH,
        "height": _HEIGHT,
        "background": "transparent",
        # The padding leaves spare room for labels, whose width depends on the browser's font.
        "padding": {"left": 15, "top": 5, "bottom": 5, "right": 30},
        "config": _CONFIG,
        **chart,
    }
    # Only the chart as a whole has a label. Vega could label every mark, but a screen reader would
    # then read out every number. The marks are hidden from it, since Vega gives them roles, too.
    label = Markup('<svg role="img" aria-label="{}" ').format(description)
    svg = vl_convert.vegalite_to_svg(spec).replace("<svg ", label, 1)
    svg = svg.replace("<g ", '<g aria-hidden="true" ', 1)
    return Markup(svg)  # noqa: S704, Vega escapes the text in the SVG
