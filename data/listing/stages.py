"""The stages of the job that lists the pairs of a source (see `data.listing.listing`)."""

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from data.config import DataConfig
from data.config.sources import Source
from data.errors import PairError
from data.faults import Examples
from data.files.file_hashes import HashedFile, hash_file
from data.files.file_systems import REMOTE_THREADS
from data.files.paths import is_remote
from data.jobs.processes import ahead
from data.jobs.shuffle import Output, RowWriter, Segment, hash_name, partition_of, read_groups
from data.listing.census import Census
from data.listing.pair import Pair, group_of, split_of_group, split_taken_from_train
from data.listing.pair_list import EarlierList, ListedPair, new_list
from data.sources.image_suffixes import without_image_suffixes
from data.sources.raw_pairs import Ignored, Part, RawPair, Row
from data.sources.registry import SOURCES

_PROBLEM = -1  # written for a PairError, in place of the position of a row's type in `row_types`


class ListSettings(NamedTuple):
    """Settings of the job that lists the pairs of a source.

    Attributes:
      data: The `data` section of the config.
      name: Name of the data set, used if the source does not give a name.
      sources: Config of the source for each span, by span number.
      columns: Names of the manifest columns that are stored with the pairs.
      folder: Folder for the list, local or remote.
      scratch: Folder for the files with the rows between two stages, local or remote.
      earlier: Folder of an earlier list, from which the hashes of unchanged files are copied; None
        to hash all files.
      hashed: Whether to hash the contents of the files.
      began: Time at which the job began, in nanoseconds since 1970.
    """

    data: DataConfig
    name: str
    sources: Mapping[int, Source]
    columns: Sequence[str]
    folder: str
    scratch: str
    earlier: str | None
    hashed: bool
    began: int


class _Group(NamedTuple):
    """Rows of one span whose names have the same hash, and which may therefore form pairs.

    Attributes:
      name_hash: Hash of the names.
      span: Number of the span.
      rows: Files, lines of split lists and manifest rows that may form pairs.
      problems: Files and manifest rows that do not form a pair.
    """

    name_hash: str
    span: int
    rows: list[Any]
    problems: list[PairError]


class _Resolved(NamedTuple):
    """The pairs that were formed from a group, and the rows that form no pair.

    Attributes:
      pairs: The pairs, sorted by key.
      problems: Files and manifest rows that do not form a pair, sorted.
      unused: Keys of images and masks that are in no split list, sorted.
      without_group: Keys that `data.group` does not match.
    """

    pairs: list[ListedPair]
    problems: list[PairError]
    unused: list[str]
    without_group: list[str]


def hash_key(key: str) -> str:
    """Returns the hash of a pair's key. The list of pairs and the examples are sorted by this hash.

    Image suffixes are ignored, because a split list may name a pair with or without the suffix.
    """
    return hash_name(without_image_suffixes(key))


def find_rows(task: tuple[int, Part], settings: ListSettings) -> Output:
    """Lists the files or manifest rows in a part of a span.

    Args:
      task: Number of the span, and the part.
      settings: Settings of the job.

    Returns:
      The number of rows of each required kind, and the positions of all rows.

    Raises:
      InputError: A folder, a split list or the manifest cannot be read, or the rows cannot be
        written.
    """
    span, part = task
    source = settings.sources[span]
    writer = RowWriter(settings.scratch)
    census = Census()
    for row in SOURCES[source.kind].find(source, settings.data.group, part.content):
        if isinstance(row, Ignored):
            census.ignored.setdefault(row.reason, Examples()).add(row.path, row.path)
            continue
        _add_row(writer, span, row, settings)
        if part.required and not isinstance(row, PairError):
            census.rows[part.required[next(iter(row))]] += 1
    return Output(census, writer.finish())


def check_rows(segments: Sequence[Segment], settings: ListSettings) -> Output:
    """Checks the rows of a partition, and gives valid rows new names (see `SourceFunctions.check`).

    Args:
      segments: Positions of all rows of a partition.
      settings: Settings of the job.

    Returns:
      The positions of the checked rows.

    Raises:
      InputError: The rows cannot be read or written.
    """
    check = SOURCES[settings.data.source.kind].check
    writer = RowWriter(settings.scratch)
    for _, span, rows, problems in _read_groups(segments, settings):
        checked = check(rows, settings.sources[span], settings.data.group) if check else ()
        for row in (*problems, *checked):
            _add_row(writer, span, row, settings)
    return Output(Census(), writer.finish())


