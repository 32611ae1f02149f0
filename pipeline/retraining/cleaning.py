"""Removes artifacts that only old runs need, and what runs that died have left."""

import itertools
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence, Set
from pathlib import Path
from typing import NamedTuple

import ml_metadata as mlmd
import tensorflow as tf
from ml_metadata.proto import metadata_store_pb2
from tfx import types
from tfx.types import artifact_utils

from components.blessings import blessed_models
from components.report.component import ReportArtifact
from data.files import is_remote
from pipeline.config.config import Config
from pipeline.history.runs import open_store
from serving.model.versions import numbered_folders, versions

_Artifact, _Event = metadata_store_pb2.Artifact, metadata_store_pb2.Event
_Execution = metadata_store_pb2.Execution
_DESTINATION = "pushed_destination"  # as TFX's Pusher calls it
_UNFINISHED = ".unfinished"  # trainings and searches that were interrupted, to go on with


class Cleaned(NamedTuple):
    """What was removed.

    Attributes:
      artifacts: How many artifacts' files.
      versions: Names of pushed versions.
      size: In bytes, of all files.
      problems: What could not be removed, and why; the next turn tries again.
    """

    artifacts: int
    versions: Sequence[str]
    size: int
    problems: Sequence[str]

    @property
    def removed(self) -> bool:
        """Whether anything was."""
        return bool(self.artifacts or self.versions)

    def __str__(self) -> str:
        """Says it in words."""
        what = [f"{self.artifacts} artifacts of old runs"] if self.artifacts else []
        if self.versions:
            what.append(f"the pushed versions {', '.join(self.versions)}")
        return f"{' and '.join(what)}, {self.size / 1e6:.0f} MB"


def clean(config: Config) -> Cleaned:
    """Removes what the config does not keep. No run may be under way.

    Kept are

    - the newest `retrain.keep_runs` runs that made a report of their own, and runs since the
      oldest of them, complete or not;
    - the run that made the baseline, and the one that made the newest pushed version;
    - with each of them whatever its steps read: its examples, the models it began with and was
      compared with. So the cache still answers when it is run again;
    - each model of which a pushed version is there, for `unetfx push`;
    - people's decisions, published reports and ML Metadata's records, for ever.

    All else is marked in ML Metadata before its files go. TFX's cache and its resolvers take
    nothing that is marked.

    Args:
      config: Names the pipeline, and what is kept.

    Returns:
      What was removed.
    """
    store = open_store(config, for_writing=True)
    if store is None:
        return Cleaned(0, (), 0, ())
    broom = _Broom()
    gone = _remove_versions(config, broom)
    history = _History(store)
    _bury(history, broom, config)
    newest = history.newest_runs(config.retrain.keep_runs)
    there = _versions_there(config, history)
    served = there[max(there)] if there else set()
    kept = newest | history.runs_that_made(served | _baseline(history))
    needed = history.touched_by(kept).union(*there.values())
    unneeded = [
        artifact
        for artifact in history.made
        if artifact.id not in needed
        and artifact.state != _Artifact.DELETED
        and Path(artifact.uri).is_relative_to(config.artifacts_folder)
    ]
    count = _remove_artifacts(store, unneeded, broom)
    if newest:
        _remove_unfinished(config, min(history.began[run] for run in newest), broom)
    return Cleaned(count, gone, broom.size, broom.problems)


class _Broom:
    """Removes files, and keeps count."""

    def __init__(self) -> None:
        self.size = 0
        self.problems: list[str] = []

    def remove(self, folder: Path) -> bool:
        """Removes a folder, and returns whether it is gone."""
        if not folder.exists():
            return True
        size = sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())
        try:
            shutil.rmtree(folder)
        except OSError as error:
            self.problems.append(f"{error.filename}: cannot be removed ({error.strerror})")
            return False
        self.size += size
        return True


