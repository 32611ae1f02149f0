"""The metrics that a report shows and a gate can use, each registered once in `METRICS`.

Metrics are ratios of pixel counts, which are summed over all images before the division. This
module imports only NumPy, so that reading a config stays fast.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from components.evaluator.metric_names import IOU, MEAN_IOU, of_class

_Integers = npt.NDArray[np.int64]
_Numbers = npt.NDArray[np.float64]


class Counts(NamedTuple):
    """Pixel counts summed over the images of a slice.

    Attributes:
      images: Number of images.
      confusion_matrix: int64 [C, C] pixel counts, truth in rows, prediction in columns.
      boundary: int64 [C, 2], for each class the number of pixels that are near both the true and
        the predicted boundary (intersection), and near at least one of them (union).
      calibration: float64 [bins, 3], for each confidence bin the number of pixels, the sum of their
        confidences, and the number of correct pixels.
    """

    images: int
    confusion_matrix: _Integers
    boundary: _Integers
    calibration: _Numbers


class Metric(NamedTuple):
    """A metric that a report shows and a gate can use.

    Attributes:
      name: Name of the metric in configs and reports; if the scope is `class`, configs and reports
        append `/<class>`.
      scope: `overall` for one value over all classes, `class` for one value for each class.
      formula: Function that computes the metric from the counts: a float for the scope `overall`,
        float64 [C] for `class`; in 0..1, NaN where undefined.
      higher_is_better: Whether a higher value is better; if not, the gate accepts no floor for the
        metric.
    """

    name: str
    scope: Literal["overall", "class"]
    formula: Callable[[Counts], Any]
    higher_is_better: bool = True


def iou(confusion_matrix: _Integers) -> _Numbers:
    """Computes the intersection over union (Jaccard index) of each class.

    Args:
      confusion_matrix: [C, C] pixel counts, truth in rows, prediction in columns.

    Returns:
      float64 [C] in 0..1; NaN for a class that is neither in the truth nor in the prediction.
    """
    hits, truth, prediction = _hits(confusion_matrix)
    return _ratio(hits, truth + prediction - hits)


def dice(confusion_matrix: _Integers) -> _Numbers:
    """Computes the Dice coefficient (F1 score) of each class.

    Args:
      confusion_matrix: [C, C] pixel counts, truth in rows, prediction in columns.

    Returns:
      float64 [C] in 0..1; NaN for a class that is neither in the truth nor in the prediction.
    """
    hits, truth, prediction = _hits(confusion_matrix)
    return _ratio(2 * hits, truth + prediction)


def boundary_iou(boundary: _Integers) -> _Numbers:
    """Computes the Boundary IoU of each class (Cheng et al. 2021): IoU of pixels near a boundary.

    Args:
      boundary: int64 [C, 2], for each class the number of pixels that are near both the true and
        the predicted boundary (intersection), and near at least one of them (union).

    Returns:
      float64 [C] in 0..1; NaN for a class that is neither in the truth nor in the prediction.
    """
    return _ratio(boundary[:, 0], boundary[:, 1])


def mean_of_defined(values: _Numbers) -> float:
    """Computes the mean of a metric over the classes for which the metric is defined.

    Args:
      values: float64 [C], value of the metric for each class, NaN where undefined.

    Returns:
      The mean; NaN if the metric is defined for no class.
    """
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")


def pixel_accuracy(confusion_matrix: _Integers) -> float:
    """Computes the share of correctly classified pixels, 0..1; NaN if there are no pixels.

    Args:
      confusion_matrix: [C, C] pixel counts, truth in rows, prediction in columns.
    """
    return float(_ratio(np.trace(confusion_matrix), confusion_matrix.sum()))


def frequency_weighted_iou(confusion_matrix: _Integers) -> float:
    """Computes the mean IoU, weighted by the share of each class among the true pixels.

    Args:
      confusion_matrix: [C, C] pixel counts, truth in rows, prediction in columns.

    Returns:
      The weighted mean, 0..1; NaN if there are no pixels.
    """
    truth = confusion_matrix.sum(1)
    return float(_ratio(np.sum(truth * np.nan_to_num(iou(confusion_matrix))), truth.sum()))


def calibration_error(calibration: _Numbers) -> float:
    """Computes the expected calibration error (Guo et al. 2017).

    The error is the mean over all pixels of the gap between confidence and accuracy in their bin.

    Args:
      calibration: float64 [bins, 3], for each confidence bin the number of pixels, the sum of their
        confidences, and the number of correct pixels.

    Returns:
      The error, 0..1; lower is better. NaN if there are no pixels.
    """
    pixels, confidence, correct = calibration.T
    return float(_ratio(np.abs(confidence - correct).sum(), pixels.sum()))


def _hits(confusion_matrix: _Integers) -> tuple[_Numbers, _Integers, _Integers]:
    return np.diag(confusion_matrix).astype(float), confusion_matrix.sum(1), confusion_matrix.sum(0)


def _ratio(part: Any, whole: Any) -> _Numbers:
    whole = np.asarray(whole, float)
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)


METRICS = {
    metric.name: metric
    for metric in (
        Metric(MEAN_IOU, "overall", lambda counts: mean_of_defined(iou(counts.confusion_matrix))),
        Metric(
            "mean_dice", "overall", lambda counts: mean_of_defined(dice(counts.confusion_matrix))
        ),
        Metric(
            "mean_boundary_iou",
            "overall",
            lambda counts: mean_of_defined(boundary_iou(counts.boundary)),
        ),
        Metric("pixel_accuracy", "overall", lambda counts: pixel_accuracy(counts.confusion_matrix)),
        Metric(
            "frequency_weighted_iou",
            "overall",
            lambda counts: frequency_weighted_iou(counts.confusion_matrix),
        ),
        Metric(
            "calibration_error",
            "overall",
            lambda counts: calibration_error(counts.calibration),
            higher_is_better=False,
        ),
        Metric(IOU, "class", lambda counts: iou(counts.confusion_matrix)),
        Metric("dice", "class", lambda counts: dice(counts.confusion_matrix)),
        Metric("boundary_iou", "class", lambda counts: boundary_iou(counts.boundary)),
    )
}
"""All metrics, by name."""


def compute(counts: Counts, classes: Sequence[str]) -> dict[str, float]:
    """Computes all metrics from pixel counts.

    Args:
      counts: Pixel counts, summed over any number of images.
      classes: Names of the C classes, by class id.

    Returns:
      Metric name to value, 0..1, in the order of `metric_names`; NaN where undefined.
    """
    return {
        name: value
        for metric in METRICS.values()
        for name, value in zip(
            _names(metric, classes), np.atleast_1d(metric.formula(counts)).tolist(), strict=True
        )
    }


def metric_names(classes: Sequence[str]) -> list[str]:
    """Returns the names of all metrics, in the order of `METRICS`.

    Args:
      classes: Names of the classes, by class id.
    """
    return [name for metric in METRICS.values() for name in _names(metric, classes)]


def floor_metrics(classes: Sequence[str]) -> list[str]:
    """Returns the names of the metrics that can have a floor in the gate (higher is better).

    Args:
      classes: Names of the classes, by class id.
    """
    metrics = [metric for metric in METRICS.values() if metric.higher_is_better]
    return [name for metric in metrics for name in _names(metric, classes)]


def class_metrics() -> list[str]:
    """Returns the names of the metrics of scope `class` without the class, such as `iou`."""
    return [metric.name for metric in METRICS.values() if metric.scope == "class"]


def class_of(name: str) -> str | None:
    """Returns the class in the name of a metric; None for a metric over all classes.

    Args:
      name: Full name of a metric, such as `iou/lake` or `mean_iou`.
    """
    metric, _, class_name = name.partition("/")
    return class_name if metric in class_metrics() else None


def _names(metric: Metric, classes: Sequence[str]) -> list[str]:
    if metric.scope == "overall":
        return [metric.name]
    return [of_class(metric.name, name) for name in classes]
