"""A pair of image and mask files, with its group and its split."""

import bisect
import hashlib
import re
from collections.abc import Mapping
from typing import NamedTuple

from data.config import Splits
from data.source_config import SPLITS, SplitName


class Pair(NamedTuple):
    """An image file and its mask file.

    Attributes:
      key: Name of the pair, unique in a source: relative path without suffix, with forward slashes.
      image: Path of the image file, local or on any file system that TensorFlow reads.
      mask: Path of the mask file.
      group: Group of the pair; all pairs of a group are in one split. Without groups, the key.
      source: Name of the data set that the pair belongs to.
      span: Number of the span; 0 if the source has no spans.
      split: `train`, `val` or `test`.
      columns: Text of the further cells of a manifest's row, by column name. All pairs of a data
        set have the same columns; a cell is empty if the pair's manifest lacks the column.
    """

    key: str
    image: str
    mask: str
    group: str
    source: str
    span: int
    split: str
    columns: Mapping[str, str] = {}


def group_of(key: str, expression: str) -> str | None:
    """Returns the group of a pair.

    Args:
      key: Key of the pair.
      expression: Regular expression to search for in the key.

    Returns:
      The first capturing group of the match, or else the whole match; None without a match, or if
      that is empty.
    """
    match = re.search(expression, key)
    if match is None:
        return None
    return next((group for group in match.groups() if group is not None), match.group()) or None


def split_of_group(group: str, shares: Splits) -> SplitName:
    """Returns the split of a group, by the same hash as TFX's ExampleGen.

    Args:
      group: Name of the group.
      shares: Shares of the splits.
    """
    bounds = (shares.train, shares.train + shares.val, shares.train + shares.val + shares.test)
    # TFX hashes a serialized tf.train.Feature, whose field 1 is a BytesList, whose field 1 is the
    # value.
    feature = _field_1(_field_1(group.encode()))
    number = int.from_bytes(hashlib.sha256(feature).digest(), "big")
    return SPLITS[bisect.bisect(bounds, number % bounds[-1])]


def _field_1(content: bytes) -> bytes:
    """Encodes field 1 of a protobuf message, which is a string of bytes or another message."""
    length, varint = len(content), b""
    while length > 127:
        varint += bytes([length & 127 | 128])
        length >>= 7
    return b"\n" + varint + bytes([length]) + content
