"""Names of slices and of the features by which images can be sliced."""

from collections.abc import Collection, Iterable, Sequence

from data.class_names import class_key
from data.errors import InputError, nearest
from data.examples import features

OVERALL = ""
"""Name of the slice that contains the whole test split."""
SIZE = "image/size"
"""Name of a feature derived from an image's longer side in pixels, with five ranges as values."""
EMPTY = "(empty)"
"""Feature value that stands for an empty cell in a manifest column."""


def presence(class_name: str) -> str:
    """Returns the name of the feature that says if a mask contains a class, such as `mask/lake`."""
    return f"mask/{class_key(class_name)}"


def sliceable(classes: Sequence[str]) -> list[str]:
    """Returns the names of the features by which images from any source can be sliced.

    Features for the columns of a manifest are not included.

    Args:
      classes: Names of the classes, by class id.
    """
    stored = [features.SOURCE, features.GROUP, features.SPAN, features.HEIGHT, features.WIDTH]
    return [*stored, SIZE, *map(presence, classes)]


def parse_slice(name: str) -> tuple[str, str]:
    """Splits the name of a slice into a feature name and a value.

    Args:
      name: Name of the slice, in the form `feature=value`.
    """
    feature, _, value = name.partition("=")
    return feature, value


def column_of(feature: str) -> str | None:
    """Returns the name of the manifest column in `column/<name>`, or None for any other feature."""
    prefix = features.column("")
    return feature.removeprefix(prefix) if feature.startswith(prefix) else None


def refuse_unknown_columns(names: Iterable[str], columns: Collection[str]) -> None:
    """Checks that the manifest has every column by which the config slices images.

    Args:
      names: Names of the columns that `evaluation.slices` and `gate.slices` use.
      columns: Names of the manifest columns that the examples contain.

    Raises:
      InputError: At least one column is missing. The message has one line for each missing column
        and lists the existing columns.
    """
    lines = [
        f"{features.column(name)}, a slice of evaluation.slices or gate.slices: the manifest has "
        f"no column {name!r}{nearest(name, columns)}. Found the columns {sorted(columns)}."
        for name in names
        if name not in columns
    ]
    if lines:
        raise InputError(*lines)
