"""Past runs, as ML Metadata has them."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2

from components.report.component import ReportArtifact
from pipeline.config import Config


class Run(NamedTuple):
    """One run of the pipeline.

    Attributes:
      id: The run's id: when it began.
      fresh: Names of the components that ran.
      cached: Names of the components whose earlier result was taken, since nothing they read had
        changed.
      artifacts: Artifact type to the artifact that the run made or took.
    """

    id: str
    fresh: frozenset[str]
    cached: frozenset[str]
    artifacts: Mapping[str, metadata_store_pb2.Artifact]

    @property
    def folder_name(self) -> str:
        """The id as a folder's name."""
        return self.id.replace(":", "-")

    @property
    def blessed(self) -> bool:
        """Whether the Evaluator blessed the run's model."""
        return self.artifacts["ModelBlessing"].custom_properties["blessed"].int_value == 1

    @property
    def pushed_folder(self) -> str | None:
        """Where the run's model was pushed to, be it in an earlier run; None if it was not."""
        properties = self.artifacts["PushedModel"].custom_properties
        return (
            properties["pushed_destination"].string_value
            if properties["pushed"].int_value
            else None
        )


def latest_run(config: Config) -> Run | None:
    """Finds the last run.

    Args:
      config: Names the pipeline.

    Returns:
      The run, be it complete or not; None if there was none.
    """
    database = config.home / "metadata.db"
    if not database.exists():
        return None
    connection = metadata_store_pb2.ConnectionConfig()
    connection.sqlite.filename_uri = str(database)
    connection.sqlite.connection_mode = metadata_store_pb2.SqliteMetadataSourceConfig.READONLY
    store = mlmd.MetadataStore(connection)
    runs = store.get_contexts_by_type("pipeline_run")
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


def _read(store: mlmd.MetadataStore, context: metadata_store_pb2.Context) -> Run:
    executions = store.get_executions_by_context(context.id)
    nodes: dict[int, set[str]] = {
        metadata_store_pb2.Execution.CACHED: set(),
        metadata_store_pb2.Execution.COMPLETE: set(),
    }
    for execution in executions:
        (node,) = (
            c.name for c in store.get_contexts_by_execution(execution.id) if c.type == "node"
        )
        nodes.setdefault(execution.last_known_state, set()).add(node.rpartition(".")[2])
    events = store.get_events_by_execution_ids([execution.id for execution in executions])
    outputs = {
        event.artifact_id for event in events if event.type == metadata_store_pb2.Event.OUTPUT
    }
    return Run(
        id=context.name,
        fresh=frozenset(nodes[metadata_store_pb2.Execution.COMPLETE]),
        cached=frozenset(nodes[metadata_store_pb2.Execution.CACHED]),
        artifacts={
            artifact.type: artifact for artifact in store.get_artifacts_by_id(sorted(outputs))
        },
    )
