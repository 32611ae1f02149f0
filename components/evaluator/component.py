"""The Evaluator component, which computes the metrics with TFMA and applies the gate."""

import json
import os
from collections.abc import Iterable
from typing import Any

import apache_beam as beam
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.extractors import slice_key_extractor
from tfx import types
from tfx import v1 as tfx
from tfx.components.evaluator import constants
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import artifact_utils
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.types.standard_component_specs import (
    BASELINE_MODEL_KEY,
    BLESSING_KEY,
    EVALUATION_KEY,
    EXAMPLES_KEY,
    MODEL_KEY,
)
from tfx_bsl.public import tfxio

from components.blessings import pushed_models, saved_model_path, short_name
from components.engine import EngineExecutor
from components.evaluator.baseline import choose_baseline
from components.evaluator.config import (
    EVALUATED_SPLIT,
    OTHER_HELD_OUT_SPLITS,
    EvaluationConfig,
    GateConfig,
)
from components.evaluator.evaluated_images import read_images, write_images
from components.evaluator.evaluated_masks import write_masks
from components.evaluator.gate import decide
from components.evaluator.intervals import INTERVALS_FILE, measure_intervals
from components.evaluator.results import BASELINE, CANDIDATE, read_evaluation
from components.evaluator.slice_names import parse_slice
from components.evaluator.slices import derive_features, informative_features
from components.evaluator.tfma_metrics import SegmentationMetrics
from components.evaluator.verdict import VERDICT_FILE, Verdict
from components.example_gen.artifact import read_records
from data.config import Strict
from data.examples.records import Record
from data.files.paths import join
from data.files.writing import write_text

_SETTINGS = "settings"
_SIGNATURE = "evaluation"
_BATCH = 8  # examples per batch; only a few, because each example contains a whole image


class EvaluatorSettings(Strict):
    """Settings of the Evaluator.

    Attributes:
      classes: Names of the classes, by class id.
      evaluation: The config's `evaluation` section, which lists additional features to slice by.
      gate: The config's `gate` section, with the minimum values and maximum drops of metrics.
      code: Version of the evaluation code. The version is part of the cache key, so the model is
        evaluated again when the code changes.
      pushed: Folder of the pushed versions, from which the baseline is chosen on Kubeflow; None on
        other platforms, where a resolver finds the blessed models.
    """

    classes: list[str]
    evaluation: EvaluationConfig
    gate: GateConfig
    code: str
    pushed: str | None = None


class _Spec(ComponentSpec):
    artifacts = tfx.types.standard_artifacts
    PARAMETERS = {_SETTINGS: ExecutionParameter(type=str)}  # noqa: RUF012
    INPUTS = {  # noqa: RUF012
        EXAMPLES_KEY: ChannelParameter(type=artifacts.Examples),
        MODEL_KEY: ChannelParameter(type=artifacts.Model),
        BASELINE_MODEL_KEY: ChannelParameter(type=artifacts.Model, optional=True),
    }
    OUTPUTS = {  # noqa: RUF012
        EVALUATION_KEY: ChannelParameter(type=artifacts.ModelEvaluation),
        BLESSING_KEY: ChannelParameter(type=artifacts.ModelBlessing),
    }


