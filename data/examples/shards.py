"""A shard: one TFRecord file, written from the pairs that go into it."""

import gzip
import json
import struct
from collections.abc import Sequence
from typing import NamedTuple

import google_crc32c

from data.config import DataConfig
from data.examples.reading import read_pairs
from data.examples.writing import make_example
from data.files import new_file
from data.sources.pairs import Pair


class Shard(NamedTuple):
    """One file of examples to be.

    Attributes:
      path: The TFRecord file, local or remote.
      pairs: The pairs that go into it, in this order.
    """

    path: str
    pairs: Sequence[Pair]


class Written(NamedTuple):
    """How a shard was written.

    Attributes:
      good: How many pairs are in it.
      bad: How many were left out, since they cannot be used.
      rows: What became of each pair, a line of JSON each (see `Record.as_row`), in UTF-8.
    """

    good: int
    bad: int
    rows: bytes


def write_shard(shard: Shard, data: DataConfig, scratch: str | None = None) -> Written:
    """Reads the pairs of a shard and writes their examples, as a gzipped TFRecord file.

    The same pairs give the same bytes.

    Args:
      shard: The file, and the pairs. A pair that cannot be used is left out.
      data: The data's description.
      scratch: Folder where the file lies until it is complete (see `new_file`).

    Returns:
      What became of the pairs.

    Raises:
      InputError: The file cannot be written.
    """
    good, rows = 0, []
    # Images are compressed already: gzip is only the form that TFX expects, and costs time.
    with (
        new_file(shard.path, scratch) as file,
        gzip.GzipFile("", "wb", compresslevel=0, fileobj=file, mtime=0) as stream,
    ):
        for read in read_pairs(shard.pairs, data):
            if read.record.problem is None:
                good += 1
                example = make_example(read, data.classes)
                stream.write(_framed(example.SerializeToString(deterministic=True)))
            rows.append(json.dumps(read.record.as_row(data.classes), ensure_ascii=False) + "\n")
    return Written(good, len(rows) - good, "".join(rows).encode())


def _framed(message: bytes) -> bytes:
    """One record as TFRecord files hold it: its length and its bytes, each with a checksum.

    Source: TensorFlow, "TFRecord and tf.train.Example", TFRecords format details.
    """
    length = struct.pack("<Q", len(message))
    return b"".join((length, _checksum(length), message, _checksum(message)))


def _checksum(content: bytes) -> bytes:
    crc = google_crc32c.value(content)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
