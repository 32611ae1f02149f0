"""Past runs, as ML Metadata has them."""

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2

from components.evaluator.metrics import MEAN_IOU
from components.report.component import METRICS_FILE, ReportArtifact
from components.tuner.run import FAILED
from pipeline.config import Config

_TRIALS_FILE = "tuner_results.json"  # as TFX's Tuner calls it


class Trial(NamedTuple):
    """One trial of a search.

    Attributes:
      number: From 1, in the order they ran.
      values: Each hyperparameter's name and value.
      score: Mean IoU on `val` after the best epoch, 0..1; None if nothing came of it.
    """

    number: int
    values: Mapping[str, Any]
    score: float | None


class Run(NamedTuple):
    """One run of the pipeline.

    Attributes:
      id: The run's id: when it began.
      fresh: Names of the components that ran.
      cached: Names of the components whose earlier result was taken, since nothing they read had
        changed.
      failed: Names of the components that failed, or were stopped.
      artifacts: Artifact type to the artifact that the run made or took.
    """

    id: str
    fresh: frozenset[str]
    cached: frozenset[str]
    failed: frozenset[str]
    artifacts: Mapping[str, metadata_store_pb2.Artifact]

    @property
    def folder_name(self) -> str:
        """The id as a folder's name."""
        return self.id.replace(":", "-")

    @property
    def span(self) -> int | None:
        """The newest span of the run's data, 0 if the source has none; None without examples."""
        return self._property("Examples", "span")

    @property
    def mean_iou(self) -> float | None:
        """The model's on `test`, 0..1; None if it was not evaluated, or the report is gone."""
        report = self._read_json(ReportArtifact.TYPE_NAME, METRICS_FILE)
        return report["metrics"][MEAN_IOU] if report else None

    @property
    def blessed(self) -> bool | None:
        """Whether the Evaluator blessed the run's model; None if the run did not get there."""
        blessed = self._property("ModelBlessing", "blessed")
        return None if blessed is None else blessed == 1

    @property
    def pushed_folder(self) -> str | None:
        """Where the run's model was pushed to, be it in an earlier run; None if it was not."""
        if not self._property("PushedModel", "pushed"):
            return None
        properties = self.artifacts["PushedModel"].custom_properties
        return properties["pushed_destination"].string_value

    @property
    def trials(self) -> list[Trial]:
        """The trials of the run's search, in their order; none if it had no search."""
        rows = self._read_json("TunerResults", _TRIALS_FILE) or []
        trials = [
            Trial(
                int(row.pop("trial_id")) + 1,
                score=None if (score := row.pop("score")) == FAILED else score,
                values=row,
            )
            for row in rows
        ]
        return sorted(trials, key=lambda trial: trial.number)

    def _property(self, kind: str, name: str) -> int | None:
        artifact = self.artifacts.get(kind)
        return artifact.custom_properties[name].int_value if artifact else None

    def _read_json(self, kind: str, name: str) -> Any:
        artifact = self.artifacts.get(kind)
        path = Path(artifact.uri) / name if artifact else None
        return json.loads(path.read_text()) if path and path.exists() else None


def best_trial(trials: Iterable[Trial]) -> Trial | None:
    """Returns the trial of the best score, the first of several; None if there is none."""
    scored = [trial for trial in trials if trial.score is not None]
    return max(scored, key=lambda trial: trial.score or 0.0, default=None)


def all_runs(config: Config) -> list[Run]:
    """Finds every run.

    Args:
      config: Names the pipeline.

    Returns:
      The runs, be they complete or not, newest first.
    """
    store = _store(config)
    if store is None:
        return []
    contexts = store.get_contexts_by_type("pipeline_run")
    newest_first = sorted(contexts, key=lambda context: context.id, reverse=True)
    return [_read(store, context) for context in newest_first]


def latest_run(config: Config) -> Run | None:
    """Finds the last run.

    Args:
      config: Names the pipeline.

    Returns:
      The run, be it complete or not; None if there was none.
    """
    store = _store(config)
    runs = store.get_contexts_by_type("pipeline_run") if store else []
    return _read(store, max(runs, key=lambda run: run.id)) if runs else None


def publish_report(config: Config, run: Run) -> Path:
    """Puts the report of a run where a person finds it.

    Args:
      config: Names the pipeline.
      run: A complete run.

    Returns:
      The report's folder. A run that made no report of its own has that of the run it repeats.
    """
    source = Path(run.artifacts[ReportArtifact.TYPE_NAME].uri)
    for report in config.reports_folder.glob("*/source.txt"):
        if report.read_text() == str(source):
            return report.parent
    folder = config.reports_folder / run.folder_name
    shutil.copytree(source, folder)
    (folder / "source.txt").write_text(str(source))
    return folder


def _store(config: Config) -> mlmd.MetadataStore | None:
    database = config.home / "metadata.db"
    if not database.exists():
        return None
    connection = metadata_store_pb2.ConnectionConfig()
    connection.sqlite.filename_uri = str(database)
    connection.sqlite.connection_mode = metadata_store_pb2.SqliteMetadataSourceConfig.READONLY
    return mlmd.MetadataStore(connection)


def _read(store: mlmd.MetadataStore, context: metadata_store_pb2.Context) -> Run:
    executions = store.get_executions_by_context(context.id)
    nodes: dict[int, set[str]] = {}
    for execution in executions:
        (node,) = (
            c.name for c in store.get_contexts_by_execution(execution.id) if c.type == "node"
        )
        nodes.setdefault(execution.last_known_state, set()).add(node.rpartition(".")[2])
    fresh = frozenset(nodes.pop(metadata_store_pb2.Execution.COMPLETE, ()))
    cached = frozenset(nodes.pop(metadata_store_pb2.Execution.CACHED, ()))
    events = store.get_events_by_execution_ids([execution.id for execution in executions])
    outputs = {
        event.artifact_id for event in events if event.type == metadata_store_pb2.Event.OUTPUT
    }
    return Run(
        id=context.name,
        fresh=fresh,
        cached=cached,
        failed=frozenset(name for names in nodes.values() for name in names),
        artifacts={
            artifact.type: artifact for artifact in store.get_artifacts_by_id(sorted(outputs))
        },
    )