class Executor(EngineExecutor):
    """Works like TFX's Evaluator, but chooses slices from the data and applies its own gate.

    The gate is needed because TFMA's thresholds cannot exempt a class with too few pixels. In
    addition, TFX's Evaluator fails if the baseline does not load, and its batches of a thousand
    examples need too much memory if the images are large.
    """

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Computes the metrics, applies the gate, and writes the evaluation and the blessing.

        Args:
          input_dict: Maps input keys to lists of artifacts:
            - examples: The examples. Metrics are computed on the `test` split; masks that may be
              wrong are looked for in `val` and `test`.
            - model: The candidate model.
            - baseline_model: Blessed models, from which the baseline is chosen.
          output_dict: Maps output keys to lists of artifacts:
            - evaluation: TFMA's results, images-*.jsonl with the pixel counts of each image,
              masks-*.jsonl with the scores of each mask, and `Intervals` in intervals.json.
            - blessing: An empty file named BLESSED or NOT_BLESSED, and a `Verdict` in verdict.json.
          exec_properties: The execution properties:
            - settings: An `EvaluatorSettings` as JSON.

        Raises:
          InputError: The files of a blessed model are missing or broken, and
            `gate.on_broken_baseline` is `fail`.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        settings = EvaluatorSettings.model_validate_json(exec_properties[_SETTINGS])
        gate, classes = settings.gate, settings.classes
        (examples,), (model,) = input_dict[EXAMPLES_KEY], input_dict[MODEL_KEY]
        (evaluation,), (blessing,) = output_dict[EVALUATION_KEY], output_dict[BLESSING_KEY]
        models = input_dict.get(BASELINE_MODEL_KEY, [])
        if settings.pushed:
            models = list(pushed_models(settings.pushed, exclude=model))
        choice = choose_baseline(models, classes, gate.on_broken_baseline)
        self._measure(settings, examples, model, choice.model, evaluation.uri)
        intervals = measure_intervals(read_images(evaluation.uri), classes)
        write_text(join(evaluation.uri, INTERVALS_FILE), intervals.model_dump_json())
        verdict = decide(read_evaluation(evaluation.uri), intervals, gate, classes)
        verdict.baseline = short_name(choice.model.uri) if choice.model else None
        verdict.remarks = choice.remarks
        _write(blessing, verdict, model, choice.model)

    def _measure(
        self,
        settings: EvaluatorSettings,
        examples: types.Artifact,
        model: types.Artifact,
        baseline: types.Artifact | None,
        output: str,
    ) -> None:
        config = eval_config(settings, read_records(examples, EVALUATED_SPLIT))
        with self._make_beam_pipeline() as pipeline:
            models, updated = _shared_models(config, model, baseline)
            shared = models if baseline else models[0]
            extractors = tfma.default_extractors(eval_shared_model=shared, eval_config=updated)
            stages = [extractor.stage_name for extractor in extractors]
            slicing = stages.index(slice_key_extractor.SLICE_KEY_EXTRACTOR_STAGE_NAME)
            extractors[slicing + 1 : slicing + 1] = [
                write_images(output),
                write_masks(output, EVALUATED_SPLIT),
            ]
            extractors.insert(slicing, derive_features())
            _ = (
                pipeline
                | _source(examples, EVALUATED_SPLIT)
                | tfma.ExtractEvaluateAndWriteResults(
                    eval_shared_model=shared,
                    eval_config=updated,
                    extractors=extractors,
                    output_path=output,
                )
            )
            # The metrics are those of `test`, but wrong masks are looked for in `val` as well, by
            # the same loaded candidate.
            alone = tfma.utils.update_eval_config_with_defaults(config, has_baseline=False)
            candidate = models[0]._replace(model_name=alone.model_specs[0].name)
            extractors = tfma.default_extractors(eval_shared_model=candidate, eval_config=alone)
            for split in OTHER_HELD_OUT_SPLITS:
                _ = (
                    pipeline
                    | f"Read-{split}" >> _source(examples, split)
                    | f"AsExtracts-{split}" >> tfma.BatchedInputsToExtracts()
                    | f"Extract-{split}"
                    >> tfma.ExtractAndEvaluate([*extractors, write_masks(output, split)], [])
                )


def _source(examples: types.Artifact, split: str) -> beam.PTransform:
    """Returns a transform that reads the examples of a split in small batches."""
    pattern = os.path.join(artifact_utils.get_split_uri([examples], split), "*")
    column = tfma.constants.ARROW_INPUT_COLUMN
    return tfxio.TFExampleRecord(pattern, raw_record_column_name=column).BeamSource(_BATCH)


def _shared_models(
    config: tfma.EvalConfig, model: types.Artifact, baseline: types.Artifact | None
) -> tuple[list[Any], tfma.EvalConfig]:
    """Returns the models for TFMA, the candidate first, and the config for these models."""
    config = tfma.utils.update_eval_config_with_defaults(config, has_baseline=baseline is not None)
    models = []
    for spec in config.model_specs:
        artifact = baseline if baseline and spec.is_baseline else model
        path = saved_model_path(artifact)
        models.append(
            tfma.default_eval_shared_model(path, model_name=spec.name, eval_config=config)
        )
    return models, config


