"""Executor of PairsExampleGen: one Beam job from files to TFRecords."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import tensorflow as tf
from apache_beam.io.filesystems import FileSystems
from tfx import types
from tfx.components.example_gen.base_example_gen_executor import BaseExampleGenExecutor
from tfx.components.util import examples_utils
from tfx.types import artifact_utils, standard_component_specs

from components.example_gen.settings import Settings
from data import examples
from data.config import IGNORE, DataConfig
from data.errors import InputError
from data.images import load_image
from data.masks import load_mask, mask_values_line
from data.pairs import Pair, find_pairs

PAIRS_FILE = "pairs.jsonl"
"""In the examples artifact: one JSON object a line, for each pair."""
_PAIRS_A_SHARD = 256  # a shard is sorted in memory, so it must stay small
_MOST_MESSAGES = 5


class Outcome(NamedTuple):
    """What became of one pair.

    Attributes:
      key: The pair's key.
      group: Its group.
      class_ids: The class ids in its mask, 255 (ignore) among them if it occurs.
      problem: Why the pair cannot be used; empty where it can.
    """

    key: str
    group: str
    class_ids: list[int]
    problem: str


class Executor(BaseExampleGenExecutor):
    """Reads pairs, and writes tf.Examples, in an order that depends on their keys alone."""

    def GetInputSourceToExamplePTransform(self) -> type[beam.PTransform]:
        """Returns the transform from nothing to tf.Examples."""
        return PairsToExamples

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
            - input_config, output_config, output_data_format: As in TFX's ExampleGens.

        Raises:
          InputError: A pair cannot be used, a split would be empty, or the masks look like 0/255
            ones. TFX then removes the output.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        settings = Settings.of(exec_properties)
        artifact = artifact_utils.get_single_instance(
            output_dict[standard_component_specs.EXAMPLES_KEY]
        )
        artifact.split_names = artifact_utils.encode_split_names(
            list(settings.data.splits.model_dump())
        )
        examples_utils.set_payload_format(
            artifact, exec_properties[standard_component_specs.OUTPUT_DATA_FORMAT_KEY]
        )
        pairs_file = os.path.join(artifact.uri, PAIRS_FILE)
        pairs = find_pairs(settings.data, settings.sample_folder)
        exec_properties |= {"pairs": pairs, "pairs_file": pairs_file}
        shards = -(-len(pairs) // _PAIRS_A_SHARD)
        with self._make_beam_pipeline() as pipeline:
            for split, split_examples in self.GenerateExamplesByBeam(
                pipeline, exec_properties
            ).items():
                folder = artifact_utils.get_split_uri([artifact], split)
                _ = split_examples | f"Write[{split}]" >> _WriteShards(folder, shards)
        with FileSystems.open(pairs_file) as lines:
            outcomes = [Outcome(**json.loads(line)) for line in lines]
        _refuse_bad_pairs(outcomes, settings.data)
        _refuse_empty_splits(artifact)


class PairsToExamples(beam.PTransform):
    """Makes a tf.Example of every pair, and lists what became of each pair in a file."""

    def __init__(self, exec_properties: dict[str, Any], split_pattern: str) -> None:
        """Takes what BaseExampleGenExecutor passes.

        Args:
          exec_properties: As for the executor, and:
            - pairs: The list of Pairs.
            - pairs_file: The file to list them in.
          split_pattern: Not used: pairs are not found by a glob.
        """
        super().__init__()
        self._settings = Settings.of(exec_properties)
        self._pairs: list[Pair] = exec_properties["pairs"]
        self._pairs_file: str = exec_properties["pairs_file"]

    def expand(self, pipeline: beam.Pipeline) -> beam.PCollection[tf.train.Example]:
        """Reads the pairs; a bad one becomes no example, but an Outcome that says why."""
        read = (
            pipeline
            | "Pairs" >> beam.Create(self._pairs)
            | "Spread" >> beam.Reshuffle()
            | "Read"
            >> beam.ParDo(_ReadPair(self._settings)).with_outputs("outcomes", main="examples")
        )
        _ = (
            read.outcomes
            | "Line" >> beam.Map(lambda outcome: json.dumps(outcome._asdict()))
            | "List" >> beam.io.WriteToText(self._pairs_file, shard_name_template="")
        )
        return read.examples


@beam.typehints.with_input_types(Pair)
@beam.typehints.with_output_types(tf.train.Example)
class _ReadPair(beam.DoFn):
    def __init__(self, settings: Settings) -> None:
        self._data = settings.data
        self._source = settings.source
        self._read = beam.metrics.Metrics.counter("unetfx", "pairs_read")
        self._failed = beam.metrics.Metrics.counter("unetfx", "pairs_failed")

    def process(self, pair: Pair) -> Iterator[tf.train.Example | beam.pvalue.TaggedOutput]:
        try:
            image = load_image(_content(pair.image), pair.image)
            class_ids = load_mask(_content(pair.mask), pair.mask, self._data)
            if class_ids.shape != image.pixels.shape[:2]:
                height, width = image.pixels.shape[:2]
                raise InputError(
                    f"{pair.mask}: {class_ids.shape[1]}×{class_ids.shape[0]} pixels, but its image "
                    f"{pair.image} has {width}×{height}. Export the mask at the image's size."
                )
        except InputError as error:
            self._failed.inc()
            yield beam.pvalue.TaggedOutput(
                "outcomes", Outcome(pair.key, pair.group, [], str(error))
            )
            return
        self._read.inc()
        present = np.unique(class_ids).tolist()
        yield beam.pvalue.TaggedOutput("outcomes", Outcome(pair.key, pair.group, present, ""))
        yield examples.make_example(
            pair, image, class_ids, source=self._source, classes=self._data.classes
        )


class _WriteShards(beam.PTransform):
    """Writes gzipped TFRecords whose order follows from the examples' keys, whatever the runner.

    TFX's own writer shuffles at random, and the order of training examples would differ from run to
    run.
    """

    def __init__(self, folder: str, shards: int) -> None:
        super().__init__()
        self._folder = folder
        self._shards = shards

    def expand(self, split_examples: beam.PCollection[tf.train.Example]) -> beam.PCollection[str]:
        return (
            split_examples
            | "Shard" >> beam.Map(_to_shard, self._shards)
            | "Gather" >> beam.GroupByKey()
            | "Write" >> beam.ParDo(_WriteShard(), self._folder, self._shards)
        )


def _to_shard(example: tf.train.Example, shards: int) -> tuple[int, tuple[bytes, bytes]]:
    order = hashlib.sha256(example.features.feature[examples.KEY].bytes_list.value[0]).digest()
    return int.from_bytes(order, "big") % shards, (
        order,
        example.SerializeToString(deterministic=True),
    )


class _WriteShard(beam.DoFn):
    def process(
        self, shard: tuple[int, Iterable[tuple[bytes, bytes]]], folder: str, shards: int
    ) -> Iterator[str]:
        number, records = shard
        tf.io.gfile.makedirs(folder)
        path = os.path.join(folder, f"data_tfrecord-{number:05d}-of-{shards:05d}.gz")
        # A retried bundle starts anew, and a reader never sees half a file.
        unfinished = f"{path}.unfinished"
        with tf.io.TFRecordWriter(unfinished, "GZIP") as writer:
            for _, record in sorted(records):
                writer.write(record)
        tf.io.gfile.rename(unfinished, path, overwrite=True)
        yield path


def _content(path: str) -> bytes:
    with FileSystems.open(path, compression_type="uncompressed") as file:
        return bytes(file.read())


def _refuse_bad_pairs(outcomes: list[Outcome], data: DataConfig) -> None:
    files: dict[str, list[str]] = {}
    for problem in sorted(outcome.problem for outcome in outcomes if outcome.problem):
        file, _, reason = problem.partition(": ")
        files.setdefault(reason, []).append(file)
    if files:
        lines = [
            f"{first}{f' and {len(others)} more' if others else ''}: {reason}"
            for reason, (first, *others) in files.items()
        ]
        if len(lines) > _MOST_MESSAGES:
            lines[_MOST_MESSAGES:] = [f"… and {len(lines) - _MOST_MESSAGES} more problems."]
        raise InputError("\n".join(lines))
    seen = Counter(class_id for outcome in outcomes for class_id in outcome.class_ids)
    if set(seen) == {0, IGNORE} and data.ignore_value == IGNORE and not data.mask_values:
        raise InputError(
            f"The masks hold only 0 and 255, and 255 is data.ignore_value, so only "
            f"{data.classes[0]} would be learnt. If 255 is a class, write, under data: "
            f"{mask_values_line(data.classes)}"
        )


def _refuse_empty_splits(artifact: types.Artifact) -> None:
    for split in artifact_utils.decode_split_names(artifact.split_names):
        if not tf.io.gfile.glob(
            os.path.join(artifact_utils.get_split_uri([artifact], split), "*.gz")
        ):
            raise InputError(
                f"data.splits: no pair falls into the split {split!r}. Splits are dealt out by a "
                "hash of the group: bring more pairs or smaller groups, or give that split a "
                "larger share."
            )
