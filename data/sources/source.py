"""Interface of a data source: its part of the config, and how it finds pairs."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from typing_extensions import Self

from data.errors import PairError
from data.sources.split_names import SplitName
from data.strict import Strict


class RawPair(NamedTuple):
    """A pair as a source finds it, before its group and its split are assigned.

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


class Source(Strict):
    """Base of all data sources: the keys below `data.source` in the config.

    A subclass narrows `kind` to a literal, adds its own keys, implements `find`, and is added to
    the union `AnySource` in `data.config`.

    Attributes:
      kind: Name of the kind of source.
    """

    kind: str

    @abstractmethod
    def find(self, *, group: str | None, own_folder: str) -> RawFound:
        """Finds the pairs of one span.

        Args:
          group: `data.group` of the config. A source with columns may take it as a column's name.
          own_folder: Folder for the files of a source that writes files, once.

        Returns:
          The pairs. Every other file or row is among the problems or the unused keys.

        Raises:
          InputError: The source as a whole cannot be used.
        """

    @property
    def has_spans(self) -> bool:
        """Whether the source is divided into spans, that is numbered deliveries of data."""
        return False

    def spans(self) -> Iterator[tuple[int, Self]]:
        """Yields the number of each span, and the source that holds this span alone.

        A source without spans is its own only span, with the number 0.

        Raises:
          InputError: There is no span, or a span has no number or another span's number.
        """
        yield 0, self

    def kept_columns(self) -> list[str]:
        """Returns the names of the columns that examples keep; none if there is no table.

        Raises:
          InputError: The table cannot be read.
        """
        return []
