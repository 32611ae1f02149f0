"""Builds the platform-specific pipeline nodes for TFX's LocalDagRunner on this machine."""

from ml_metadata.proto import metadata_store_pb2
from tfx import v1 as tfx

from components.blessings import MODEL, MODEL_BLESSING
from components.evaluator import baseline
from components.example_gen.component import PairsExampleGen
from components.example_gen.settings import ExampleGenSettings
from components.trainer import warm_start
from components.trainer.config import TrainerSettings
from data.files.finding import is_file
from data.files.reading import read_text
from pipeline.config.config import Config
from pipeline.platforms.platform import BlessedModels, Ingestion, Platform


class Local(Platform):
    """The platform for runs on this machine.

    Resolvers find the blessed models in ML Metadata, and ExampleGen's driver hashes the data.
    """

    def ingestion(self, config: Config, settings: ExampleGenSettings) -> Ingestion:
        """Builds ExampleGen, whose driver hashes the data for the cache key."""
        example_gen = PairsExampleGen(settings).with_id("ExampleGen")
        schema_text = read_text(config.schema_file) if is_file(config.schema_file) else ""
        return Ingestion([example_gen], example_gen.outputs["examples"], schema_text)

    def models_to_start_from(
        self, config: Config, examples: tfx.dsl.Channel, settings: TrainerSettings
    ) -> BlessedModels:
        """Builds the WarmStart resolver, which finds the blessed model for a warm start."""
        resolver = tfx.dsl.Resolver(
            strategy_class=warm_start.ModelToStartFrom,
            config={"settings": settings.model_dump_json()},
            **{warm_start.EXAMPLES: examples} | _all_models(),
        ).with_id("WarmStart")
        return BlessedModels([resolver], models=resolver.outputs[MODEL])

    def baselines(self, config: Config, candidate: tfx.dsl.Channel) -> BlessedModels:
        """Builds the Baseline resolver.

        The resolver finds the blessed models from which the Evaluator chooses the baseline.
        """
        resolver = tfx.dsl.Resolver(
            strategy_class=baseline.OtherBlessedModels,
            **{baseline.CANDIDATE: candidate} | _all_models(),
        ).with_id("Baseline")
        return BlessedModels([resolver], models=resolver.outputs[MODEL])

    def reports_folder(self, config: Config) -> str | None:
        """Returns None, because the local runner publishes the report at the end of a run."""
        return None

    def metadata_connection(self, config: Config) -> metadata_store_pb2.ConnectionConfig:
        """Returns the connection to ML Metadata in metadata.db, a file in the pipeline's folder."""
        # TFX's `sqlite_metadata_connection_config` is not used, because it creates the folder of
        # the file, and `create_pipeline` must have no side effects.
        connection = metadata_store_pb2.ConnectionConfig()
        connection.sqlite.filename_uri = str(config.home / "metadata.db")
        connection.sqlite.connection_mode = (
            metadata_store_pb2.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
        )
        return connection


def _all_models() -> dict[str, tfx.dsl.Channel]:
    """Returns channels with all models and all blessings in the pipeline's ML Metadata."""
    artifacts = tfx.types.standard_artifacts
    return {
        MODEL: tfx.dsl.Channel(type=artifacts.Model),
        MODEL_BLESSING: tfx.dsl.Channel(type=artifacts.ModelBlessing),
    }
