"""Writes shards (TFRecord files) in batches: a batch file lists the shards for one Beam worker.

Beam passes only the paths of the batch files to its workers, so the description of the Beam job
stays small even for large data sets, and Beam never shuffles images or records.

If a worker is lost or slow, a Beam runner may process a batch twice, even at the same time. This is
harmless, because both attempts write the same bytes, and each file stays in a scratch folder until
it is complete.
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
"""Names of the Beam counters and of the artifact properties that hold the same counts."""
_SHARDS_A_BATCH = 64


def write_batches(shards: Sequence[Shard], folder: str) -> list[str]:
    """Divides shards into batches and writes a file for each batch.

    Args:
      shards: Shards that the Beam job will write, each a TFRecord file with a list of its pairs.
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
    """Reads the records of all pairs in a batch whose shards have been written.

    Args:
      batch: Path of the batch file.

    Returns:
      One line of JSON for each pair, in UTF-8 (see `Record.as_row`).
    """
    return read_bytes(_rows_file(batch)).splitlines(keepends=True)


class WriteShards(beam.PTransform):
    """Writes the shards of each batch, using all CPU cores of the Beam worker.

    Beam counters in the namespace `unetfx` count usable pairs, unusable pairs, and files that
    belong to no pair.
    """

    def __init__(self, data: DataConfig, files_without_pair: int) -> None:
        """Initialises the transform.

        Args:
          data: The `data` section of the config.
          files_without_pair: Number of files that belong to no pair. The transform cannot count
            these files itself, because no batch contains them.
        """
        super().__init__()
        self._data = data
        self._files_without_pair = files_without_pair

    def expand(self, batches: beam.PCollection[str]) -> beam.PCollection[str]:
        """Returns the path of each batch file once all shards of the batch have been written."""
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
