"""The interface of a platform: the nodes that differ between this machine and a cluster."""

from typing import NamedTuple, Protocol

from ml_metadata.proto import metadata_store_pb2
from tfx import v1 as tfx
from tfx.dsl.components.base.base_node import BaseNode
from tfx.dsl.placeholder.placeholder import Placeholder

from components.example_gen.settings import ExampleGenSettings
from components.trainer.config import TrainerSettings
from pipeline.config.config import Config


class Ingestion(NamedTuple):
    """The nodes that read the data.

    Attributes:
      nodes: ExampleGen, and the nodes that run before it.
      examples: Channel of the examples.
      schema_text: Content of the user's schema file, or a placeholder for it; empty if there is no
        such file.
    """

    nodes: list[BaseNode]
    examples: tfx.dsl.Channel
    schema_text: str | Placeholder


class BlessedModels(NamedTuple):
    """Where a node finds blessed models: in a channel, in the push folder, or (neither) nowhere.

    Attributes:
      nodes: The resolver, if there is one.
      models: Channel of the models that the resolver chose.
      push_folder: Folder of the pushed versions, among which the node itself chooses.
    """

    nodes: list[BaseNode] = []  # noqa: RUF012
    models: tfx.dsl.Channel | None = None
    push_folder: str | None = None


class Platform(Protocol):
    """Builds the nodes that differ between platforms. All other nodes are the same everywhere."""

    def ingestion(self, settings: ExampleGenSettings, schema_file: str) -> Ingestion:
        """Builds ExampleGen, so that it runs again only when the contents of the data change.

        Args:
          settings: Settings of ExampleGen.
          schema_file: Path of the user's schema file.
        """

    def models_to_start_from(
        self, config: Config, examples: tfx.dsl.Channel, settings: TrainerSettings
    ) -> BlessedModels:
        """Finds the model whose weights a warm start takes.

        Args:
          config: The config, with `training.warm_start` on.
          examples: The examples to train on.
          settings: Settings of the Trainer.
        """

    def baselines(self, config: Config, candidate: tfx.dsl.Channel) -> BlessedModels:
        """Finds the models that the Evaluator may compare the candidate with.

        Args:
          config: The config.
          candidate: The trained model.
        """

    def reports_folder(self, config: Config) -> str | None:
        """Returns the folder where Report publishes; None if the runner publishes reports.

        Args:
          config: The config.
        """

    def metadata_connection(self, config: Config) -> metadata_store_pb2.ConnectionConfig | None:
        """Returns where ML Metadata is; None if the platform has its own.

        Args:
          config: The config.
        """
