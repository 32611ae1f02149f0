"""Writes shards, that is, TFRecord files that each hold a part of the examples."""

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
    """A TFRecord file to write.

    Attributes:
      path: Path of the file, local or remote.
      pairs: Pairs to write to the file as tf.Examples, in this order.
    """

    path: str
    pairs: Sequence[Pair]


class Written(NamedTuple):
    """Result of writing a shard (a TFRecord file).

    Attributes:
      good: Number of pairs written to the file.
      bad: Number of pairs left out because their files cannot be used.
      rows: Records of good and bad pairs, one line of JSON each (see `Record.as_row`), in UTF-8.
    """

    good: int
    bad: int
    rows: bytes


def write_shard(shard: Shard, data: DataConfig, scratch: str | None = None) -> Written:
    """Reads the pairs of a shard and writes their examples to a gzipped TFRecord file.

    The same pairs always give the same bytes. Pairs that cannot be used are left out.

    Args:
      shard: Path of the file, and the pairs to write.
      data: The `data` section of the config.
      scratch: Folder for the unfinished file, on the same file system; None for the folder of
        `shard.path`.

    Returns:
      The numbers of pairs written and left out, and the records of all pairs.

    Raises:
      InputError: The file cannot be written.
    """
    good, rows = 0, []
    # TFX expects gzip files. Level 0 does not compress the images, which are compressed already.
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
    """Encodes a message as a TFRecord record: the length and the message, each with a checksum.

    Source: TensorFlow, "TFRecord and tf.train.Example", TFRecords format details.
    """
    length = struct.pack("<Q", len(message))
    return b"".join((length, _checksum(length), message, _checksum(message)))


def _checksum(content: bytes) -> bytes:
    crc = google_crc32c.value(content)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
