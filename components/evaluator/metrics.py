"""The metrics, for TFMA.

What an image adds, counts that were made in the graph that serves, is added up; ratios come last.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.metrics import metric_types, metric_util

from components.evaluator.metric_names import (
    BOUNDARY_IOU,
    CALIBRATION_ERROR,
    DICE,
    FREQUENCY_WEIGHTED_IOU,
    IOU,
    MEAN_BOUNDARY_IOU,
    MEAN_DICE,
    MEAN_IOU,
    PIXEL_ACCURACY,
    metric_names,
    of_class,
)
from serving.model.pixel_counts import BOUNDARY, CALIBRATION, CALIBRATION_BINS, CONFUSION

IMAGES = "images"
"""Name under which TFMA stores how many images a slice has."""
_COUNTS = (IMAGES, CONFUSION, CALIBRATION)

_Integers = npt.NDArray[np.int64]
_Numbers = npt.NDArray[np.float64]


def iou(confusion_matrix: _Integers) -> _Numbers:
    """Intersection over union (Jaccard index) of each class.

    Args:
      confusion_matrix: [C, C] pixel counts, truth in rows, prediction in columns.

    Returns:
      float64 [C] in 0..1; NaN for a class that is neither in the truth nor in the prediction.
    """
    hits, truth, prediction = _hits(confusion_matrix)
    return _ratio(hits, truth + prediction - hits)


def dice(confusion_matrix: _Integers) -> _Numbers:
    """Dice coefficient (F1 score) of each class.

    Args:
      confusion_matrix: [C, C] pixel counts, truth in rows, prediction in columns.

    Returns:
      float64 [C] in 0..1; NaN for a class that is neither in the truth nor in the prediction.
    """
    hits, truth, prediction = _hits(confusion_matrix)
    return _ratio(2 * hits, truth + prediction)


def boundary_iou(boundary: _Integers) -> _Numbers:
    """Boundary IoU of each class (Cheng et al. 2021): IoU of what is near a boundary.

    Args:
      boundary: [C, 2] pixels near both the true and the predicted boundary, and near either.

    Returns:
      float64 [C] in 0..1; NaN for a class that is neither in the truth nor in the prediction.
    """
    return _ratio(boundary[:, 0], boundary[:, 1])


def mean_of_defined(values: _Numbers) -> float:
    """Mean over the classes that occur in truth or prediction; NaN if none does.

    Args:
      values: float64 [C], NaN where undefined.
    """
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")


def pixel_accuracy(confusion_matrix: _Integers) -> float:
    """Share of the pixels that are right, 0..1; NaN if there are no pixels.

    Args:
      confusion_matrix: [C, C] pixel counts, truth in rows, prediction in columns.
    """
    return float(_ratio(np.trace(confusion_matrix), confusion_matrix.sum()))


def frequency_weighted_iou(confusion_matrix: _Integers) -> float:
    """Mean IoU, each class weighted by its share of the true pixels; NaN if there are no pixels.

    Args:
      confusion_matrix: [C, C] pixel counts, truth in rows, prediction in columns.
    """
    truth = confusion_matrix.sum(1)
    return float(_ratio(np.sum(truth * np.nan_to_num(iou(confusion_matrix))), truth.sum()))


def calibration_error(calibration: _Numbers) -> float:
    """Expected calibration error (Guo et al. 2017): how far confidence is from being right.

    Args:
      calibration: [bins, 3], of each bin the pixels, the sum of their confidences, and how many are
        right.

    Returns:
      0..1, less is better; NaN if there are no pixels.
    """
    pixels, confidence, right = calibration.T
    return float(_ratio(np.abs(confidence - right).sum(), pixels.sum()))


def _hits(confusion_matrix: _Integers) -> tuple[_Numbers, _Integers, _Integers]:
    return np.diag(confusion_matrix).astype(float), confusion_matrix.sum(1), confusion_matrix.sum(0)


def _ratio(part: Any, whole: Any) -> _Numbers:
    whole = np.asarray(whole, float)
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)


class Counts(NamedTuple):
    """What the images of a slice add up to; see `serving.model.pixel_counts`."""

    images: int
    confusion_matrix: _Integers
    boundary: _Integers
    calibration: _Numbers


_BY_CLASS: dict[str, Callable[[Counts], _Numbers]] = {
    IOU: lambda counts: iou(counts.confusion_matrix),
    DICE: lambda counts: dice(counts.confusion_matrix),
    BOUNDARY_IOU: lambda counts: boundary_iou(counts.boundary),
}
_OVER_ALL: dict[str, Callable[[Counts], float]] = {
    MEAN_IOU: lambda counts: mean_of_defined(iou(counts.confusion_matrix)),
    MEAN_DICE: lambda counts: mean_of_defined(dice(counts.confusion_matrix)),
    MEAN_BOUNDARY_IOU: lambda counts: mean_of_defined(boundary_iou(counts.boundary)),
    PIXEL_ACCURACY: lambda counts: pixel_accuracy(counts.confusion_matrix),
    FREQUENCY_WEIGHTED_IOU: lambda counts: frequency_weighted_iou(counts.confusion_matrix),
    CALIBRATION_ERROR: lambda counts: calibration_error(counts.calibration),
}


def compute(counts: Counts, classes: Sequence[str]) -> dict[str, float]:
    """Computes all metrics.

    Args:
      counts: Of any images.
      classes: Names of the C classes.

    Returns:
      Metric name to value, in the order of `metric_names`; NaN where undefined.
    """
    values = {name: formula(counts) for name, formula in _OVER_ALL.items()}
    for kind, formula in _BY_CLASS.items():
        by_class = zip(classes, formula(counts).tolist(), strict=True)
        values |= {of_class(kind, name): value for name, value in by_class}
    return values


class SegmentationMetrics(metric_types.Metric):
    """All metrics over the pixels of a slice, and the counts that reports need.

    The counts: `images`, `confusion_matrix` [C, C] and `calibration` [bins, 3].
    """

    def __init__(self, classes: Sequence[str], name: str = "segmentation") -> None:
        """Configures the metrics.

        Args:
          classes: Names of the C classes.
          name: Of the whole; the metrics have their own.
        """
        super().__init__(
            metric_util.merge_per_key_computations(_computations), classes=classes, name=name
        )


def _computations(classes: Sequence[str], name: str, model_name: str = "") -> list[Any]:
    # TFMA keeps keys with a leading underscore to itself.
    counts_key = metric_types.MetricKey(name=f"_{name}", model_name=model_name)
    keys = {
        metric: metric_types.MetricKey(name=metric, model_name=model_name)
        for metric in (*metric_names(classes), *_COUNTS)
    }

    def result(
        metrics: Mapping[metric_types.MetricKey, Counts],
    ) -> dict[metric_types.MetricKey, Any]:
        counts = metrics[counts_key]
        values: dict[str, Any] = compute(counts, classes)
        values |= {name: getattr(counts, name) for name in _COUNTS}
        return {key: values[metric] for metric, key in keys.items()}

    return [
        metric_types.MetricComputation(
            keys=[counts_key], preprocessors=None, combiner=_Sum(counts_key, len(classes))
        ),
        metric_types.DerivedMetricComputation(keys=list(keys.values()), result=result),
    ]


class _Sum(beam.CombineFn):
    def __init__(self, key: metric_types.MetricKey, num_classes: int) -> None:
        self._key = key
        self._num_classes = num_classes

    def create_accumulator(self) -> Counts:
        return Counts(
            0,
            np.zeros((self._num_classes, self._num_classes), np.int64),
            np.zeros((self._num_classes, 2), np.int64),
            np.zeros((CALIBRATION_BINS, 3)),
        )

    def add_input(self, accumulator: Counts, element: tfma.metrics.StandardMetricInputs) -> Counts:
        found = element.get_predictions(self._key.model_name)
        image = Counts(1, found[CONFUSION], found[BOUNDARY], found[CALIBRATION])
        return self.merge_accumulators([accumulator, image])

    def merge_accumulators(self, accumulators: Iterable[Counts]) -> Counts:
        total = self.create_accumulator()
        for other in accumulators:
            total = Counts(
                total.images + other.images,
                total.confusion_matrix + other.confusion_matrix,
                total.boundary + other.boundary,
                total.calibration + other.calibration,
            )
        return total

    def extract_output(self, accumulator: Counts) -> dict[metric_types.MetricKey, Counts]:
        return {self._key: accumulator}


metric_types.register_metric(SegmentationMetrics)
