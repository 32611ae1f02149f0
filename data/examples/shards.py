"""Writes shards: TFRecord files that each contain some of the examples."""

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
    """A shard (a TFRecord file) to be written.

    Attributes:
      path: Path of the TFRecord file, local or remote.
      pairs: Pairs to be written to the file as tf.Examples, in this order.
    """

    path: str
    pairs: Sequence[Pair]


class Written(NamedTuple):
    """Result of writing a shard.

    Attributes:
      good: Number of pairs that were written to the file.
      bad: Number of pairs that were left out because they cannot be used.
      rows: Records of all pairs, good and bad, as UTF-8 text with one JSON object (see
        `Record.as_row`) per line.
    """

    good: int
    bad: int
    rows: bytes


def write_shard(shard: Shard, data: DataConfig, scratch: str | None = None) -> Written:
    """Reads the pairs of a shard and writes their tf.Examples to a gzip-compressed TFRecord file.

    The same pairs always give exactly the same file. Pairs that cannot be used are left out.

    Args:
      shard: Path of the TFRecord file, and the pairs to write to it.
      data: The `data` section of the config.
      scratch: Folder for the unfinished file, on the same file system as `shard.path`; None for the
        folder of `shard.path`.

    Returns:
      The number of pairs written, the number left out, and the records of all pairs.

    Raises:
      InputError: The file cannot be written.
    """
    good, rows = 0, []
    # TFX expects gzip files. Level 0 (no compression) is used because the images in the examples
    # are compressed already.
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
    """Encodes a message as a TFRecord record: its length and its bytes, each with a checksum.

    The format is defined in TensorFlow's guide "TFRecord and tf.train.Example", in the section
    "TFRecords format details".
    """
    length = struct.pack("<Q", len(message))
    return b"".join((length, _checksum(length), message, _checksum(message)))


def _checksum(content: bytes) -> bytes:
    crc = google_crc32c.value(content)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
