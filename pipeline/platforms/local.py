"""The pipeline on this machine, run by TFX's LocalDagRunner with ML Metadata in a SQLite file."""

from ml_metadata.proto import metadata_store_pb2
from tfx import v1 as tfx

from components.blessings import MODEL, MODEL_BLESSING
from components.evaluator import baseline
from components.example_gen.component import PairsExampleGen
from components.example_gen.settings import ExampleGenSettings
from components.trainer import warm_start
from components.trainer.config import TrainerSettings
from data.files import is_file, read_text
from pipeline.config.config import Config
from pipeline.platforms.platform import BlessedModels, Ingestion, Platform


class Local(Platform):
    """This machine: resolvers find blessed models in ML Metadata, and ExampleGen has a driver."""

    def ingestion(self, config: Config, settings: ExampleGenSettings) -> Ingestion:
        """Builds ExampleGen, whose driver compares the data with the data of earlier runs."""
        example_gen = PairsExampleGen(settings).with_id("ExampleGen")
        schema_text = read_text(config.schema_file) if is_file(config.schema_file) else ""
        return Ingestion([example_gen], example_gen.outputs["examples"], schema_text)

    def models_to_start_from(
        self, config: Config, examples: tfx.dsl.Channel, settings: TrainerSettings
    ) -> BlessedModels:
        """Builds the resolver WarmStart, which finds the model of a warm start."""
        resolver = tfx.dsl.Resolver(
            strategy_class=warm_start.ModelToStartFrom,
            config={"settings": settings.model_dump_json()},
            **{warm_start.EXAMPLES: examples} | _all_models(),
        ).with_id("WarmStart")
        return BlessedModels([resolver], models=resolver.outputs[MODEL])

    def baselines(self, config: Config, candidate: tfx.dsl.Channel) -> BlessedModels:
        """Builds the resolver Baseline, which finds the blessed models to compare with."""
        resolver = tfx.dsl.Resolver(
            strategy_class=baseline.OtherBlessedModels,
            **{baseline.CANDIDATE: candidate} | _all_models(),
        ).with_id("Baseline")
        return BlessedModels([resolver], models=resolver.outputs[MODEL])

    def reports_folder(self, config: Config) -> str | None:
        """Returns None: the runner publishes the report at the end of a run."""
        return None

    def metadata_connection(self, config: Config) -> metadata_store_pb2.ConnectionConfig:
        """Returns the connection to ML Metadata in the SQLite file of the pipeline's folder."""
        # TFX's own helper would create the folder immediately, but create_pipeline must have no
        # side effects.
        connection = metadata_store_pb2.ConnectionConfig()
        connection.sqlite.filename_uri = str(config.home / "metadata.db")
        connection.sqlite.connection_mode = (
            metadata_store_pb2.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
        )
        return connection


def _all_models() -> dict[str, tfx.dsl.Channel]:
    """Returns channels of all models and all blessings in the pipeline's ML Metadata."""
    artifacts = tfx.types.standard_artifacts
    return {
        MODEL: tfx.dsl.Channel(type=artifacts.Model),
        MODEL_BLESSING: tfx.dsl.Channel(type=artifacts.ModelBlessing),
    }
