"""Pairs as a source finds them, before groups and splits are assigned."""

from collections.abc import Mapping
from typing import NamedTuple

from data.errors import PairError
from data.source_config import SplitName


class RawPair(NamedTuple):
    """A pair of image and mask files, with only the properties that the source gives.

    Attributes:
      key: Name of the pair, unique in the source.
      image: Path of the image file.
      mask: Path of the mask file.
      split: The split, if the source assigns one, else None.
      group: Name of the group, if the source assigns one, else None.
      source: Name of the data set, if the source gives one, else None.
      columns: Text of the other cells of a manifest's row, by column name.
    """

    key: str
    image: str
    mask: str
    split: SplitName | None = None
    group: str | None = None
    source: str | None = None
    columns: Mapping[str, str] = {}


class RawFound(NamedTuple):
    """The pairs found in a source, and the files that belong to no pair, in any order.

    Attributes:
      pairs: The pairs found.
      problems: Files and rows that are not part of a pair.
      unused: Keys of images and masks that are in no split list.
    """

    pairs: list[RawPair]
    problems: list[PairError]
    unused: list[str]
