"""`unetfx runs`: prints tables of past runs and of the trials of hyperparameter searches."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
from components.metric_names import IOU, MEAN_IOU, of_class
from components.trainer.hyperparameters import value_text
from data.printable import printable, shell_path
from pipeline.config.config import Config
from pipeline.history.runs import Run, Trial, all_runs, best_trial

_NOTHING = "–"
_NARROWEST = 80  # characters; narrower terminals wrap the lines
_MOST_COMPARED = 4  # runs whose classes are compared in a table
_DATE = slice(5, 16)  # month, day, hour and minute in the id of a run


def list_runs(config: Config, config_file: Path) -> None:
    """Prints a table of past runs, newest first, and the trials of each hyperparameter search.

    Args:
      config: The config of the pipeline.
      config_file: Path of the config file, to show in the suggested command.
    """
    console = Console(highlight=False)
    console.width = max(console.width, _NARROWEST)
    runs = all_runs(config)
    if not runs:
        print(
            f"{config.name}: no run yet. Start one: unetfx run --config {shell_path(config_file)}"
        )
        return
    has_spans = config.data.source.has_spans
    console.print(_runs_table(runs, has_spans=has_spans))
    remarks = [(run.id, remark) for run in runs if (remark := _remark(run))]
    if remarks:
        console.print()
        table = _table("run")
        table.add_column("remark", overflow="fold")
        for run_id, remark in remarks:
            table.add_row(run_id, Text(printable(remark)))
        console.print(table)
    if compared := [run for run in runs if run.metrics][:_MOST_COMPARED]:
        console.print()
        console.print(_classes_table(compared, config.data.classes))
        if len(config.data.classes) > MOST_LISTED:
            print(f"and {len(config.data.classes) - FEW} classes with a higher IoU: unetfx review")
    for run in runs:
        if "Tuner" in run.fresh and run.trials:
            console.print(f"\nTrials of the run {run.id}")
            console.print(_trials_table(run.trials))


def _runs_table(runs: Sequence[Run], *, has_spans: bool) -> Table:
    table = _table("run")
    intervals = any(run.intervals for run in runs)
    for heading in ("span", "mean IoU", *(["95 % interval"] if intervals else [])):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("blessed", overflow="fold")
    table.add_column("pushed", no_wrap=True)
    for run in runs:
        cells = [_number(run.metrics.get(MEAN_IOU))]
        if intervals:
            cells.append(interval_text(run.intervals.get(MEAN_IOU)) or _NOTHING)
        table.add_row(
            run.id,
            str(run.span) if has_spans and run.span is not None else _NOTHING,
            *cells,
            Text(printable(_blessed(run))),
            Path(run.pushed_folder).name if run.pushed_folder else _NOTHING,
        )
    return table


def _classes_table(runs: Sequence[Run], classes: Sequence[str]) -> Table:
    """Returns a table of the IoU in some runs, with a row for each class or for the lowest ones."""
    table = _table("IoU", overflow="fold", no_wrap=False)
    for run in runs:
        table.add_column(run.id[_DATE].replace("T", " ") or run.id, justify="right")
    for class_id in lowest_classes(class_ious(runs[0].metrics, classes), MOST_LISTED):
        metric = of_class(IOU, classes[class_id])
        values = (_number(run.metrics.get(metric)) for run in runs)
        table.add_row(Text(printable(classes[class_id])), *values)
    return table


def _number(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:.3f}"


def _blessed(run: Run) -> str:
    verdict = {True: "yes", False: "no", None: _NOTHING}[run.blessed]
    people = [decision.who for decision in run.decisions if decision.blessed is not None]
    return f"{verdict}, by {people[-1]}" if people else verdict


def _remark(run: Run) -> str:
    if run.failed:
        return f"did not finish: {', '.join(sorted(run.failed))}"
    if run.serves is False:
        return "cannot be served"
    if {"Trainer", "Pusher"} <= run.cached:
        return "nothing new"
    first, *more = [*run.results.get("reasons", ()), *run.results.get("doubts", ())] or [""]
    return f"{first}; {len(more)} more" if more else first


def _trials_table(trials: Sequence[Trial]) -> Table:
    table = _table("trial")
    names = list(dict.fromkeys(name for trial in trials for name in trial.values))
    for heading in (*names, "val mean IoU"):
        table.add_column(heading, justify="right")
    table.add_column("")
    best = best_trial(trials)
    for trial in trials:
        table.add_row(
            str(trial.number),
            *(value_text(name, trial.values[name]) for name in names),
            "failed" if trial.score is None else f"{trial.score:.3f}",
            Text("best", "bold green") if trial == best else "",
        )
    return table


def _table(first: str, **options: Any) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(first, **{"no_wrap": True, **options})
    return table