class _History:
    """What each run made and read, as ML Metadata has it."""

    def __init__(self, store: mlmd.MetadataStore) -> None:
        contexts = store.get_contexts_by_type("pipeline_run")
        found = {run.id: store.get_executions_by_context(run.id) for run in contexts}
        everything = [execution.id for execution in store.get_executions()]
        self._store = store
        self._artifacts = {artifact.id: artifact for artifact in store.get_artifacts()}
        self._events: dict[int, list[metadata_store_pb2.Event]] = {}
        for event in store.get_events_by_execution_ids(everything) if everything else ():
            self._events.setdefault(event.execution_id, []).append(event)
        self.began = {run.id: run.create_time_since_epoch / 1000 for run in contexts}
        self._runs = {run: {e.id: e for e in executions} for run, executions in found.items()}

    @property
    def dead(self) -> list[metadata_store_pb2.Execution]:
        """Executions that still count as running, of runs whose process died."""
        states = (_Execution.NEW, _Execution.RUNNING)
        every = (execution for run in self._runs.values() for execution in run.values())
        return [execution for execution in every if execution.last_known_state in states]

    @property
    def made(self) -> list[metadata_store_pb2.Artifact]:
        """The artifacts of all runs: what people decided is of none."""
        ids = set().union(*map(self._outputs, self._runs))
        return [self._artifacts[number] for number in sorted(ids)]

    def bury(self, execution: metadata_store_pb2.Execution) -> None:
        """Records that an execution died."""
        execution.last_known_state = _Execution.FAILED
        self._store.put_executions([execution])

    def newest_runs(self, count: int | None) -> set[int]:
        """The runs with the newest so many reports, a repeated one counted once, and all since."""
        reports: set[int] = set()
        runs: set[int] = set()
        for run in sorted(self._runs, reverse=True):
            kinds = {number: self._artifacts[number].type for number in self._outputs(run)}
            reports |= {n for n, kind in kinds.items() if kind == ReportArtifact.TYPE_NAME}
            if count is not None and len(reports) > count:
                break
            runs.add(run)
        return runs

    def runs_that_made(self, artifacts: Set[int]) -> set[int]:
        """The runs whose steps made one of these, not those that took it from the cache."""
        return {
            run
            for run, executions in self._runs.items()
            if any(
                execution.last_known_state == _Execution.COMPLETE
                and artifacts & self._ids(number, _Event.OUTPUT)
                for number, execution in executions.items()
            )
        }

    def touched_by(self, runs: Iterable[int]) -> set[int]:
        """Whatever these runs made, took from the cache, read, or found for a step to read."""
        return {n for run in runs for execution in self._runs[run] for n in self._ids(execution)}

    def live(self, kind: str) -> list[types.Artifact]:
        """The artifacts of a type that are neither removed nor about to be."""
        try:
            of_kind = self._store.get_artifact_type(kind)
        except mlmd.errors.NotFoundError:
            return []
        return [
            artifact_utils.deserialize_artifact(of_kind, artifact)
            for artifact in self._artifacts.values()
            if artifact.type == kind and artifact.state == _Artifact.LIVE
        ]

    def pushed(self) -> Iterator[tuple[str, set[int]]]:
        """Each version's folder, and what was read to push it: the model and its blessings."""
        for execution in self._events:
            for number in self._ids(execution, _Event.OUTPUT):
                properties = self._artifacts[number].custom_properties
                # To ask for a value that is not there would add an empty one, on which MLMD aborts.
                if _DESTINATION in properties:
                    folder = properties[_DESTINATION].string_value
                    yield folder, self._ids(execution, _Event.INPUT)

    def _outputs(self, run: int) -> set[int]:
        return {n for execution in self._runs[run] for n in self._ids(execution, _Event.OUTPUT)}

    def _ids(self, execution: int, kind: int | None = None) -> set[int]:
        events = self._events.get(execution, ())
        return {event.artifact_id for event in events if kind in (None, event.type)}


def _bury(history: _History, broom: _Broom, config: Config) -> None:
    for execution in history.dead:
        # TFX names each output's folder by the execution that makes it, and removes those of a
        # step that fails, but not of one that is killed.
        for folder in config.artifacts_folder.glob(f"*/*/{execution.id}"):
            broom.remove(folder)
        history.bury(execution)


def _versions_there(config: Config, history: _History) -> dict[int, set[int]]:
    """Number of each pushed version that is there to what was read to push it."""
    there = set(numbered_folders(config.serving_folder).values())
    read = ((folder, ids) for folder, ids in history.pushed() if folder in there)
    return {int(os.path.basename(folder)): ids for folder, ids in read}  # noqa: PTH119, as gs://…


def _baseline(history: _History) -> set[int]:
    """The model that the next one is compared with."""
    blessed = blessed_models(history.live("Model"), history.live("ModelBlessing"))
    there = (model for model, _ in blessed if Path(model.uri).exists())
    return {model.id for model in itertools.islice(there, 1)}


def _remove_artifacts(
    store: mlmd.MetadataStore, artifacts: Sequence[metadata_store_pb2.Artifact], broom: _Broom
) -> int:
    """Marks artifacts, removes their files, and returns how many are gone."""
    if not artifacts:
        return 0
    for artifact in artifacts:
        artifact.state = _Artifact.MARKED_FOR_DELETION
    store.put_artifacts(artifacts)  # first: nobody may be given what is half removed
    gone = [artifact for artifact in artifacts if broom.remove(Path(artifact.uri))]
    for artifact in gone:
        artifact.state = _Artifact.DELETED
    store.put_artifacts(gone)
    return len(gone)


def _remove_unfinished(config: Config, before: float, broom: _Broom) -> None:
    """Removes trainings and searches that were interrupted before that time, and never went on."""
    root = config.artifacts_folder
    for folder in [*root.glob(f"*/{_UNFINISHED}/*"), *root.glob(f"*/*/{_UNFINISHED}/*")]:
        if max(path.stat().st_mtime for path in (folder, *folder.rglob("*"))) < before:
            broom.remove(folder)


def _remove_versions(config: Config, broom: _Broom) -> list[str]:
    """Removes the oldest pushed versions if the config says so, and returns their names."""
    keep, serving = config.retrain.keep_versions, config.serving_folder
    unneeded = versions(serving)[keep:] if keep else []
    for version in unneeded:
        folder = os.path.join(serving, version)
        if is_remote(folder):
            tf.io.gfile.rmtree(folder)
        else:
            # A server takes any folder with a number for a version, half of one as well.
            broom.remove(Path(folder).rename(f"{serving}/.{version}"))
    return unneeded
