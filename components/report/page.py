"""Writes the HTML page of a report (index.html) to the folder that holds the report's data."""

import math
import os
from collections.abc import Container, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import jinja2
from markupsafe import Markup

from components.evaluator.gate_text import (
    certainty_text,
    interval_text,
    measured_text,
    metric_text,
    percent_text,
)
from components.evaluator.lowest_classes import FEW, MOST_COLUMNS, class_ious, lowest_classes
from components.evaluator.metrics import METRICS, class_metrics
from components.evaluator.results import Scores
from components.evaluator.rule import FLOOR
from components.evaluator.slice_names import OVERALL
from components.labels.pictures import CAPTIONS
from components.metric_names import IOU, MEAN_IOU, of_class
from components.report.charts import lines, reliability, series_colours, whiskers
from components.report.confusions import confusion_picture, greatest_confusions
from components.report.contents import CONTENTS_FILE, Card, Contents
from components.report.metrics import METRICS_FILE, RunMetrics
from components.report.next_steps import find_next_steps
from components.validator.anomaly_text import ANOMALY_TEXT_FILE
from data.files.finding import is_file
from data.files.paths import join
from data.files.reading import read_text
from data.files.writing import write_text
from serving.card.files import read_card
from serving.card.sections import card_sections
from serving.palette import THEME_FILE, class_marks, css_colour

PAGE_FILE = "index.html"
# Maximum number of rows in the table of slices. A feature may have thousands of values.
_MOST_SLICES = 50
_MOST_MASKS = 12  # maximum number of masks that may be wrong
_OUTCOMES = {True: ("yes", "✓ yes"), False: ("no", "✗ no"), None: ("undecided", "– not checked: ")}


class _Scale(NamedTuple):
    """The scale on which the intervals of slices are drawn."""

    start: float
    end: float

    def place(self, value: float) -> str:
        """Returns the place of a value on the scale as a CSS percentage."""
        return f"{100 * (value - self.start) / (self.end - self.start):.1f}%"


class RunFacts(NamedTuple):
    """Facts about a single run that the page shows in addition to the report's data.

    These facts are not part of the report's data, because runs with equal inputs share one report.

    Attributes:
      run: Id of the run.
      version: Version number under which the model was last pushed; None if it was not pushed.
      decisions: Decisions by people to bless the model, withdraw its blessing or push it; one
        sentence each, without a full stop.
      anomalies: Anomalies that ExampleValidator found, one line each.
      durations: Duration of each component in seconds, by component name, without components that
        TFX took from its cache.
      all_runs: Relative URL of the overview page of all runs; None if there is no such page.
      judged: Hashes of the pairs whose masks a person has judged; the page leaves them out.
    """

    run: str
    version: str | None = None
    decisions: Sequence[str] = ()
    anomalies: Sequence[str] = ()
    durations: Mapping[str, float] = {}
    all_runs: str | None = None
    judged: Container[str] = ()


def write_page(folder: str, facts: RunFacts) -> None:
    """Writes index.html to the folder of a report.

    Args:
      folder: Folder with metrics.json, report.json and the pictures, local or remote.
      facts: Facts about the run, such as the pushed version and people's decisions.
    """
    metrics = RunMetrics.model_validate_json(read_text(join(folder, METRICS_FILE)))
    contents = Contents.model_validate_json(read_text(join(folder, CONTENTS_FILE)))
    card = read_card(folder)
    by_class = class_metrics()
    found = contents.wrong_masks.cards if contents.wrong_masks else []
    masks = [mask for mask in found if mask.content not in facts.judged][:_MOST_MASKS]
    pixels = [sum(row) for row in metrics.confusion_matrix]
    html = (
        templates()
        .get_template("report.html")
        .render(
            dict(contents),
            facts=facts,
            metrics=metrics,
            next_steps=find_next_steps(metrics, contents, masks),
            masks=masks,
            classes=class_marks(contents.classes),
            shown=FEW,
            shares=[count / (sum(pixels) or 1) for count in pixels],
            class_metrics=by_class,
            overall_metrics=[
                metric
                for metric in METRICS.values()
                if metric.scope == "overall" and metric.name.removeprefix("mean_") not in by_class
            ],
            card=card_sections(card) if card else [],
            outcomes=_OUTCOMES,
            slices=sorted(metrics.slices.items(), key=_worst_first)[:_MOST_SLICES],
            slice_scale=_slice_scale(metrics),
            lowest=lambda scores: _lowest_present(scores, contents.classes),
            charts={
                "training": list(_training(contents)),
                "reliability": reliability(metrics.calibration, metrics.raw_calibration),
                "ious": _ious(metrics, contents.classes),
            },
        )
    )
    write_text(join(folder, PAGE_FILE), html)


