"""The pipeline on Kubeflow Pipelines or Vertex AI.

TFX's compiler for Kubeflow supports no custom drivers, resolvers or artifact types. Ordinary steps
do there what drivers and resolvers do on one machine.
"""

from tfx import v1 as tfx

from components.example_gen.kubeflow import FINGERPRINT, SCHEMA, KubeflowExampleGen, LookOutside
from components.example_gen.settings import ExampleGenSettings
from components.trainer.config import TrainerSettings
from data.files import join
from pipeline.config.config import Config
from pipeline.platforms.platform import BlessedModels, Ingestion, Platform


class Kubeflow(Platform):
    """A step hashes the data in each run, and the blessed models are those in the push folder."""

    def ingestion(self, settings: ExampleGenSettings, schema_file: str) -> Ingestion:
        """Builds LookOutside, and an ExampleGen that takes the fingerprint as a parameter."""
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
        """Returns the push folder, in which the Trainer searches."""
        return BlessedModels(push_folder=config.serving_folder)

    def baselines(self, config: Config, candidate: tfx.dsl.Channel) -> BlessedModels:
        """Returns the push folder, in which the Evaluator searches."""
        return BlessedModels(push_folder=config.serving_folder)

    def reports_folder(self, config: Config) -> str:
        """Returns the folder beside the artifacts, since no runner publishes the report."""
        return join(config.root, "reports")

    def metadata_connection(self, config: Config) -> None:
        """Returns None: the cluster has its own ML Metadata."""
