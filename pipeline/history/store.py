"""Reads records of past runs from ML Metadata, and adds records of people's decisions.

In ML Metadata, a run is a context, and each component of a run is an execution. The inputs and
outputs of components are artifacts, which are linked to executions by events. A person's decision
is stored as an execution that belongs to the pipeline but not to a run.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from functools import cached_property
from typing import NamedTuple, TypeAlias

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2
from tfx import types
from tfx.components.evaluator import constants
from tfx.components.example_gen.utils import FINGERPRINT_PROPERTY_NAME, SPAN_PROPERTY_NAME
from tfx.types import artifact_utils, standard_artifacts
from tfx.types.experimental.simple_artifacts import File

from data.errors import InputError, one_line
from pipeline.config.config import Config

Artifact: TypeAlias = metadata_store_pb2.Artifact
Execution: TypeAlias = metadata_store_pb2.Execution
_Event: TypeAlias = metadata_store_pb2.Event

EXAMPLES = standard_artifacts.Examples.TYPE_NAME
STATISTICS = standard_artifacts.ExampleStatistics.TYPE_NAME
ANOMALIES = standard_artifacts.ExampleAnomalies.TYPE_NAME
MODEL = standard_artifacts.Model.TYPE_NAME
EVALUATION = standard_artifacts.ModelEvaluation.TYPE_NAME
BLESSING = standard_artifacts.ModelBlessing.TYPE_NAME
SERVING_BLESSING = standard_artifacts.InfraBlessing.TYPE_NAME
PUSHED_MODEL = standard_artifacts.PushedModel.TYPE_NAME
TUNER_RESULTS = standard_artifacts.TunerResults.TYPE_NAME
REPORTS = (File.TYPE_NAME, "UnetfxReport")
"""Artifact types of reports: the current type, and the type that older versions of unetfx used."""

SPAN, FINGERPRINT = SPAN_PROPERTY_NAME, FINGERPRINT_PROPERTY_NAME
BLESSED = constants.ARTIFACT_PROPERTY_BLESSED_KEY
# The Pusher also reads the examples and the evaluation, for the model card.
_OF_A_PUSH = frozenset({MODEL, BLESSING, SERVING_BLESSING})
MODEL_ID = constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY
MODEL_URI = constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY
PUSHED, DESTINATION = "pushed", "pushed_destination"
"""Keys of the properties that TFX's Pusher sets; TFX has no public constants for them."""
WHEN, WHY = "when", "why"
"""Keys of the properties with the time and the reason of a person's decision. The key for the user
name is `components.blessings.WHO`."""

_DECISION = "unetfx.Decision"


class RunRecord(NamedTuple):
    """A run as recorded in ML Metadata.

    Attributes:
      number: ID of the run's context in ML Metadata; newer runs have higher numbers.
      id: ID of the run, which is its start time.
      began: Start time of the run, as a Unix timestamp in seconds.
    """

    number: int
    id: str
    began: float


