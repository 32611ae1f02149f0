import apache_beam as beam
import numpy as np
import pytest
import tensorflow_model_analysis as tfma
from apache_beam.options.pipeline_options import PipelineOptions

from components.evaluator.component import EvaluatorSettings, eval_config
from components.evaluator.config import EvaluationConfig, GateConfig
from components.evaluator.results import read_evaluation

CLASSES = ["ocean", "land", "lake"]


def counted(confusion_matrix, boundary=None, calibration=None):
    """Makes the counts that the graph returns for an image."""
    classes = len(confusion_matrix)
    return {
        "confusion_matrix": np.array(confusion_matrix),
        "boundary": np.zeros((classes, 2), np.int64) if boundary is None else np.array(boundary),
        "calibration": np.zeros((15, 3)) if calibration is None else np.array(calibration),
    }


@pytest.fixture
def evaluate(tmp_path):
    """Evaluates the counts of some images with TFMA, as the Evaluator does."""

    def evaluate(candidates, baselines=None, *, name="evaluation", shards=1, classes=CLASSES):
        settings = EvaluatorSettings(
            classes=classes, evaluation=EvaluationConfig(), gate=GateConfig(mean_iou=0), code=""
        )
        config = tfma.utils.update_eval_config_with_defaults(
            eval_config(settings, []), has_baseline=baselines is not None
        )
        if baselines is not None:
            candidates = [
                {"candidate": one, "baseline": two}
                for one, two in zip(candidates, baselines, strict=True)
            ]
        extracts = [
            {
                tfma.FEATURES_KEY: {},
                tfma.LABELS_KEY: None,
                tfma.EXAMPLE_WEIGHTS_KEY: None,
                tfma.PREDICTIONS_KEY: prediction,
                tfma.SLICE_KEY_TYPES_KEY: [()],
            }
            for prediction in candidates
        ]
        keys = (tfma.METRICS_KEY, tfma.PLOTS_KEY)
        paths = {key: str(tmp_path / name / key) for key in keys}
        evaluator = tfma.evaluators.MetricsPlotsAndValidationsEvaluator(config)
        writer = tfma.writers.MetricsPlotsAndValidationsWriter(paths, config)
        options = PipelineOptions(["--runner=FnApiRunner", "--direct_running_mode=in_memory"])
        with beam.Pipeline(options=options) as pipeline:
            parts = [
                pipeline | f"Shard{i}" >> beam.Create(extracts[i::shards]) for i in range(shards)
            ]
            evaluation = parts | beam.Flatten() | evaluator.ptransform
            evaluation | writer.ptransform
        return read_evaluation(str(tmp_path / name))

    return evaluate
