"""Past runs, as ML Metadata has them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2

from components.blessings import short_name
from components.evaluator.metric_names import MEAN_IOU
from components.report.component import ReportArtifact
from components.report.metrics import METRICS_FILE
from components.tuner.run import FAILED_SCORE
from data.errors import InputError
from pipeline.config.config import Config
from pipeline.history.decisions import Decision, decisions

SOURCE_FILE = "source.txt"
"""In a published report: its path among the artifacts."""
_MOST_NAMED = 5  # runs, in a message
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
      durations: Name of a component that ran to how long it took, in seconds.
      decisions: What people decided about the run's model since, oldest first.
      published: Folder where a person finds its report: it stays when its artifacts are removed.
    """

    id: str
    fresh: frozenset[str]
    cached: frozenset[str]
    failed: frozenset[str]
    artifacts: Mapping[str, metadata_store_pb2.Artifact]
    durations: Mapping[str, float] = {}
    decisions: Sequence[Decision] = ()
    published: Path | None = None

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
        """The model's on `test`, 0..1; None if it was not evaluated, or no report is left."""
        return self.metrics.get(MEAN_IOU)

    @property
    def metrics(self) -> Mapping[str, float | None]:
        """Metric name to the model's value on `test`, None where undefined; empty as above."""
        artifact = self.artifacts.get(ReportArtifact.TYPE_NAME)
        for folder in (artifact and Path(artifact.uri), self.published):
            if folder and (folder / METRICS_FILE).exists():
                return json.loads((folder / METRICS_FILE).read_text())["metrics"]
        return {}

    @property
    def blessed(self) -> bool | None:
        """Whether the run's model is blessed, by the gate or, after it, by a person.

        None if the run did not get there.
        """
        by_people = [d.blessed for d in self.decisions if d.blessed is not None]
        if by_people:
            return by_people[-1]
        blessed = self._property("ModelBlessing", "blessed")
        return None if blessed is None else blessed == 1

    @property
    def serves(self) -> bool | None:
        """Whether the run's model passed ServingCheck; None if the run did not get there."""
        blessed = self._property("InfraBlessing", "blessed")
        return None if blessed is None else blessed == 1

    @property
    def pushed_folder(self) -> str | None:
        """Where the run's model was last pushed to, be it in an earlier run; None if it was not."""
        by_people = [d.pushed_to for d in self.decisions if d.pushed_to]
        if by_people:
            return by_people[-1]
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
                score=None if (score := row.pop("score")) == FAILED_SCORE else score,
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
    store = open_store(config)
    if store is None:
        return []
    contexts = store.get_contexts_by_type("pipeline_run")
    newest_first = sorted(contexts, key=lambda context: context.id, reverse=True)
    made, nodes, reports = decisions(store), _nodes(store), published_reports(config)
    return [_read(store, context, made, nodes, reports) for context in newest_first]


def latest_run(config: Config) -> Run | None:
    """Finds the last run.

    Args:
      config: Names the pipeline.

    Returns:
      The run, be it complete or not; None if there was none.
    """
    store = open_store(config)
    runs = store.get_contexts_by_type("pipeline_run") if store else []
    if store is None or not runs:
        return None
    newest = max(runs, key=lambda run: run.id)
    return _read(store, newest, decisions(store), _nodes(store), published_reports(config))


def find_run(config: Config, name: str | None) -> Run:
    """Finds a run by its id, or by its model.

    Args:
      config: Names the pipeline.
      name: The run's id, or how it begins; or the model that it made, as reports call it:
        `Trainer/model/5`. None for the newest one that has a report.

    Returns:
      The run.

    Raises:
      InputError: There is no such run, or it made no model to speak of.
    """
    runs = [run for run in all_runs(config) if ReportArtifact.TYPE_NAME in run.artifacts]
    made = [run for run in runs if "Trainer" in run.fresh]
    if of_model := [run for run in made if short_name(run.artifacts["Model"].uri) == name]:
        return of_model[0]
    fitting = [
        run
        for run in runs
        if name is None or run.id.startswith(name) or run.folder_name.startswith(name)
    ]
    if not fitting:
        known = ", ".join(run.id for run in runs[:_MOST_NAMED]) or "none yet"
        what = "no run has a report" if name is None else f"{name}: no run of that id has a report"
        raise InputError(f"{what}. There are: {known} (unetfx runs lists all).")
    if name is not None and len({run.id for run in fitting}) > 1:
        both = ", ".join(run.id for run in fitting[:_MOST_NAMED])
        raise InputError(f"{name}: several runs begin so: {both}. Give more of the id.")
    return fitting[0]


def published_reports(config: Config) -> Mapping[str, Path]:
    """A report's path among the artifacts to its folder among the reports."""
    notes = config.reports_folder.glob(f"*/{SOURCE_FILE}")
    return {note.read_text(): note.parent for note in notes}


def open_store(config: Config, *, for_writing: bool = False) -> mlmd.MetadataStore | None:
    """Opens what ML Metadata knows of a pipeline.

    Args:
      config: Names the pipeline.
      for_writing: Whether something is to be recorded.

    Returns:
      The store; None if the pipeline never ran.
    """
    database = config.home / "metadata.db"
    if not database.exists():
        return None
    modes = metadata_store_pb2.SqliteMetadataSourceConfig
    connection = metadata_store_pb2.ConnectionConfig()
    connection.sqlite.filename_uri = str(database)
    connection.sqlite.connection_mode = modes.READWRITE if for_writing else modes.READONLY
    return mlmd.MetadataStore(connection)


def _nodes(store: mlmd.MetadataStore) -> Mapping[int, str]:
    """Each execution's id to its component's name: one by one are thousands of queries."""
    return {
        execution.id: context.name.rpartition(".")[2]
        for context in store.get_contexts_by_type("node")
        for execution in store.get_executions_by_context(context.id)
    }


def _read(
    store: mlmd.MetadataStore,
    context: metadata_store_pb2.Context,
    made: Mapping[int, Sequence[Decision]],
    nodes: Mapping[int, str],
    reports: Mapping[str, Path],
) -> Run:
    executions = store.get_executions_by_context(context.id)
    by_state: dict[int, set[str]] = {}
    durations = {}
    for execution in executions:
        name = nodes[execution.id]
        by_state.setdefault(execution.last_known_state, set()).add(name)
        if execution.last_known_state == metadata_store_pb2.Execution.COMPLETE:
            lasted = execution.last_update_time_since_epoch - execution.create_time_since_epoch
            durations[name] = lasted / 1000
    fresh = frozenset(by_state.pop(metadata_store_pb2.Execution.COMPLETE, ()))
    cached = frozenset(by_state.pop(metadata_store_pb2.Execution.CACHED, ()))
    events = store.get_events_by_execution_ids([execution.id for execution in executions])
    outputs = {
        event.artifact_id for event in events if event.type == metadata_store_pb2.Event.OUTPUT
    }
    artifacts = {artifact.type: artifact for artifact in store.get_artifacts_by_id(sorted(outputs))}
    report = artifacts.get(ReportArtifact.TYPE_NAME)
    return Run(
        id=context.name,
        fresh=fresh,
        cached=cached,
        failed=frozenset(name for names in by_state.values() for name in names),
        artifacts=artifacts,
        durations=durations,
        decisions=made.get(artifacts["Model"].id, ()) if "Model" in artifacts else (),
        published=reports.get(report.uri.rstrip("/")) if report else None,
    )
