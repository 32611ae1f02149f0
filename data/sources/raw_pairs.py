"""Pairs as a source finds them, before groups and splits are assigned."""

from collections.abc import Mapping
from typing import NamedTuple

from data.errors import PairError
from data.source_config import SplitName


class RawPair(NamedTuple):
    """A pair as its source knows it.

    Attributes:
      key: Name of the pair, unique in its source.
      image: Path of the image file.
      mask: Path of the mask file.
      split: The split, if the source assigns one.
      group: The group, if the source assigns one.
      source: Name of the data set, if the source gives one.
      columns: Further cells of a table's row: name of the column to text of the cell.
    """

    key: str
    image: str
    mask: str
    split: SplitName | None = None
    group: str | None = None
    source: str | None = None
    columns: Mapping[str, str] = {}


class RawFound(NamedTuple):
    """Content of a source, in any order.

    Attributes:
      pairs: The pairs.
      problems: Files and rows that are not part of a pair.
      unused: Keys that are in no split list.
    """

    pairs: list[RawPair]
    problems: list[PairError]
    unused: list[str]
