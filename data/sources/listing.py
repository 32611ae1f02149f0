"""Lists the pairs of a source: finds the files, forms pairs, and hashes the contents.

This is a job of `data.shuffle`. Its first stage lists parts of the source, and the last one forms
the pairs whose keys are in a partition, and writes their part of the list. Between them, the rows
of a manifest are compared with those that have the same mask.
"""

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from data.config import DataConfig
from data.errors import InputError, MissingFileError
from data.files import join, remove_folder
from data.shuffle import PARTITIONS, Stage, partition_of
from data.sources.census import Census
from data.sources.file_list import ListedPair, read_list
from data.sources.listing_stages import ListSettings, check_rows, find_rows, order_of_key, pair_rows
from data.sources.pair import Pair
from data.sources.raw_pairs import Part
from data.sources.registry import SOURCES
from data.sources.spans import find_spans

RunJob = Callable[[Sequence[Stage], Iterable[Any], Any, Any], Any]
"""Runs a job: `data.shuffle.run_job` without its last argument, or a Beam job."""


class Listing(NamedTuple):
    """The pairs of a source.

    Attributes:
      folder: Folder of the list (see `data.sources.file_list`), local or remote.
      census: Counts of the files and pairs.
    """

    folder: str
    census: Census

    def pairs(self, first: int = 0, last: int = PARTITIONS - 1) -> Iterator[ListedPair]:
        """Reads the pairs of some partitions, by default all, in the order of the keys' hashes.

        Args:
          first: Number of the first partition.
          last: Number of the last partition.
        """
        for partition in range(first, last + 1):
            if partition in self.census.digests:
                yield from read_list(self.folder, partition)

    def pairs_of(self, keys: Iterable[str]) -> dict[str, Pair]:
        """Reads the pairs with some keys; keys without a pair are left out."""
        wanted = set(keys)
        partitions = sorted({partition_of(order_of_key(key)) for key in wanted})
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
      folder: Folder for the list, local or remote, which does not exist yet.
      run_job: Runs the job.
      name: Name of the pipeline, which names the data set if the source does not.
      own_folder: Folder in which the sources `sample` and `tfds` write their images and masks.
      earlier: Folder of an earlier list, whose hashes are reused; None to read all files.
      hashed: Whether to hash the contents of the files, for the fingerprint.

    Returns:
      The listing.

    Raises:
      InputError: The source as a whole cannot be used: for example, the folder does not exist, has
        no images, or the group expression matches no pair.
    """
    functions = SOURCES[data.source.kind]
    scratch = join(folder, f"rows-{uuid.uuid4().hex}")
    try:
        sources = dict(find_spans(data.source))
        parts = [
            (span, part)
            for span, source in sources.items()
            for part in functions.parts(source, own_folder)
        ]
        columns = {each for source in sources.values() for each in functions.kept_columns(source)}
        settings = ListSettings(
            data=data,
            name=name,
            sources=sources,
            columns=sorted(columns),
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
        raise InputError(f"{error} Check data.source in the config.") from error
    finally:
        remove_folder(scratch)
    _refuse_empty(census, [part for _, part in parts], data)
    return Listing(folder, census)


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
