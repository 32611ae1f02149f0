"""Reports where a person finds them: a page for each run, one over all runs, one of two runs."""

import shutil
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from components.evaluator.images import EvaluatedImage, read_images
from components.evaluator.metrics import iou, mean_of_defined
from components.evaluator.names import IOU, MEAN_IOU, of_class
from components.report.charts import lines
from components.report.component import PAGE_FILE, ReportArtifact
from components.report.metrics import METRICS_FILE, Metrics
from components.report.page import ANOMALIES, DURATIONS, OVERRIDES, RUN, templates, tone
from components.validator.component import WORDS_FILE
from data.errors import InputError
from pipeline.config import Config
from pipeline.runs import Run, all_runs

_SOURCE = "source.txt"


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
    folder = _published(config, source) or config.reports_folder / run.folder_name
    if not (source / PAGE_FILE).exists() and not (folder / PAGE_FILE).exists():
        raise InputError(f"{source}: the report's files are gone. Run the pipeline again.")
    if source.exists():
        shutil.copytree(source, folder, dirs_exist_ok=True)
        (folder / _SOURCE).write_text(str(source))
        page = (source / PAGE_FILE).read_text()
        for place, html in _known_at_the_end(_author(config, folder, run)).items():
            page = page.replace(place, html)
        (folder / PAGE_FILE).write_text(page)
    _write_overview(config)
    return folder


def _published(config: Config, source: Path) -> Path | None:
    for note in config.reports_folder.glob(f"*/{_SOURCE}"):
        if note.read_text() == str(source):
            return note.parent
    return None


def _author(config: Config, folder: Path, run: Run) -> Run:
    """The run that a report is of: a run that repeats it took seconds, and trained nothing."""
    return next((other for other in all_runs(config) if other.folder_name == folder.name), run)


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
    path = Path(run.artifacts["ExampleAnomalies"].uri) / WORDS_FILE
    lines_of_text = path.read_text().splitlines() if path.exists() else []
    if not lines_of_text:
        return Markup("<p class='soft'>The data are as the schema says: no anomalies.</p>")
    items = Markup("").join(Markup("<li>{}</li>").format(line) for line in lines_of_text)
    return Markup("<h3>Anomalies</h3><ul>{}</ul>").format(items)


def _write_overview(config: Config) -> None:
    """All runs in a table, and each class's IoU over them."""
    rows: list[dict[str, Any]] = []
    for run in all_runs(config):
        artifact = run.artifacts.get(ReportArtifact.TYPE_NAME)
        source = Path(artifact.uri) if artifact else None
        published = _published(config, source) if source else None
        metrics = _metrics(published) if published else None
        rows.append({"run": run, "metrics": metrics, "folder": published and published.name})
    # An unchanged run repeats an earlier one's report: a point of its own would say nothing.
    new = [row for row in rows[::-1] if row["metrics"] and "Evaluator" in row["run"].fresh]
    points = [
        {"run": row["run"].id[:16], "IoU on test": value, "class": name}
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


def _metrics(folder: Path) -> Metrics | None:
    path = folder / METRICS_FILE
    return Metrics.model_validate_json(path.read_text()) if path.exists() else None


class _Pair(NamedTuple):
    """An image that both of two runs evaluated."""

    key: str
    one: float
    two: float
    by_class: list[tuple[float | None, float | None]]

    @property
    def change(self) -> float:
        return self.two - self.one


def compare(config: Config, one: Run, two: Run) -> Path:
    """Writes a page that sets two runs side by side, image by image.

    Args:
      config: Names the pipeline.
      one: A run that has a report.
      two: Another one.

    Returns:
      The page.

    Raises:
      InputError: The two evaluated no image in common, or have other classes.
    """
    runs = (one, two)
    folders = [publish(config, run) for run in runs]
    evaluated = [
        {image.key: image for image in read_images(run.artifacts["ModelEvaluation"].uri)}
        for run in runs
    ]
    common = sorted(evaluated[0].keys() & evaluated[1].keys())
    if not common:
        raise InputError(f"{one.id} and {two.id} evaluated no image in common: nothing to compare.")
    pairs = [_pair(key, evaluated[0][key], evaluated[1][key]) for key in common]
    if any(len(pair.by_class) != len(config.data.classes) for pair in pairs):
        raise InputError(f"{one.id} and {two.id} do not have the config's classes.")
    defined = sorted((pair for pair in pairs if pair.change == pair.change), key=lambda p: p.change)
    page = (
        templates()
        .get_template("compare.html")
        .render(
            name=config.name,
            runs=runs,
            folders=[folder.name for folder in folders],
            metrics=[_metrics(folder) for folder in folders],
            classes=list(enumerate(config.data.classes)),
            tones=[tone(number) for number in range(len(config.data.classes))],
            pairs=defined,
            only=[len(found) - len(common) for found in evaluated],
        )
    )
    path = config.reports_folder / f"compare-{one.folder_name}-{two.folder_name}.html"
    path.write_text(page)
    return path


def _pair(key: str, one: EvaluatedImage, two: EvaluatedImage) -> _Pair:
    before, after = iou(one.candidate), iou(two.candidate)
    return _Pair(
        key,
        mean_of_defined(before),
        mean_of_defined(after),
        [(_number(a), _number(b)) for a, b in zip(before, after, strict=False)],
    )


def _number(value: float) -> float | None:
    return None if value != value else float(value)
