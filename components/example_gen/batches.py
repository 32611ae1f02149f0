"""Batches: files with lists of shards, each of which a Beam worker writes at once.

Workers exchange only the names of these files. So the description of the Beam job does not grow
with the data, and no image and no record is ever shuffled.

An engine may run a batch again, even at the same time, when a worker is lost or slow. Each run
writes the same bytes, and they stay in the scratch folder until they are complete.
"""

import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

import apache_beam as beam

from data.config import DataConfig
from data.examples.shards import Shard, write_shard
from data.files import new_file, read_bytes, write_text
from data.processes import in_processes
from data.sources.pairs import Pair

PAIRS_READ, PAIRS_BAD, FILES_WITHOUT_PAIR = "pairs_read", "pairs_bad", "files_without_pair"
"""Names of Beam's counters and of properties of the examples artifact."""
_SHARDS_A_BATCH = 64


def write_batches(shards: Sequence[Shard], folder: str) -> list[str]:
    """Divides shards into batches and writes a file for each.

    Args:
      shards: The shards to be written.
      folder: Folder for the batch files, local or remote.

    Returns:
      Paths of the batch files.
    """
    batches: list[str] = []
    for start in range(0, len(shards), _SHARDS_A_BATCH):
        batch = os.path.join(folder, f"{len(batches):05d}.json")
        write_text(batch, json.dumps(shards[start : start + _SHARDS_A_BATCH]))
        batches.append(batch)
    return batches


def read_rows(batch: str) -> list[bytes]:
    """Reads the records of a batch's pairs.

    Args:
      batch: Path of the file of a finished batch.

    Returns:
      A line of JSON for each pair (see `Record.as_row`).
    """
    return read_bytes(_rows_file(batch)).splitlines(keepends=True)


class WriteShards(beam.PTransform):
    """Writes the shards of each batch on all cores of a worker, and returns the finished batches.

    Counts good pairs, bad pairs, and files without a pair, in the namespace `unetfx`.
    """

    def __init__(self, data: DataConfig, files_without_pair: int) -> None:
        """Initialises the transform.

        Args:
          data: The `data:` part of the config.
          files_without_pair: Number of files without a pair, which no batch contains.
        """
        super().__init__()
        self._data = data
        self._files_without_pair = files_without_pair

    def expand(self, batches: beam.PCollection[str]) -> beam.PCollection[str]:
        """Maps paths of batches to the same paths."""
        files_without_pair = batches.pipeline | "FilesWithoutPair" >> beam.Create(
            [self._files_without_pair]
        )
        _ = files_without_pair | "CountFilesWithoutPair" >> beam.Map(
            _counter(FILES_WITHOUT_PAIR).inc
        )
        return batches | "WriteBatch" >> beam.ParDo(_WriteBatch(self._data))


@beam.typehints.with_input_types(str)
@beam.typehints.with_output_types(str)
class _WriteBatch(beam.DoFn):
    def __init__(self, data: DataConfig) -> None:
        self._data = data
        self._good = _counter(PAIRS_READ)
        self._bad = _counter(PAIRS_BAD)

    def process(self, batch: str) -> Iterator[str]:
        shards = (
            Shard(path, [Pair(*pair) for pair in pairs])
            for path, pairs in json.loads(read_bytes(batch))
        )
        rows, scratch = [], os.path.join(os.path.dirname(batch), "shards")
        for written in in_processes(write_shard, shards, self._data, scratch):
            self._good.inc(written.good)
            self._bad.inc(written.bad)
            rows.append(written.rows)
        with new_file(_rows_file(batch), scratch) as file:
            file.writelines(rows)
        yield batch


def _counter(name: str) -> Any:
    return beam.metrics.Metrics.counter("unetfx", name)


def _rows_file(batch: str) -> str:
    return f"{batch}l"
