"""IoU for TFMA.

Per-image confusion counts, made in the graph that serves, are added up; the ratio comes last.
"""

from collections.abc import Callable, Iterable
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.metrics import metric_types, metric_util

MEAN_IOU = "mean_iou"
"""Name of the mean over the classes."""

_Counts = npt.NDArray[np.int64]


def class_iou(class_name: str) -> str:
    """Name of a class's metric."""
    return f"iou/{class_name}"


def iou(confusion_matrix: _Counts) -> npt.NDArray[np.float64]:
    """Intersection over union (Jaccard index) of each class.

    Args:
      confusion_matrix: [C, C] pixel counts, truth in rows, prediction in columns.

    Returns:
      float64 [C] in 0..1; NaN for a class that is neither in the truth nor in the prediction.
    """
    hits = np.diag(confusion_matrix).astype(float)
    union = confusion_matrix.sum(0) + confusion_matrix.sum(1) - hits
    return np.divide(hits, union, out=np.full(len(hits), np.nan), where=union > 0)


def mean_iou(confusion_matrix: _Counts) -> float:
    """Mean IoU over the classes that occur in truth or prediction.

    Args:
      confusion_matrix: [C, C] pixel counts, truth in rows, prediction in columns.

    Returns:
      0..1; NaN if there are no pixels.
    """
    values = iou(confusion_matrix)
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")


class ClassIoU(metric_types.Metric):
    """IoU of one class over all pixels of a slice."""

    def __init__(self, num_classes: int, class_id: int, name: str) -> None:
        """Configures the metric.

        Args:
          num_classes: C.
          class_id: 0..C-1.
          name: The metric's name.
        """
        super().__init__(
            metric_util.merge_per_key_computations(_class_iou),
            num_classes=num_classes,
            class_id=class_id,
            name=name,
        )


class MeanIoU(metric_types.Metric):
    """Mean IoU over the classes that occur in a slice."""

    def __init__(self, num_classes: int, name: str = MEAN_IOU) -> None:
        """Configures the metric.

        Args:
          num_classes: C.
          name: The metric's name.
        """
        super().__init__(
            metric_util.merge_per_key_computations(_mean_iou), num_classes=num_classes, name=name
        )


def _class_iou(num_classes: int, class_id: int, name: str, model_name: str = "") -> list[Any]:
    return _derived(num_classes, name, model_name, lambda counts: float(iou(counts)[class_id]))


def _mean_iou(num_classes: int, name: str, model_name: str = "") -> list[Any]:
    return _derived(num_classes, name, model_name, mean_iou)


def _derived(
    num_classes: int, name: str, model_name: str, formula: Callable[[_Counts], float]
) -> list[Any]:
    # TFMA computes equal computations once, and keeps keys with a leading underscore to itself.
    counts_key = metric_types.MetricKey(name="_confusion_matrix", model_name=model_name)
    key = metric_types.MetricKey(name=name, model_name=model_name)
    return [
        metric_types.MetricComputation(
            keys=[counts_key],
            preprocessors=None,
            combiner=_SumConfusionMatrices(counts_key, num_classes),
        ),
        metric_types.DerivedMetricComputation(
            keys=[key], result=lambda metrics: {key: formula(metrics[counts_key])}
        ),
    ]


class _SumConfusionMatrices(beam.CombineFn):
    def __init__(self, key: metric_types.MetricKey, num_classes: int) -> None:
        self._key = key
        self._num_classes = num_classes

    def create_accumulator(self) -> _Counts:
        return np.zeros((self._num_classes, self._num_classes), np.int64)

    def add_input(
        self, accumulator: _Counts, element: tfma.metrics.StandardMetricInputs
    ) -> _Counts:
        return accumulator + element.get_predictions(self._key.model_name)

    def merge_accumulators(self, accumulators: Iterable[_Counts]) -> _Counts:
        return sum(accumulators, self.create_accumulator())

    def extract_output(self, accumulator: _Counts) -> dict[metric_types.MetricKey, _Counts]:
        return {self._key: accumulator}


metric_types.register_metric(ClassIoU)
metric_types.register_metric(MeanIoU)