class History:
    """ML Metadata records of one pipeline; each kind of record is read when it is first needed."""

    def __init__(self, store: mlmd.MetadataStore) -> None:
        self._store = store
        self._executions: dict[int, list[Execution]] = {}

    @cached_property
    def runs(self) -> list[RunRecord]:
        """All runs of the pipeline, newest first, including failed runs."""
        contexts = self._store.get_contexts_by_type("pipeline_run")
        newest_first = sorted(contexts, key=lambda context: context.id, reverse=True)
        return [RunRecord(c.id, c.name, c.create_time_since_epoch / 1000) for c in newest_first]

    def executions(self, run: int) -> list[Execution]:
        """Returns the executions of a run, one for each component.

        Args:
          run: Number of the run (`RunRecord.number`).
        """
        if run not in self._executions:
            self._executions[run] = self._store.get_executions_by_context(run)
        return self._executions[run]

    def component(self, execution: Execution) -> str:
        """Returns the name of the component that an execution belongs to."""
        return self._components[execution.id]

    def outputs(self, run: int) -> list[Artifact]:
        """Returns the artifacts that a run made or took from the cache, oldest first.

        Args:
          run: Number of the run (`RunRecord.number`).
        """
        return [self._artifacts[number] for number in sorted(self._output_ids(run))]

    @property
    def made(self) -> list[Artifact]:
        """Output artifacts of all runs, oldest first, excluding records of people's decisions."""
        ids = set().union(*(self._output_ids(run.number) for run in self.runs))
        return [self._artifacts[number] for number in sorted(ids)]

    def of_type(self, kind: str) -> list[Artifact]:
        """Returns all artifacts of a type, such as `Model`, oldest first."""
        return [
            self._artifacts[n] for n in sorted(self._artifacts) if self._artifacts[n].type == kind
        ]

    def live(self, kind: str) -> list[types.Artifact]:
        """Returns the live artifacts of a type, neither deleted nor marked for deletion."""
        try:
            artifact_type = self._store.get_artifact_type(kind)
        except mlmd.errors.NotFoundError:
            return []
        return [
            artifact_utils.deserialize_artifact(artifact_type, artifact)
            for artifact in self.of_type(kind)
            if artifact.state == Artifact.LIVE
        ]

    @property
    def unfinished(self) -> list[Execution]:
        """Executions recorded as new or running, whose run is in progress or was killed."""
        states = (Execution.NEW, Execution.RUNNING)
        every = (execution for run in self.runs for execution in self.executions(run.number))
        return [execution for execution in every if execution.last_known_state in states]

    def newest_runs(self, count: int | None) -> set[int]:
        """Returns the numbers of the newest runs (`RunRecord.number`).

        Args:
          count: Maximum number of different reports among the returned runs; None for all runs.
            Runs on unchanged data share a report. Runs without a report are returned, too, but do
            not count.
        """
        reports: set[int] = set()
        runs: set[int] = set()
        for run in self.runs:
            reports |= {item.id for item in self.outputs(run.number) if item.type in REPORTS}
            if count is not None and len(reports) > count:
                break
            runs.add(run.number)
        return runs

    def runs_that_made(self, artifacts: Set[int]) -> set[int]:
        """Returns the numbers of the runs that made at least one of the artifacts.

        A run that took an artifact from the cache does not count.

        Args:
          artifacts: IDs of the artifacts.
        """
        return {
            run.number
            for run in self.runs
            if any(
                execution.last_known_state == Execution.COMPLETE
                and artifacts & self._linked(execution.id, _Event.OUTPUT)
                for execution in self.executions(run.number)
            )
        }

    def touched_by(self, runs: Iterable[int]) -> set[int]:
        """Returns the IDs of all artifacts that the runs read, made or took from the cache.

        Args:
          runs: Numbers of the runs (`RunRecord.number`).
        """
        executions = (execution for run in runs for execution in self.executions(run))
        return {number for execution in executions for number in self._linked(execution.id)}

    def pushed(self) -> Iterator[tuple[str, set[int]]]:
        """Yields the folder of each pushed version, with the IDs of its model and blessings."""
        for execution in self._events:
            for number in self._linked(execution, _Event.OUTPUT):
                if folder := text_property(self._artifacts[number], DESTINATION):
                    read = self._linked(execution, _Event.INPUT)
                    yield folder, {id_ for id_ in read if self._artifacts[id_].type in _OF_A_PUSH}

    def set_state(self, artifacts: Sequence[Artifact], state: int) -> None:
        """Sets the state of artifacts in ML Metadata to a value such as `Artifact.DELETED`."""
        for artifact in artifacts:
            artifact.state = state
        self._store.put_artifacts(artifacts)

    def set_failed(self, execution: Execution) -> None:
        """Marks an execution as failed in ML Metadata."""
        execution.last_known_state = Execution.FAILED
        self._store.put_executions([execution])

    def record_decision(
        self,
        pipeline: str,
        model: Artifact,
        kind: str,
        uri: str,
        properties: Mapping[str, int | str],
    ) -> None:
        """Records a person's decision about a model as an artifact that TFX's resolvers can find.

        Args:
          pipeline: Name of the pipeline.
          model: Artifact of the model.
          kind: Type of the new artifact: `BLESSING` or `PUSHED_MODEL`. The type must already be
            registered in ML Metadata.
          uri: Folder of the new artifact.
          properties: Custom properties of the new artifact.
        """
        artifact = Artifact(type_id=self._store.get_artifact_type(kind).id, type=kind, uri=uri)
        artifact.state = Artifact.LIVE
        for key, value in properties.items():
            field = "int_value" if isinstance(value, int) else "string_value"
            setattr(artifact.custom_properties[key], field, value)
        execution_type = metadata_store_pb2.ExecutionType(name=_DECISION)
        execution = Execution(
            type_id=self._store.put_execution_type(execution_type),
            last_known_state=Execution.COMPLETE,
        )
        context = self._store.get_context_by_type_and_name("pipeline", pipeline)
        events = [(model, _event(_Event.INPUT, "model")), (artifact, _event(_Event.OUTPUT, kind))]
        self._store.put_execution(execution, events, [context])

    @cached_property
    def _components(self) -> Mapping[int, str]:
        """Component names, by execution ID; read in bulk, because single queries are slow."""
        return {
            execution.id: context.name.rpartition(".")[2]
            for context in self._store.get_contexts_by_type("node")
            for execution in self._store.get_executions_by_context(context.id)
        }

    @cached_property
    def _artifacts(self) -> Mapping[int, Artifact]:
        return {artifact.id: artifact for artifact in self._store.get_artifacts()}

    @cached_property
    def _events(self) -> Mapping[int, list[_Event]]:
        """Events of each execution, by execution ID."""
        events: dict[int, list[_Event]] = {}
        ids = [execution.id for execution in self._store.get_executions()]
        for event in self._store.get_events_by_execution_ids(ids) if ids else ():
            events.setdefault(event.execution_id, []).append(event)
        return events

    def _output_ids(self, run: int) -> set[int]:
        executions = self.executions(run)
        return {number for e in executions for number in self._linked(e.id, _Event.OUTPUT)}

    def _linked(self, execution: int, kind: int | None = None) -> set[int]:
        """Returns the IDs of the artifacts that an execution read or wrote.

        Args:
          execution: ID of the execution.
          kind: Event type: `_Event.INPUT` for artifacts that the execution read, `_Event.OUTPUT`
            for artifacts that it wrote; None for both.
        """
        events = self._events.get(execution, ())
        return {event.artifact_id for event in events if kind in (None, event.type)}


