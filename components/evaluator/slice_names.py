"""Names of the features that metrics can be sliced by."""

from collections.abc import Collection, Iterable, Sequence

from data.errors import InputError, nearest
from data.examples import features

SIZE = "image/size"
"""A derived feature: the longer side in pixels, in five ranges."""
EMPTY = "(empty)"
"""Value of a column where a manifest says nothing."""


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
