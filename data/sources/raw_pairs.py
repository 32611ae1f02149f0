"""Pairs as found in a source, before groups and splits are assigned."""

from collections.abc import Mapping
from typing import NamedTuple

from data.errors import PairError
from data.source_config import SplitName


class RawPair(NamedTuple):
    """A pair of image and mask files, with only the properties that the source itself gives.

    Attributes:
      key: Name of the pair, unique within the source or span.
      image: Path of the image file.
      mask: Path of the mask file.
      split: Split of the pair if the source assigns one, otherwise None.
      group: Name of the pair's group if the source assigns one, otherwise None.
      source: Name of the data set if the source gives one, otherwise None.
      columns: Cells of the stored manifest columns, as text by column name.
    """

    key: str
    image: str
    mask: str
    split: SplitName | None = None
    group: str | None = None
    source: str | None = None
    columns: Mapping[str, str] = {}


class RawFound(NamedTuple):
    """The pairs that were found in a source, and the files that belong to no pair, in any order.

    Attributes:
      pairs: The pairs that were found.
      problems: Files and manifest rows that do not form a pair.
      unused: Keys of images and masks that are in no split list.
    """

    pairs: list[RawPair]
    problems: list[PairError]
    unused: list[str]
