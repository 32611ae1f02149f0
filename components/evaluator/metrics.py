"""Computes the metrics for reports and for the gate; `METRICS` lists all metrics.

Pixel counts are first summed over all images; the metrics are then computed from the sums. All
functions also accept arrays with further leading axes, and then return arrays of these axes. The
only third-party library that this module imports is NumPy, so that reading a config, which needs
the metric names, stays fast.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from components.metric_names import IOU, MEAN_IOU, of_class
from data.class_names import class_index

_Integers = npt.NDArray[np.int64]
_Numbers = npt.NDArray[np.float64]


class Areas(NamedTuple):
    """Pixels of each class, from which most metrics follow.

    Attributes:
      hits: int64 [C], pixels of the class that are predicted correctly.
      truth: int64 [C], pixels of the class in the ground truth.
      prediction: int64 [C], pixels of the class in the prediction.
    """

    hits: _Integers
    truth: _Integers
    prediction: _Integers


class ClassCounts(NamedTuple):
    """Pixel counts summed over the images of a slice, by class: all that metrics depend on.

    Attributes:
      images: Number of images.
      areas: Pixels of each class.
      boundary, calibration, raw_calibration: As in `Counts`.
    """

    images: int
    areas: Areas
    boundary: _Integers
    calibration: _Numbers
    raw_calibration: _Numbers


class Counts(NamedTuple):
    """Pixel counts summed over the images of a slice.

    Attributes:
      images: Number of images.
      confusion_matrix: int64 [C, C] pixel counts, with true classes in rows and predicted classes
        in columns.
      boundary: int64 [C, 2]. For each class, the number of pixels near both the true and the
        predicted boundary (intersection), and the number near at least one of them (union).
      calibration: float64 [bins, 3]. For each confidence bin, the number of pixels, the sum of
        their confidences and the number of correctly predicted pixels.
    """

    images: int
    confusion_matrix: _Integers
    boundary: _Integers
    calibration: _Numbers
    raw_calibration: _Numbers = np.zeros((1, 3))

    def by_class(self) -> ClassCounts:
        """Returns the counts by class, which leave out who is confused with whom."""
        return ClassCounts(self.images, class_areas(self.confusion_matrix), *self[2:])


class Metric(NamedTuple):
    """A metric for reports, for which the gate may also require a minimum value (floor).

    Attributes:
      name: Name of the metric in configs and reports. If the metric has a value for each class,
        configs and reports append `/<class>` to the name.
      scope: `overall` for a single value over all classes; `class` for one value for each class.
      formula: Function that computes the metric from the counts. It returns a float for the scope
        `overall` and float64 [C] for the scope `class`. Values are in 0..1, or NaN if undefined.
      higher_is_better: Whether higher values are better. If not, the gate accepts no floor for the
        metric.
    """

    name: str
    scope: Literal["overall", "class"]
    formula: Callable[[ClassCounts], Any]
    higher_is_better: bool = True


def class_areas(confusion_matrix: _Integers) -> Areas:
    """Returns the pixels of each class.

    Args:
      confusion_matrix: int64 [C, C] pixel counts, with true classes in rows and predicted classes
        in columns.
    """
    hits = np.diagonal(confusion_matrix, axis1=-2, axis2=-1)
    return Areas(hits, confusion_matrix.sum(-1), confusion_matrix.sum(-2))


def iou(areas: Areas) -> _Numbers:
    """Computes the intersection over union (Jaccard index) of each class.

    Args:
      areas: Pixels of each class.

    Returns:
      float64 [C], 0..1; NaN for a class that is in neither the ground truth nor the prediction.
    """
    hits, truth, prediction = areas
    return _ratio(hits, truth + prediction - hits)


def dice(areas: Areas) -> _Numbers:
    """Computes the Dice coefficient (F1 score) of each class.

    Args:
      areas: Pixels of each class.

    Returns:
      float64 [C], 0..1; NaN for a class that is in neither the ground truth nor the prediction.
    """
    hits, truth, prediction = areas
    return _ratio(2 * hits, truth + prediction)


def boundary_iou(boundary: _Integers) -> _Numbers:
    """Computes the Boundary IoU of each class, that is, the IoU of the pixels near its boundary.

    See Cheng et al. 2021.

    Args:
      boundary: int64 [C, 2]. For each class, the number of pixels near both the true and the
        predicted boundary (intersection), and the number near at least one of them (union).

    Returns:
      float64 [C], 0..1; NaN for a class that is in neither the ground truth nor the prediction.
    """
    return _ratio(boundary[..., 0], boundary[..., 1])


def mean_of_defined(values: _Numbers) -> Any:
    """Computes the mean of a metric over the classes for which the metric is defined.

    Args:
      values: float64 [C]. Value of the metric for each class; NaN where undefined.

    Returns:
      The mean; NaN if the metric is undefined for all classes.
    """
    defined = ~np.isnan(values)
    return _ratio(np.where(defined, values, 0).sum(-1), defined.sum(-1))[()]


def pixel_accuracy(areas: Areas) -> Any:
    """Computes the share of correctly classified pixels, 0..1; NaN if there are no pixels.

    Args:
      areas: Pixels of each class.
    """
    return _ratio(areas.hits.sum(-1), areas.truth.sum(-1))[()]


def frequency_weighted_iou(areas: Areas) -> Any:
    """Computes the mean IoU, weighting each class by its share of the ground-truth pixels.

    Args:
      areas: Pixels of each class.

    Returns:
      The weighted mean, 0..1; NaN if there are no pixels.
    """
    weighted = areas.truth * np.nan_to_num(iou(areas))
    return _ratio(weighted.sum(-1), areas.truth.sum(-1))[()]


def calibration_error(calibration: _Numbers) -> Any:
    """Computes the expected calibration error (Guo et al. 2017).

    In each bin, the gap is the difference between the mean confidence and the accuracy. The error
    is the mean gap over all bins, weighted by the number of pixels in each bin.

    Args:
      calibration: float64 [bins, 3]. For each confidence bin, the number of pixels, the sum of
        their confidences and the number of correctly predicted pixels.

    Returns:
      The error, 0..1; lower is better. NaN if there are no pixels.
    """
    pixels, confidence, correct = np.moveaxis(calibration, -1, 0)
    return _ratio(np.abs(confidence - correct).sum(-1), pixels.sum(-1))[()]


def _ratio(part: Any, whole: Any) -> _Numbers:
    whole = np.asarray(whole, float)
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)


METRICS = {
    metric.name: metric
    for metric in (
        Metric(MEAN_IOU, "overall", lambda counts: mean_of_defined(iou(counts.areas))),
        Metric("mean_dice", "overall", lambda counts: mean_of_defined(dice(counts.areas))),
        Metric(
            "mean_boundary_iou",
            "overall",
            lambda counts: mean_of_defined(boundary_iou(counts.boundary)),
        ),
        Metric("pixel_accuracy", "overall", lambda counts: pixel_accuracy(counts.areas)),
        Metric(
            "frequency_weighted_iou",
            "overall",
            lambda counts: frequency_weighted_iou(counts.areas),
        ),
        Metric(
            "calibration_error",
            "overall",
            lambda counts: calibration_error(counts.calibration),
            higher_is_better=False,
        ),
        Metric(
            "raw_calibration_error",
            "overall",
            lambda counts: calibration_error(counts.raw_calibration),
            higher_is_better=False,
        ),
        Metric(IOU, "class", lambda counts: iou(counts.areas)),
        Metric("dice", "class", lambda counts: dice(counts.areas)),
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
      The values of all metrics, 0..1, by name, in the order of `metric_names`; NaN where undefined.
    """
    return dict(zip(metric_names(classes), metric_values(counts.by_class()).tolist(), strict=True))


