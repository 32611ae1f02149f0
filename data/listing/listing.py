"""Lists the pairs of a source: finds the files, forms pairs, and hashes the contents.

A job of `data.jobs.shuffle` lists the pairs. The first stage lists the files or rows in each part
of the source. For a manifest, the second stage compares the rows that have the same mask. The last
stage forms the pairs of each partition, and writes one partition of the list.
"""

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from data.config import DataConfig
from data.config.sources import Source
from data.errors import InputError, MissingFileError
from data.files.ownership import refuse_foreign_folder
from data.files.path_advice import missing_path_advice
from data.files.paths import join
from data.files.removing import remove_folder
from data.jobs.shuffle import PARTITIONS, Stage, partition_of
from data.listing.census import Census
from data.listing.pair import Pair
from data.listing.pair_list import ListedPair, read_list
from data.listing.stages import ListSettings, check_rows, find_rows, hash_key, pair_rows
from data.sources.raw_pairs import Part
from data.sources.registry import SOURCES
from data.sources.spans import find_spans

RunJob = Callable[[Sequence[Stage], Iterable[Any], Any, Any], Any]
"""A function that runs a job in stages. Arguments: the stages, the tasks of the first stage, the
settings, and the result of a job without tasks (see `data.jobs.shuffle.run_job`)."""


class Listing(NamedTuple):
    """The pairs of a source.

    Attributes:
      folder: Folder of the list (see `data.listing.pair_list`), local or remote.
      census: Counts of the files and pairs.
    """

    folder: str
    census: Census

    def pairs(self, first: int = 0, last: int = PARTITIONS - 1) -> Iterator[ListedPair]:
        """Reads the pairs of all partitions or of a range of partitions.

        Args:
          first: Number of the first partition to read, from 0.
          last: Number of the last partition to read.

        Yields:
          The rows of the list, ordered by the hashes of the keys.

        Raises:
          InputError: The list cannot be read.
        """
        for partition in range(first, last + 1):
            if partition in self.census.digests:
                yield from read_list(self.folder, partition)

    def pairs_of(self, keys: Iterable[str]) -> dict[str, Pair]:
        """Reads the pairs with the given keys from the list.

        Args:
          keys: Keys of the pairs.

        Returns:
          The pairs by key. Keys without a pair are left out.

        Raises:
          InputError: The list cannot be read.
        """
        wanted = set(keys)
        partitions = sorted({partition_of(hash_key(key)) for key in wanted})
        rows = (row for number in partitions for row in self.pairs(number, number))
        return {row.pair.key: row.pair for row in rows if row.pair.key in wanted}


def list_pairs(
    data: DataConfig,
    folder: str,
    run_job: RunJob,
    *,
    name: str,
    own_folder: str,
    earlier: str | None = None,
    hashed: bool = False,
) -> Listing:
    """Lists the pairs of a source, with their groups and splits.

    Args:
      data: The `data` section of the config.
      folder: Folder for the list, local or remote, which must not contain another list.
      run_job: Function that runs the job.
      name: Name of the pipeline, which is also the name of the data set if the source gives none.
      own_folder: Folder to which some kinds of sources write image and mask files once.
      earlier: Folder of an earlier list, from which the hashes of unchanged files are copied; None
        to hash all files.
      hashed: Whether to hash the contents of the files, for the fingerprint.

    Returns:
      The list and the counts.

    Raises:
      InputError: The source as a whole cannot be used. For example, the folder does not exist or
        has no images, or `data.group` matches no pair. The error is also raised if `own_folder`
        belongs to another user, or if the list cannot be written.
      UnavailableError: The remote file system does not respond, or a worker process was killed.
    """
    refuse_foreign_folder(own_folder)
    functions = SOURCES[data.source.kind]
    scratch = join(folder, f"rows-{uuid.uuid4().hex}")
    try:
        sources = dict(find_spans(data.source))
        parts = [
            (span, part)
            for span, source in sources.items()
            for part in functions.parts(source, own_folder, data)
        ]
        settings = ListSettings(
            data=data,
            name=name,
            sources=sources,
            columns=_columns(sources.values()),
            folder=folder,
            scratch=scratch,
            earlier=earlier,
            hashed=hashed,
            began=time.time_ns(),
        )
        stages = [Stage(find_rows), Stage(pair_rows)]
        if functions.check:
            stages.insert(1, Stage(check_rows))
        census = run_job(stages, parts, settings, Census())
    except MissingFileError as error:
        path = str(getattr(data.source, "path", ""))
        advice = missing_path_advice(path, "the current folder")
        raise InputError(f"{error} {advice or 'Check data.source in the config.'}") from error
    finally:
        remove_folder(scratch)
    _refuse_empty(census, [part for _, part in parts], data)
    return Listing(folder, census)


def find_columns(data: DataConfig) -> list[str]:
    """Lists the manifest columns that are stored with the pairs.

    Args:
      data: The `data` section of the config.

    Returns:
      Names of the columns in all spans, sorted; empty if the source is not a manifest.

    Raises:
      InputError: A manifest cannot be read, or lacks a column.
    """
    return _columns(source for _, source in find_spans(data.source))


def _columns(sources: Iterable[Source]) -> list[str]:
    columns = (SOURCES[source.kind].kept_columns(source) for source in sources)
    return sorted({name for of_source in columns for name in of_source})


def _refuse_empty(census: Census, parts: Iterable[Part], data: DataConfig) -> None:
    for message in dict.fromkeys(text for part in parts for text in part.required.values()):
        if not census.rows[message]:
            raise InputError(message)
    if census.pairs:
        return
    if not census.problems.count:
        raise InputError("data.source.split_lists: the lists name no pair of the source.")
    if census.without_group is not None:
        raise InputError(
            f"data.group: {data.group!r} is not a column of a manifest, and as a regular "
            f"expression it matches no pair (for example, it does not match "
            f"{census.without_group!r})."
        )
