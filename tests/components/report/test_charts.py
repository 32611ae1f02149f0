import re

from components.report.charts import lines, series_colours, whiskers


def rules(svg):
    """Returns the lengths of the horizontal and vertical lines that are marks, not axes."""
    marks = re.findall(r'<g class="mark-rule role-mark[^"]*".*?</g>', svg, re.DOTALL)
    return [re.findall(r'x2="(-?[\d.]+)" y2="(-?[\d.]+)"', mark) for mark in marks]


def row(name, value, low=None, high=None, floor=None, before=None):
    return {
        **{"name": name, "value": value, "low": low, "high": high},
        **{"floor": floor, "before": before},
    }


def test_whiskers_have_a_line_for_each_interval():
    rows = [row("a", 0.5, 0.2, 0.8, floor=0.4), row("b", None), row("c", 0.6, 0.5, 0.7, before=0.4)]
    svg = whiskers(rows, x="IoU", description="IoUs")
    (drawn,) = rules(svg)
    long, short = sorted((abs(float(across)) for across, _ in drawn), reverse=True)
    assert long > 2.9 * short > 0
    for name in "abc":
        assert f">{name}</text>" in svg
    assert svg.count("aria-label") == 1


def test_lines_show_the_intervals_of_the_points_that_have_one():
    points = [
        {"run": 1, "IoU": 0.5, "class": "mean", "low": 0.4, "high": 0.7},
        {"run": 2, "IoU": 0.6, "class": "mean"},
        {"run": 1, "IoU": 0.3, "class": "a"},
    ]
    options = {"x": "run", "y": "IoU", "series": "class", "description": "IoU by run"}
    options["colours"] = series_colours(["b", "a"], [1])
    svg = lines(points, **options)
    assert [len(mark) for mark in rules(svg)] == [1]
    assert not any(map(len, rules(lines(points[1:], **options))))


def test_the_line_of_a_class_has_its_colour_however_many_are_shown():
    assert series_colours(["b", "a"], [1]) == {"a": "#e69f00", "mean": "currentColor"}
    points = [{"run": number, "IoU": 0.5, "class": "a"} for number in (1, 2)]
    colours = series_colours(["b", "a"], [1])
    svg = lines(points, x="run", y="IoU", series="class", colours=colours, description="IoU")
    assert 'stroke="#e69f00"' in svg
    assert "#0072b2" not in svg
