"""Defines the `Platform` interface, which builds the nodes that differ between platforms."""

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
      nodes: ExampleGen, and any nodes that run before it.
      examples: Channel with the examples.
      schema_text: Content of the user's schema file (empty if the file does not exist) or, on
        Kubeflow, a placeholder for the content of an edited schema file.
    """

    nodes: list[BaseNode]
    examples: tfx.dsl.Channel
    schema_text: str | Placeholder


class BlessedModels(NamedTuple):
    """Source of the blessed models for a component: a resolver, the push folder, or none.

    Attributes:
      nodes: The resolver, as a list with one node; empty if there is no resolver.
      models: Channel with the models that the resolver chooses; None if there is no resolver.
      push_folder: Folder with the pushed versions, from which the component chooses a model; None
        if a resolver chooses the models, or if there is no source.
    """

    nodes: list[BaseNode] = []  # noqa: RUF012
    models: tfx.dsl.Channel | None = None
    push_folder: str | None = None


class Platform(Protocol):
    """Builds the pipeline nodes that differ between platforms."""

    def ingestion(self, config: Config, settings: ExampleGenSettings) -> Ingestion:
        """Builds ExampleGen, whose cache key includes a hash of the data.

        Args:
          config: The config of the pipeline.
          settings: Settings of ExampleGen.
        """

    def models_to_start_from(
        self, config: Config, examples: tfx.dsl.Channel, settings: TrainerSettings
    ) -> BlessedModels:
        """Returns the source of the model whose weights are used for a warm start.

        Args:
          config: The config of the pipeline; `training.warm_start` must be true.
          examples: Channel with the examples to train on.
          settings: Settings of the Trainer.
        """

    def baselines(self, config: Config, candidate: tfx.dsl.Channel) -> BlessedModels:
        """Returns the source of the models with which the Evaluator may compare the candidate.

        Args:
          config: The config of the pipeline.
          candidate: Channel with the newly trained model.
        """

    def reports_folder(self, config: Config) -> str | None:
        """Returns the Report component's publishing folder; None if the runner publishes reports.

        Args:
          config: The config of the pipeline.
        """

    def metadata_connection(self, config: Config) -> metadata_store_pb2.ConnectionConfig | None:
        """Returns the connection to ML Metadata; None if the platform provides ML Metadata itself.

        Args:
          config: The config of the pipeline.
        """
