"""Infers a schema from the data, for the user to edit and keep under version control."""

from collections.abc import Sequence

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from data.examples import features

DRIFT = 0.3
"""Maximum Jensen-Shannon divergence of the newest span from the older spans, 0..1, in bits."""
_BRIGHTEST, _SHARPEST = 255.0, 2.0
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
            scale = _scale(feature.name)
            margin = max((high - low) / 2, _MIN_MARGIN * scale)
            feature.float_domain.min = round(max(low - margin, 0.0), 3)
            feature.float_domain.max = round(min(high + margin, scale), 3)
        feature.drift_comparator.jensen_shannon_divergence.threshold = DRIFT
    return schema


def complete_schema(schema: schema_pb2.Schema) -> None:
    """Adds the image statistics that a schema written by an older version of unetfx lacks.

    They get a drift comparator, but no range, so that they are not reported as unknown columns.

    Args:
      schema: The schema, which is changed.
    """
    known = {feature.name for feature in schema.feature}
    for name in (*features.COLOURS, features.SHARPNESS):
        if name not in known:
            feature = schema.feature.add(name=name, type=schema_pb2.FLOAT)
            feature.drift_comparator.jensen_shannon_divergence.threshold = DRIFT


def _scale(name: str) -> float:
    """Returns the greatest possible value of a feature of floating-point numbers."""
    if name == features.SHARPNESS:
        return _SHARPEST
    is_share = name in features.COLOURS or name.startswith(features.fraction(""))
    return 1.0 if is_share else _BRIGHTEST
