"""Names of the metrics that other modules use; `metrics.METRICS` lists all metrics."""

MEAN_IOU = "mean_iou"
"""Name of the mean IoU over the classes that occur in the truth or in the prediction."""
IOU = "iou"
"""Name of the IoU of one class; `of_class` appends the name of the class: `iou/lake`."""


def of_class(metric: str, class_name: str) -> str:
    """Returns the full name of a metric for one class, such as `iou/lake`.

    Args:
      metric: Name of a metric of scope `class`, such as `iou`.
      class_name: Name of the class.
    """
    return f"{metric}/{class_name}"
