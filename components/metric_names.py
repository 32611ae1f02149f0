"""Names of metrics that several modules need; `metrics.METRICS` lists all metrics."""

from data.class_names import class_key

MEAN_IOU = "mean_iou"
"""Name of the mean IoU over all classes that occur in the ground truth or in the prediction."""
IOU = "iou"
"""Name of the IoU of a single class; `of_class` appends the class name: `iou/lake`."""


def of_class(metric: str, class_name: str) -> str:
    """Returns the full name of a metric for one class, such as `iou/lake`.

    Args:
      metric: Name of a metric that has a value for each class, such as `iou`.
      class_name: Name of the class.
    """
    return f"{metric}/{class_key(class_name)}"
