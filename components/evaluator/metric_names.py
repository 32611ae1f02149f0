"""Names of metrics that other modules use; `metrics.METRICS` lists them all."""

MEAN_IOU = "mean_iou"
"""Mean over the classes that occur in truth or prediction."""
IOU = "iou"
"""Prefix of a class's IoU: `iou/lake`."""


def of_class(metric: str, class_name: str) -> str:
    """Name of a metric of one class: `iou/lake`.

    Args:
      metric: Name of a metric with scope `class`.
      class_name: Name of the class.
    """
    return f"{metric}/{class_name}"
