"""Reads the pairs of a shard, and writes shards: TFRecord files with the examples of some pairs."""

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
from data.files import new_file
from data.sources.pair import Pair
from data.stored import StoredGzip


class Shard(NamedTuple):
    """A TFRecord file to write.

    Attributes:
      path: Path of the file, local or remote.
      pairs: Pairs whose examples the file gets, in order.
    """

    path: str
    pairs: Sequence[Pair]


class ReadShard(NamedTuple):
    """What is known of the pairs of a shard once they have been read.

    Attributes:
      tally: Counts over the records of the pairs.
      repeat_rows: Rows about the usable pairs, from `repeat_rows`.
      rows: Key and record of each pair, a line of JSON in UTF-8 (see `Record.as_row`), of a shard
        that was written.
    """

    tally: Tally
    repeat_rows: list[tuple[str, Sequence[str]]]
    rows: list[tuple[str, bytes]]


def read_shard(shard: Shard, data: DataConfig) -> ReadShard:
    """Reads the pairs of a shard, without writing it.

    Args:
      shard: The pairs to read.
      data: The `data` section of the config.

    Returns:
      What is known of the pairs.
    """
    result = ReadShard(Tally(), [], [])
    for read in read_pairs(shard.pairs, data):
        _add(result, read.record)
    return result


def write_shard(shard: Shard, data: DataConfig, scratch: str | None = None) -> ReadShard:
    """Reads the pairs of a shard and writes their examples to a gzipped TFRecord file.

    The same pairs always give the same bytes. Pairs that cannot be used are left out.

    Args:
      shard: Path of the file, and the pairs to write.
      data: The `data` section of the config.
      scratch: Folder for the file until it is complete; None for the folder of `shard.path`.

    Returns:
      What is known of the pairs.

    Raises:
      InputError: The file cannot be written.
    """
    result = ReadShard(Tally(), [], [])
    with new_file(shard.path, scratch) as file:
        # TFX expects gzip files, but the images are already compressed.
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
    """Encodes a message as a TFRecord record: the length and the message, each with a checksum.

    Source: TensorFlow, "TFRecord and tf.train.Example", TFRecords format details.
    """
    length = struct.pack("<Q", len(message))
    return b"".join((length, _checksum(length), message, _checksum(message)))


def _checksum(content: bytes) -> bytes:
    crc = google_crc32c.value(content)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
