"""Executor of PairsExampleGen: one Beam job from files to TFRecords."""

import hashlib
import json
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import apache_beam as beam
import tensorflow as tf
from apache_beam.io.filesystems import FileSystems
from tfx import types
from tfx.components.util import examples_utils
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.types import artifact_utils, standard_component_specs

from components.example_gen.settings import Settings
from data.checks import check, refuse_errors
from data.config import SPLITS
from data.examples import make_example
from data.pairs import Found, Pair
from data.reading import Record, read_pairs

PAIRS_FILE = "pairs.jsonl"
"""In the examples artifact: one JSON object a line, for each pair, good or bad."""
FINDINGS_FILE = "findings.json"
"""In the examples artifact: what the checks have to say."""
_PAIRS_A_SHARD = 64


class Shard(NamedTuple):
    """One file of examples to be.

    Attributes:
      path: The TFRecord file.
      pairs: The pairs that go into it, in this order.
    """

    path: str
    pairs: list[Pair]


class Executor(BaseBeamExecutor):
    """Reads pairs, and writes tf.Examples, in an order that depends on their keys alone."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Reads every pair and writes the splits.

        Args:
          input_dict: Empty.
          output_dict: Output dict from key to a list of artifacts.
            - examples: The examples, by split.
          exec_properties: A dict of execution properties.
            - custom_config: A packed `Settings`.
            - output_data_format: As in TFX's ExampleGens.

        Raises:
          InputError: The checks found an error. TFX then removes the output.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        settings = Settings.of(exec_properties)
        artifact = artifact_utils.get_single_instance(
            output_dict[standard_component_specs.EXAMPLES_KEY]
        )
        artifact.split_names = artifact_utils.encode_split_names(list(SPLITS))
        examples_utils.set_payload_format(
            artifact, exec_properties[standard_component_specs.OUTPUT_DATA_FORMAT_KEY]
        )
        found = settings.find_pairs()
        rows_file = os.path.join(artifact.uri, "rows.jsonl")
        with self._make_beam_pipeline() as pipeline:
            _ = (
                pipeline
                | "Shards" >> beam.Create(_shards(found.pairs, artifact))
                | "Spread" >> beam.Reshuffle()
                | "Write" >> WriteShards(settings)
                | "Row" >> beam.Map(_as_line, settings.data.classes)
                | "List" >> beam.io.WriteToText(rows_file, shard_name_template="")
            )
        _list_and_check(rows_file, artifact.uri, found, settings)


class WriteShards(beam.PTransform):
    """Reads the pairs of each Shard and writes their examples; returns a Record for each pair.

    Nothing but paths and records travels between workers: no image is ever shuffled, so memory
    does not grow with the data.
    """

    def __init__(self, settings: Settings) -> None:
        """Takes what to read, and how.

        Args:
          settings: The component's.
        """
        super().__init__()
        self._settings = settings

    def expand(self, shards: beam.PCollection[Shard]) -> beam.PCollection[Record]:
        """Writes each shard, if it has a usable pair, as a gzipped TFRecord file."""
        return shards | "WriteShard" >> beam.ParDo(_WriteShard(self._settings))


@beam.typehints.with_input_types(Shard)
@beam.typehints.with_output_types(Record)
class _WriteShard(beam.DoFn):
    def __init__(self, settings: Settings) -> None:
        self._data = settings.data
        self._read = beam.metrics.Metrics.counter("unetfx", "pairs_read")
        self._bad = beam.metrics.Metrics.counter("unetfx", "pairs_bad")

    def process(self, shard: Shard) -> Iterator[Record]:
        path, pairs = shard
        tf.io.gfile.makedirs(os.path.dirname(path))
        # A retried bundle starts anew, and a reader never sees half a file.
        unfinished = f"{path}.unfinished"
        good = 0
        # Images are compressed already: gzip is only the form that TFX expects, and costs time.
        options = tf.io.TFRecordOptions("GZIP", compression_level=0)
        with tf.io.TFRecordWriter(unfinished, options) as writer:
            for read in read_pairs(pairs, self._data):
                if read.record.problem is None:
                    good += 1
                    example = make_example(read, self._data.classes)
                    writer.write(example.SerializeToString(deterministic=True))
                yield read.record
        self._read.inc(good)
        self._bad.inc(len(pairs) - good)
        if good:
            tf.io.gfile.rename(unfinished, path, overwrite=True)
        else:
            tf.io.gfile.remove(unfinished)


def _shards(pairs: list[Pair], artifact: types.Artifact) -> list[Shard]:
    """Deals the pairs of each split out into files, in the order of their keys' hashes."""
    shards = []
    for split in SPLITS:
        folder = artifact_utils.get_split_uri([artifact], split)
        members = sorted(
            (pair for pair in pairs if pair.split == split),
            key=lambda pair: hashlib.sha256(pair.key.encode()).digest(),
        )
        count = -(-len(members) // _PAIRS_A_SHARD)
        shards += [
            Shard(
                os.path.join(folder, f"data_tfrecord-{number:05d}-of-{count:05d}.gz"),
                members[number::count],
            )
            for number in range(count)
        ]
    return shards


def _as_line(record: Record, classes: list[str]) -> str:
    return json.dumps(record.as_row(classes), ensure_ascii=False)


def _list_and_check(rows_file: str, folder: str, found: Found, settings: Settings) -> None:
    """Lists every pair, in the order of the keys, and stops at what the checks call an error."""
    with FileSystems.open(rows_file) as file:
        lines = file.read().splitlines(keepends=True)
    tf.io.gfile.remove(rows_file)
    rows = sorted(((json.loads(line), line) for line in lines), key=lambda row: row[0]["key"])
    with tf.io.gfile.GFile(os.path.join(folder, PAIRS_FILE), "wb") as file:
        file.write(b"".join(line for _, line in rows))
    records = [Record.of_row(row) for row, _ in rows]
    findings = check(records, found, settings.data)
    with tf.io.gfile.GFile(os.path.join(folder, FINDINGS_FILE), "w") as file:
        file.write(json.dumps([finding._asdict() for finding in findings], indent=1))
    refuse_errors(findings)
