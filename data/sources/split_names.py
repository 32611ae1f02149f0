"""Common names for the splits of a data set."""

from data.config.sources import SplitName

SPLIT_NAMES: dict[str, SplitName] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""Maps common split names (`validation`) to the names that this project uses (`val`)."""


def split_of(name: str) -> SplitName | None:
    """Returns the split for a common name in upper or lower case; None for any other name."""
    return SPLIT_NAMES.get(name.lower())
