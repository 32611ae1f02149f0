"""Wires the components. No side effects: a runner decides where and when they run."""

import json
import uuid
from pathlib import Path
from typing import NamedTuple

import tensorflow_data_validation as tfdv
import yaml
from ml_metadata.proto import metadata_store_pb2
from tfx import v1 as tfx
from tfx.dsl.components.base.base_node import BaseNode

from components.blessings import MODEL, MODEL_BLESSING
from components.evaluator import baseline
from components.evaluator.component import Evaluator, EvaluatorSettings
from components.evaluator.gate_check import GateCheck
from components.example_gen.component import PairsExampleGen
from components.example_gen.kubeflow import (
    FINGERPRINT,
    SCHEMA,
    KubeflowExampleGen,
    LookOutside,
)
from components.example_gen.settings import ExampleGenSettings
from components.pusher.component import Pusher
from components.report.component import Report, ReportSettings
from components.serving_check.component import ServingCheck
from components.statistics_gen import StatisticsGen
from components.trainer import run, warm_start
from components.trainer.config import PUSHED, SETTINGS, UNFINISHED, TrainerSettings
from components.tuner import run as search
from components.tuner.config import TunerConfig, TunerSettings
from components.validator.component import ExampleValidator, SchemaGen
from data.config import DataConfig
from data.examples import features
from data.files import is_file, join, read_text
from pipeline.code_version import code_version
from pipeline.config.config import AROUND_A_RUN, Config


def create_pipeline(config: Config, *, on_kubeflow: bool = False) -> tfx.dsl.Pipeline:
    """Builds the pipeline that a config describes.

    Args:
      config: The config.
      on_kubeflow: Whether it is for Kubeflow's compiler, which knows neither drivers nor resolvers
        of ours, nor artifact types: other components do there what these do elsewhere.

    Returns:
      A TFX pipeline, for any of TFX's runners.
    """
    data = _data_nodes(config, on_kubeflow)
    pairs = data.example_gen.outputs["examples"]
    training = _training_nodes(config, data, on_kubeflow)
    model = training.trainer.outputs["model"]
    resolver = None if on_kubeflow else _baseline_resolver(model)
    evaluator = Evaluator(
        examples=pairs,
        model=model,
        baseline_model=resolver.outputs[MODEL] if resolver else None,
        settings=EvaluatorSettings(
            classes=config.data.classes,
            evaluation=config.evaluation,
            gate=config.gate,
            code=code_version("components.evaluator.component"),
            pushed=config.serving_folder if on_kubeflow else None,
        ),
    )
    serving = _serving_nodes(config, pairs, model, evaluator)
    serving_check = serving[-1].outputs["blessing"]
    report = Report(
        examples=pairs,
        model=model,
        model_run=training.trainer.outputs["model_run"],
        evaluation=evaluator.outputs["evaluation"],
        blessing=evaluator.outputs["blessing"],
        serving_check=serving_check,
        settings=ReportSettings(
            name=config.name,
            config=_in_the_report(config),
            code=code_version("components.report.writing"),
            folder=join(config.root, "reports") if on_kubeflow else None,
        ).model_dump_json(),
        # On other platforms the runner publishes the report, with the anomalies of the run.
        **({"example_anomalies": data.validator.outputs["anomalies"]} if on_kubeflow else {}),
    )
    pusher = Pusher(
        model=model,
        model_blessing=evaluator.outputs["blessing"],
        infra_blessing=serving_check,
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(base_directory=config.serving_folder)
        ),
    )
    nodes = [
        *data.all(),
        *training.all(),
        *([resolver] if resolver else []),
        evaluator,
        *serving,
        report,
        pusher,
    ]
    return _pipeline(config, nodes, on_kubeflow)


class _DataNodes(NamedTuple):
    """The nodes before training, in their order."""

    outside: BaseNode | None
    example_gen: BaseNode
    statistics: StatisticsGen
    schema: BaseNode
    validator: BaseNode
    gate_check: BaseNode

    def all(self) -> list[BaseNode]:
        return [node for node in self if node]


