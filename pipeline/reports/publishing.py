"""Publishes reports: a page for each run, and an overview page of all runs."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from components.evaluator.lowest_classes import class_ious, lowest_classes
from components.labels.verdicts import read_verdicts
from components.metric_names import IOU, MEAN_IOU, of_class
from components.report.charts import lines, series_colours
from components.report.contents import CONTENTS_FILE
from components.report.metrics import METRICS_FILE, RunMetrics
from components.report.page import PAGE_FILE, RunFacts, read_anomalies, templates, write_page
from data.errors import InputError
from data.files.copying import copy_folder
from data.files.finding import is_file
from data.files.paths import join
from data.files.reading import read_text
from data.files.writing import write_text
from pipeline.config.config import Config
from pipeline.history.runs import SOURCE_FILE, Run, all_runs, published_reports
from pipeline.history.store import ANOMALIES
from serving.palette import class_marks

_MOST_COMPARED = 6  # runs whose classes are compared in a table
_TO_SECONDS = 19  # length of the date and time, to the second, at the start of a run ID


def publish(config: Config, run: Run) -> str:
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
    source = run.report.uri.rstrip("/")
    folder = published_reports(config).get(source) or join(config.reports_folder, run.folder_name)
    if is_file(join(source, CONTENTS_FILE)):
        copy_folder(source, folder)
        write_text(join(folder, SOURCE_FILE), source)
    runs = all_runs(config)
    if is_file(join(folder, CONTENTS_FILE)):
        write_page(folder, _facts(config, _author(runs, folder, run)))
    elif not is_file(join(folder, PAGE_FILE)):
        # A folder with only the page is accepted, because older versions of unetfx published only
        # the page.
        raise InputError(f"{source}: the files of the report are gone. Run the pipeline again.")
    _write_overview(config, runs)
    return folder


def read_published(folder: str) -> RunMetrics | None:
    """Reads the metrics and verdicts of a published report.

    Args:
      folder: Folder of the published report, as returned by `publish`.

    Returns:
      The metrics and verdicts; None if metrics.json is missing.
    """
    path = join(folder, METRICS_FILE)
    return RunMetrics.model_validate_json(read_text(path)) if is_file(path) else None


def _author(runs: Sequence[Run], folder: str, run: Run) -> Run:
    """Returns the run that made a report, whose ID and durations the page shows.

    A later run on unchanged data reuses the report. The page does not show the durations of such a
    run, because it did not train the model.

    Args:
      runs: All runs of the pipeline.
      folder: Folder of the published report.
      run: A run with this report, which is returned if there is no record of the run that made the
        report.
    """
    return next((other for other in runs if folder.endswith(f"/{other.folder_name}")), run)


def _facts(config: Config, run: Run) -> RunFacts:
    return RunFacts(
        run=run.id,
        version=Path(run.pushed_folder).name if run.pushed_folder else None,
        decisions=list(map(str, run.decisions)),
        anomalies=read_anomalies(run.artifacts[ANOMALIES].uri),
        durations=dict(reversed(list(run.durations.items()))),
        all_runs=f"../{PAGE_FILE}",
        judged=read_verdicts(config.verdicts_file),
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
    classes = config.data.classes
    newest = evaluated[-1]["metrics"].metrics if evaluated else {}
    shown = lowest_classes(class_ious(newest, classes))
    colours = series_colours(classes, shown)
    trend = lines(
        list(_points(evaluated, colours)),
        x="run",
        y="IoU on test",
        series="class",
        colours=colours,
        description="IoU on test of classes and the mean, run by run",
        ordinal=True,
    )
    page = (
        templates()
        .get_template("runs.html")
        .render(
            name=config.name,
            rows=rows,
            classes=class_marks(classes),
            compared=[row for row in rows if row["metrics"]][:_MOST_COMPARED],
            trend=trend,
            shown=len(shown),
        )
    )
    write_text(join(config.reports_folder, PAGE_FILE), page)


def _points(rows: Sequence[dict[str, Any]], series: Iterable[str]) -> Iterator[dict[str, Any]]:
    names = {name: MEAN_IOU if name == "mean" else of_class(IOU, name) for name in series}
    for row in rows:
        run, metrics = row["run"].id[:_TO_SECONDS], row["metrics"]
        for name, metric in names.items():
            value = metrics.metrics.get(metric)
            if value is not None:
                # Only the mean has its interval: those of all classes would hide each other.
                interval = metrics.intervals.metrics.get(metric) if metric == MEAN_IOU else None
                ends = dict(zip(("low", "high"), interval or (), strict=False))
                yield {"run": run, "IoU on test": value, "class": name, **ends}
