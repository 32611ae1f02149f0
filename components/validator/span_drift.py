"""Compares the newest span with the older ones."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from data.examples import features
from data.examples.records import Record

_BUCKETS = 10  # of the histograms that TFDV compares


class SpanStatistics(NamedTuple):
    """Statistics of the newest span, and of all older ones together.

    Attributes:
      span: The newest span's number.
      newest: Its statistics.
      older: The older spans' statistics.
    """

    span: int
    newest: statistics_pb2.DatasetFeatureStatisticsList
    older: statistics_pb2.DatasetFeatureStatisticsList


def span_statistics(records: Sequence[Record], classes: Sequence[str]) -> SpanStatistics | None:
    """Computes statistics by span.

    Args:
      records: Of all pairs.
      classes: Class names, by class id.

    Returns:
      The statistics; None if all pairs are of one span.
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


def drift(statistics: SpanStatistics, schema: schema_pb2.Schema) -> anomalies_pb2.Anomalies:
    """Holds the newest span against the schema, and by its drift comparators against the older.

    Two samples of the same kind differ, too, the more the fewer they are: for histograms of k
    buckets and n and m examples their Jensen-Shannon divergence is about (k - 1) / (8 ln 2) ·
    (1 / n + 1 / m) bits (half a chi-square, Lin 1991). Twice that is allowed on top of each
    threshold, so that small spans raise no false alarm.

    Args:
      statistics: By span.
      schema: What the examples should look like.

    Returns:
      The anomalies of the newest span.
    """
    numbers = [part.datasets[0].num_examples for part in (statistics.newest, statistics.older)]
    chance = (_BUCKETS - 1) / (8 * math.log(2)) * sum(1 / number for number in numbers)
    allowing = schema_pb2.Schema()
    allowing.CopyFrom(schema)
    for feature in allowing.feature:
        comparator = feature.drift_comparator.jensen_shannon_divergence
        if comparator.HasField("threshold"):
            comparator.threshold = min(comparator.threshold + 2 * chance, 1.0)
    kept = [feature for feature in allowing.feature if feature.name != features.SPAN]
    del allowing.feature[:]
    allowing.feature.extend(kept)
    return tfdv.validate_statistics(
        statistics.newest, allowing, previous_statistics=statistics.older
    )


def _statistics(table: pd.DataFrame) -> statistics_pb2.DatasetFeatureStatisticsList:
    # An index with gaps would become a feature.
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
