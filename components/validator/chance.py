"""Raises the drift thresholds of a schema by the differences that chance alone makes."""

import math
from collections.abc import Iterable

from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

_BUCKETS = 10  # number of buckets in each histogram that TFDV compares


def allow_for_chance(
    features: Iterable[schema_pb2.Feature],
    *compared: statistics_pb2.DatasetFeatureStatisticsList,
) -> None:
    """Adds an allowance for chance to each drift threshold.

    Even two samples from the same distribution differ, and small samples differ more. By the
    chi-square approximation, the expected Jensen-Shannon divergence (Lin 1991) between the
    histograms of two such samples is about (k - 1) / (8 ln 2) · (1 / n + 1 / m) bits, where k is
    the number of buckets, and n and m are the sample sizes. Twice this value is added to each
    threshold, so that small samples rarely raise false alarms.

    Args:
      features: Features of a schema, which are changed.
      compared: Statistics of the two samples.
    """
    sizes = [statistics.datasets[0].num_examples for statistics in compared]
    by_chance = (_BUCKETS - 1) / (8 * math.log(2)) * sum(1 / size for size in sizes)
    for feature in features:
        comparator = feature.drift_comparator.jensen_shannon_divergence
        if comparator.HasField("threshold"):
            comparator.threshold = min(comparator.threshold + 2 * by_chance, 1.0)
