"""Compares the data of the newest span with the data of all older spans."""

import hashlib
import heapq
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import NamedTuple

import pandas as pd
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from components.validator.chance import allow_for_chance
from data.examples import features
from data.examples.records import Record

_MOST_COMPARED = 10_000  # maximum number of pairs from the newest span, and from older spans


class SpanStatistics(NamedTuple):
    """Statistics of the newest span, and combined statistics of all older spans.

    Attributes:
      span: Number of the newest span.
      newest: Statistics of the newest span.
      older: Combined statistics of all older spans.
    """

    span: int
    newest: statistics_pb2.DatasetFeatureStatisticsList
    older: statistics_pb2.DatasetFeatureStatisticsList


def span_statistics(
    records: Iterable[Record], classes: Sequence[str], spans: Sequence[int]
) -> SpanStatistics | None:
    """Computes statistics of the newest span, and combined statistics of all older spans.

    Args:
      records: Records of all pairs; unusable pairs are ignored.
      classes: Class names, by class id.
      spans: Numbers of the spans of the usable pairs.

    Returns:
      The statistics; None if all usable pairs belong to the same span. If the newest span, or the
      older spans together, have more than 10,000 usable pairs, a random sample of 10,000 pairs is
      used. The sampling error is far smaller than a sensible drift threshold.
    """
    if len(spans) < 2:
        return None
    newest = max(spans)
    sides: dict[bool, _Sample] = {True: [], False: []}
    for record in records:
        if record.statistics:
            is_new, key = record.pair.span == newest, record.pair.key
            sample = sides[is_new]
            sample.append((hashlib.sha256(key.encode()).digest(), key, _row(record, classes)))
            if len(sample) > 2 * _MOST_COMPARED:
                sides[is_new] = _smallest(sample)
    return SpanStatistics(newest, _statistics(sides[True]), _statistics(sides[False]))


def drift_anomalies(
    statistics: SpanStatistics, schema: schema_pb2.Schema
) -> anomalies_pb2.Anomalies:
    """Checks the newest span against the schema, and for drift against the older spans.

    Each threshold is raised by an allowance for chance (see `allow_for_chance`).

    Args:
      statistics: Statistics of the newest span and of the older spans.
      schema: The schema of the examples, whose drift comparators define the thresholds.

    Returns:
      The anomalies of the newest span.
    """
    tolerant = schema_pb2.Schema()
    tolerant.CopyFrom(schema)
    del tolerant.feature[:]
    tolerant.feature.extend(f for f in schema.feature if f.name != features.SPAN)
    allow_for_chance(tolerant.feature, statistics.newest, statistics.older)
    return tfdv.validate_statistics(
        statistics.newest, tolerant, previous_statistics=statistics.older
    )


_Sample = list[tuple[bytes, str, dict[str, object]]]
"""For each pair: the hash of its key, the key, and the pair's row in the table for TFDV."""


def _smallest(sample: _Sample) -> _Sample:
    """Returns the pairs with the smallest hashes, which are a random sample of all pairs."""
    return heapq.nsmallest(_MOST_COMPARED, sample, key=itemgetter(0))


def _statistics(sample: _Sample) -> statistics_pb2.DatasetFeatureStatisticsList:
    rows = sorted(_smallest(sample), key=itemgetter(1))
    return tfdv.generate_statistics_from_dataframe(pd.DataFrame([row for _, _, row in rows]))


def _row(record: Record, classes: Sequence[str]) -> dict[str, object]:
    statistics = record.statistics
    if statistics is None:
        raise ValueError(f"{record.pair.key} cannot be used")
    return {
        features.SOURCE: record.pair.source,
        **statistics.image.features(),
        **{
            features.fraction(name): share
            for name, share in zip(classes, statistics.fractions, strict=True)
        },
    }