def pair_rows(segments: Sequence[Segment], settings: ListSettings) -> Output:
    """Forms the pairs of a partition, and writes one partition of the list.

    Args:
      segments: Positions of all rows of the partition.
      settings: Settings of the job.

    Returns:
      The counts of the partition.

    Raises:
      InputError: The rows cannot be read, or the list cannot be written.
    """
    groups = _read_groups(segments, settings)
    first = next(groups)
    partition = partition_of(first.name_hash)
    earlier = EarlierList(settings.earlier, partition)
    tasks = ((group, earlier.files(group.name_hash)) for group in itertools.chain([first], groups))
    # Hashing remote files is mostly waiting, so many files are hashed at the same time.
    threads = REMOTE_THREADS if is_remote(getattr(settings.data.source, "path", "")) else 0
    census, total = Census(), hashlib.sha256()
    with new_list(settings.folder, partition) as write:
        for resolved in ahead(lambda task: _resolve(task[0], task[1], settings), tasks, threads):
            for row in resolved.pairs:
                write(row)
            _count(resolved, census)
            for text in _digested(resolved):
                total.update(f"{text}\0".encode())
    census.digests[partition] = total.hexdigest()
    return Output(census)


def _add_row(writer: RowWriter, span: int, row: Row | PairError, settings: ListSettings) -> None:
    prefix = _prefix(span, settings)
    if isinstance(row, PairError):
        writer.add(hash_name(row.file), [span, _PROBLEM, row.kind, row.file, row.reason])
    else:
        kind = SOURCES[settings.data.source.kind].row_types.index(type(row))
        writer.add(hash_key(prefix + row.name), [span, kind, *row])


def _read_groups(segments: Sequence[Segment], settings: ListSettings) -> Iterator[_Group]:
    row_types = SOURCES[settings.data.source.kind].row_types
    for name_hash, lines in read_groups(segments):
        for span, of_span in itertools.groupby(lines, lambda line: line[0]):
            group = _Group(name_hash, span, [], [])
            for _, kind, *fields in of_span:
                if kind == _PROBLEM:
                    group.problems.append(PairError(*fields))
                else:
                    group.rows.append(row_types[kind](*fields))
            yield group


def _prefix(span: int, settings: ListSettings) -> str:
    return f"span-{span}/" if settings.data.source.has_spans else ""


def _resolve(group: _Group, earlier: Mapping[str, HashedFile], settings: ListSettings) -> _Resolved:
    found = SOURCES[settings.data.source.kind].pair(group.rows)
    prefix = _prefix(group.span, settings)
    resolved = _Resolved([], [*group.problems, *found.problems], [], [])
    resolved.unused.extend(sorted(prefix + key for key in found.unused))
    for raw in sorted(found.pairs):
        pair = _assign(raw, prefix, group.span, settings)
        if pair is None:
            reason = (
                f"the regular expression data.group, {settings.data.group!r}, does not match the "
                "key of the pair."
            )
            resolved.problems.append(PairError("no_group", raw.image, reason))
            resolved.without_group.append(raw.key)
        elif settings.hashed:
            files = [
                hash_file(path, earlier.get(path), settings.began)
                for path in (pair.image, pair.mask)
            ]
            resolved.pairs.append(ListedPair(group.name_hash, pair, *files))
        else:
            resolved.pairs.append(ListedPair(group.name_hash, pair, None, None))
    resolved.problems.sort(key=str)
    return resolved


def _assign(raw: RawPair, prefix: str, span: int, settings: ListSettings) -> Pair | None:
    """Assigns a group and a split to a pair; None if `data.group` does not match the pair's key."""
    data, key = settings.data, prefix + raw.key
    group = raw.group or (group_of(raw.key, data.group) if data.group else key)
    if group is None:
        return None
    split = raw.split or split_of_group(group, data.splits)
    if raw.split == "train":
        split = split_taken_from_train(group, data.take_val_from_train, data.take_test_from_train)
    columns = {name: raw.columns.get(name, "") for name in settings.columns}
    data_set = raw.source or settings.name
    return Pair(key, raw.image, raw.mask, group, data_set, span, split, columns)


def _count(resolved: _Resolved, census: Census) -> None:
    for row in resolved.pairs:
        census.pairs[row.pair.split] += 1
        census.spans.add(row.pair.span)
    for problem in resolved.problems:
        census.problems.add(problem)
    for key in resolved.unused:
        census.unused.add(key, keys=(key,))
    keys = [*resolved.without_group, *([census.without_group] if census.without_group else [])]
    census.without_group = min(keys, default=None)


def _digested(resolved: _Resolved) -> Iterable[str]:
    """Yields the texts from which the fingerprint of the data is computed.

    The paths of the files of a pair are left out, so that a copy of the data set elsewhere has the
    same fingerprint.
    """
    for _, pair, image, mask in resolved.pairs:
        yield from (pair.key, pair.group, pair.source, str(pair.span), pair.split)
        yield from itertools.chain.from_iterable(pair.columns.items())
        yield from (file.digest for file in (image, mask) if file)
    yield from map(str, resolved.problems)
    yield from resolved.unused
