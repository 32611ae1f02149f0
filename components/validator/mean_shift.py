"""Finds numbers of images whose mean has moved away from that of the training data.

TFDV compares histograms, whose divergence is small as long as they overlap. If images differ much
from each other, a change of all of them in the same direction moves the mean long before.
"""

import math
from typing import NamedTuple

from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from components.validator.anomaly_text import number_statistics
from components.validator.schema import DRIFT
from data.examples import features

# Class shares are left out: a model may find too much of a class in all images, without any drift.
_NAMES = (*features.MEANS, features.STD, *features.COLOURS, features.SHARPNESS)
_ALLOWED = 0.35  # shift that is no drift, in standard deviations, with the inferred threshold
_STANDARD_ERRORS = 2  # added to it, for chance


class MeanShift(NamedTuple):
    """A number whose mean differs from that of the training data by more than is allowed.

    Attributes:
      mean, before: Mean of the requests and of the training data.
      shift: Absolute difference, in standard deviations of the training data.
      allowed: Greatest shift that is allowed, in the same unit.
    """

    mean: float
    before: float
    shift: float
    allowed: float


def mean_shifts(
    requests: statistics_pb2.DatasetFeatureStatisticsList,
    training: statistics_pb2.DatasetFeatureStatisticsList,
    schema: schema_pb2.Schema,
) -> dict[str, MeanShift]:
    """Finds the numbers of images whose mean has moved, by feature name.

    A shift of 0.35 standard deviations is allowed, and twice its standard error. The 0.35 are in
    proportion to the threshold of the feature's drift comparator, of which the inferred one is
    `DRIFT`.

    Args:
      requests: Statistics of the requests.
      training: Statistics of the training data.
      schema: The schema. Features without a drift comparator are left out.
    """
    found = {}
    for feature in schema.feature:
        comparator = feature.drift_comparator.jensen_shannon_divergence
        seen, before = (number_statistics(some, feature.name) for some in (requests, training))
        if feature.name not in _NAMES or not comparator.HasField("threshold"):
            continue
        if not seen or not before or not before.std_dev:
            continue
        counts = [some.common_stats.num_non_missing for some in (seen, before)]
        if not all(counts):
            continue
        variance = seen.std_dev**2 / counts[0] + before.std_dev**2 / counts[1]
        allowed = _ALLOWED * comparator.threshold / DRIFT
        allowed += _STANDARD_ERRORS * math.sqrt(variance) / before.std_dev
        shift = abs(seen.mean - before.mean) / before.std_dev
        if shift > allowed:
            found[feature.name] = MeanShift(seen.mean, before.mean, shift, allowed)
    return found
