"""Pairs as found in a source, before groups and splits are assigned."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from data.config.sources import SplitName
from data.errors import PairError


class Part(NamedTuple):
    """A part of a source. The parts of a source can be listed in parallel.

    Attributes:
      content: Description of the part, for the function that lists the part (see
        `SourceFunctions.find`).
      required: Maps each required kind of row to an error message. The kind is the first value of
        a row. The message is shown if all parts with this message together have no such row.
    """

    content: Any = None
    required: Mapping[str, str] = {}


class Ignored(NamedTuple):
    """A file that is left out of the data without being a problem.

    Attributes:
      path: Path of the file.
      reason: Why the file is left out. Files with the same reason are reported together.
    """

    path: str
    reason: str


class Row(Protocol):
    """A named tuple that describes a file, a row of a table, or a pair.

    All values can be stored as JSON. Pairs are formed from the rows that have the same name.
    """

    @property
    def name(self) -> str:
        """The name by which rows are grouped."""

    def __iter__(self) -> Iterator[Any]: ...


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

    @property
    def name(self) -> str:
        """The key of the pair."""
        return self.key


class RawFound(NamedTuple):
    """The pairs that were found in a group of rows, and the files that belong to no pair.

    The pairs and files may be in any order.

    Attributes:
      pairs: The pairs that were found.
      problems: Files and manifest rows that do not form a pair.
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
