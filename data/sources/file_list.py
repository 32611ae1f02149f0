"""Reads and writes the list of a source's pairs, with the hash of each file's content.

The list is sorted by the hashes of the pairs' keys, and divided into one file for each partition.
Many processes can therefore write and read the list at the same time, row by row. When a list is
renewed, the hashes of files with unchanged size and time stamps are copied from the earlier list,
so only the contents of new and changed files are read.
"""

import contextlib
import gzip
import hashlib
import io
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from operator import itemgetter
from typing import Any, NamedTuple

from data.errors import InputError, MissingFileError
from data.files import file_state, join, new_file, read_bytes
from data.sources.pair import Pair

_TICK = 2_000_000_000  # coarsest resolution of file time stamps: 2 s, in nanoseconds
_DIGITS = 32  # hexadecimal digits of a file's hash: 128 bits

_END = "g"  # greater than any hash

_encode = json.JSONEncoder(separators=(",", ":")).encode
_decode = json.JSONDecoder().raw_decode  # faster than `json.loads`


class HashedFile(NamedTuple):
    """Hash of a file's content, and the state of the file when the content was hashed.

    Attributes:
      digest: First half of the content's SHA-256, in hexadecimal. An unreadable file is treated as
        empty.
      state: Size and time stamps of the file. Empty if the file cannot be read, or if it changed so
        recently that another change might not alter the time stamps.
    """

    digest: str
    state: tuple[int, ...]


class ListedPair(NamedTuple):
    """A row of the list.

    Attributes:
      order: Hash of the key (see `data.shuffle.order_of`).
      pair: The pair.
      image: Hash and state of the image file; None if the files were not hashed.
      mask: Hash and state of the mask file; None if the files were not hashed.
    """

    order: str
    pair: Pair
    image: HashedFile | None
    mask: HashedFile | None


@contextlib.contextmanager
def new_list(folder: str, partition: int) -> Iterator[Callable[[ListedPair], None]]:
    """Opens a new file for the rows of one partition of the list.

    Args:
      folder: Folder of the list, local or remote.
      partition: Number of the partition.

    Yields:
      A function that writes a row. The rows must be written in the order of their keys' hashes.

    Raises:
      InputError: The file cannot be written.
    """
    with (
        new_file(_path(folder, partition), join(folder, "unfinished")) as file,
        gzip.open(file, "wt", compresslevel=1, encoding="ascii") as text,
    ):

        def write(row: ListedPair) -> None:
            text.write(f"{_encode([row.order, *row.pair, row.image, row.mask])}\n")

        yield write


def read_list(folder: str, partition: int) -> Iterator[ListedPair]:
    """Reads the rows of one partition of the list.

    Args:
      folder: Folder of the list, local or remote.
      partition: Number of the partition.

    Yields:
      The rows, in the order of their keys' hashes.

    Raises:
      MissingFileError: The partition has no pairs.
      InputError: The list cannot be read.
    """
    content = io.BytesIO(read_bytes(_path(folder, partition)))
    with gzip.open(content, "rt", encoding="ascii") as lines:
        for line in lines:
            order, *fields, image, mask = _decode(line)[0]
            yield ListedPair(order, Pair(*fields), _hashed(image), _hashed(mask))


class EarlierList:
    """One partition of an earlier list, in which files are looked up in the order of the list."""

    def __init__(self, folder: str | None, partition: int) -> None:
        """Initialises the list; the rows are read when files are looked up.

        Args:
          folder: Folder of the earlier list, local or remote; None if there is no earlier list.
          partition: Number of the partition.
        """
        rows = _rows_if_any(folder, partition) if folder else iter(())
        self._groups = itertools.groupby(rows, itemgetter(0))
        self._order = ""
        self._group: Iterator[ListedPair] = iter(())

    def files(self, order: str) -> Mapping[str, HashedFile]:
        """Returns the image and mask files of the pairs whose keys have the given hash, by path.

        Args:
          order: The hash, which must not be less than the hash in the previous call.
        """
        while self._order < order:
            self._order, self._group = next(self._groups, (_END, iter(())))
        if self._order > order:
            return {}
        rows = list(self._group)
        images = {row.pair.image: row.image for row in rows if row.image}
        return images | {row.pair.mask: row.mask for row in rows if row.mask}


def hash_file(path: str, earlier: HashedFile | None, began: int) -> HashedFile:
    """Hashes a file, or reuses the earlier hash if the size and the time stamps are unchanged.

    Args:
      path: Path of the file, local or remote.
      earlier: The file's entry in the earlier list; None if there is none.
      began: Time at which the listing job began, in nanoseconds since 1970.

    Returns:
      The hash and the state of the file.
    """
    try:
        state = file_state(path)
        if earlier is not None and earlier.state == state:
            return earlier
        content = read_bytes(path)
    except InputError:
        return HashedFile(hashlib.sha256().hexdigest()[:_DIGITS], ())
    digest = hashlib.sha256(content).hexdigest()[:_DIGITS]
    return HashedFile(digest, state if state.changed < began - _TICK else ())


def _rows_if_any(folder: str, partition: int) -> Iterator[ListedPair]:
    with contextlib.suppress(MissingFileError):
        yield from read_list(folder, partition)


def _hashed(fields: Any) -> HashedFile | None:
    return fields and HashedFile(fields[0], tuple(fields[1]))


def _path(folder: str, partition: int) -> str:
    return join(folder, f"pairs-{partition:03d}.jsonl.gz")
