"""Finds pairs of image and mask files, and deals them out to the splits."""

import bisect
import hashlib
import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from data.config import (
    SPAN_PLACEHOLDER,
    SPLITS,
    DataConfig,
    FolderSource,
    ManifestSource,
    SampleSource,
    Source,
    SplitName,
    Splits,
    TfdsSource,
)
from data.errors import InputError, PairError
from data.files import THREADS, read_bytes
from data.sources import folder, manifest, sample, spans, tfds
from data.sources.raw_pairs import RawFound


class Pair(NamedTuple):
    """An image file and its mask file.

    Attributes:
      key: Relative path without suffix, with forward slashes: the pair's name, unique in a source.
      image: Path of the image file, local or on any file system that TensorFlow reads.
      mask: Path of the mask file.
      group: Pairs of one group fall into one split; the key itself where there are no groups.
      source: Name of the data set.
      span: Number of the delivery the pair came with; 0 where the source has no spans.
      split: `train`, `val` or `test`.
      columns: What else a manifest says of it: a column's name to the cell's text, by name. All
        pairs of a data set have the same columns; a manifest's that has no such column are empty.
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
    """What a source holds.

    Attributes:
      pairs: Ordered by key.
      problems: What makes no pair: files without a partner, two files of one name, …; ordered by
        file.
      unused: Keys, in order, of images and masks that are in no split list.
    """

    pairs: list[Pair]
    problems: list[PairError]
    unused: list[str]


def find_pairs(data: DataConfig, *, name: str, folder: str) -> Found:
    """Lists what a source holds.

    Args:
      data: The data's description.
      name: The pipeline's name; it names the data set where the source does not.
      folder: Where a source without files of its own (`sample`, `tfds`) writes them, once.

    Returns:
      The pairs, and what became of all else.

    Raises:
      InputError: The source as a whole cannot be used: no such folder, no images, no such column,
        a group expression that matches no pair, …
    """
    pairs: list[Pair] = []
    problems: list[PairError] = []
    unused: list[str] = []
    without_group: list[str] = []
    for span, prefix, found in _deliveries(data, folder):
        problems.extend(found.problems)
        unused.extend(prefix + key for key in found.unused)
        for raw in found.pairs:
            key = prefix + raw.key
            group = raw.group or (_group_of(raw.key, data.group) if data.group else key)
            if group is None:
                reason = f"data.group: the expression {data.group!r} does not match its key."
                problems.append(PairError("no_group", raw.image, reason))
                without_group.append(raw.key)
                continue
            split = raw.split or _split_of(group, data.splits)
            source = raw.source or name
            pairs.append(Pair(key, raw.image, raw.mask, group, source, span, split, raw.columns))
    if not pairs and not problems:
        raise InputError("data.source: no pair is in data.source.split_lists.")
    if not pairs and without_group:
        raise InputError(
            f"data.group: the expression {data.group!r} matches no pair, for instance not "
            f"{without_group[0]!r}; nor is it a manifest's column."
        )
    pairs = _with_the_same_columns(pairs)
    return Found(sorted(pairs), sorted(problems, key=lambda problem: problem.file), sorted(unused))


def find_columns(data: DataConfig) -> list[str]:
    """Lists the columns that the pairs of a manifest keep.

    Args:
      data: The data's description.

    Returns:
      Their names, in order, those of all spans together; none for other sources.

    Raises:
      InputError: A manifest cannot be read, or lacks a column.
    """
    sources = (source for _, _, source in _places(data.source))
    return sorted(
        {
            name
            for source in sources
            if isinstance(source, ManifestSource)
            for name in manifest.kept_columns(source)
        }
    )


def content_digest(path: str) -> bytes:
    """Returns the SHA-256 of a file; one that cannot be read counts as one without content."""
    try:
        content = read_bytes(path)
    except InputError:
        content = b""
    return hashlib.sha256(content).digest()


def fingerprint(found: Found, of_file: Callable[[str], bytes] = content_digest) -> str:
    """Hash of a source: its pairs with their contents, wherever they lie, and all that is no pair.

    Args:
      found: What the source holds.
      of_file: What stands for a file's content, always the same number of bytes; threads call it.

    Returns:
      SHA-256 in hexadecimal.
    """
    total = hashlib.sha256()
    with ThreadPoolExecutor(THREADS) as pool:
        paths = (path for pair in found.pairs for path in (pair.image, pair.mask))
        digests = pool.map(of_file, paths)
        for pair in found.pairs:
            words = [pair.key, pair.group, pair.source, str(pair.span), pair.split]
            words += itertools.chain.from_iterable(pair.columns.items())
            total.update("\0".join((*words, "")).encode())
            total.update(next(digests) + next(digests))
    for word in (*map(str, found.problems), *found.unused):
        total.update(f"{word}\0".encode())
    return total.hexdigest()


def newest_span(found: Found) -> int:
    """Returns the number of the newest delivery; 0 where a source has no spans."""
    return max((pair.span for pair in found.pairs), default=0)


def _deliveries(data: DataConfig, own_folder: str) -> Iterator[tuple[int, str, RawFound]]:
    """Each span's number, what its keys begin with, and what it holds."""
    for span, prefix, source in _places(data.source):
        yield span, prefix, _find(source, data.group, own_folder)


def _places(source: Source) -> Iterator[tuple[int, str, Source]]:
    """Each span's number, what its keys begin with, and where it is."""
    if isinstance(source, FolderSource | ManifestSource) and SPAN_PLACEHOLDER.search(source.path):
        of_files = isinstance(source, ManifestSource)
        for span, path in spans.expand(source.path, source.newest_spans, of_files=of_files):
            yield span, f"span-{span}/", source.model_copy(update={"path": path})
    else:
        yield 0, "", source


def _with_the_same_columns(pairs: list[Pair]) -> list[Pair]:
    names = sorted({name for pair in pairs for name in pair.columns})
    return [
        pair._replace(columns={name: pair.columns.get(name, "") for name in names})
        for pair in pairs
    ]


def _find(source: Source, group: str | None, own_folder: str) -> RawFound:
    if isinstance(source, SampleSource):
        return sample.find(own_folder)
    if isinstance(source, TfdsSource):
        return tfds.find(source, own_folder)
    if isinstance(source, ManifestSource):
        return manifest.find(source, group or "group")
    return folder.find(source)


def _group_of(key: str, expression: str) -> str | None:
    match = re.search(expression, key)
    if match is None:
        return None
    return next((group for group in match.groups() if group is not None), match.group()) or None


def _split_of(group: str, shares: Splits) -> SplitName:
    """The split that TFX's ExampleGen gives an example that is dealt out by this feature."""
    bounds = list(itertools.accumulate(getattr(shares, split) for split in SPLITS))
    # TFX hashes the serialized tf.train.Feature: a bytes_list that holds one value.
    feature = _first_field(_first_field(group.encode()))
    number = int.from_bytes(hashlib.sha256(feature).digest(), "big")
    return SPLITS[bisect.bisect(bounds, number % bounds[-1])]


def _first_field(content: bytes) -> bytes:
    """A serialized message of one field, number 1, of bytes."""
    length, size = bytearray(), len(content)
    while size > 127:
        length.append(size & 127 | 128)
        size >>= 7
    return b"\x0a" + bytes(length) + bytes([size]) + content
