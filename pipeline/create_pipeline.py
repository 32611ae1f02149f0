"""Wires the components. No side effects: a runner decides where and when they run."""

import hashlib
from pathlib import Path

import tensorflow_data_validation as tfdv
from ml_metadata.proto import metadata_store_pb2
from tfx import v1 as tfx

from components.evaluator import baseline
from components.evaluator.gate import eval_config
from components.example_gen.component import PairsExampleGen
from components.example_gen.settings import Settings
from components.report.component import Report
from components.trainer import run
from components.trainer.config import TrainerSettings
from data import examples
from pipeline.config import Config

_REPOSITORY = Path(__file__).parent.parent


def create_pipeline(config: Config) -> tfx.dsl.Pipeline:
    """Builds the pipeline that a config describes.

    Args:
      config: The config.

    Returns:
      A TFX pipeline, for any of TFX's runners.
    """
    data = config.data
    example_gen = PairsExampleGen(
        Settings(
            data=data.model_copy(
                update={"view": type(data.view)()}
            ),  # the files hold whole images, whatever the view
            source=config.name,
            sample_folder=str(config.sample_folder),
            code=_version_of("data", "components/example_gen"),
        )
    ).with_id("ExampleGen")
    pairs = example_gen.outputs["examples"]
    # Image bytes say nothing to TFDV, and keys are different in every example: only derived
    # features are looked at.
    looked_at = [examples.SOURCE, examples.HEIGHT, examples.WIDTH, *examples.MEANS, examples.STD]
    looked_at += [examples.fraction(name) for name in data.classes]
    statistics = tfx.components.StatisticsGen(
        examples=pairs, stats_options=tfdv.StatsOptions(feature_allowlist=looked_at)
    )
    schema = tfx.components.SchemaGen(
        statistics=statistics.outputs["statistics"], infer_feature_shape=True
    )
    validator = tfx.components.ExampleValidator(
        statistics=statistics.outputs["statistics"], schema=schema.outputs["schema"]
    )
    settings = TrainerSettings(
        classes=data.classes,
        view=data.view,
        model=config.model,
        training=config.training,
        code=_version_of("data", "serving", "components/trainer"),
    )
    trainer = tfx.components.Trainer(
        run_fn=f"{run.__name__}.{run.run_fn.__name__}",
        examples=pairs,
        train_args=tfx.proto.TrainArgs(splits=["train"]),
        eval_args=tfx.proto.EvalArgs(splits=["val"]),
        custom_config={run.SETTINGS: settings.model_dump_json()},
    )
    trainer.add_upstream_node(validator)  # anomalies are found before the long part
    resolver = tfx.dsl.Resolver(
        strategy_class=baseline.LatestOtherBlessedModel,
        **{
            baseline.CANDIDATE: trainer.outputs["model"],
            baseline.MODEL: tfx.dsl.Channel(type=tfx.types.standard_artifacts.Model),
            baseline.MODEL_BLESSING: tfx.dsl.Channel(
                type=tfx.types.standard_artifacts.ModelBlessing
            ),
        },
    ).with_id("Baseline")
    evaluator = tfx.components.Evaluator(
        examples=pairs,
        example_splits=["test"],
        model=trainer.outputs["model"],
        baseline_model=resolver.outputs[baseline.MODEL],
        eval_config=eval_config(config.gate, data.classes),
    )
    report = Report(
        examples=pairs,
        model=trainer.outputs["model"],
        evaluation=evaluator.outputs["evaluation"],
        gate=config.gate.model_dump_json(),
    )
    pusher = tfx.components.Pusher(
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(
                base_directory=str(config.serving_folder)
            )
        ),
    )
    return tfx.dsl.Pipeline(
        pipeline_name=config.name,
        pipeline_root=str(config.home / "artifacts"),
        components=[
            example_gen,
            statistics,
            schema,
            validator,
            trainer,
            resolver,
            evaluator,
            report,
            pusher,
        ],
        enable_cache=True,
        metadata_connection_config=_sqlite(config.home / "metadata.db"),
        beam_pipeline_args=[
            "--runner=DirectRunner",
            "--direct_running_mode=in_memory",
            "--direct_num_workers=1",
            # Else TFX packs itself up, for workers elsewhere, at the start of every Beam job.
            f"--setup_file={_REPOSITORY / 'setup.py'}",
        ],
    )


def _sqlite(database: Path) -> metadata_store_pb2.ConnectionConfig:
    # TFX's own helper makes the folder at once; here, whoever runs the pipeline does.
    connection = metadata_store_pb2.ConnectionConfig()
    connection.sqlite.filename_uri = str(database)
    connection.sqlite.connection_mode = (
        metadata_store_pb2.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
    )
    return connection


def _version_of(*folders: str) -> str:
    """Hash of source files: TFX's cache looks at inputs and parameters, not at code."""
    total = hashlib.sha256()
    for folder in folders:
        for path in sorted((_REPOSITORY / folder).rglob("*.py")):
            total.update(path.relative_to(_REPOSITORY).as_posix().encode())
            total.update(path.read_bytes())
    return total.hexdigest()[:16]
