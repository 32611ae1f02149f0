"""Publishes reports: a page for each run, and an overview page of all runs."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components.evaluator.metric_names import IOU, MEAN_IOU, of_class
from components.report.charts import lines
from components.report.contents import CONTENTS_FILE
from components.report.metrics import METRICS_FILE, RunMetrics
from components.report.page import PAGE_FILE, RunFacts, read_anomalies, templates, write_page
from data.errors import InputError
from pipeline.config.config import Config
from pipeline.history.runs import SOURCE_FILE, Run, all_runs, published_reports
from pipeline.history.store import ANOMALIES

_TO_SECONDS = 19  # length of the date and time, to the second, at the start of a run ID


def publish(config: Config, run: Run) -> Path:
    """Publishes the report of a run, and updates the overview page of all runs.

    Args:
      config: The config of the pipeline.
      run: The run, which must have a report.

    Returns:
      Folder of the published report; runs that share a report also share its folder.

    Raises:
      InputError: The run has no report, or the files of the report are missing.
    """
    if run.report is None:
        raise InputError(f"{run.id}: the run has no report. Run the pipeline again.")
    source = Path(run.report.uri)
    folder = published_reports(config).get(str(source)) or config.reports_folder / run.folder_name
    if (source / CONTENTS_FILE).exists():
        shutil.copytree(source, folder, dirs_exist_ok=True)
        (folder / SOURCE_FILE).write_text(str(source))
    runs = all_runs(config)
    if (folder / CONTENTS_FILE).exists():
        write_page(str(folder), _facts(_author(runs, folder, run)))
    elif not (folder / PAGE_FILE).exists():
        # A folder with only the page is accepted, because older versions of unetfx published only
        # the page.
        raise InputError(f"{source}: the files of the report are gone. Run the pipeline again.")
    _write_overview(config, runs)
    return folder


def read_published(folder: Path) -> RunMetrics | None:
    """Reads the metrics and verdicts of a published report.

    Args:
      folder: Folder of the published report, as returned by `publish`.

    Returns:
      The metrics and verdicts; None if metrics.json is missing.
    """
    path = folder / METRICS_FILE
    return RunMetrics.model_validate_json(path.read_text()) if path.exists() else None


def _author(runs: Sequence[Run], folder: Path, run: Run) -> Run:
    """Returns the run that made a report, whose ID and durations the page shows.

    A later run on unchanged data reuses the report. The page does not show the durations of such a
    run, because it did not train the model.

    Args:
      runs: All runs of the pipeline.
      folder: Folder of the published report.
      run: A run with this report, which is returned if there is no record of the run that made the
        report.
    """
    return next((other for other in runs if other.folder_name == folder.name), run)


def _facts(run: Run) -> RunFacts:
    return RunFacts(
        run=run.id,
        version=Path(run.pushed_folder).name if run.pushed_folder else None,
        decisions=list(map(str, run.decisions)),
        anomalies=read_anomalies(run.artifacts[ANOMALIES].uri),
        durations=dict(reversed(list(run.durations.items()))),
        all_runs=f"../{PAGE_FILE}",
    )


def _write_overview(config: Config, runs: Sequence[Run]) -> None:
    """Writes a page with a table of all runs and a chart of each class's IoU over the runs."""
    rows: list[dict[str, Any]] = []
    for run in runs:
        metrics = read_published(run.published) if run.published else None
        rows.append({"run": run, "metrics": metrics})
    # The chart omits runs that took their evaluation from the cache, because each of them would
    # repeat an earlier point.
    evaluated = [row for row in rows[::-1] if row["metrics"] and "Evaluator" in row["run"].fresh]
    metric_names = {name: of_class(IOU, name) for name in config.data.classes} | {"mean": MEAN_IOU}
    points = [
        {"run": row["run"].id[:_TO_SECONDS], "IoU on test": value, "class": name}
        for row in evaluated
        for name, metric in metric_names.items()
        if (value := row["metrics"].metrics.get(metric)) is not None
    ]
    trend = lines(
        points,
        x="run",
        y="IoU on test",
        series="class",
        order=[*config.data.classes, "mean"],
        description="IoU on test of each class, run by run",
        ordinal=True,
    )
    page = (
        templates()
        .get_template("runs.html")
        .render(name=config.name, rows=rows, classes=config.data.classes, trend=trend)
    )
    config.reports_folder.mkdir(parents=True, exist_ok=True)
    (config.reports_folder / PAGE_FILE).write_text(page)
