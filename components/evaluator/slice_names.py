"""Names of slices and of the features that images can be sliced by."""

from collections.abc import Collection, Iterable, Sequence

from data.errors import InputError, nearest
from data.examples import features

SIZE = "image/size"
"""A derived feature: the longer side in pixels, in five ranges."""
EMPTY = "(empty)"
"""Value of a manifest's column where the cell is empty."""


def presence(class_name: str) -> str:
    """Name of the derived feature for whether a mask contains a class: `mask/lake`."""
    return f"mask/{class_name}"


def sliceable(classes: Sequence[str]) -> list[str]:
    """Names of the features that exist for every source; a manifest adds its columns.

    Args:
      classes: Names of the classes.
    """
    stored = [features.SOURCE, features.GROUP, features.SPAN, features.HEIGHT, features.WIDTH]
    return [*stored, SIZE, *map(presence, classes)]


def parse_slice(name: str) -> tuple[str, str]:
    """Splits the name of a slice into the feature and its value.

    Args:
      name: Name, `feature=value`.
    """
    feature, _, value = name.partition("=")
    return feature, value


def column_of(feature: str) -> str | None:
    """Returns the manifest's column that a feature stands for; None for any other feature."""
    prefix = features.column("")
    return feature.removeprefix(prefix) if feature.startswith(prefix) else None


def refuse_unknown_columns(names: Iterable[str], columns: Collection[str]) -> None:
    """Checks that the manifest has every column that slices use.

    Args:
      names: Names of columns, from `evaluation.slices` and `gate.slices`.
      columns: Names of the columns that the examples keep.

    Raises:
      InputError: Columns are missing; a line for each, with the columns that exist.
    """
    lines = [
        f"{features.column(name)}, a slice of evaluation.slices or gate.slices: the manifest has "
        f"no column {name!r}{nearest(name, columns)}. Found the columns {sorted(columns)}."
        for name in names
        if name not in columns
    ]
    if lines:
        raise InputError("\n".join(lines))
