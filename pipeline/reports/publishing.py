"""Reports where a person finds them: a page for each run, and one over all runs."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from components.evaluator.metric_names import IOU, MEAN_IOU, of_class
from components.report.charts import lines
from components.report.component import PAGE_FILE, ReportArtifact
from components.report.metrics import METRICS_FILE, RunMetrics
from components.report.page import ANOMALIES, DURATIONS, OVERRIDES, RUN, anomalies, templates
from components.validator.anomaly_text import ANOMALY_TEXT_FILE
from data.errors import InputError
from pipeline.config.config import Config
from pipeline.history.runs import SOURCE_FILE, Run, all_runs, published_reports

_TO_SECONDS = 19  # characters of a run's id


def publish(config: Config, run: Run) -> Path:
    """Puts the report of a run where a person finds it, and renews the page over all runs.

    Args:
      config: Names the pipeline.
      run: A run that has a report.

    Returns:
      The report's folder. A run that made no report of its own has that of the run it repeats.

    Raises:
      InputError: The report's files are gone.
    """
    source = Path(run.artifacts[ReportArtifact.TYPE_NAME].uri)
    folder = published_reports(config).get(str(source)) or config.reports_folder / run.folder_name
    if not (source / PAGE_FILE).exists() and not (folder / PAGE_FILE).exists():
        raise InputError(f"{source}: the report's files are gone. Run the pipeline again.")
    runs = all_runs(config)
    if source.exists():
        shutil.copytree(source, folder, dirs_exist_ok=True)
        (folder / SOURCE_FILE).write_text(str(source))
        page = (source / PAGE_FILE).read_text()
        for place, html in _known_at_the_end(_author(runs, folder, run)).items():
            page = page.replace(place, html)
        (folder / PAGE_FILE).write_text(page)
    _write_overview(config, runs)
    return folder


def read_published(folder: Path) -> RunMetrics | None:
    """Reads what was measured and decided in a run.

    Args:
      folder: From `publish`.

    Returns:
      The metrics; None if the file is gone.
    """
    path = folder / METRICS_FILE
    return RunMetrics.model_validate_json(path.read_text()) if path.exists() else None


def _author(runs: Sequence[Run], folder: Path, run: Run) -> Run:
    """The run that a report is of: a run that repeats it took seconds, and trained nothing."""
    return next((other for other in runs if other.folder_name == folder.name), run)


def _known_at_the_end(run: Run) -> dict[str, Markup]:
    pushed = f", pushed as version {Path(run.pushed_folder).name}" if run.pushed_folder else ""
    total = sum(run.durations.values())
    durations = Markup("").join(
        Markup("<tr><th scope='row'>{}</th><td>{}</td></tr>").format(name, f"{seconds:.0f} s")
        for name, seconds in [*reversed(list(run.durations.items())), ("All steps", total)]
    )
    return {
        RUN: Markup("<p>Run {}{}. <a href='../{}'>All runs</a></p>").format(
            run.id, pushed, PAGE_FILE
        ),
        OVERRIDES: Markup("").join(
            Markup("<p><strong>{}.</strong></p>").format(decision) for decision in run.decisions
        ),
        ANOMALIES: _anomalies(run),
        DURATIONS: durations,
    }


def _anomalies(run: Run) -> Markup:
    path = Path(run.artifacts["ExampleAnomalies"].uri) / ANOMALY_TEXT_FILE
    return anomalies(path.read_text() if path.exists() else "")


def _write_overview(config: Config, runs: Sequence[Run]) -> None:
    """All runs in a table, and each class's IoU over them."""
    rows: list[dict[str, Any]] = []
    published = published_reports(config)
    for run in runs:
        artifact = run.artifacts.get(ReportArtifact.TYPE_NAME)
        folder = published.get(str(Path(artifact.uri))) if artifact else None
        metrics = read_published(folder) if folder else None
        rows.append({"run": run, "metrics": metrics, "folder": folder and folder.name})
    # An unchanged run repeats an earlier one's report: a point of its own would say nothing.
    new = [row for row in rows[::-1] if row["metrics"] and "Evaluator" in row["run"].fresh]
    points = [
        {"run": row["run"].id[:_TO_SECONDS], "IoU on test": value, "class": name}
        for row in new
        for name, metric in [
            *((name, of_class(IOU, name)) for name in config.data.classes),
            ("mean", MEAN_IOU),
        ]
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
