"""Prints a summary to the terminal at the end of a run."""

import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from components.evaluator.gate_text import interval_text
from components.evaluator.lowest_classes import (
    FEW,
    MOST_LISTED,
    class_ious,
    lowest_classes,
)
from components.evaluator.rule import DROP, FLOOR
from components.evaluator.slice_names import OVERALL
from components.example_gen.artifact import FINDINGS_FILE, first_image
from components.metric_names import IOU, MEAN_IOU, of_class
from components.report.metrics import METRICS_FILE, RunMetrics
from components.report.page import PAGE_FILE, read_anomalies
from data.checks import Finding
from data.files.paths import is_remote, join
from data.files.reading import read_text
from data.printable import printable, shell_path
from pipeline.config.config import Config
from pipeline.config.loading import DEFAULT_CONFIG
from pipeline.history.runs import Run
from pipeline.history.store import ANOMALIES, EXAMPLES

_MOST_LINES = 5  # of the rules that a model breaks, or that were not checked


def print_summary(config: Config, config_file: Path, run: Run, report: str) -> None:
    """Prints the IoUs and floors, the verdict, the paths of the results and a suggested next step.

    Args:
      config: The config of the pipeline.
      config_file: Path of the config file, to show in the suggested command.
      run: A finished run.
      report: Folder of the run's published report.
    """
    console = Console(highlight=False, soft_wrap=True)
    metrics = RunMetrics.model_validate_json(read_text(join(report, METRICS_FILE)))
    console.print()
    if {"Trainer", "Pusher"} <= run.cached:
        console.print(
            "Nothing new: data and settings are the same as in an earlier run. No model was "
            "trained or pushed.\n"
        )
    console.print(_table(config.data.classes, metrics))
    if len(config.data.classes) > MOST_LISTED:
        print(f"and {len(config.data.classes) - FEW} classes with a higher IoU: see the report")
    console.print()
    for remark in _remarks(run):
        console.print(Text.assemble(("Data      ", "bold yellow"), remark))
    for remark in metrics.remarks:
        console.print(Text.assemble(("Baseline  ", "bold yellow"), remark))
    for line in _verdict_lines(metrics):
        console.print(line)
    console.print()
    if run.pushed_folder:
        print(f"Model     {printable(_short(run.pushed_folder))}")
    print(f"Report    {printable(_short(join(report, PAGE_FILE)))}")
    print(f"Metrics   {printable(_short(join(report, METRICS_FILE)))}")
    if run.blessed and run.serves:
        image = first_image(run.artifacts[EXAMPLES].uri)
        print(f"Next      {predict_command(image, config_file)}")
    else:
        print("Next      open the report; correct the data or train longer; run again")


def predict_command(image: str, config_file: Path) -> str:
    """Returns the command that segments an image, quoted for the shell.

    Args:
      image: Path of the image.
      config_file: Path of the config file.
    """
    program = Path(sys.executable).parent / "unetfx"
    command = "unetfx" if shutil.which("unetfx") else os.path.relpath(program)
    option = "" if config_file == DEFAULT_CONFIG else f" --config {shell_path(config_file)}"
    return f"{shell_path(command)} predict {shell_path(_short(image))} --out masks{option}"


def _short(path: str) -> str:
    return path if is_remote(path) else os.path.relpath(path)


def _table(classes: Sequence[str], metrics: RunMetrics) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column("test split", overflow="fold")
    intervals = metrics.intervals.metrics
    for heading in [
        "IoU",
        *(["95 % interval"] if intervals else []),
        "floor",
        *(["last blessed"] if metrics.baseline else []),
    ]:
        table.add_column(heading, justify="right")
    floors = {
        rule.metric: rule.limit
        for rule in metrics.rules
        if rule.kind == FLOOR and rule.slice == OVERALL
    }
    shown = lowest_classes(class_ious(metrics.metrics, classes), MOST_LISTED)
    for metric, title in [
        *((of_class(IOU, classes[class_id]), classes[class_id]) for class_id in shown),
        (MEAN_IOU, "mean"),
    ]:
        cells = [_number(metrics.metrics[metric]), _number(floors.get(metric))]
        if intervals:
            cells.insert(1, interval_text(intervals.get(metric)) or "–")
        if metrics.baseline:
            cells.append(_number(metrics.baseline[metric]))
        table.add_row(Text(printable(title)), *cells)
    return table


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _verdict_lines(metrics: RunMetrics) -> Iterator[Text]:
    for doubt in _first(metrics.doubts):
        yield Text.assemble(("Gate", "bold yellow"), f"      {doubt}")
    if metrics.blessed:
        drops = any(rule.kind == DROP for rule in metrics.rules)
        more = ", and no drop is too large" if drops else ""
        yield Text.assemble(("Blessed", "bold green"), f": every floor is reached{more}.")
    for reason in _first(metrics.reasons):
        yield Text.assemble(("Not blessed", "bold red"), f": {reason}.")
    for reason in metrics.serving.reasons:
        yield Text.assemble(("Cannot be served", "bold red"), f": {reason}.")
    if not metrics.blessed or not metrics.serving.blessed:
        yield Text("Nothing was pushed.")


def _first(lines: Sequence[str]) -> list[str]:
    more = len(lines) - _MOST_LINES
    return [*lines[:_MOST_LINES], *([f"and {more} more, in the report"] if more > 0 else [])]


def _remarks(run: Run) -> Iterator[str]:
    """Yields a line for each warning, each finding about skipped pairs, and each anomaly."""
    for finding in json.loads(read_text(join(run.artifacts[EXAMPLES].uri, FINDINGS_FILE))):
        if finding["severity"] in ("skipped", "warning"):
            yield Finding(**finding).line()
    yield from read_anomalies(run.artifacts[ANOMALIES].uri)
