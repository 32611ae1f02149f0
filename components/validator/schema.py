"""Infers the schema that a user then keeps under version control and edits."""

from collections.abc import Sequence

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from data.examples import features

DRIFT = 0.3
"""Jensen-Shannon divergence, in bits, 0..1, that a new span may show against the older ones."""
_BRIGHTEST = 255.0
_LEAST_MARGIN = 0.1  # of the whole scale, beyond what was seen


def infer_schema(
    statistics: Sequence[statistics_pb2.DatasetFeatureStatisticsList],
) -> schema_pb2.Schema:
    """Infers what the examples look like, with room around what was seen.

    Args:
      statistics: Of each split.

    Returns:
      TFDV's schema, and for each number a range (half of what was seen wider on both sides, within
      what is possible; sizes from half to double) and a drift comparator between spans.
    """
    schema = tfdv.infer_schema(statistics[0])
    for more in statistics[1:]:
        schema = tfdv.update_schema(schema, more)
    for feature in schema.feature:
        seen = [
            found.num_stats
            for split in statistics
            for found in split.datasets[0].features
            if list(found.path.step) == [feature.name] and found.HasField("num_stats")
        ]
        if not seen or feature.name == features.SPAN:
            continue
        low, high = min(found.min for found in seen), max(found.max for found in seen)
        if feature.type == schema_pb2.INT:
            feature.int_domain.min, feature.int_domain.max = int(low) // 2, int(high) * 2
        else:
            scale = 1.0 if feature.name.startswith(features.fraction("")) else _BRIGHTEST
            margin = max((high - low) / 2, _LEAST_MARGIN * scale)
            feature.float_domain.min = round(max(low - margin, 0.0), 3)
            feature.float_domain.max = round(min(high + margin, scale), 3)
        feature.drift_comparator.jensen_shannon_divergence.threshold = DRIFT
    return schema
