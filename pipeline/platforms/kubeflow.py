"""The pipeline on Kubeflow Pipelines or Vertex AI.

TFX's compiler for Kubeflow supports no custom drivers, resolvers or artifact types. On Kubeflow,
ordinary steps do the work of drivers and resolvers.
"""

from tfx import v1 as tfx

from components.example_gen.kubeflow import FINGERPRINT, SCHEMA, KubeflowExampleGen, LookOutside
from components.example_gen.settings import ExampleGenSettings
from components.trainer.config import TrainerSettings
from pipeline.config.config import Config
from pipeline.platforms.platform import BlessedModels, Ingestion, Platform


class Kubeflow(Platform):
    """Kubeflow or Vertex AI: a step hashes the data, and pushed models count as blessed."""

    def ingestion(self, settings: ExampleGenSettings, schema_file: str) -> Ingestion:
        """Builds LookOutside, which hashes the data, and an ExampleGen that takes the hash."""
        look_outside = LookOutside(settings=settings.model_dump_json(), schema_file=schema_file)
        # A package is compiled once and run many times, so the fingerprint and the schema are known
        # only in the run.
        fingerprint, schema_text = (
            look_outside.outputs[name].future()[0].value for name in (FINGERPRINT, SCHEMA)
        )
        example_gen = KubeflowExampleGen(settings, fingerprint).with_id("ExampleGen")
        return Ingestion([look_outside, example_gen], example_gen.outputs["examples"], schema_text)

    def models_to_start_from(
        self, config: Config, examples: tfx.dsl.Channel, settings: TrainerSettings
    ) -> BlessedModels:
        """Returns the push folder, in which the Trainer searches for the model of a warm start."""
        return BlessedModels(push_folder=config.serving_folder)

    def baselines(self, config: Config, candidate: tfx.dsl.Channel) -> BlessedModels:
        """Returns the push folder, in which the Evaluator searches for the baseline."""
        return BlessedModels(push_folder=config.serving_folder)

    def reports_folder(self, config: Config) -> str:
        """Returns the folder in which Report publishes, since no runner does so on Kubeflow."""
        return config.reports_folder

    def metadata_connection(self, config: Config) -> None:
        """Returns None: the cluster has its own ML Metadata."""
