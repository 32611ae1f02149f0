"""Combines all metrics in one TFMA metric, so that TFMA computes them for each slice.

The SavedModel counts the pixels of each image, TFMA sums the counts over the images of a slice, and
the metrics are computed from the sums.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.metrics import metric_types, metric_util

from components.evaluator.metrics import Counts, compute, metric_names
from serving.model.pixel_counts import (
    BOUNDARY,
    CALIBRATION,
    CALIBRATION_BINS,
    CONFUSION,
    RAW_CALIBRATION,
)

IMAGES = "images"
"""Name under which TFMA stores the number of images in a slice."""
_COUNTS = (IMAGES, CONFUSION, CALIBRATION, RAW_CALIBRATION)


class SegmentationMetrics(metric_types.Metric):
    """Computes all metrics for a slice, as well as the pixel counts that reports need.

    The counts are `images`, `confusion_matrix` [C, C], `calibration` [bins, 3] and
    `raw_calibration` [bins, 3]; see `Counts`.
    """

    def __init__(self, classes: Sequence[str], name: str = "segmentation") -> None:
        """Initialises the metrics.

        Args:
          classes: Names of the C classes, by class id.
          name: Name of this TFMA metric. The name does not appear in the results.
        """
        super().__init__(
            metric_util.merge_per_key_computations(_computations), classes=classes, name=name
        )


def _computations(classes: Sequence[str], name: str, model_name: str = "") -> list[Any]:
    # The leading underscore makes TFMA omit the counts from its output.
    counts_key = metric_types.MetricKey(name=f"_{name}", model_name=model_name)
    keys = {
        metric: metric_types.MetricKey(name=metric, model_name=model_name)
        for metric in (*metric_names(classes), *_COUNTS)
    }

    def result(
        metrics: Mapping[metric_types.MetricKey, Counts],
    ) -> dict[metric_types.MetricKey, Any]:
        counts = metrics[counts_key]
        values: dict[str, Any] = compute(counts, classes)
        values |= {name: getattr(counts, name) for name in _COUNTS}
        return {key: values[metric] for metric, key in keys.items()}

    return [
        metric_types.MetricComputation(
            keys=[counts_key], preprocessors=None, combiner=_Sum(counts_key, len(classes))
        ),
        metric_types.DerivedMetricComputation(keys=list(keys.values()), result=result),
    ]


class _Sum(beam.CombineFn):
    def __init__(self, key: metric_types.MetricKey, num_classes: int) -> None:
        self._key = key
        self._num_classes = num_classes

    def create_accumulator(self) -> Counts:
        return Counts(
            0,
            np.zeros((self._num_classes, self._num_classes), np.int64),
            np.zeros((self._num_classes, 2), np.int64),
            np.zeros((CALIBRATION_BINS, 3)),
            np.zeros((CALIBRATION_BINS, 3)),
        )

    def add_input(self, accumulator: Counts, element: tfma.metrics.StandardMetricInputs) -> Counts:
        outputs = element.get_predictions(self._key.model_name)
        calibration = outputs[CALIBRATION]
        # Models of older versions of unetfx have no temperature.
        raw = outputs.get(RAW_CALIBRATION, calibration)
        image = Counts(1, outputs[CONFUSION], outputs[BOUNDARY], calibration, raw)
        return _add(accumulator, image)

    def merge_accumulators(self, accumulators: Iterable[Counts]) -> Counts:
        return functools.reduce(_add, accumulators, self.create_accumulator())

    def extract_output(self, accumulator: Counts) -> dict[metric_types.MetricKey, Counts]:
        return {self._key: accumulator}


def _add(total: Counts, other: Counts) -> Counts:
    """Adds counts to a total in place, which Beam allows for accumulators."""
    for part, addend in zip(total[1:], other[1:], strict=True):
        np.add(part, addend, out=part)
    return total._replace(images=total.images + other.images)


metric_types.register_metric(SegmentationMetrics)
