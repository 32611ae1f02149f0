"""The short table at the end of a run."""

import os
from pathlib import Path

import tensorflow_data_validation as tfdv
from rich.console import Console
from rich.table import Table
from tfx.types import artifact_utils
from tensorflow_metadata.proto.v0 import anomalies_pb2

from components.evaluator.gate import Rule, Verdict
from components.evaluator.metrics import MEAN_IOU, class_iou
from components.report.component import METRICS_FILE, OVERLAY_FILE
from pipeline.config import Config
from pipeline.runs import Run


def print_summary(config: Config, run: Run, report: Path) -> bool:
    """Prints IoU and floors, the verdict, where everything lies, and the next command to try.

    Args:
      config: Of the pipeline.
      run: A complete run.
      report: The folder of its report.

    Returns:
      Whether the model is blessed.
    """
    console = Console(highlight=False, soft_wrap=True)
    verdict = Verdict.model_validate_json((report / METRICS_FILE).read_text())
    console.print()
    if "Trainer" in run.cached and "Pusher" in run.cached:
        console.print("Nothing new: data and settings are those of an earlier run. Nothing trained, nothing pushed.\n")
    console.print(_table(config, verdict))
    console.print()
    failed = [rule for rule in verdict.rules if not rule.passed]
    if verdict.blessed:
        console.print("[bold green]Blessed[/]: " + ("every floor and every allowed drop is kept." if any(
            rule.kind == "drop" for rule in verdict.rules) else "every floor is kept."))
    else:
        for rule in failed:
            console.print(f"[bold red]Not blessed[/]: {rule}.")
        if not failed:
            console.print(f"[bold red]Not blessed[/]: see {run.artifacts['ModelEvaluation'].uri}")
        console.print("Nothing was pushed.")
    places = {"Pictures": report / OVERLAY_FILE, "Metrics": report / METRICS_FILE}
    if run.pushed_folder:
        places = {"Model": Path(run.pushed_folder)} | places
    for what, place in places.items():
        console.print(f"{what:<10}{os.path.relpath(place)}")
    return verdict.blessed


def _table(config: Config, verdict: Verdict) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column("test split")
    for heading in ["IoU", "floor", *(["last blessed"] if verdict.baseline else [])]:
        table.add_column(heading, justify="right")
    floors = {rule.metric: rule for rule in verdict.rules if rule.kind == "floor"}
    for metric, title in [*((class_iou(name), name) for name in config.data.classes), (MEAN_IOU, "mean")]:
        rule: Rule | None = floors.get(metric)
        cells = [_number(verdict.metrics[metric]), _number(rule.limit) if rule else "–"]
        if verdict.baseline:
            cells.append(_number(verdict.baseline[metric]))
        table.add_row(title, *cells)
    return table


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