class Evaluator(base_beam_component.BaseBeamComponent):
    """Evaluates a model on the `test` split and blesses the model if it passes the gate.

    The component has these outputs:
      - `evaluation`: Channel of type `standard_artifacts.ModelEvaluation`. The artifact contains
        the files that TFX's Evaluator writes, the pixel counts of each image in `images-*.jsonl`,
        and the scores of the masks of `val` and `test` in `masks-*.jsonl`.
      - `blessing`: Channel of type `standard_artifacts.ModelBlessing`. The artifact contains the
        files that TFX's Evaluator writes, and a `Verdict` in `verdict.json`.
    """

    SPEC_CLASS = _Spec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        model: types.BaseChannel,
        settings: EvaluatorSettings,
        baseline_model: types.BaseChannel | None = None,
    ) -> None:
        """Creates the component.

        Args:
          examples: Channel with the examples.
          model: Channel with the candidate model.
          settings: Settings of the Evaluator.
          baseline_model: Channel with the blessed models from which the baseline is chosen; None if
            `settings.pushed` is set.
        """
        artifacts = tfx.types.standard_artifacts
        super().__init__(
            _Spec(
                settings=settings.model_dump_json(),
                examples=examples,
                model=model,
                **({BASELINE_MODEL_KEY: baseline_model} if baseline_model else {}),
                evaluation=types.Channel(type=artifacts.ModelEvaluation),
                blessing=types.Channel(type=artifacts.ModelBlessing),
            )
        )


def eval_config(settings: EvaluatorSettings, records: Iterable[Record]) -> tfma.EvalConfig:
    """Builds the TFMA config, which defines the models, the metrics and the slices.

    Args:
      settings: Settings of the Evaluator.
      records: Records of the evaluated pairs, from which some of the features to slice by are
        chosen.

    Returns:
      A config that computes all metrics for the candidate and the baseline, on the whole split and
      on its slices. The split is sliced by the features that `informative_features` chooses and by
      the features named in `evaluation.slices` and `gate.slices`.
    """
    names = [
        *informative_features(records, settings.classes),
        *settings.evaluation.slices,
        *(parse_slice(name)[0] for name in settings.gate.slices),
    ]
    metric = tfma.MetricConfig(
        class_name=SegmentationMetrics.__name__,
        module=SegmentationMetrics.__module__,
        config=json.dumps({"classes": settings.classes}),
    )
    return tfma.EvalConfig(
        model_specs=[
            tfma.ModelSpec(name=CANDIDATE, signature_name=_SIGNATURE),
            tfma.ModelSpec(name=BASELINE, signature_name=_SIGNATURE, is_baseline=True),
        ],
        slicing_specs=[
            tfma.SlicingSpec(),
            *(tfma.SlicingSpec(feature_keys=[name]) for name in dict.fromkeys(names)),
        ],
        metrics_specs=[tfma.MetricsSpec(metrics=[metric])],
    )


def _write(
    blessing: types.Artifact,
    verdict: Verdict,
    model: types.Artifact,
    baseline: types.Artifact | None,
) -> None:
    """Writes the verdict, and the marker file and properties that TFX's Evaluator would write."""
    blessing.set_string_custom_property(
        constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, model.uri
    )
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model.id)
    if baseline:
        blessing.set_string_custom_property(
            constants.ARTIFACT_PROPERTY_BASELINE_MODEL_URI_KEY, baseline.uri
        )
        blessing.set_int_custom_property(
            constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY, baseline.id
        )
    blessed, not_blessed = constants.BLESSED_VALUE, constants.NOT_BLESSED_VALUE
    blessing.set_int_custom_property(
        constants.ARTIFACT_PROPERTY_BLESSED_KEY, blessed if verdict.blessed else not_blessed
    )
    mark = constants.BLESSED_FILE_NAME if verdict.blessed else constants.NOT_BLESSED_FILE_NAME
    write_text(join(blessing.uri, mark), "")
    write_text(join(blessing.uri, VERDICT_FILE), verdict.model_dump_json(indent=2))
