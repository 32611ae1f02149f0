"""Reads the records of pairs and the tf.Examples from ExampleGen's output artifact."""

import json
from collections.abc import Iterator

import tensorflow as tf
from tfx import types

from data.examples.records import Record
from data.files import find_files, join, read_lines

PAIRS_FILE = "pairs.jsonl"
"""Name of the file in the examples artifact that has one line of JSON for each pair."""
FINDINGS_FILE = "findings.json"
"""Name of the file in the examples artifact that lists the findings of the data checks."""


def read_records(examples: types.Artifact, split: str | None = None) -> list[Record]:
    """Reads the records of the pairs from pairs.jsonl.

    Args:
      examples: The examples artifact.
      split: Name of a split, to read only the records of its usable pairs; None to read the records
        of all pairs, usable or not.

    Returns:
      The records, ordered by the keys of the pairs.
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
      split: Name of the split: `train`, `val` or `test`.

    Yields:
      The examples, in a pseudo-random order that depends only on their keys. The first examples
      are therefore a random sample of the split.
    """
    files = find_files(join(examples, f"Split-{split}/*.gz"))
    for record in tf.data.TFRecordDataset(files, compression_type="GZIP").as_numpy_iterator():
        yield tf.train.Example.FromString(record)
