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
"""Usual name of a split to our name of it."""


def split_of(name: str) -> SplitName | None:
    """Returns the split with this usual name, in any case of letters, or None."""
    return SPLIT_NAMES.get(name.lower())
