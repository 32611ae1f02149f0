"""Reads the past runs of a pipeline and their results."""

import json
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tfx.utils import path_utils

from components.blessings import short_name
from components.metric_names import MEAN_IOU
from components.report.metrics import METRICS_FILE
from components.tuner.run import FAILED_SCORE
from data.errors import InputError
from data.files.finding import find_files, is_file, is_folder
from data.files.paths import join
from data.files.reading import read_text
from pipeline.config.config import Config
from pipeline.history import store
from pipeline.history.decisions import Decision, decisions
from pipeline.history.store import (
    Artifact,
    Execution,
    History,
    RunRecord,
    int_property,
    open_history,
    text_property,
)

SOURCE_FILE = "source.txt"
"""Name of the file, in the folder of a published report, that contains the path of the report's
artifact."""
_MOST_NAMED = 5  # maximum number of runs listed in a message
_TRIALS_FILE = "tuner_results.json"  # file in which TFX's Tuner lists all trials


class Trial(NamedTuple):
    """One trial of a hyperparameter search.

    Attributes:
      number: Number of the trial; trials are numbered from 1 in the order in which they started.
      values: Values of the hyperparameters, by name.
      score: Mean IoU on the validation split after the best epoch, from 0 to 1; None if training
        failed.
    """

    number: int
    values: Mapping[str, Any]
    score: float | None


class Run(NamedTuple):
    """One run of the pipeline.

    Attributes:
      id: ID of the run, which is its start time.
      fresh: Names of the components that were executed rather than taken from TFX's cache.
      cached: Names of the components whose outputs were taken from TFX's cache.
      failed: Names of the components that failed, were stopped or have not finished.
      artifacts: The artifacts that the run made or took from the cache, by artifact type.
      durations: Duration of each executed component in seconds, by component name.
      decisions: People's decisions about the run's model, oldest first.
      published: Folder of the published report, which is kept even when the run's artifacts are
        removed; None if no report was published.
    """

    id: str
    fresh: frozenset[str]
    cached: frozenset[str]
    failed: frozenset[str]
    artifacts: Mapping[str, Artifact]
    durations: Mapping[str, float] = {}
    decisions: Sequence[Decision] = ()
    published: str | None = None

    @property
    def folder_name(self) -> str:
        """Name of the sub-folder for the run's report, in the folder of published reports."""
        return self.id.replace(":", "-")

    @property
    def span(self) -> int | None:
        """Number of the newest data span; None if the run has no examples.

        If the data source has no spans, the number is 0.
        """
        return self._int(store.EXAMPLES, store.SPAN)

    @property
    def fingerprint(self) -> str | None:
        """Fingerprint of the files that ExampleGen read; None if the run has no examples."""
        return self._text(store.EXAMPLES, store.FINGERPRINT)

    @property
    def report(self) -> Artifact | None:
        """Artifact with the data of the run's report; None if the run has no report."""
        kinds = (kind for kind in store.REPORTS if kind in self.artifacts)
        return next((self.artifacts[kind] for kind in kinds), None)

    @property
    def mean_iou(self) -> float | None:
        """Mean IoU on the test split, from 0 to 1; None if undefined or if there is no report."""
        return self.metrics.get(MEAN_IOU)

    @property
    def metrics(self) -> Mapping[str, float | None]:
        """Metrics on the test split, by name (None if undefined); empty if there is no report."""
        return self.results.get("metrics", {})

    @property
    def intervals(self) -> Mapping[str, Sequence[float]]:
        """95 % confidence intervals of the metrics that have one, by name."""
        return self.results.get("intervals", {}).get("metrics", {})

    @property
    def results(self) -> Mapping[str, Any]:
        """Content of metrics.json; empty if there is no report."""
        for folder in (self.report and self.report.uri, self.published):
            if folder and is_file(path := join(folder, METRICS_FILE)):
                return json.loads(read_text(path))
        return {}

    @property
    def blessed(self) -> bool | None:
        """Whether the model is blessed; None if the run ended before the gate.

        A person's latest decision overrides the gate.
        """
        by_people = [d.blessed for d in self.decisions if d.blessed is not None]
        if by_people:
            return by_people[-1]
        blessed = self._int(store.BLESSING, store.BLESSED)
        return None if blessed is None else blessed == 1

    @property
    def serves(self) -> bool | None:
        """Whether the model passed ServingCheck; None if the run ended before ServingCheck."""
        blessed = self._int(store.SERVING_BLESSING, store.BLESSED)
        return None if blessed is None else blessed == 1

    @property
    def pushed_folder(self) -> str | None:
        """Folder to which the model was last pushed; None if the model was never pushed."""
        by_people = [d.pushed_to for d in self.decisions if d.pushed_to]
        if by_people:
            return by_people[-1]
        if not self._int(store.PUSHED_MODEL, store.PUSHED):
            return None
        return self._text(store.PUSHED_MODEL, store.DESTINATION)

    @property
    def trials(self) -> list[Trial]:
        """Trials of the run's hyperparameter search, ordered by number; empty if there was none."""
        artifact = self.artifacts.get(store.TUNER_RESULTS)
        path = join(artifact.uri, _TRIALS_FILE) if artifact else None
        rows = json.loads(read_text(path)) if path and is_file(path) else []
        trials = [
            Trial(
                int(row.pop("trial_id")) + 1,
                score=None if (score := row.pop("score")) == FAILED_SCORE else score,
                values=row,
            )
            for row in rows
        ]
        return sorted(trials, key=lambda trial: trial.number)

    def _int(self, kind: str, key: str) -> int | None:
        artifact = self.artifacts.get(kind)
        return int_property(artifact, key) if artifact else None

    def _text(self, kind: str, key: str) -> str | None:
        artifact = self.artifacts.get(kind)
        return text_property(artifact, key) if artifact else None


