"""The names that data sets use for train, val and test."""

from data.config import SplitName

SPLIT_NAMES: dict[str, SplitName] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""What people call splits, and what we do."""


def split_of(name: str) -> SplitName | None:
    """Returns the split that people call so, or None."""
    return SPLIT_NAMES.get(name.lower())
