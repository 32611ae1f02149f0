"""Builds the TFX pipeline from a config, without running any component."""

import json
import uuid
from typing import Any

import tensorflow_data_validation as tfdv
import yaml
from tfx import v1 as tfx
from tfx.dsl.components.base.base_node import BaseNode

from components.evaluator.component import Evaluator, EvaluatorSettings
from components.evaluator.gate_check import GateCheck
from components.example_gen.settings import ExampleGenSettings
from components.pusher.component import Pusher, PusherSettings
from components.report.component import Report, ReportSettings
from components.serving_check.component import ServingCheck
from components.serving_check.infra_validator import make_infra_validator
from components.statistics_gen import StatisticsGen
from components.trainer import run
from components.trainer.config import PUSHED, SETTINGS, UNFINISHED, TrainerSettings
from components.tuner import run as search
from components.tuner.config import TunerSettings
from components.validator.component import ExampleValidator, SchemaGen
from data.config import DataConfig
from data.examples import features
from data.files.paths import join
from pipeline.code_version import code_version
from pipeline.config.config import AROUND_A_RUN, Config
from pipeline.platforms.local import Local
from pipeline.platforms.platform import BlessedModels, Ingestion, Platform

_LOCAL = Local()


def create_pipeline(config: Config, platform: Platform = _LOCAL) -> tfx.dsl.Pipeline:
    """Builds the pipeline that a config describes.

    Args:
      config: The config of the pipeline.
      platform: The platform that will run the pipeline; by default, this machine.

    Returns:
      The pipeline, to be passed to the platform's TFX runner.
    """
    ingestion = platform.ingestion(config, _ingestion_settings(config))
    examples = ingestion.examples
    statistics = _statistics_gen(config, examples)
    schema = _schema_gen(config, statistics, ingestion)
    validator = _example_validator(config, examples, statistics, schema)
    gate_check = _gate_check(config, examples)
    settings = trainer_settings(config)
    start = BlessedModels()
    if config.training.warm_start:
        start = platform.models_to_start_from(config, examples, settings)
    tuner = _tuner(config, examples, settings, start)
    trainer = tfx.components.Trainer(
        run_fn=f"{run.__name__}.{run.run_fn.__name__}",
        base_model=start.models,
        hyperparameters=tuner.outputs["best_hyperparameters"] if tuner else None,
        **_training_arguments(config, "Trainer", examples, settings, start),
    )
    model = trainer.outputs["model"]
    baselines = platform.baselines(config, model)
    evaluator = _evaluator(config, examples, model, baselines)
    infra_validator = None
    if config.serving.infra_validator:
        infra_validator = make_infra_validator(config.serving.infra_validator, examples, model)
    serving_check = ServingCheck(
        examples=examples,
        model=model,
        evaluation=evaluator.outputs["evaluation"],
        infra_blessing=infra_validator.outputs["blessing"] if infra_validator else None,
        check=config.serving.check.model_dump_json(),
        code=code_version("components.serving_check.component"),
    )
    report = _report(config, platform, examples, validator, trainer, evaluator, serving_check)
    pusher = _pusher(config, examples, model, evaluator, serving_check)
    nodes = [
        *ingestion.nodes,
        *(statistics, schema, validator, gate_check),
        *(*start.nodes, tuner, trainer),
        *(*baselines.nodes, evaluator),
        *(infra_validator, serving_check, report, pusher),
    ]
    for node in filter(None, (tuner, trainer)):
        # Training uses no outputs of ExampleValidator and GateCheck, so TFX would not wait for them
        # by itself. Training must wait, because either component may stop the run.
        node.add_upstream_nodes([validator, gate_check])
    return tfx.dsl.Pipeline(
        pipeline_name=config.name,
        pipeline_root=config.artifacts_folder,
        components=[node for node in nodes if node],
        enable_cache=True,
        metadata_connection_config=platform.metadata_connection(config),
        beam_pipeline_args=config.beam.arguments(),
    )


def _ingestion_settings(config: Config) -> ExampleGenSettings:
    # These keys do not affect the examples. They are reset to their defaults, so that changing one
    # of them does not make ExampleGen run again.
    unused = ("view", "schema_file", "on_anomaly")
    defaults = {name: DataConfig.model_fields[name].default for name in unused}
    return ExampleGenSettings(
        data=config.data.model_copy(update=defaults),
        name=config.name,
        folder=str(config.source_folder),
        listing=config.listing_folder,
        code=code_version("components.example_gen.executor"),
    )


def _statistics_gen(config: Config, examples: tfx.dsl.Channel) -> StatisticsGen:
    # The other features, such as the encoded image and the pair's key, are left out, because their
    # statistics would be meaningless.
    names = [features.SOURCE, *features.IMAGE_STATISTICS]
    names += [features.fraction(name) for name in config.data.classes]
    # Sketches need a quarter less processor time than exact counts, and no shuffle. They are exact
    # for up to 1,024 different names of sources; no other feature is a string.
    options = tfdv.StatsOptions(feature_allowlist=names, use_sketch_based_topk_uniques=True)
    return StatisticsGen(examples=examples, stats_options=options)


def _schema_gen(config: Config, statistics: StatisticsGen, ingestion: Ingestion) -> BaseNode:
    return SchemaGen(
        statistics=statistics.outputs["statistics"],
        file=config.schema_file,
        text=ingestion.schema_text,
        attempt="" if ingestion.schema_text else uuid.uuid4().hex,
    ).with_id("SchemaGen")


