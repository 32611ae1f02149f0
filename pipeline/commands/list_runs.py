"""`unetfx runs`: prints tables of past runs and of the trials of hyperparameter searches."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from components.evaluator.gate_text import interval_text
from components.evaluator.metric_names import IOU, MEAN_IOU, of_class
from components.trainer.hyperparameters import value_text
from data.printable import printable, shell_path
from pipeline.config.config import Config
from pipeline.history.runs import Run, Trial, all_runs, best_trial

_NOTHING = "–"
# With more classes than this, the table omits the IoU of each class, because so many columns would
# not fit in a terminal.
_MOST_CLASSES = 8
# Width of the output in characters. The width is fixed, so that version numbers are not truncated
# on a narrow terminal.
_WIDTH = 200


def list_runs(config: Config, config_file: Path) -> None:
    """Prints a table of past runs, newest first, and the trials of each hyperparameter search.

    Args:
      config: The config of the pipeline.
      config_file: Path of the config file, to show in the suggested command.
    """
    console = Console(highlight=False, width=_WIDTH)
    runs = all_runs(config)
    if not runs:
        print(
            f"{config.name}: no run yet. Start one: unetfx run --config {shell_path(config_file)}"
        )
        return
    has_spans = config.data.source.has_spans
    console.print(_runs_table(runs, config.data.classes, has_spans=has_spans))
    for run in runs:
        if "Tuner" in run.fresh and run.trials:
            console.print(f"\nTrials of the run {run.id}")
            console.print(_trials_table(run.trials))


def _runs_table(runs: Sequence[Run], classes: Sequence[str], *, has_spans: bool) -> Table:
    table = _table("run")
    shown = classes if len(classes) <= _MOST_CLASSES else ()
    intervals = any(run.intervals for run in runs)
    for heading in ("span", "mean IoU", *(["95 % interval"] if intervals else []), *shown):
        table.add_column(heading, justify="right")
    for heading in ("blessed", "pushed", ""):
        table.add_column(heading)
    for run in runs:
        metrics = run.metrics
        cells = [
            _number(metrics.get(name)) for name in (MEAN_IOU, *(of_class(IOU, c) for c in shown))
        ]
        if intervals:
            cells.insert(1, interval_text(run.intervals.get(MEAN_IOU)) or _NOTHING)
        table.add_row(
            run.id,
            str(run.span) if has_spans and run.span is not None else _NOTHING,
            *cells,
            Text(printable(_blessed(run))),
            Path(run.pushed_folder).name if run.pushed_folder else _NOTHING,
            Text(printable(_remark(run))),
        )
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


def _table(first: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column(first, no_wrap=True)
    return table
