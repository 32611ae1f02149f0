"""Where pairs come from: one module for each kind of source, each with one function, `find`.

A source tells what it holds as a `RawFound`; `data.pairs` deals out groups and splits.
"""

import difflib
import posixpath
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from data.config import SplitName
from data.errors import PairError

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"})
SPLIT_NAMES: dict[str, SplitName] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""What people call splits, and what we do."""


class RawPair(NamedTuple):
    """A pair as its source knows it.

    Attributes:
      key: The pair's name, unique in its source.
      image: Path of the image file.
      mask: Path of the mask file.
      split: Its ready-made split, if it has one.
      group: Its group, if the source says so.
      source: Name of its data set, if the source says so.
      columns: What else a table says of it: a column's name to the cell's text.
    """

    key: str
    image: str
    mask: str
    split: SplitName | None = None
    group: str | None = None
    source: str | None = None
    columns: Mapping[str, str] = {}


class RawFound(NamedTuple):
    """What a source holds, in any order.

    Attributes:
      pairs: The pairs.
      problems: What makes no pair.
      unused: Keys of what is in no split list.
    """

    pairs: list[RawPair]
    problems: list[PairError]
    unused: list[str]


def split_of(name: str) -> SplitName | None:
    """Returns the split that people call so, or None."""
    return SPLIT_NAMES.get(name.lower())


def without_image_suffix(name: str) -> str:
    """Returns a file's name or path without its suffix, if that is an image's."""
    stem, suffix = posixpath.splitext(name)
    return stem if suffix.lower() in IMAGE_SUFFIXES else name


def expected_suffixes() -> str:
    """Returns the suffixes of images, for messages."""
    return " ".join(f"*{suffix}" for suffix in sorted(IMAGE_SUFFIXES))


def nearest(name: str, known: Iterable[str]) -> str:
    """Returns a hint at the most similar known name, or nothing."""
    near = difflib.get_close_matches(name, list(known), 1)
    return f" (did you mean {near[0]!r}?)" if near else ""
