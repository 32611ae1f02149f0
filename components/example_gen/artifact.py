"""Reads and writes the records of pairs, and reads the tf.Examples, in ExampleGen's output."""

import heapq
import json
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf
from pydantic import BaseModel
from tfx import types

from data.examples.records import Record
from data.examples.split_counts import SplitCounts
from data.files.finding import find_files
from data.files.paths import join
from data.files.reading import read_lines, read_text
from data.files.writing import new_file

_decode = json.JSONDecoder().raw_decode

PAIRS_FILE = "pairs.jsonl"
"""Name of the file in the examples artifact that has one line of JSON for each pair, by key."""
FINDINGS_FILE = "findings.json"
"""Name of the file in the examples artifact that lists the findings of the data checks."""
SUMMARY_FILE = "summary.json"
"""Name of the file in the examples artifact that holds the counts of the pairs (see `Summary`)."""
MOST_PAIRS_IN_A_FILE = 100_000
"""Maximum number of pairs in `PAIRS_FILE`. For a larger data set, the artifact contains a file
`pairs-<split>-….jsonl` for each batch instead."""


class Summary(BaseModel):
    """Counts of the pairs of a data set.

    Attributes:
      splits: Counts of the splits, in the order train, val, test.
      spans: Numbers of the spans that have usable pairs, in ascending order.
    """

    splits: list[SplitCounts]
    spans: list[int]


def merge_records(files: Sequence[str], target: str) -> None:
    """Merges lists of records into a single list that is ordered by the keys of the pairs.

    Args:
      files: Paths of the lists, each of which is ordered by key.
      target: Path of the file to write.
    """
    lists = [((_key(line), line) for line in read_lines(file)) for file in files]
    with new_file(target) as file:
        for _, line in heapq.merge(*lists):
            file.write(line + b"\n")


def read_records(examples: types.Artifact, split: str | None = None) -> Iterator[Record]:
    """Reads the records of the pairs, one at a time.

    Args:
      examples: The examples artifact.
      split: Name of a split, to read only the records of its usable pairs; None to read the records
        of all pairs, usable or not.

    Yields:
      The records. They are ordered by the keys of the pairs if the data set has at most
      `MOST_PAIRS_IN_A_FILE` pairs; otherwise, only the records of each batch are.
    """
    for row in _rows(examples.uri, split):
        if split is None or (row["split"] == split and "problem" not in row):
            yield Record.of_row(row)


def read_summary(examples: types.Artifact) -> Summary:
    """Reads the counts of the pairs from an examples artifact."""
    return Summary.model_validate_json(read_text(join(examples.uri, SUMMARY_FILE)))


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


def first_image(examples: str) -> str:
    """Returns the image path of the first usable pair.

    Args:
      examples: Path of the examples artifact.
    """
    return next(row["image"] for row in _rows(examples, None) if "problem" not in row)


def _rows(examples: str, split: str | None) -> Iterator[dict[str, Any]]:
    # A data set has either `PAIRS_FILE` or the files of its batches. Only the batches of the
    # requested split are read.
    names = [PAIRS_FILE, f"pairs-{split or '*'}-*.jsonl"]
    for path in (path for name in names for path in find_files(join(examples, name))):
        yield from map(json.loads, read_lines(path))


def _key(line: bytes) -> str:
    # The key is the first value in the line. Decoding only the key is faster than decoding the
    # whole line.
    key: str = _decode(line.decode(), len('{"key": '))[0]
    return key
