"""A pair of image and mask files, with its group and its split."""

import bisect
import hashlib
import re
from collections.abc import Mapping
from typing import NamedTuple

from data.config import Splits
from data.config.sources import SPLITS, SplitName

_STEPS = 10**6  # precision of the shares that are taken from train


class Pair(NamedTuple):
    """A pair: an image file and its mask file.

    Attributes:
      key: Name of the pair, unique within the source: its relative path without a suffix, with
        forward slashes. If the source has spans, the key starts with `span-<number>/`.
      image: Path of the image file: local, or on another file system that TensorFlow supports.
      mask: Path of the mask file: local, or on another file system that TensorFlow supports.
      group: Name of the pair's group, or the key if the data have no groups. All pairs of a group
        must be in one split.
      source: Name of the data set to which the pair belongs.
      span: Number of the span; 0 if the source has no spans.
      split: `train`, `val` or `test`.
      columns: Cells of the stored manifest columns, as text by column name. All pairs of a data set
        have the same columns. If the manifest of a pair lacks a column, the text is empty.
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
      The text of the first capturing group that took part in the match, or the whole match if there
      is none; None if the expression does not match, or if this text is empty.
    """
    match = re.search(expression, key)
    if match is None:
        return None
    return next((group for group in match.groups() if group is not None), match.group()) or None


def split_of_group(group: str, shares: Splits) -> SplitName:
    """Returns the split of a group, which is chosen by the same hash as in TFX's ExampleGen.

    Args:
      group: Name of the group.
      shares: Relative sizes of the splits.
    """
    bounds = (shares.train, shares.train + shares.val, shares.train + shares.val + shares.test)
    return SPLITS[bisect.bisect(bounds, _hash(group) % bounds[-1])]


def split_taken_from_train(group: str, val: float, test: float) -> SplitName:
    """Returns the split of a group that the source assigns to `train`.

    Args:
      group: Name of the group.
      val: Share of the groups that are moved to `val`.
      test: Share of the groups that are moved to `test`.
    """
    place = _hash(group) % _STEPS / _STEPS
    return "val" if place < val else "test" if place < val + test else "train"


def _hash(group: str) -> int:
    # TFX hashes a serialized tf.train.Feature: field 1 of the Feature is a BytesList, and field 1
    # of the BytesList is the value. The bytes are built here because importing TensorFlow is slow.
    feature = _field_1(_field_1(group.encode()))
    return int.from_bytes(hashlib.sha256(feature).digest(), "big")


def _field_1(content: bytes) -> bytes:
    """Encodes bytes or a serialized message as field 1 of a protobuf message."""
    length, varint = len(content), b""
    while length > 127:
        varint += bytes([length & 127 | 128])
        length >>= 7
    return b"\n" + varint + bytes([length]) + content
