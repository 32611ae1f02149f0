"""Batches: lists of shards, each the work of one Beam worker at a time, passed on as files.

Files, because a Beam job's description may not grow with the data, and because no image and no row
is then ever shuffled: nothing but the names of these files travels between workers.

A batch may be done more than once, even at the same time: engines do so when a worker is lost, or
only slow. Each time it gives the same bytes, which lie in the scratch folder until they are
complete.
"""

import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

import apache_beam as beam

from data.config import DataConfig
from data.examples.shards import Shard, write_shard
from data.files import new_file, read_bytes
from data.processes import in_processes
from data.sources.pairs import Pair

PAIRS_READ, PAIRS_BAD, STRAYS = "pairs_read", "pairs_bad", "files_without_pair"
"""Names of the counts: Beam's counters, and properties of the examples artifact."""
_SHARDS_A_BATCH = 64


def write_batches(shards: Sequence[Shard], folder: str) -> list[str]:
    """Writes down what is to be done.

    Args:
      shards: The shards to be written.
      folder: Where the batches' files go, local or remote.

    Returns:
      The paths of the files, one for each batch.
    """
    batches: list[str] = []
    for start in range(0, len(shards), _SHARDS_A_BATCH):
        batch = os.path.join(folder, f"{len(batches):05d}.json")
        with new_file(batch) as file:
            file.write(json.dumps(shards[start : start + _SHARDS_A_BATCH]).encode())
        batches.append(batch)
    return batches


def read_rows(batch: str) -> list[bytes]:
    """Reads what became of a batch's pairs.

    Args:
      batch: Path of a batch that is done.

    Returns:
      A line of JSON for each pair (see `Record.as_row`).
    """
    return read_bytes(_rows_of(batch)).splitlines(keepends=True)


class DoBatches(beam.PTransform):
    """Writes the shards of each batch, on all cores of a worker; returns the batches when done.

    Counts, in the namespace `unetfx`, the pairs that were read, those that were bad, and the files
    that make no pair.
    """

    def __init__(self, data: DataConfig, strays: int) -> None:
        """Takes how to read the pairs, and what no batch holds.

        Args:
          data: The data's description.
          strays: How many files make no pair.
        """
        super().__init__()
        self._data = data
        self._strays = strays

    def expand(self, batches: beam.PCollection[str]) -> beam.PCollection[str]:
        """Takes and returns paths of batches."""
        strays = batches.pipeline | "Strays" >> beam.Create([self._strays])
        _ = strays | "CountStrays" >> beam.Map(_counter(STRAYS).inc)
        return batches | "DoBatch" >> beam.ParDo(_DoBatch(self._data))


@beam.typehints.with_input_types(str)
@beam.typehints.with_output_types(str)
class _DoBatch(beam.DoFn):
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
        with new_file(_rows_of(batch), scratch) as file:
            file.writelines(rows)
        yield batch


def _counter(name: str) -> Any:
    return beam.metrics.Metrics.counter("unetfx", name)


def _rows_of(batch: str) -> str:
    return f"{batch}l"