def _data_nodes(config: Config, on_kubeflow: bool) -> _DataNodes:
    settings = ExampleGenSettings(
        data=_what_ingestion_reads(config.data),
        name=config.name,
        folder=str(config.source_folder),
        code=code_version("components.example_gen.executor"),
    )
    schema_file, outside = config.schema_file, None
    if on_kubeflow:  # a package is run later, and more than once
        outside = LookOutside(settings=settings.model_dump_json(), schema_file=schema_file)
        told, kept = (outside.outputs[name].future()[0].value for name in (FINGERPRINT, SCHEMA))
        example_gen, attempt = KubeflowExampleGen(settings, told), ""
    else:
        example_gen = PairsExampleGen(settings)
        kept = read_text(schema_file) if is_file(schema_file) else ""
        attempt = "" if kept else uuid.uuid4().hex
    example_gen = example_gen.with_id("ExampleGen")
    # Image bytes say nothing to TFDV, and keys are different in every example: only derived
    # features are looked at.
    looked_at = [features.SOURCE, features.HEIGHT, features.WIDTH, *features.MEANS, features.STD]
    looked_at += [features.fraction(name) for name in config.data.classes]
    statistics = StatisticsGen(
        examples=example_gen.outputs["examples"],
        stats_options=tfdv.StatsOptions(feature_allowlist=looked_at),
    )
    schema = SchemaGen(
        statistics=statistics.outputs["statistics"],
        file=schema_file,
        text=kept,
        attempt=attempt,
    ).with_id("SchemaGen")
    validator = ExampleValidator(
        examples=example_gen.outputs["examples"],
        statistics=statistics.outputs["statistics"],
        schema=schema.outputs["schema"],
        classes=json.dumps(config.data.classes),
        file=schema_file,
        on_anomaly=config.data.on_anomaly,
    ).with_id("ExampleValidator")
    gate_check = GateCheck(
        examples=example_gen.outputs["examples"],
        gate=config.gate.model_dump_json(),
        classes=json.dumps(config.data.classes),
        columns=json.dumps(config.columns_to_slice_by),
    ).with_id("GateCheck")
    return _DataNodes(outside, example_gen, statistics, schema, validator, gate_check)


class _TrainingNodes(NamedTuple):
    """The Trainer, and what runs before it if the config asks for it."""

    trainer: tfx.components.Trainer
    start: tfx.dsl.Resolver | None
    tuner: tfx.components.Tuner | None

    def all(self) -> list[BaseNode]:
        return [node for node in (self.start, self.tuner, self.trainer) if node]


def _training_nodes(config: Config, data: _DataNodes, on_kubeflow: bool) -> _TrainingNodes:
    told = TrainerSettings(
        classes=config.data.classes,
        view=config.data.view,
        model=config.model,
        training=config.training,
        intensity_range=config.data.intensity_range,
        max_pixels=config.serving.max_pixels,
        serving_precision=config.serving.precision,
        code=code_version("components.trainer.run"),
    )
    examples = data.example_gen.outputs["examples"]
    read = {
        "examples": examples,
        "train_args": tfx.proto.TrainArgs(splits=["train"]),
        "eval_args": tfx.proto.EvalArgs(splits=["val"]),
    }
    start = tuner = base = None
    # Where no resolver runs, and each run has folders of its own.
    places = {PUSHED: config.serving_folder} if on_kubeflow else {}
    if config.training.warm_start and not on_kubeflow:
        start = _start_resolver(examples, told.model_dump_json())
        base = start.outputs[MODEL]
    if config.tuner:
        trials = _trials(config.tuner, told)
        tuner = tfx.components.Tuner(
            tuner_fn=f"{search.__name__}.{search.tuner_fn.__name__}",
            base_model=base if trials.trainer.training.warm_start else None,
            custom_config={
                SETTINGS: trials.model_dump_json(),
                # A Tuner knows no place of its own that another execution would find again.
                UNFINISHED: join(config.root, "artifacts/Tuner/.unfinished"),
                **places,
            },
            **read,
        )
        tuner.add_upstream_nodes([data.validator, data.gate_check])
    if on_kubeflow:
        places[UNFINISHED] = join(config.root, "artifacts/Trainer/.unfinished")
    trainer = tfx.components.Trainer(
        run_fn=f"{run.__name__}.{run.run_fn.__name__}",
        base_model=base,
        hyperparameters=tuner.outputs["best_hyperparameters"] if tuner else None,
        custom_config={SETTINGS: told.model_dump_json(), **places},
        **read,
    )
    # Anomalies, and a gate that could not decide, are found before the long part.
    trainer.add_upstream_nodes([data.validator, data.gate_check])
    return _TrainingNodes(trainer, start, tuner)


