"""Pairs as a source finds them, before groups and splits are assigned."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from data.errors import PairError
from data.source_config import SplitName


class Part(NamedTuple):
    """A part of a source that can be listed while other parts are listed.

    Attributes:
      content: Description of the part, for the function that lists it.
      required: Maps the kind of a row, its first value, to the message for the user if all parts
        with this message together have no row of this kind.
    """

    content: Any = None
    required: Mapping[str, str] = {}


class Row(Protocol):
    """A file, a table's row or a pair: a named tuple of values that JSON can hold.

    Rows with the same name are one group, in which pairs are formed.
    """

    @property
    def name(self) -> str:
        """The name of the row's group."""

    def __iter__(self) -> Iterator[Any]: ...


class RawPair(NamedTuple):
    """A pair of image and mask files, with only the properties that the source gives.

    Attributes:
      key: Name of the pair, unique in the source.
      image: Path of the image file.
      mask: Path of the mask file.
      split: The split, if the source assigns one.
      group: The group, if the source assigns one.
      source: Name of the data set, if the source gives one.
      columns: Text of the further cells of a manifest's row, by column name.
    """

    key: str
    image: str
    mask: str
    split: SplitName | None = None
    group: str | None = None
    source: str | None = None
    columns: Mapping[str, str] = {}

    @property
    def name(self) -> str:
        """The key."""
        return self.key


class RawFound(NamedTuple):
    """The pairs found in a group of rows, and the files that belong to no pair, in any order.

    Attributes:
      pairs: The pairs found.
      problems: Files and rows that are not part of a pair.
      unused: Keys of images and masks that are in no split list.
    """

    pairs: list[RawPair]
    problems: list[PairError]
    unused: list[str]


def whole_pairs(rows: Sequence[RawPair]) -> RawFound:
    """Accepts the pairs of a source that lists whole pairs, unless several have the same key."""
    count = Counter(row.key for row in rows)
    reason = "another pair has the same key. Rename one of the images."
    return RawFound(
        [row for row in rows if count[row.key] == 1],
        [PairError("same_name", row.image, reason) for row in rows if count[row.key] > 1],
        [],
    )