def best_trial(trials: Iterable[Trial]) -> Trial | None:
    """Returns the first trial with the highest score; None if no trial has a score."""
    scored = [trial for trial in trials if trial.score is not None]
    return max(scored, key=lambda trial: trial.score or 0.0, default=None)


def all_runs(config: Config) -> list[Run]:
    """Reads all runs of a pipeline from ML Metadata.

    Args:
      config: The config of the pipeline.

    Returns:
      The runs, newest first, including failed runs.
    """
    return _read_runs(config, None)


def latest_run(config: Config) -> Run | None:
    """Reads the newest run of a pipeline from ML Metadata.

    Args:
      config: The config of the pipeline.

    Returns:
      The run, which may have failed; None if the pipeline has never run.
    """
    return next(iter(_read_runs(config, 1)), None)


def find_run(config: Config, name: str | None) -> Run:
    """Finds a run that has a report, by the run's ID or the name of its model.

    Args:
      config: The config of the pipeline.
      name: ID of the run or the beginning of the ID, or the short name that reports use for its
        model, such as `Trainer/model/5`. None for the newest run with a report.

    Returns:
      The run with this ID, or the newest run.

    Raises:
      InputError: No run with a report matches the name, or several do.
    """
    runs = [run for run in all_runs(config) if run.report]
    trained = [run for run in runs if "Trainer" in run.fresh]
    if of_model := [run for run in trained if short_name(run.artifacts[store.MODEL].uri) == name]:
        return of_model[0]
    fitting = [
        run
        for run in runs
        if name is None or run.id.startswith(name) or run.folder_name.startswith(name)
    ]
    if not fitting:
        known = ", ".join(run.id for run in runs[:_MOST_NAMED]) or "none yet"
        problem = (
            "no run has a report" if name is None else f"{name}: no run with this ID has a report"
        )
        raise InputError(f"{problem}. Runs with reports: {known}. To list all runs: unetfx runs")
    if name is not None and len({run.id for run in fitting}) > 1:
        ids = ", ".join(run.id for run in fitting[:_MOST_NAMED])
        raise InputError(f"{name}: several run IDs begin with this: {ids}. Give more characters.")
    return fitting[0]


def newest_model(config: Config) -> str:
    """Finds the SavedModel of the newest run whose model is still there, blessed or not.

    Args:
      config: The config of the pipeline.

    Returns:
      Path of the SavedModel's folder.

    Raises:
      InputError: No run has trained a model that is still there.
    """
    for run in all_runs(config):
        if store.MODEL in run.artifacts:
            path: str = path_utils.serving_model_path(run.artifacts[store.MODEL].uri)
            if is_folder(path):
                return path
    raise InputError(f"{config.root}: no trained model there. Run the pipeline first: unetfx run")


def published_reports(config: Config) -> Mapping[str, str]:
    """Returns the folder of each published report, by the path of the report's artifact.

    Args:
      config: The config of the pipeline.
    """
    notes = find_files(join(config.reports_folder, f"*/{SOURCE_FILE}"))
    return {read_text(note): posixpath.dirname(note) for note in notes}


def _read_runs(config: Config, count: int | None) -> list[Run]:
    """Reads the newest `count` runs, or all runs if `count` is None."""
    history = open_history(config)
    if history is None or not history.runs:
        return []
    by_model, published = decisions(history), published_reports(config)
    return [_read(history, run, by_model, published) for run in history.runs[:count]]


def _read(
    history: History,
    record: RunRecord,
    by_model: Mapping[int, Sequence[Decision]],
    published: Mapping[str, str],
) -> Run:
    by_state: dict[int, set[str]] = {}
    durations = {}
    for execution in history.executions(record.number):
        name = history.component(execution)
        by_state.setdefault(execution.last_known_state, set()).add(name)
        if execution.last_known_state == Execution.COMPLETE:
            lasted = execution.last_update_time_since_epoch - execution.create_time_since_epoch
            durations[name] = lasted / 1000
    fresh = frozenset(by_state.pop(Execution.COMPLETE, ()))
    cached = frozenset(by_state.pop(Execution.CACHED, ()))
    artifacts = {artifact.type: artifact for artifact in history.outputs(record.number)}
    model = artifacts.get(store.MODEL)
    run = Run(
        id=record.id,
        fresh=fresh,
        cached=cached,
        failed=frozenset(name for names in by_state.values() for name in names),
        artifacts=artifacts,
        durations=durations,
        decisions=by_model.get(model.id, ()) if model else (),
    )
    report = run.report
    return run._replace(published=published.get(report.uri.rstrip("/")) if report else None)
