"""The interface of a platform, which builds the nodes that differ between platforms."""

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
      nodes: ExampleGen, and the nodes that run before ExampleGen.
      examples: Channel of the examples.
      schema_text: Content of the user's schema file, or a placeholder for the content; empty if the
        file does not exist.
    """

    nodes: list[BaseNode]
    examples: tfx.dsl.Channel
    schema_text: str | Placeholder


class BlessedModels(NamedTuple):
    """Source of blessed models for a node: a resolver's channel or the push folder, or no source.

    Attributes:
      nodes: List with the resolver; empty without a resolver.
      models: Channel of the models that the resolver chose; None without a resolver.
      push_folder: Folder of the pushed versions, among which the node chooses; None with a
        resolver.
    """

    nodes: list[BaseNode] = []  # noqa: RUF012
    models: tfx.dsl.Channel | None = None
    push_folder: str | None = None


class Platform(Protocol):
    """Builds the pipeline nodes that differ between platforms."""

    def ingestion(self, config: Config, settings: ExampleGenSettings) -> Ingestion:
        """Builds ExampleGen such that only changed contents of the data make it run again.

        Args:
          config: The config of the pipeline.
          settings: Settings of ExampleGen.
        """

    def models_to_start_from(
        self, config: Config, examples: tfx.dsl.Channel, settings: TrainerSettings
    ) -> BlessedModels:
        """Returns the source of the model whose weights a warm start takes.

        Args:
          config: The config, in which `training.warm_start` is true.
          examples: Channel of the examples to train on.
          settings: Settings of the Trainer.
        """

    def baselines(self, config: Config, candidate: tfx.dsl.Channel) -> BlessedModels:
        """Returns the source of the models that the Evaluator may compare the candidate with.

        Args:
          config: The config of the pipeline.
          candidate: Channel of the trained model.
        """

    def reports_folder(self, config: Config) -> str | None:
        """Returns the folder where Report publishes; None if the runner publishes reports.

        Args:
          config: The config of the pipeline.
        """

    def metadata_connection(self, config: Config) -> metadata_store_pb2.ConnectionConfig | None:
        """Returns the connection to ML Metadata; None if the platform has its own ML Metadata.

        Args:
          config: The config of the pipeline.
        """
