"""Builds the platform-specific pipeline nodes for Kubeflow Pipelines and Vertex AI.

TFX's compiler for Kubeflow does not support custom drivers, resolvers or artifact types. Ordinary
components therefore do the work that drivers and resolvers do in a local run.
"""

import json

from tfx import v1 as tfx

from components.example_gen.kubeflow import FINGERPRINT, SCHEMA, KubeflowExampleGen, LookOutside
from components.example_gen.settings import ExampleGenSettings
from components.trainer.config import TrainerSettings
from pipeline.config.config import Config
from pipeline.platforms.platform import BlessedModels, Ingestion, Platform


class Kubeflow(Platform):
    """The platform for runs on Kubeflow Pipelines or Vertex AI.

    A component hashes the data. Pushed models count as blessed models, because steps on Kubeflow
    cannot query ML Metadata.
    """

    def ingestion(self, config: Config, settings: ExampleGenSettings) -> Ingestion:
        """Builds LookOutside and ExampleGen.

        LookOutside hashes the data, and the hash is part of ExampleGen's cache key.
        """
        look_outside = LookOutside(
            settings=settings.model_dump_json(),
            schema_file=config.schema_file,
            beam=json.dumps(config.beam.arguments()),
        )
        # A package is compiled once and run many times, so the fingerprint and the schema are
        # placeholders that each run fills in.
        fingerprint, schema_text = (
            look_outside.outputs[name].future()[0].value for name in (FINGERPRINT, SCHEMA)
        )
        example_gen = KubeflowExampleGen(settings, fingerprint).with_id("ExampleGen")
        return Ingestion([look_outside, example_gen], example_gen.outputs["examples"], schema_text)

    def models_to_start_from(
        self, config: Config, examples: tfx.dsl.Channel, settings: TrainerSettings
    ) -> BlessedModels:
        """Returns the push folder, in which the Trainer finds the model for a warm start."""
        return BlessedModels(push_folder=config.serving_folder)

    def baselines(self, config: Config, candidate: tfx.dsl.Channel) -> BlessedModels:
        """Returns the push folder, in which the Evaluator finds the baseline."""
        return BlessedModels(push_folder=config.serving_folder)

    def reports_folder(self, config: Config) -> str:
        """Returns the folder in which the Report component publishes reports."""
        return config.reports_folder

    def metadata_connection(self, config: Config) -> None:
        """Returns None, because the cluster has its own ML Metadata."""
