"""Reads the pairs of shards, and writes shards: TFRecord files with some of the examples."""

import json
import struct
from collections.abc import Sequence
from typing import NamedTuple

import google_crc32c

from data.config import DataConfig
from data.examples.reading import read_pairs
from data.examples.records import Record
from data.examples.repeats import repeat_rows
from data.examples.tally import Tally
from data.examples.writing import make_example
from data.files.writing import new_file
from data.listing.pair import Pair
from data.stored import StoredGzip


class Shard(NamedTuple):
    """A shard (a TFRecord file) to be written.

    Attributes:
      path: Path of the TFRecord file, local or remote.
      pairs: Pairs to be written to the file as tf.Examples, in this order.
    """

    path: str
    pairs: Sequence[Pair]


class ReadShard(NamedTuple):
    """Result of reading the pairs of a shard.

    Attributes:
      tally: Counts of the pairs, their faults and their classes.
      repeat_rows: Rows that `repeat_rows` made for the usable pairs.
      rows: Key and record of each pair, usable or not. The record is a line of JSON in UTF-8 (see
        `Record.as_row`). Empty if the shard was read without writing it.
    """

    tally: Tally
    repeat_rows: list[tuple[str, Sequence[str]]]
    rows: list[tuple[str, bytes]]


def read_shard(shard: Shard, data: DataConfig) -> ReadShard:
    """Reads the pairs of a shard without writing the shard.

    Args:
      shard: The pairs to read; the path is not used.
      data: The `data` section of the config.

    Returns:
      The counts of the pairs, and the rows for finding repeats.
    """
    result = ReadShard(Tally(), [], [])
    for read in read_pairs(shard.pairs, data):
        _add(result, read.record)
    return result


def write_shard(shard: Shard, data: DataConfig, scratch: str | None = None) -> ReadShard:
    """Reads the pairs of a shard and writes their tf.Examples to a gzip-compressed TFRecord file.

    The same pairs always give exactly the same file. Pairs that cannot be used are left out.

    Args:
      shard: Path of the TFRecord file, and the pairs to write to it.
      data: The `data` section of the config.
      scratch: Folder for the unfinished file, on the same file system as `shard.path`; None for the
        folder of `shard.path`.

    Returns:
      The counts of the pairs, the rows for finding repeats, and the records of all pairs.

    Raises:
      InputError: The file cannot be written.
    """
    result = ReadShard(Tally(), [], [])
    with new_file(shard.path, scratch) as file:
        # TFX expects gzip files. The content is stored without compression because the images in
        # the examples are compressed already.
        stream = StoredGzip(file)
        for read in read_pairs(shard.pairs, data):
            _add(result, read.record)
            row = json.dumps(read.record.as_row(data.classes), ensure_ascii=False)
            result.rows.append((read.record.pair.key, f"{row}\n".encode()))
            if read.record.problem is None:
                example = make_example(read, data.classes)
                stream.write(_framed(example.SerializeToString(deterministic=True)))
        stream.finish()
    return result


def _add(result: ReadShard, record: Record) -> None:
    result.tally.add(record)
    if record.problem is None:
        result.repeat_rows.extend(repeat_rows(record))


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
