"""Reads metrics and pixel counts from the output of the Evaluator."""

import math
from typing import Any

import numpy as np
import tensorflow_model_analysis as tfma
from pydantic import BaseModel, model_validator
from tensorflow_model_analysis.slicer import slicer_lib
from typing_extensions import Self

from components.evaluator.tfma_metrics import IMAGES
from serving.model.pixel_counts import CALIBRATION, CONFUSION, RAW_CALIBRATION

CANDIDATE, BASELINE = "candidate", "baseline"
"""Names of the candidate and the baseline in TFMA's result files."""
_LARGEST_OF_SLICES = 20  # classes, with which each slice keeps its confusion matrix
_COUNTS = (IMAGES, CONFUSION, CALIBRATION, RAW_CALIBRATION)


class Scores(BaseModel):
    """A model's metrics and pixel counts on one slice.

    Attributes:
      images: Number of images in the slice.
      metrics: Value of each metric, 0..1, by metric name; None where undefined.
      confusion_matrix: [C][C] pixel counts, with true classes in rows and predicted classes in
        columns; empty in the `metrics.json` of more than twenty classes, for single slices.
      true_pixels: Number of ground-truth pixels of each class, by class id.
      calibration: [bins][3]. For each confidence bin, the number of pixels, the sum of their
        confidences and the number of correctly predicted pixels.
      raw_calibration: The same as `calibration`, without the temperature of the model; empty in
        results of older versions of unetfx.
    """

    images: int
    metrics: dict[str, float | None]
    confusion_matrix: list[list[int]]
    true_pixels: list[int] = []
    calibration: list[list[float]]
    raw_calibration: list[list[float]] = []

    @model_validator(mode="after")
    def _counts_true_pixels(self) -> Self:
        # Results of older versions of unetfx have only the confusion matrix.
        self.true_pixels = self.true_pixels or [sum(row) for row in self.confusion_matrix]
        return self

    def without_confusions(self) -> Self:
        """Returns the scores without the confusion matrix if it is large."""
        if len(self.confusion_matrix) <= _LARGEST_OF_SLICES:
            return self
        return self.model_copy(update={"confusion_matrix": []})


class Evaluation(BaseModel):
    """Scores of the candidate and the baseline on the `test` split.

    Attributes:
      candidate: Scores of the candidate, by slice name (`feature=value`). The first entry, under
        the name `OVERALL`, is for the whole split.
      baseline: Scores of the baseline, by slice name; empty if there is no baseline.
    """

    candidate: dict[str, Scores]
    baseline: dict[str, Scores]


def read_evaluation(path: str) -> Evaluation:
    """Reads the scores of all slices from the output of the Evaluator.

    Args:
      path: Path of the Evaluator's `evaluation` artifact.

    Returns:
      The scores of the candidate and the baseline, by slice.
    """
    by_model: dict[str, dict[str, Scores]] = {CANDIDATE: {}, BASELINE: {}}
    for record in sorted(tfma.load_metrics(path), key=lambda record: _slice_name(record.slice_key)):
        values: dict[str, dict[str, Any]] = {}
        for item in record.metric_keys_and_values:
            if not item.key.is_diff:
                # Without a baseline, TFMA leaves the name of the only model empty.
                model = item.key.model_name or CANDIDATE
                values.setdefault(model, {})[item.key.name] = _value(item.value)
        for model, metrics in values.items():
            counts = {name: metrics.pop(name) for name in _COUNTS if name in metrics}
            scores = Scores(metrics=metrics, **counts)
            by_model[model][_slice_name(record.slice_key)] = scores
    return Evaluation(**by_model)


def slice_name(key: Any) -> str:
    """Returns the name of a slice, in the form `feature=value`; empty for the whole split.

    Args:
      key: Key of the slice in TFMA: a tuple of features and values.
    """
    return ",".join(f"{name}={value}" for name, value in key)


def _slice_name(serialized: Any) -> str:
    return slice_name(slicer_lib.deserialize_slice_key(serialized))


def _value(value: Any) -> Any:
    kind = value.WhichOneof("type")
    if kind == "array_value":
        array = value.array_value
        return np.reshape(array.int64_values or array.float64_values, array.shape).tolist()
    number = value.double_value.value
    return None if math.isnan(number) else number
