"""Counts the usable pairs, their groups and their pixels in each split."""

from collections.abc import Sequence

from pydantic import BaseModel

from data.config import SPLITS
from data.examples.batches import Ingested


class SplitCounts(BaseModel):
    """Counts of the usable pairs in a split.

    Attributes:
      name: Name of the split.
      pairs: Number of usable pairs.
      groups: Number of different groups among the usable pairs.
      pixels: Number of pixels of each class, by class id.
    """

    name: str
    pairs: int
    groups: int
    pixels: list[int]

    @property
    def shares(self) -> list[float]:
        """Share of each class among the labelled pixels, from 0 to 1, by class id."""
        total = sum(self.pixels) or 1
        return [count / total for count in self.pixels]


def count_splits(ingested: Ingested, classes: Sequence[str]) -> list[SplitCounts]:
    """Returns the counts of each split.

    Args:
      ingested: Counts of all pairs.
      classes: Names of the classes, by class id.

    Returns:
      The counts, in the order train, val, test.
    """
    tally, groups = ingested.tally, ingested.repeats.groups
    return [
        SplitCounts(
            name=split,
            pairs=tally.good[split],
            groups=groups[split],
            pixels=[of_class.pixels[split] for of_class in tally.classes] or [0] * len(classes),
        )
        for split in SPLITS
    ]
