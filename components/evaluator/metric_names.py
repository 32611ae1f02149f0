"""Names of the metrics that a config can use."""

from collections.abc import Sequence

MEAN_IOU, MEAN_DICE, MEAN_BOUNDARY_IOU = "mean_iou", "mean_dice", "mean_boundary_iou"
"""Means over the classes that occur in truth or prediction."""
PIXEL_ACCURACY, FREQUENCY_WEIGHTED_IOU = "pixel_accuracy", "frequency_weighted_iou"
"""Over all pixels."""
CALIBRATION_ERROR = "calibration_error"
"""The only metric that is the better the smaller."""
OVER_ALL = (
    *(MEAN_IOU, MEAN_DICE, MEAN_BOUNDARY_IOU),
    *(PIXEL_ACCURACY, FREQUENCY_WEIGHTED_IOU, CALIBRATION_ERROR),
)
"""The metrics over all classes."""
IOU, DICE, BOUNDARY_IOU = BY_CLASS = ("iou", "dice", "boundary_iou")
"""The metrics of each class."""


def of_class(kind: str, class_name: str) -> str:
    """Name of a class's metric: `iou/lake`.

    Args:
      kind: One of `BY_CLASS`.
      class_name: The class.
    """
    return f"{kind}/{class_name}"


def class_of(metric: str) -> str | None:
    """Returns the name of the class that a metric is of; None if it is over all classes."""
    kind, _, name = metric.partition("/")
    return name if kind in BY_CLASS else None


def metric_names(classes: Sequence[str]) -> list[str]:
    """Names of all metrics, those over all classes first.

    Args:
      classes: Names of the classes.
    """
    return [*OVER_ALL, *(of_class(kind, name) for kind in BY_CLASS for name in classes)]
