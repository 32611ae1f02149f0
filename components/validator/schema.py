"""Infers a schema from the data, for the user to edit and keep under version control."""

from collections.abc import Sequence

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from data.examples import features

DRIFT = 0.3
"""Maximum Jensen-Shannon divergence of the newest span from the older spans, 0..1, in bits."""
_BRIGHTEST = 255.0
# Minimum margin between an inferred limit and the observed values, as a share of the full scale.
_MIN_MARGIN = 0.1


def infer_schema(
    statistics: Sequence[statistics_pb2.DatasetFeatureStatisticsList],
) -> schema_pb2.Schema:
    """Infers a schema that allows wider ranges of values than those observed.

    Args:
      statistics: Statistics of each split.

    Returns:
      The schema that TFDV infers, with a range and a drift comparator added to each numeric feature
      except the span. The range for height and width extends from half the smallest to twice the
      largest observed value. The range for other features is the observed range, extended on both
      sides by half its width (at least a tenth of the full scale) and clipped to the possible
      values.
    """
    schema = tfdv.infer_schema(statistics[0])
    for split in statistics[1:]:
        schema = tfdv.update_schema(schema, split)
    for feature in schema.feature:
        seen = [
            observed.num_stats
            for split in statistics
            for observed in split.datasets[0].features
            if list(observed.path.step) == [feature.name] and observed.HasField("num_stats")
        ]
        if not seen or feature.name == features.SPAN:
            continue
        low, high = min(one.min for one in seen), max(one.max for one in seen)
        if feature.type == schema_pb2.INT:
            feature.int_domain.min, feature.int_domain.max = int(low) // 2, int(high) * 2
        else:
            scale = 1.0 if feature.name.startswith(features.fraction("")) else _BRIGHTEST
            margin = max((high - low) / 2, _MIN_MARGIN * scale)
            feature.float_domain.min = round(max(low - margin, 0.0), 3)
            feature.float_domain.max = round(min(high + margin, scale), 3)
        feature.drift_comparator.jensen_shannon_divergence.threshold = DRIFT
    return schema
