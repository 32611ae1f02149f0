"""Pairs as a source finds them, before groups and splits are assigned."""

from collections.abc import Mapping
from typing import NamedTuple

from data.config import SplitName
from data.errors import PairError


class RawPair(NamedTuple):
    """A pair as its source knows it.

    Attributes:
      key: The pair's name, unique in its source.
      image: Path of the image file.
      mask: Path of the mask file.
      split: Its ready-made split, if it has one.
      group: Its group, if the source says so.
      source: Name of its data set, if the source says so.
      columns: What else a table says of it: a column's name to the cell's text.
    """

    key: str
    image: str
    mask: str
    split: SplitName | None = None
    group: str | None = None
    source: str | None = None
    columns: Mapping[str, str] = {}


class RawFound(NamedTuple):
    """What a source holds, in any order.

    Attributes:
      pairs: The pairs.
      problems: What makes no pair.
      unused: Keys of what is in no split list.
    """

    pairs: list[RawPair]
    problems: list[PairError]
    unused: list[str]
