"""The report as a page: one HTML file, with its pictures beside it."""

import csv
import io
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jinja2
from markupsafe import Markup

from components.evaluator.gate_text import metric_text
from components.evaluator.metric_names import IOU, MEAN_IOU, of_class
from components.evaluator.metrics import class_metrics
from components.evaluator.results import Scores
from components.report.charts import lines, reliability
from components.report.gallery import Card
from components.report.metrics import RunMetrics
from data.config import SPLITS
from data.examples.records import Record
from serving.palette import colour, pattern

RUN, OVERRIDES = "<!-- run -->", "<!-- overrides -->"
ANOMALIES, DURATIONS = "<!-- anomalies -->", "<!-- durations -->"
"""Places in the page for what belongs to a run, which may repeat another one's report."""
_MOST_SLICES = 50  # in the table: a feature may have thousands of values
_OUTCOMES = {True: ("yes", "✓ yes"), False: ("no", "✗ no"), None: ("undecided", "– not checked: ")}


class Contents(NamedTuple):
    """What the page shows.

    Attributes:
      name: The pipeline's.
      classes: Names of the classes, by class id.
      metrics: What was measured and decided.
      histories: The table of epochs of each phase, as CSV.
      records: Of the pairs that can be used.
      gallery: Titles and cards.
      provenance: What a person would ask of the model's origin, and the answers.
      config: The config file, as YAML.
    """

    name: str
    classes: Sequence[str]
    metrics: RunMetrics
    histories: Sequence[str]
    records: Sequence[Record]
    gallery: Sequence[tuple[str, Sequence[Card]]]
    provenance: Sequence[tuple[str, str]]
    config: str


def anomalies(words: str) -> Markup:
    """Renders what belongs to ANOMALIES.

    Args:
      words: ExampleValidator's, a line for each anomaly.
    """
    if not words:
        return Markup("<p class='soft'>The data are as the schema says: no anomalies.</p>")
    items = Markup("").join(Markup("<li>{}</li>").format(line) for line in words.splitlines())
    return Markup("<h3>Anomalies</h3><ul>{}</ul>").format(items)


def templates() -> jinja2.Environment:
    """Returns the templates of all pages about runs, with what they call."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("components.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"number": _number, "percent": _percent, "in_words": metric_text}
    return environment


def render(contents: Contents) -> str:
    """Renders the page.

    Args:
      contents: What it shows.

    Returns:
      HTML.
    """
    metrics, classes = contents.metrics, contents.classes
    pixels = [sum(row) for row in metrics.confusion_matrix]
    shown = [
        {
            "name": name,
            "tone": tone(class_id),
            "pattern": pattern(class_id),
            "share": pixels[class_id] / (sum(pixels) or 1),
        }
        for class_id, name in enumerate(classes)
    ]
    return (
        templates()
        .get_template("report.html")
        .render(
            **contents._asdict() | {"classes": shown},
            kinds=class_metrics(),
            outcomes=_OUTCOMES,
            slices=sorted(metrics.slices.items(), key=_worst_first)[:_MOST_SLICES],
            splits=[_split(name, contents.records, len(classes)) for name in SPLITS],
            charts={
                "training": list(_training(contents.histories, classes)),
                "reliability": reliability(metrics.calibration),
            },
        )
    )


def tone(class_id: int) -> str:
    """Returns a class's colour for CSS."""
    return "#{:02x}{:02x}{:02x}".format(*colour(class_id))


def _worst_first(item: tuple[str, Scores]) -> tuple[float, str]:
    name, scores = item
    value = scores.metrics[MEAN_IOU]
    return (math.inf if value is None else value, name)


def _split(name: str, records: Sequence[Record], num_classes: int) -> dict[str, Any]:
    members = [record for record in records if record.pair.split == name]
    counts = [0.0] * num_classes
    for statistics in (record.statistics for record in members):
        if statistics:
            area = statistics.height * statistics.width * statistics.labelled
            counts = [
                count + area * share
                for count, share in zip(counts, statistics.fractions, strict=True)
            ]
    total = sum(counts) or 1
    return {
        "name": name,
        "images": len(members),
        "groups": len({record.pair.group for record in members}),
        "shares": [count / total for count in counts],
    }


def _training(histories: Sequence[str], classes: Sequence[str]) -> Iterator[tuple[str, Markup]]:
    losses: list[dict[str, Any]] = []
    scores: list[dict[str, Any]] = []
    done = 0
    for history in histories:
        rows = list(csv.DictReader(io.StringIO(history)))
        for row in rows:
            epoch = done + int(row["epoch"])
            losses += [
                {"epoch": epoch, "loss": float(row[key]), "split": split}
                for key, split in (("loss", "train"), ("val_loss", "val"))
            ]
            by_class = {"mean": row["val_mean_iou"]}
            by_class |= {name: row[f"val_{of_class(IOU, name)}"] for name in classes}
            scores += [
                {"epoch": epoch, "IoU on val": float(value), "class": name}
                for name, value in by_class.items()
                if not math.isnan(float(value))
            ]
        done += len(rows)
    if losses:
        yield (
            "Loss on train and val",
            lines(
                losses,
                x="epoch",
                y="loss",
                series="split",
                order=["train", "val"],
                description="Loss by epoch",
            ),
        )
        yield (
            "IoU on val; the best epoch's weights were kept",
            lines(
                scores,
                x="epoch",
                y="IoU on val",
                series="class",
                order=[*classes, "mean"],
                description="IoU on val by epoch, of each class and their mean",
            ),
        )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _percent(share: float) -> str:
    return f"{share:.1%}" if share == 0 or share >= 0.001 else "<0.1%"
