"""Writes and reads the records of pairs, and reads tf.Examples, in ExampleGen's output artifact."""

import heapq
import json
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf
from pydantic import BaseModel
from tfx import types

from data.examples.records import Record
from data.examples.split_counts import SplitCounts
from data.files import find_files, join, new_file, read_lines, read_text

_decode = json.JSONDecoder().raw_decode

PAIRS_FILE = "pairs.jsonl"
"""File in the examples artifact: one line of JSON for each pair, usable or not, by key."""
FINDINGS_FILE = "findings.json"
"""File in the examples artifact: the findings of the checks, as JSON."""
SUMMARY_FILE = "summary.json"
"""File in the examples artifact: counts of the pairs, a `Summary` as JSON."""
MOST_PAIRS_IN_A_FILE = 100_000
"""With more pairs, there is no pairs.jsonl, but a file `pairs-<split>-….jsonl` for each batch."""


class Summary(BaseModel):
    """Counts of the pairs of a data set.

    Attributes:
      splits: Counts of train, val and test.
      spans: Numbers of the spans, in order.
    """

    splits: list[SplitCounts]
    spans: list[int]


def merge_records(files: Sequence[str], target: str) -> None:
    """Merges lists of records into pairs.jsonl.

    Args:
      files: Paths of the lists, each ordered by key.
      target: Path of pairs.jsonl.
    """
    lists = [((_key(line), line) for line in read_lines(file)) for file in files]
    with new_file(target) as file:
        for _, line in heapq.merge(*lists):
            file.write(line + b"\n")


def read_records(examples: types.Artifact, split: str | None = None) -> Iterator[Record]:
    """Reads the records of the pairs, one at a time.

    Args:
      examples: The examples artifact.
      split: Split whose usable pairs are returned; None for all pairs, usable or not.

    Yields:
      The records. Up to `MOST_PAIRS_IN_A_FILE` they are in the order of the pairs' keys.
    """
    for row in _rows(examples.uri, split):
        if split is None or (row["split"] == split and "problem" not in row):
            yield Record.of_row(row)


def read_summary(examples: types.Artifact) -> Summary:
    """Reads the counts of the pairs."""
    return Summary.model_validate_json(read_text(join(examples.uri, SUMMARY_FILE)))


def read_examples(examples: str, split: str) -> Iterator[tf.train.Example]:
    """Reads the examples of a split, one at a time.

    Args:
      examples: Path of the examples artifact.
      split: Name of the split: `train`, `val` or `test`.

    Yields:
      The examples in the order of the hashes of their keys: the first ones are a random sample.
    """
    files = find_files(join(examples, f"Split-{split}/*.gz"))
    for record in tf.data.TFRecordDataset(files, compression_type="GZIP").as_numpy_iterator():
        yield tf.train.Example.FromString(record)


def first_image(examples: str) -> str:
    """Returns the path of the first image that can be used.

    Args:
      examples: Path of the examples artifact.
    """
    return next(row["image"] for row in _rows(examples, None) if "problem" not in row)


def _rows(examples: str, split: str | None) -> Iterator[dict[str, Any]]:
    # A file of a split is read only for this split.
    names = [PAIRS_FILE, f"pairs-{split or '*'}-*.jsonl"]
    for path in (path for name in names for path in find_files(join(examples, name))):
        yield from map(json.loads, read_lines(path))


def _key(line: bytes) -> str:
    # The key is the first value. Decoding only the key is faster than decoding the whole row.
    key: str = _decode(line.decode(), len('{"key": '))[0]
    return key