def _example_validator(
    config: Config, examples: tfx.dsl.Channel, statistics: StatisticsGen, schema: BaseNode
) -> BaseNode:
    return ExampleValidator(
        examples=examples,
        statistics=statistics.outputs["statistics"],
        schema=schema.outputs["schema"],
        classes=json.dumps(config.data.classes),
        file=config.schema_file,
        on_anomaly=config.data.on_anomaly,
        code=code_version("components.validator.component"),
    ).with_id("ExampleValidator")


def _gate_check(config: Config, examples: tfx.dsl.Channel) -> BaseNode:
    return GateCheck(
        examples=examples,
        gate=config.gate.model_dump_json(),
        classes=json.dumps(config.data.classes),
        columns=json.dumps(config.columns_to_slice_by),
        code=code_version("components.evaluator.gate_check"),
    ).with_id("GateCheck")


def trainer_settings(config: Config) -> TrainerSettings:
    """Returns the Trainer's settings for a config."""
    return TrainerSettings(
        classes=config.data.classes,
        view=config.data.view,
        model=config.model,
        training=config.training,
        intensity_range=config.data.intensity_range,
        max_pixels=config.serving.max_pixels,
        serving_precision=config.serving.precision,
        flips=config.serving.flips,
        confidence_map=config.serving.confidence_map,
        code=code_version("components.trainer.run"),
    )


def _tuner(
    config: Config, examples: tfx.dsl.Channel, trainer: TrainerSettings, start: BlessedModels
) -> tfx.components.Tuner | None:
    if config.tuner is None:
        return None
    code = code_version("components.tuner.run")
    settings = TunerSettings.of(trainer.model_copy(update={"code": code}), config.tuner)
    return tfx.components.Tuner(
        tuner_fn=f"{search.__name__}.{search.tuner_fn.__name__}",
        base_model=start.models if settings.trainer.training.warm_start else None,
        **_training_arguments(config, "Tuner", examples, settings, start),
    )


def _training_arguments(
    config: Config,
    step: str,
    examples: tfx.dsl.Channel,
    settings: TrainerSettings | TunerSettings,
    start: BlessedModels,
) -> dict[str, Any]:
    custom_config = {
        SETTINGS: settings.model_dump_json(),
        # Checkpoints are kept outside the output folder of the execution, so that a later
        # execution can resume an interrupted training run.
        UNFINISHED: join(config.root, f"artifacts/{step}/.unfinished"),
    }
    if start.push_folder:
        custom_config[PUSHED] = start.push_folder
    return {
        "examples": examples,
        "train_args": tfx.proto.TrainArgs(splits=["train"]),
        "eval_args": tfx.proto.EvalArgs(splits=["val"]),
        "custom_config": custom_config,
    }


def _evaluator(
    config: Config, examples: tfx.dsl.Channel, model: tfx.dsl.Channel, baselines: BlessedModels
) -> Evaluator:
    return Evaluator(
        examples=examples,
        model=model,
        baseline_model=baselines.models,
        settings=EvaluatorSettings(
            classes=config.data.classes,
            evaluation=config.evaluation,
            gate=config.gate,
            code=code_version("components.evaluator.component"),
            pushed=baselines.push_folder,
        ),
    )


def _report(
    config: Config,
    platform: Platform,
    examples: tfx.dsl.Channel,
    validator: BaseNode,
    trainer: tfx.components.Trainer,
    evaluator: Evaluator,
    serving_check: BaseNode,
) -> BaseNode:
    folder = platform.reports_folder(config)
    # On a platform with a reports folder, the Report component publishes the report itself, so it
    # needs the anomalies as an input. On other platforms, the runner publishes the report and adds
    # the anomalies.
    anomalies = {"example_anomalies": validator.outputs["anomalies"]} if folder else {}
    return Report(
        examples=examples,
        model=trainer.outputs["model"],
        model_run=trainer.outputs["model_run"],
        evaluation=evaluator.outputs["evaluation"],
        blessing=evaluator.outputs["blessing"],
        serving_check=serving_check.outputs["blessing"],
        settings=ReportSettings(
            name=config.name,
            config=_reported_config(config),
            code=code_version("components.report.writing"),
            card=config.card,
            verdicts=config.verdicts_file,
            folder=folder,
        ).model_dump_json(),
        **anomalies,
    )


def _reported_config(config: Config) -> str:
    # The report omits the config sections in `AROUND_A_RUN`, such as `retrain:`. Some of them
    # contain secrets, and changing one should not make the Report component run again.
    shown = config.model_dump(mode="json", exclude_none=True, exclude=set(AROUND_A_RUN))
    return yaml.safe_dump(shown, sort_keys=False)


def _pusher(
    config: Config,
    examples: tfx.dsl.Channel,
    model: tfx.dsl.Channel,
    evaluator: Evaluator,
    serving_check: BaseNode,
) -> Pusher:
    # Unlike most other components, the Pusher has no parameter with a hash of the code. With such a
    # parameter, every change to the code would push the same model again.
    return Pusher(
        examples=examples,
        model=model,
        evaluation=evaluator.outputs["evaluation"],
        model_blessing=evaluator.outputs["blessing"],
        infra_blessing=serving_check.outputs["blessing"],
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(base_directory=config.serving_folder)
        ),
        settings=PusherSettings(name=config.name, card=config.card),
    )
