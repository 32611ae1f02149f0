"""Reads the examples artifact: the records of the pairs, and the examples of a split."""

import json
from collections.abc import Iterator

import tensorflow as tf
from tfx import types

from data.examples.records import Record
from data.files import find_files, join, read_lines

PAIRS_FILE = "pairs.jsonl"
"""File in the examples artifact: a JSON object a line for each pair, good or bad."""
FINDINGS_FILE = "findings.json"
"""File in the examples artifact: the findings of the checks, as JSON."""


def read_records(examples: types.Artifact, split: str | None = None) -> list[Record]:
    """Reads the records of the pairs.

    Args:
      examples: The examples artifact.
      split: Split whose good pairs are wanted; None for all pairs, good and bad.

    Returns:
      The records in the order of the keys.
    """
    lines = read_lines(join(examples.uri, PAIRS_FILE))
    records = [Record.of_row(json.loads(line)) for line in lines]
    if split is None:
        return records
    return [record for record in records if record.pair.split == split and record.statistics]


def read_examples(examples: str, split: str) -> Iterator[tf.train.Example]:
    """Reads the examples of a split, one at a time.

    Args:
      examples: Path of the examples artifact.
      split: Name of the split.

    Yields:
      The examples in the order of their keys' hashes, so that the first ones are a random sample.
    """
    files = find_files(join(examples, f"Split-{split}/*.gz"))
    for record in tf.data.TFRecordDataset(files, compression_type="GZIP").as_numpy_iterator():
        yield tf.train.Example.FromString(record)