def read_anomalies(example_anomalies: str) -> list[str]:
    """Reads the anomalies that ExampleValidator found.

    Args:
      example_anomalies: Path of ExampleValidator's `anomalies` artifact.

    Returns:
      One line for each anomaly; empty if the file with the anomalies is missing.
    """
    path = os.path.join(example_anomalies, ANOMALY_TEXT_FILE)
    return read_text(path).splitlines() if is_file(path) else []


def templates() -> jinja2.Environment:
    """Returns the Jinja environment for all pages about runs, with functions for the templates."""
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [
                jinja2.PackageLoader("components.report"),
                jinja2.FileSystemLoader(THEME_FILE.parent),
            ]
        ),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "number": _number,
        "percent": percent_text,
        "cost": _cost,
        "order": _order,
        "metric_text": metric_text,
        "of_class": of_class,
        "iou_of": partial(of_class, IOU),
        "confusion_picture": confusion_picture,
        "greatest_confusions": greatest_confusions,
        "interval_text": interval_text,
        "certainty_text": certainty_text,
        "measured_text": measured_text,
        "captions": CAPTIONS,
        "most_columns": MOST_COLUMNS,
    }
    return environment


def _lowest_present(scores: Scores, classes: Sequence[str]) -> list[int]:
    """Returns the classes with the lowest IoU among those in the masks of a slice."""
    ious = class_ious(scores.metrics, classes)
    present = zip(ious, scores.true_pixels, strict=True)
    return lowest_classes([iou if pixels else None for iou, pixels in present])


def _worst_first(item: tuple[str, Scores]) -> tuple[float, str]:
    name, scores = item
    value = scores.metrics[MEAN_IOU]
    return (math.inf if value is None else value, name)


def _slice_scale(metrics: RunMetrics) -> _Scale | None:
    """Returns a scale for the intervals of the mean IoU; None if no slice has one."""
    found = [
        by_name[MEAN_IOU] for by_name in metrics.intervals.slices.values() if MEAN_IOU in by_name
    ]
    whole = metrics.metrics[MEAN_IOU]
    if not found or whole is None:
        return None
    ends = [whole, *(end for interval in found for end in interval)]
    return _Scale(math.floor(10 * min(ends)) / 10, math.ceil(10 * max(ends)) / 10)


def _ious(metrics: RunMetrics, classes: Sequence[str]) -> Markup:
    """Draws the IoU of each class and their mean, with intervals, floors and earlier values."""
    floors = {
        rule.metric: rule.limit
        for rule in metrics.rules
        if rule.kind == FLOOR and rule.slice == OVERALL
    }
    shown = lowest_classes(class_ious(metrics.metrics, classes))
    names = {classes[class_id]: of_class(IOU, classes[class_id]) for class_id in shown}
    rows = []
    for name, metric in (names | {"mean": MEAN_IOU}).items():
        low, high = metrics.intervals.metrics.get(metric, (None, None))
        row = {"name": name, "value": metrics.metrics[metric], "low": low, "high": high}
        rows.append(row | {"floor": floors.get(metric), "before": metrics.baseline.get(metric)})
    return whiskers(rows, x="IoU", description="IoU by class, with its 95 % interval")


def _training(contents: Contents) -> Iterator[tuple[str, Markup]]:
    """Yields the training charts with their captions; the x-axis spans all training phases."""
    epochs = [epoch for phase in contents.histories for epoch in phase]
    if not epochs:
        return
    losses = [
        {"epoch": number, "loss": epoch[key], "split": split}
        for number, epoch in enumerate(epochs, 1)
        for key, split in (("loss", "train"), ("val_loss", "val"))
    ]
    last = {name.removeprefix("val_"): value for name, value in epochs[-1].items()}
    shown = lowest_classes(class_ious(last, contents.classes))
    colours = series_colours(contents.classes, shown)
    names = {name: MEAN_IOU if name == "mean" else of_class(IOU, name) for name in colours}
    scores = [
        {"epoch": number, "IoU on val": value, "class": name}
        for number, epoch in enumerate(epochs, 1)
        for name, metric in names.items()
        if (value := epoch[f"val_{metric}"]) is not None
    ]
    some = f" of the {len(shown)} lowest classes and the mean"
    yield (
        "Loss on train and val",
        lines(
            losses,
            x="epoch",
            y="loss",
            series="split",
            colours={"train": css_colour(0), "val": css_colour(1)},
            description="Loss by epoch",
        ),
    )
    yield (
        f"IoU on val{some if len(shown) < len(contents.classes) else ''}; the best epoch's weights "
        "were kept",
        lines(
            scores,
            x="epoch",
            y="IoU on val",
            series="class",
            colours=colours,
            description="IoU on val by epoch, of classes and the mean",
        ),
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _cost(value: float) -> str:
    return f"{value:.4f}" if value == 0 or value >= 0.0001 else "<0.0001"


def _order(card: Card) -> list[float | None]:
    """Returns the place of a card among those with a class, by class id; the lowest is first."""
    return [cost if cost is None else -cost for cost in card.costs] or card.ious
