"""Names of slices, and of the features by which images can be sliced."""

from collections.abc import Collection, Iterable, Sequence

from data.errors import InputError, nearest
from data.examples import features

SIZE = "image/size"
"""Name of a derived feature: the longer side of the image in pixels, in five ranges."""
EMPTY = "(empty)"
"""Feature value for an empty cell in a column of the manifest."""


def presence(class_name: str) -> str:
    """Returns the name of the feature that shows whether a mask contains a class: `mask/lake`."""
    return f"mask/{class_name}"


def sliceable(classes: Sequence[str]) -> list[str]:
    """Returns the features by which the images of any source can be sliced.

    A manifest also has a feature for each of its columns, which the result does not contain.

    Args:
      classes: Names of the classes, by class id.
    """
    stored = [features.SOURCE, features.GROUP, features.SPAN, features.HEIGHT, features.WIDTH]
    return [*stored, SIZE, *map(presence, classes)]


def parse_slice(name: str) -> tuple[str, str]:
    """Splits the name of a slice into the name of the feature and its value.

    Args:
      name: Name of the slice, `feature=value`.
    """
    feature, _, value = name.partition("=")
    return feature, value


def column_of(feature: str) -> str | None:
    """Returns the manifest column of a feature `column/<name>`; None for any other feature."""
    prefix = features.column("")
    return feature.removeprefix(prefix) if feature.startswith(prefix) else None


def refuse_unknown_columns(names: Iterable[str], columns: Collection[str]) -> None:
    """Checks that the manifest has every column that slices use.

    Args:
      names: Names of the columns that `evaluation.slices` and `gate.slices` use.
      columns: Names of the manifest columns that the examples contain.

    Raises:
      InputError: Columns are missing. The message has a line for each missing column and lists the
        existing columns.
    """
    lines = [
        f"{features.column(name)}, a slice of evaluation.slices or gate.slices: the manifest has "
        f"no column {name!r}{nearest(name, columns)}. Found the columns {sorted(columns)}."
        for name in names
        if name not in columns
    ]
    if lines:
        raise InputError("\n".join(lines))
