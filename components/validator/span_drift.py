"""Compares the data of the newest span with the data of all older spans."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from data.examples import features
from data.examples.records import Record

_BUCKETS = 10  # number of buckets in each histogram that TFDV compares


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


def span_statistics(records: Sequence[Record], classes: Sequence[str]) -> SpanStatistics | None:
    """Computes statistics of the newest span, and combined statistics of all older spans.

    Args:
      records: Records of all pairs; unusable pairs are ignored.
      classes: Class names, by class id.

    Returns:
      The statistics; None if all usable pairs belong to the same span.
    """
    spans = {record.pair.span for record in records if record.statistics}
    if len(spans) < 2:
        return None
    newest = max(spans)
    table = pd.DataFrame([_row(record, classes) for record in records if record.statistics])
    is_new = table.pop(features.SPAN) == newest
    return SpanStatistics(
        newest,
        _statistics(table[is_new]),
        _statistics(table[~is_new]),
    )


def drift_anomalies(
    statistics: SpanStatistics, schema: schema_pb2.Schema
) -> anomalies_pb2.Anomalies:
    """Checks the newest span against the schema, and for drift against the older spans.

    Even two samples from the same distribution differ, and small samples differ more. By the
    chi-square approximation, the expected Jensen-Shannon divergence (Lin 1991) between the
    histograms of two such samples is about (k - 1) / (8 ln 2) · (1 / n + 1 / m) bits, where k is
    the number of buckets, and n and m are the sample sizes. Twice this value is added to each drift
    threshold, so that small spans rarely raise false alarms.

    Args:
      statistics: Statistics of the newest span and of the older spans.
      schema: The schema of the examples, whose drift comparators define the thresholds.

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


def _statistics(table: pd.DataFrame) -> statistics_pb2.DatasetFeatureStatisticsList:
    # The index is reset because TFDV would treat an index with gaps as a feature.
    return tfdv.generate_statistics_from_dataframe(table.reset_index(drop=True))


def _row(record: Record, classes: Sequence[str]) -> dict[str, object]:
    statistics = record.statistics
    if statistics is None:
        raise ValueError(f"{record.pair.key} cannot be used")
    return {
        features.SPAN: record.pair.span,
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
