"""Usual names of the splits in data sets."""

from data.source_config import SplitName

SPLIT_NAMES: dict[str, SplitName] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""Maps the usual names of splits (`validation`) to the names in this project (`val`)."""


def split_of(name: str) -> SplitName | None:
    """Returns the split for a usual name in upper or lower case; None for any other name."""
    return SPLIT_NAMES.get(name.lower())