def metric_values(counts: ClassCounts) -> _Numbers:
    """Computes all metrics from pixel counts.

    Args:
      counts: Pixel counts, whose arrays may have further leading axes.

    Returns:
      float64 [..., metrics], the values in the order of `metric_names`; NaN where undefined.
    """
    parts = [
        np.expand_dims(metric.formula(counts), -1)
        if metric.scope == "overall"
        else metric.formula(counts)
        for metric in METRICS.values()
    ]
    return np.concatenate(parts, axis=-1)


def metric_names(classes: Sequence[str]) -> list[str]:
    """Returns the names of all metrics, in the order of `METRICS`.

    Args:
      classes: Names of the classes, by class id.
    """
    return [name for metric in METRICS.values() for name in _names(metric, classes)]


def floor_metrics(classes: Sequence[str]) -> list[str]:
    """Returns the names of the metrics for which the gate can have a floor (higher is better).

    Args:
      classes: Names of the classes, by class id.
    """
    metrics = [metric for metric in METRICS.values() if metric.higher_is_better]
    return [name for metric in metrics for name in _names(metric, classes)]


def class_metrics() -> list[str]:
    """Returns the names of the per-class metrics, such as `iou`, without a class name."""
    return [metric.name for metric in METRICS.values() if metric.scope == "class"]


def class_of(name: str, classes: Sequence[str]) -> int | None:
    """Returns the class id for the full name of a metric, or None for a metric over all classes.

    Args:
      name: Full name of a metric, such as `iou/lake` or `mean_iou`.
      classes: Names of the classes, by class id.
    """
    metric, _, key = name.partition("/")
    return class_index(key, classes) if metric in class_metrics() else None


def _names(metric: Metric, classes: Sequence[str]) -> list[str]:
    if metric.scope == "overall":
        return [metric.name]
    return [of_class(metric.name, name) for name in classes]
