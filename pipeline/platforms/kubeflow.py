"""The pipeline on Kubeflow Pipelines or Vertex AI.

TFX's compiler for Kubeflow supports no custom drivers, resolvers or artifact types, so ordinary
components replace the drivers and resolvers of a local run.
"""

from tfx import v1 as tfx

from components.example_gen.kubeflow import FINGERPRINT, SCHEMA, KubeflowExampleGen, LookOutside
from components.example_gen.settings import ExampleGenSettings
from components.trainer.config import TrainerSettings
from data.files import join
from pipeline.config.config import Config
from pipeline.platforms.platform import BlessedModels, Ingestion, Platform


class Kubeflow(Platform):
    """Kubeflow or Vertex AI: a component hashes the data, and pushed models count as blessed."""

    def ingestion(self, settings: ExampleGenSettings, schema_file: str) -> Ingestion:
        """Builds LookOutside, which hashes the data, and ExampleGen, which is cached by hash."""
        look_outside = LookOutside(settings=settings.model_dump_json(), schema_file=schema_file)
        # A package is compiled once and run many times, so the fingerprint and the schema are
        # placeholders, whose values are known only during a run.
        fingerprint, schema_text = (
            look_outside.outputs[name].future()[0].value for name in (FINGERPRINT, SCHEMA)
        )
        example_gen = KubeflowExampleGen(settings, fingerprint).with_id("ExampleGen")
        return Ingestion([look_outside, example_gen], example_gen.outputs["examples"], schema_text)

    def models_to_start_from(
        self, config: Config, examples: tfx.dsl.Channel, settings: TrainerSettings
    ) -> BlessedModels:
        """Returns the push folder, where the Trainer finds the model of a warm start."""
        return BlessedModels(push_folder=config.serving_folder)

    def baselines(self, config: Config, candidate: tfx.dsl.Channel) -> BlessedModels:
        """Returns the push folder, where the Evaluator finds the baseline."""
        return BlessedModels(push_folder=config.serving_folder)

    def reports_folder(self, config: Config) -> str:
        """Returns the folder for published reports: on Kubeflow, the Report component publishes."""
        return join(config.root, "reports")

    def metadata_connection(self, config: Config) -> None:
        """Returns None: the cluster has its own ML Metadata."""
