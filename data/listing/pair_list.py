"""Reads and writes the list of the pairs of a source, with the hash of each file's content.

The list is sorted by the hashes of the pairs' keys, and divided into one file for each partition.
Many processes can therefore write and read the list at the same time, row by row. A new list takes
over the hashes of unchanged files from the earlier list (`EarlierList`), so only the contents of
new and changed files are read.
"""

import contextlib
import gzip
import io
import itertools
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from operator import itemgetter
from typing import Any, NamedTuple

from data.errors import InputError
from data.files.file_hashes import HashedFile
from data.files.paths import join
from data.files.reading import read_bytes
from data.files.writing import new_file
from data.listing.pair import Pair

_END = "g"  # greater than any hash

_encode = json.JSONEncoder(separators=(",", ":")).encode
_decode = json.JSONDecoder().raw_decode  # faster than `json.loads`


class ListedPair(NamedTuple):
    """A row of the list.

    Attributes:
      key_hash: Hash of the key (see `data.jobs.shuffle.hash_name`).
      pair: The pair.
      image: Hash and state of the image file; None if the files were not hashed.
      mask: Hash and state of the mask file; None if the files were not hashed.
    """

    key_hash: str
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
      A function that writes a row. The rows must be written in ascending order of `key_hash`.

    Raises:
      InputError: The file cannot be written.
    """
    with (
        new_file(_path(folder, partition), join(folder, "unfinished")) as file,
        gzip.open(file, "wt", compresslevel=1, encoding="ascii") as text,
    ):

        def write(row: ListedPair) -> None:
            text.write(f"{_encode([row.key_hash, *row.pair, row.image, row.mask])}\n")

        yield write


def read_list(folder: str, partition: int) -> Iterator[ListedPair]:
    """Reads the rows of one partition of the list.

    Args:
      folder: Folder of the list, local or remote.
      partition: Number of the partition.

    Yields:
      The rows, in ascending order of `key_hash`.

    Raises:
      MissingFileError: The partition has no pairs.
      InputError: The list cannot be read.
    """
    content = io.BytesIO(read_bytes(_path(folder, partition)))
    with gzip.open(content, "rt", encoding="ascii") as lines:
        for line in lines:
            key_hash, *fields, image, mask = _decode(line)[0]
            yield ListedPair(key_hash, Pair(*fields), _hashed(image), _hashed(mask))


class EarlierList:
    """Looks up hashed files in one partition of an earlier list, in the order of the list."""

    def __init__(self, folder: str | None, partition: int) -> None:
        """Initialises the object. The rows of the list are read as files are looked up.

        Args:
          folder: Folder of the earlier list, local or remote; None if there is no earlier list.
          partition: Number of the partition.
        """
        rows = _readable_rows(folder, partition) if folder else iter(())
        self._groups = itertools.groupby(rows, itemgetter(0))
        self._key_hash = ""
        self._group: Iterator[ListedPair] = iter(())

    def files(self, key_hash: str) -> Mapping[str, HashedFile]:
        """Returns the hashed files of the pairs whose keys have the given hash.

        Args:
          key_hash: The hash, which must not be less than the hash in the previous call.

        Returns:
          Hash and state of each image and mask file, by path. Files that were not hashed are left
          out.
        """
        while self._key_hash < key_hash:
            self._key_hash, self._group = next(self._groups, (_END, iter(())))
        if self._key_hash > key_hash:
            return {}
        rows = list(self._group)
        images = {row.pair.image: row.image for row in rows if row.image}
        return images | {row.pair.mask: row.mask for row in rows if row.mask}


def _readable_rows(folder: str, partition: int) -> Iterator[ListedPair]:
    """Yields the rows up to the first one that cannot be read.

    The files of the following rows are then read and hashed again, as if they were new.
    """
    # These are the errors of a missing file, of gzip, and of JSON.
    with contextlib.suppress(InputError, EOFError, OSError, zlib.error, ValueError):
        yield from read_list(folder, partition)


def _hashed(fields: Any) -> HashedFile | None:
    return fields and HashedFile(fields[0], tuple(fields[1]))


def _path(folder: str, partition: int) -> str:
    return join(folder, f"pairs-{partition:03d}.jsonl.gz")