def _serving_nodes(
    config: Config, examples: tfx.dsl.Channel, model: tfx.dsl.Channel, evaluator: Evaluator
) -> list[BaseNode]:
    """ServingCheck, and before it TFX's InfraValidator if the config asks for it."""
    validator = None
    if asked := config.serving.infra_validator:
        protos = tfx.proto
        platforms = {
            "docker": {"local_docker": protos.LocalDockerConfig()},
            "kubernetes": {"kubernetes": protos.KubernetesConfig()},
        }
        validator = tfx.components.InfraValidator(
            model=model,
            examples=examples,
            serving_spec=protos.ServingSpec(
                tensorflow_serving=protos.TensorFlowServing(tags=[asked.image_tag]),
                **platforms[asked.platform],
            ),
            # It sends examples as they are: only this signature takes them.
            request_spec=protos.RequestSpec(
                tensorflow_serving=protos.TensorFlowServingRequestSpec(
                    signature_names=["evaluation"]
                ),
                split_name="test",
                num_examples=1,
            ),
        )
    check = ServingCheck(
        examples=examples,
        model=model,
        evaluation=evaluator.outputs["evaluation"],
        infra_blessing=validator.outputs["blessing"] if validator else None,
        check=config.serving.check.model_dump_json(),
        code=code_version("components.serving_check.component"),
    )
    return [validator, check] if validator else [check]


def _trials(tuner: TunerConfig, told: TrainerSettings) -> TunerSettings:
    code = code_version("components.tuner.run")
    return TunerSettings.of(told.model_copy(update={"code": code}), tuner)


def _start_resolver(examples: tfx.dsl.Channel, settings: str) -> tfx.dsl.Resolver:
    return tfx.dsl.Resolver(
        strategy_class=warm_start.ModelToStartFrom,
        config={"settings": settings},
        **{warm_start.EXAMPLES: examples} | _every_model(),
    ).with_id("WarmStart")


def _baseline_resolver(candidate: tfx.dsl.Channel) -> tfx.dsl.Resolver:
    return tfx.dsl.Resolver(
        strategy_class=baseline.OtherBlessedModels,
        **{baseline.CANDIDATE: candidate} | _every_model(),
    ).with_id("Baseline")


def _every_model() -> dict[str, tfx.dsl.Channel]:
    """All models and all blessings of the pipeline."""
    artifacts = tfx.types.standard_artifacts
    return {
        MODEL: tfx.dsl.Channel(type=artifacts.Model),
        MODEL_BLESSING: tfx.dsl.Channel(type=artifacts.ModelBlessing),
    }


def _pipeline(config: Config, nodes: list[BaseNode], on_kubeflow: bool) -> tfx.dsl.Pipeline:
    return tfx.dsl.Pipeline(
        pipeline_name=config.name,
        pipeline_root=join(config.root, "artifacts"),
        components=nodes,
        enable_cache=True,
        metadata_connection_config=None if on_kubeflow else _sqlite(config.home / "metadata.db"),
        beam_pipeline_args=config.beam.arguments(),
    )


def _what_ingestion_reads(data: DataConfig) -> DataConfig:
    """Leaves out what does not change the files: a change of it is no reason to read anew."""
    unused = ("view", "schema_file", "on_anomaly")
    return data.model_copy(update={name: DataConfig.model_fields[name].default for name in unused})


def _in_the_report(config: Config) -> str:
    """Leaves out where and when runs happen: no reason for another report, and maybe secret."""
    told = config.model_dump(mode="json", exclude_none=True, exclude=set(AROUND_A_RUN))
    return yaml.safe_dump(told, sort_keys=False)


def _sqlite(database: Path) -> metadata_store_pb2.ConnectionConfig:
    # TFX's own helper makes the folder at once; here, whoever runs the pipeline does.
    connection = metadata_store_pb2.ConnectionConfig()
    connection.sqlite.filename_uri = str(database)
    connection.sqlite.connection_mode = (
        metadata_store_pb2.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
    )
    return connection
