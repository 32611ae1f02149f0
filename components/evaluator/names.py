"""Names of the metrics, and of the features that slices are made by: what a config may ask for."""

from collections.abc import Collection, Iterable, Sequence

from data import features
from data.errors import InputError
from data.sources import nearest

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
SIZE = "image/size"
"""A derived feature: the longer side in pixels, in five ranges."""
EMPTY = "(empty)"
"""Value of a column where a manifest says nothing."""


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


def presence(class_name: str) -> str:
    """Name of the derived feature that says whether a mask holds a class: `mask/lake`."""
    return f"mask/{class_name}"


def sliceable(classes: Sequence[str]) -> list[str]:
    """Names of the features that slices can be made by, whatever the source; a manifest has more.

    Args:
      classes: Names of the classes.
    """
    stored = [features.SOURCE, features.GROUP, features.SPAN, features.HEIGHT, features.WIDTH]
    return [*stored, SIZE, *map(presence, classes)]


def parse_slice(name: str) -> tuple[str, str]:
    """Parts a slice's name into its feature and the feature's value.

    Args:
      name: `feature=value`.
    """
    feature, _, value = name.partition("=")
    return feature, value


def column_of(feature: str) -> str | None:
    """Returns the manifest's column that a feature holds; None if it holds another thing."""
    prefix = features.column("")
    return feature.removeprefix(prefix) if feature.startswith(prefix) else None


def refuse_unknown_columns(asked_for: Iterable[str], there: Collection[str]) -> None:
    """Stops where a slice is by a column that the manifest lacks.

    Args:
      asked_for: Names of columns, from `evaluation.slices` and `gate.slices`.
      there: Names of the columns that the examples keep.

    Raises:
      InputError: A line for each column that is not there, with those that are.
    """
    lines = [
        f"{features.column(name)}, a slice of evaluation.slices or gate.slices: the manifest has "
        f"no column {name!r}{nearest(name, there)}. Found the columns {sorted(there)}."
        for name in asked_for
        if name not in there
    ]
    if lines:
        raise InputError("\n".join(lines))