def open_store(config: Config, *, for_writing: bool = False) -> mlmd.MetadataStore | None:
    """Opens the metadata store of a pipeline on this machine.

    Args:
      config: The config of the pipeline.
      for_writing: Whether the caller will add or change records.

    Returns:
      The store; None if the pipeline has never run.

    Raises:
      InputError: The file with the records is damaged, or cannot be read.
    """
    database = config.home / "metadata.db"
    if not database.exists():
        return None
    modes = metadata_store_pb2.SqliteMetadataSourceConfig
    connection = metadata_store_pb2.ConnectionConfig()
    connection.sqlite.filename_uri = str(database)
    connection.sqlite.connection_mode = modes.READWRITE if for_writing else modes.READONLY
    try:
        return mlmd.MetadataStore(connection)
    except (RuntimeError, mlmd.errors.StatusError) as error:
        raise InputError(
            f"{database}: the records of the runs cannot be read ({one_line(error)}). Restore the "
            "file from a copy, or choose a different workspace."
        ) from error


def open_history(config: Config, *, for_writing: bool = False) -> History | None:
    """Opens the ML Metadata records of a pipeline; returns None if the pipeline has never run.

    Args:
      config: The config of the pipeline.
      for_writing: Whether the caller will add or change records.
    """
    store = open_store(config, for_writing=for_writing)
    return History(store) if store else None


def int_property(artifact: Artifact, key: str) -> int | None:
    """Returns an integer custom property of an artifact; None if the property is missing."""
    # The test for the key is necessary, because reading a missing key of a protobuf map adds an
    # empty value, and ML Metadata aborts when such a value is stored.
    properties = artifact.custom_properties
    return properties[key].int_value if key in properties else None


def text_property(artifact: Artifact, key: str) -> str | None:
    """Returns a string custom property of an artifact; None if the property is missing."""
    properties = artifact.custom_properties
    return properties[key].string_value if key in properties else None


def _event(kind: int, key: str) -> _Event:
    event = _Event(type=kind)
    event.path.steps.add().key = key
    event.path.steps.add().index = 0
    return event
