"""Finds pairs of image and mask files, and assigns a group and a split to each pair."""

import bisect
import hashlib
import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from google.protobuf.wrappers_pb2 import BytesValue

from data.config import DataConfig, Splits
from data.errors import InputError, MissingFileError, PairError
from data.files import THREADS, read_bytes
from data.source_config import SPLITS, SplitName
from data.sources.raw_pairs import RawFound
from data.sources.registry import SOURCES
from data.sources.spans import find_spans


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


class Found(NamedTuple):
    """The pairs in a source, and the files that belong to no pair.

    Attributes:
      pairs: The pairs, ordered by key.
      problems: Files and manifest rows that do not form a pair (an image without a mask, two files
        with the same name, …), ordered by file.
      unused: Keys of images and masks that are in no split list, sorted.
    """

    pairs: list[Pair]
    problems: list[PairError]
    unused: list[str]


def find_pairs(data: DataConfig, *, name: str, folder: str) -> Found:
    """Lists the pairs of a source, with their groups and splits.

    Args:
      data: The `data` section of the config.
      name: Name of the pipeline, which is also the name of the data set if the source gives none.
      folder: Folder to which sources of the kinds `sample` and `tfds` write their image and mask
        files once.

    Returns:
      The pairs, the problems and the unused keys.

    Raises:
      InputError: The source as a whole cannot be used. For example, the folder does not exist or
        has no images, or `data.group` matches no pair.
    """
    pairs: list[Pair] = []
    problems: list[PairError] = []
    unused: list[str] = []
    without_group: list[str] = []
    for span, found in _found_by_span(data, folder):
        prefix = f"span-{span}/" if data.source.has_spans else ""
        problems.extend(found.problems)
        unused.extend(prefix + key for key in found.unused)
        for raw in found.pairs:
            key = prefix + raw.key
            group = raw.group or (_group_of(raw.key, data.group) if data.group else key)
            if group is None:
                reason = (
                    f"the regular expression data.group, {data.group!r}, does not match the key of "
                    "the pair."
                )
                problems.append(PairError("no_group", raw.image, reason))
                without_group.append(raw.key)
                continue
            split = raw.split or _split_of(group, data.splits)
            data_set = raw.source or name
            pairs.append(Pair(key, raw.image, raw.mask, group, data_set, span, split, raw.columns))
    if not pairs and not problems:
        raise InputError("data.source.split_lists: the lists name no pair of the source.")
    if not pairs and without_group:
        raise InputError(
            f"data.group: {data.group!r} is not a column of a manifest, and as a regular "
            f"expression it matches no pair (for example, it does not match {without_group[0]!r})."
        )
    pairs = _with_the_same_columns(pairs)
    return Found(sorted(pairs), sorted(problems, key=lambda problem: problem.file), sorted(unused))


def _found_by_span(data: DataConfig, folder: str) -> Iterator[tuple[int, RawFound]]:
    """Yields the number of each span and the pairs found in it."""
    find = SOURCES[data.source.kind].find
    try:
        for span, source in find_spans(data.source):
            yield span, find(source, data.group, folder)
    except MissingFileError as error:
        raise InputError(f"{error} Check data.source in the config.") from error


def find_columns(data: DataConfig) -> list[str]:
    """Lists the manifest columns that are stored with the pairs.

    Args:
      data: The `data` section of the config.

    Returns:
      Names of the columns in all spans, sorted; empty if the source is not a manifest.

    Raises:
      InputError: A manifest cannot be read, or lacks a column.
    """
    functions = SOURCES[data.source.kind]
    spans = find_spans(data.source)
    return sorted({name for _, source in spans for name in functions.kept_columns(source)})


def content_digest(path: str) -> bytes:
    """Returns the SHA-256 of a file's content. An unreadable file is treated as empty."""
    try:
        content = read_bytes(path)
    except InputError:
        content = b""
    return hashlib.sha256(content).digest()


def fingerprint(found: Found, of_file: Callable[[str], bytes] = content_digest) -> str:
    """Returns a hash of everything found in a source: pairs, file contents, problems, unused keys.

    The path of a file affects the hash only if the path occurs in a problem.

    Args:
      found: Result of `find_pairs`: the pairs, the problems and the keys that are in no split list.
      of_file: Function that returns a digest of the file at the given path. Several threads call
        the function, and all digests must have the same length.

    Returns:
      The SHA-256 hash, as a hexadecimal string.
    """
    total = hashlib.sha256()
    with ThreadPoolExecutor(THREADS) as pool:
        paths = (path for pair in found.pairs for path in (pair.image, pair.mask))
        digests = pool.map(of_file, paths)
        for pair in found.pairs:
            fields = [pair.key, pair.group, pair.source, str(pair.span), pair.split]
            fields += itertools.chain.from_iterable(pair.columns.items())
            total.update("\0".join((*fields, "")).encode())
            total.update(next(digests) + next(digests))
    for text in (*map(str, found.problems), *found.unused):
        total.update(f"{text}\0".encode())
    return total.hexdigest()


def newest_span(found: Found) -> int:
    """Returns the number of the newest span; 0 if the source has no spans."""
    return max((pair.span for pair in found.pairs), default=0)


def _with_the_same_columns(pairs: list[Pair]) -> list[Pair]:
    names = sorted({name for pair in pairs for name in pair.columns})
    return [
        pair._replace(columns={name: pair.columns.get(name, "") for name in names})
        for pair in pairs
    ]


def _group_of(key: str, expression: str) -> str | None:
    match = re.search(expression, key)
    if match is None:
        return None
    return next((group for group in match.groups() if group is not None), match.group()) or None


def _split_of(group: str, shares: Splits) -> SplitName:
    """Returns the split of a group, which is chosen by the same hash as in TFX's ExampleGen."""
    bounds = list(itertools.accumulate(getattr(shares, split) for split in SPLITS))
    # TFX hashes a serialized tf.train.Feature. Two nested BytesValue messages serialize to the same
    # bytes (field 1 of Feature is a BytesList, whose field 1 is the value), and they do not require
    # TensorFlow, which is slow to import.
    bytes_list = BytesValue(value=group.encode()).SerializeToString()
    feature = BytesValue(value=bytes_list).SerializeToString()
    number = int.from_bytes(hashlib.sha256(feature).digest(), "big")
    return SPLITS[bisect.bisect(bounds, number % bounds[-1])]
