"""Chooses the classes that a chart or a table in a terminal shows if there are many."""

from collections.abc import Mapping, Sequence

from components.metric_names import IOU, of_class

FEW = 10
"""Number of classes that are shown if there are too many to show all."""
MOST_COLUMNS = 7
"""Maximum number of classes that are the columns of a table, which is then not too wide to read."""
MOST_LISTED = 20
"""Maximum number of classes of which a table in a terminal shows all."""


def class_ious(metrics: Mapping[str, float | None], classes: Sequence[str]) -> list[float | None]:
    """Returns the IoU of each class, by class id; None where undefined.

    Args:
      metrics: Metrics by name.
      classes: Names of the classes, by class id.
    """
    return [metrics.get(of_class(IOU, name)) for name in classes]


def lowest_classes(values: Sequence[float | None], most: int = FEW) -> list[int]:
    """Returns the ids of all classes, or of those with the lowest values if there are many.

    Args:
      values: Value of each class, by class id; None where undefined.
      most: Maximum number of classes of which all are returned.

    Returns:
      All class ids in their order if there are at most `most`; otherwise the ids of the `FEW`
      classes with the lowest defined values, the lowest first.
    """
    if len(values) <= most:
        return list(range(len(values)))
    defined = [(value, class_id) for class_id, value in enumerate(values) if value is not None]
    return [class_id for _, class_id in sorted(defined)[:FEW]]
