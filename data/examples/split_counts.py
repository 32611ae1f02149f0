"""Counts of the usable pairs of each split."""

from collections.abc import Sequence

from pydantic import BaseModel

from data.config import SPLITS
from data.examples.batches import Ingested


class SplitCounts(BaseModel):
    """Counts of the usable pairs of a split.

    Attributes:
      name: Name of the split.
      pairs: Number of pairs.
      groups: Number of groups that the pairs belong to.
      pixels: Number of pixels of each class, by class id.
    """

    name: str
    pairs: int
    groups: int
    pixels: list[int]

    @property
    def shares(self) -> list[float]:
        """Share of each class among the labelled pixels, by class id, 0..1."""
        total = sum(self.pixels) or 1
        return [count / total for count in self.pixels]


def count_splits(ingested: Ingested, classes: Sequence[str]) -> list[SplitCounts]:
    """Counts the pairs of each split.

    Args:
      ingested: What is known of the pairs.
      classes: Names of the classes, by class id.

    Returns:
      The counts of train, val and test.
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
