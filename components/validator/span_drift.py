"""Compares the newest span of data with all older spans."""

import hashlib
import heapq
import math
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import NamedTuple

import pandas as pd
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from data.examples import features
from data.examples.records import Record

_MOST_COMPARED = 10_000  # maximum number of pairs on each side
_BUCKETS = 10  # number of buckets in the histograms that TFDV compares


class SpanStatistics(NamedTuple):
    """Statistics of the newest span, and of all older spans together.

    Attributes:
      span: Number of the newest span.
      newest: Statistics of the newest span.
      older: Statistics of all older spans together.
    """

    span: int
    newest: statistics_pb2.DatasetFeatureStatisticsList
    older: statistics_pb2.DatasetFeatureStatisticsList


def span_statistics(
    records: Iterable[Record], classes: Sequence[str], spans: Sequence[int]
) -> SpanStatistics | None:
    """Computes the statistics of the newest span and of all older spans together.

    Args:
      records: Records of all pairs.
      classes: Class names, by class id.
      spans: Numbers of the spans of the usable pairs.

    Returns:
      The statistics of all pairs, or of a random sample of 10,000 pairs on each side, which differs
      from all pairs by less than any threshold; None if there is only one span.
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
    """Checks the newest span against the schema, and by drift comparators against older spans.

    Two samples of the same distribution differ too, and small samples differ more: the
    Jensen-Shannon divergence of their histograms, with k buckets and n and m examples, is about
    (k - 1) / (8 ln 2) · (1 / n + 1 / m) bits (half a chi-square, Lin 1991). Twice this value is
    added to each drift threshold, so that small spans raise no false alarm.

    Args:
      statistics: Statistics of the newest and of the older spans.
      schema: The schema of the examples; its drift comparators hold the thresholds.

    Returns:
      The anomalies of the newest span.
    """
    sizes = [part.datasets[0].num_examples for part in (statistics.newest, statistics.older)]
    by_chance = (_BUCKETS - 1) / (8 * math.log(2)) * sum(1 / size for size in sizes)
    tolerant = schema_pb2.Schema()
    tolerant.CopyFrom(schema)
    del tolerant.feature[:]
    tolerant.feature.extend(f for f in schema.feature if f.name != features.SPAN)
    for feature in tolerant.feature:
        comparator = feature.drift_comparator.jensen_shannon_divergence
        if comparator.HasField("threshold"):
            comparator.threshold = min(comparator.threshold + 2 * by_chance, 1.0)
    return tfdv.validate_statistics(
        statistics.newest, tolerant, previous_statistics=statistics.older
    )


_Sample = list[tuple[bytes, str, dict[str, object]]]
"""Hash of the key, the key, and a row of the table for TFDV, for each pair."""


def _smallest(sample: _Sample) -> _Sample:
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
        features.HEIGHT: statistics.height,
        features.WIDTH: statistics.width,
        features.STD: statistics.std,
        **dict(zip(features.MEANS, statistics.means, strict=True)),
        **{
            features.fraction(name): share
            for name, share in zip(classes, statistics.fractions, strict=True)
        },
    }
