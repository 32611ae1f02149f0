"""Reads all listed pairs, writes their examples, and compares the pairs with each other.

A job of `data.jobs.shuffle` reads the pairs. A task of the first stage is a batch, which consists
of adjacent shards of a split. The second stage compares pairs that have the same image or the same
group. The shard of a pair depends only on the hash of the pair's key and on the number of pairs in
the split. The output is therefore the same in every run, on this machine and on Beam.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from typing_extensions import Self

from data.config import SPLITS, DataConfig
from data.examples.repeats import Repeats, find_repeats
from data.examples.shards import Shard, read_shard, write_shard
from data.examples.tally import Tally
from data.files.paths import join
from data.files.writing import new_file
from data.jobs.processes import in_processes
from data.jobs.shuffle import Output, RowWriter, Segment, Stage, partition_of
from data.listing.listing import Listing
from data.listing.pair import Pair

_PAIRS_A_SHARD = 64
_SHARDS_A_BATCH = 64  # minimum number of shards in a batch, except for the last batch of a split
_MOST_BATCHES = 512  # maximum number of batches in a split, which limits the number of record files
_HASHES = 2**64  # number of possible hashes of a key
_END: tuple[int, Iterable[tuple[int, Pair]]] = (_HASHES, ())  # after the last shard


class Batch(NamedTuple):
    """Adjacent shards of a split.

    Attributes:
      split: Name of the split.
      first: Number of the first shard in the batch.
      last: Number of the last shard in the batch.
      shards: Number of all shards in the split.
    """

    split: str
    first: int
    last: int
    shards: int


class BatchSettings(NamedTuple):
    """Settings of the job that reads the pairs.

    Attributes:
      data: The `data` section of the config.
      listing: The list of the pairs.
      scratch: Folder for unfinished files, and for the files with the rows between the two stages.
      folders: Folder for the examples of each split, by split; empty to write no examples.
      records: Folder for the files with the records of each batch.
    """

    data: DataConfig
    listing: Listing
    scratch: str
    folders: Mapping[str, str] = {}
    records: str = ""


@dataclass
class Ingested:
    """Counts of the pairs that were read. Objects of this class can be merged in any order.

    Attributes:
      tally: Counts of the pairs, their faults and their classes.
      repeats: Images that occur more than once, and groups that are divided between splits.
    """

    tally: Tally = field(default_factory=Tally)
    repeats: Repeats = field(default_factory=Repeats)

    def merged(self, other: Self) -> Self:
        """Adds the counts of other pairs, and returns this object."""
        self.tally.merged(other.tally)
        self.repeats.merged(other.repeats)
        return self


def plan_batches(pairs: Mapping[str, int]) -> list[Batch]:
    """Divides the pairs of each split into shards, and the shards into batches.

    Args:
      pairs: Number of pairs in each split, by split.

    Returns:
      The batches of all splits.
    """
    batches = []
    for split in SPLITS:
        shards = -(-pairs.get(split, 0) // _PAIRS_A_SHARD)
        size = max(_SHARDS_A_BATCH, -(-shards // _MOST_BATCHES))
        batches += [
            Batch(split, first, min(first + size, shards) - 1, shards)
            for first in range(0, shards, size)
        ]
    return batches


def read_batch(batch: Batch, settings: BatchSettings) -> Output:
    """Reads the pairs of a batch on all CPU cores, and writes their examples and records.

    Args:
      batch: The shards to read. They are written only if `settings.folders` is not empty.
      settings: Settings of the job.

    Returns:
      The counts of the pairs, and the positions of the rows for `compare_pairs`.

    Raises:
      InputError: The list of pairs cannot be read, or a file cannot be written.
      UnavailableError: A worker process was killed, most likely because the memory was full.
    """
    result = Ingested()
    writer = RowWriter(settings.scratch)
    records: list[tuple[str, bytes]] = []
    shards = _shards(batch, settings)
    if settings.folders:
        read = in_processes(write_shard, shards, settings.data, join(settings.scratch, "shards"))
    else:
        read = in_processes(read_shard, shards, settings.data)
    for shard in read:
        result.tally.merged(shard.tally)
        records.extend(shard.rows)
        for name_hash, repeat_row in shard.repeat_rows:
            writer.add(name_hash, repeat_row)
    if settings.folders:
        records.sort()
        with new_file(records_file(batch, settings), join(settings.scratch, "records")) as file:
            for _, row in records:
                file.write(row)
    return Output(result, writer.finish())


def compare_pairs(segments: Sequence[Segment], settings: BatchSettings) -> Output:
    """Compares pairs that have the same image or the same group.

    Args:
      segments: Positions of all rows of a partition.
      settings: Settings of the job.

    Returns:
      The repeated images and divided groups.

    Raises:
      InputError: The rows cannot be read.
    """
    del settings  # part of the signature of every stage
    return Output(Ingested(repeats=find_repeats(segments)))


def records_file(batch: Batch, settings: BatchSettings) -> str:
    """Returns the path of the file for the records of a batch.

    The file has one line of JSON for each pair, ordered by key.
    """
    numbers = f"{batch.first:06d}-{batch.last:06d}-of-{batch.shards:06d}"
    return join(settings.records, f"pairs-{batch.split}-{numbers}.jsonl")


STAGES = (Stage(read_batch, threads=2), Stage(compare_pairs))
"""The stages of the job that reads the pairs. Two batches are read at the same time, so that no
worker process is idle while a batch ends."""


def _shards(batch: Batch, settings: BatchSettings) -> Iterator[Shard]:
    """Yields the shards of a batch, with their pairs ordered by the hashes of the keys."""
    start, end = (number * _HASHES // batch.shards for number in (batch.first, batch.last + 1))
    partitions = (partition_of(f"{key_hash:016x}") for key_hash in (start, end - 1))
    pairs = (
        (int(row.key_hash, 16) * batch.shards // _HASHES, row.pair)
        for row in settings.listing.pairs(*partitions)
        if row.pair.split == batch.split
    )
    by_shard = itertools.groupby(pairs, lambda pair: pair[0])
    folder = settings.folders.get(batch.split, "")
    number, group = next(by_shard, _END)
    for shard in range(batch.first, batch.last + 1):
        while number < shard:
            number, group = next(by_shard, _END)
        path = join(folder, f"data_tfrecord-{shard:05d}-of-{batch.shards:05d}.gz")
        yield Shard(path, [pair for _, pair in group] if number == shard else [])
