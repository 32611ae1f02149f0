"""The records of past runs: the only module that knows ML Metadata's types, keys and relations.

TFX records a run as a context, each of its steps as an execution, and what a step read and wrote as
artifacts, which events link to the execution. A person's decision is recorded as an execution that
belongs to the pipeline but to no run.
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

from pipeline.config.config import Config

Artifact: TypeAlias = metadata_store_pb2.Artifact
Execution: TypeAlias = metadata_store_pb2.Execution
_Event: TypeAlias = metadata_store_pb2.Event

EXAMPLES = standard_artifacts.Examples.TYPE_NAME
ANOMALIES = standard_artifacts.ExampleAnomalies.TYPE_NAME
MODEL = standard_artifacts.Model.TYPE_NAME
EVALUATION = standard_artifacts.ModelEvaluation.TYPE_NAME
BLESSING = standard_artifacts.ModelBlessing.TYPE_NAME
SERVING_BLESSING = standard_artifacts.InfraBlessing.TYPE_NAME
PUSHED_MODEL = standard_artifacts.PushedModel.TYPE_NAME
TUNER_RESULTS = standard_artifacts.TunerResults.TYPE_NAME
REPORTS = (File.TYPE_NAME, "UnetfxReport")
"""Types of the artifact that holds a report: the current one, and that of older runs."""

SPAN, FINGERPRINT = SPAN_PROPERTY_NAME, FINGERPRINT_PROPERTY_NAME
BLESSED = constants.ARTIFACT_PROPERTY_BLESSED_KEY
MODEL_ID = constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY
MODEL_URI = constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY
PUSHED, DESTINATION = "pushed", "pushed_destination"
"""Keys that TFX's Pusher uses, without a public name."""
WHEN, WHY = "when", "why"
"""Keys of a person's decision; `WHO` is the third."""

_DECISION = "unetfx.Decision"


class RunRecord(NamedTuple):
    """A run as ML Metadata records it.

    Attributes:
      number: Number of the run in the store; newer runs have greater ones.
      id: Id of the run.
      began: Seconds since 1970.
    """

    number: int
    id: str
    began: float


class History:
    """The records of one pipeline, read from the store when they are first needed."""

    def __init__(self, store: mlmd.MetadataStore) -> None:
        self._store = store
        self._executions: dict[int, list[Execution]] = {}

    @cached_property
    def runs(self) -> list[RunRecord]:
        """All runs, complete or not, newest first."""
        contexts = self._store.get_contexts_by_type("pipeline_run")
        newest_first = sorted(contexts, key=lambda context: context.id, reverse=True)
        return [RunRecord(c.id, c.name, c.create_time_since_epoch / 1000) for c in newest_first]

    def executions(self, run: int) -> list[Execution]:
        """Returns the executions of a run's steps."""
        if run not in self._executions:
            self._executions[run] = self._store.get_executions_by_context(run)
        return self._executions[run]

    def component(self, execution: Execution) -> str:
        """Returns the name of the component that an execution belongs to."""
        return self._components[execution.id]

    def outputs(self, run: int) -> list[Artifact]:
        """Returns the artifacts that a run's steps made or took from the cache, oldest first."""
        return [self._artifacts[number] for number in sorted(self._output_ids(run))]

    @property
    def made(self) -> list[Artifact]:
        """The artifacts of all runs, oldest first; those of people's decisions are not included."""
        ids = set().union(*(self._output_ids(run.number) for run in self.runs))
        return [self._artifacts[number] for number in sorted(ids)]

    def of_type(self, kind: str) -> list[Artifact]:
        """Returns all artifacts of a type, oldest first."""
        return [
            self._artifacts[n] for n in sorted(self._artifacts) if self._artifacts[n].type == kind
        ]

    def live(self, kind: str) -> list[types.Artifact]:
        """Returns the artifacts of a type that are neither removed nor marked for removal."""
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
        """Executions that are recorded as running."""
        states = (Execution.NEW, Execution.RUNNING)
        every = (execution for run in self.runs for execution in self.executions(run.number))
        return [execution for execution in every if execution.last_known_state in states]

    def newest_runs(self, count: int | None) -> set[int]:
        """Returns the runs with the newest reports, and the runs between and after them.

        Args:
          count: Number of reports; one that several runs share counts once. None for all runs.
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
        """Returns the runs that made one of these artifacts, without those that reused one."""
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
        """Returns the ids of all artifacts that these runs read, made or took from the cache."""
        executions = (execution for run in runs for execution in self.executions(run))
        return {number for execution in executions for number in self._linked(execution.id)}

    def pushed(self) -> Iterator[tuple[str, set[int]]]:
        """Yields the folder of each pushed version and the ids of the model and its blessings."""
        for execution in self._events:
            for number in self._linked(execution, _Event.OUTPUT):
                if folder := text_property(self._artifacts[number], DESTINATION):
                    yield folder, self._linked(execution, _Event.INPUT)

    def set_state(self, artifacts: Sequence[Artifact], state: int) -> None:
        """Records a state of artifacts, such as `Artifact.DELETED`."""
        for artifact in artifacts:
            artifact.state = state
        self._store.put_artifacts(artifacts)

    def set_failed(self, execution: Execution) -> None:
        """Records that an execution failed."""
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
        """Records a person's decision about a model, where TFX's resolvers find it.

        Args:
          pipeline: Name of the pipeline.
          model: The model. The run that made it has also registered the types of decisions.
          kind: `BLESSING` or `PUSHED_MODEL`.
          uri: Folder of the decision's artifact.
          properties: Custom properties of that artifact.
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
        """Component names by execution id; one query for each execution would take much longer."""
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
        """The events of each execution, by its id."""
        events: dict[int, list[_Event]] = {}
        ids = [execution.id for execution in self._store.get_executions()]
        for event in self._store.get_events_by_execution_ids(ids) if ids else ():
            events.setdefault(event.execution_id, []).append(event)
        return events

    def _output_ids(self, run: int) -> set[int]:
        executions = self.executions(run)
        return {number for e in executions for number in self._linked(e.id, _Event.OUTPUT)}

    def _linked(self, execution: int, kind: int | None = None) -> set[int]:
        """The ids of the artifacts that an execution read or wrote; both if `kind` is None."""
        events = self._events.get(execution, ())
        return {event.artifact_id for event in events if kind in (None, event.type)}


def open_store(config: Config, *, for_writing: bool = False) -> mlmd.MetadataStore | None:
    """Opens the metadata store of a pipeline on this machine.

    Args:
      config: The config.
      for_writing: Whether records will be added or changed.

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


def open_history(config: Config, *, for_writing: bool = False) -> History | None:
    """Opens the records of a pipeline; the arguments and None are those of `open_store`."""
    store = open_store(config, for_writing=for_writing)
    return History(store) if store else None


def int_property(artifact: Artifact, key: str) -> int | None:
    """Returns a custom property that is an integer; None if the artifact has none of that key."""
    # Reading a missing key of a protobuf map adds an empty value, and ML Metadata aborts when it
    # stores such a value.
    properties = artifact.custom_properties
    return properties[key].int_value if key in properties else None


def text_property(artifact: Artifact, key: str) -> str | None:
    """Returns a custom property that is a text; None if the artifact has none of that key."""
    properties = artifact.custom_properties
    return properties[key].string_value if key in properties else None


def _event(kind: int, key: str) -> _Event:
    event = _Event(type=kind)
    event.path.steps.add().key = key
    event.path.steps.add().index = 0
    return event
