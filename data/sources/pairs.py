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
    """An image file and its mask file.

    Attributes:
      key: Name of the pair, unique in a source: relative path without suffix, with forward slashes.
      image: Path of the image file, local or on any file system that TensorFlow reads.
      mask: Path of the mask file.
      group: Name of the pair's group; all pairs of a group are in one split. Without groups, the
        key.
      source: Name of the data set that the pair belongs to.
      span: Number of the span; 0 if the source has no spans.
      split: `train`, `val` or `test`.
      columns: Text of the other cells of a manifest's row, by column name. All pairs of a data
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


class Found(NamedTuple):
    """The pairs in a source, and the files that belong to no pair.

    Attributes:
      pairs: The pairs, ordered by key.
      problems: Files and rows that are not part of a pair (an image without a mask, two files with
        one name, …), ordered by file.
      unused: Keys of images and masks that are in no split list, sorted.
    """

    pairs: list[Pair]
    problems: list[PairError]
    unused: list[str]


def find_pairs(data: DataConfig, *, name: str, folder: str) -> Found:
    """Lists the pairs of a source, with their groups and splits.

    Args:
      data: The `data` section of the config.
      name: Name of the pipeline, which becomes the name of the data set if the source gives none.
      folder: Folder to which the sources `sample` and `tfds` write their images and masks once.

    Returns:
      The pairs, the problems and the unused keys.

    Raises:
      InputError: The source as a whole cannot be used: for example, the folder does not exist or
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
    """Yields the number of each span, and the pairs in the span."""
    find = SOURCES[data.source.kind].find
    try:
        for span, source in find_spans(data.source):
            yield span, find(source, data.group, folder)
    except MissingFileError as error:
        raise InputError(f"{error} Check data.source in the config.") from error


def find_columns(data: DataConfig) -> list[str]:
    """Lists the columns of manifests that are stored with the pairs.

    Args:
      data: The `data` section of the config.

    Returns:
      Names of the columns of all spans, sorted; empty if the source is not a manifest.

    Raises:
      InputError: A manifest cannot be read, or lacks a column.
    """
    functions = SOURCES[data.source.kind]
    spans = find_spans(data.source)
    return sorted({name for _, source in spans for name in functions.kept_columns(source)})


def content_digest(path: str) -> bytes:
    """Returns the SHA-256 of a file's content; an unreadable file counts as empty."""
    try:
        content = read_bytes(path)
    except InputError:
        content = b""
    return hashlib.sha256(content).digest()


def fingerprint(found: Found, of_file: Callable[[str], bytes] = content_digest) -> str:
    """Returns a hash of a source: its pairs and their contents, its problems and unused keys.

    The paths of image and mask files are part of the hash only if they occur in a problem.

    Args:
      found: Pairs, problems and unused keys of the source.
      of_file: Function that returns the digest of the file at a path. All digests must have the
        same length. Several threads call the function.

    Returns:
      SHA-256 in hexadecimal.
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
    """Returns the split of a group, by the same hash as TFX's ExampleGen."""
    bounds = list(itertools.accumulate(getattr(shares, split) for split in SPLITS))
    # TFX hashes a serialized tf.train.Feature. Two nested BytesValue messages serialize to the same
    # bytes (field 1 of Feature is a BytesList, whose field 1 is the value) and do not need
    # TensorFlow, which is slow to import.
    bytes_list = BytesValue(value=group.encode()).SerializeToString()
    feature = BytesValue(value=bytes_list).SerializeToString()
    number = int.from_bytes(hashlib.sha256(feature).digest(), "big")
    return SPLITS[bisect.bisect(bounds, number % bounds[-1])]
