"""Finds the classes and slices on which a model is worst."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

from components.evaluator.gate_text import count_text, measured_text
from components.evaluator.weak_slices import ComparedSlice
from components.metric_names import IOU, MEAN_IOU, of_class
from serving.card.card import Measured

_MOST = 3  # maximum number of classes, and of slices


def weak_spots(
    metrics: Mapping[str, Measured], weak_slices: Iterable[ComparedSlice], classes: Sequence[str]
) -> list[str]:
    """Describes the worst classes, and the slices that are worse than the whole split.

    Args:
      metrics: All metrics on the test split, by metric name.
      weak_slices: Slices that are worse than the whole split beyond noise, the worst first.
      classes: Names of the classes, by class id.

    Returns:
      At most three classes and three slices, one line each, the worst first.
    """
    mean = metrics[MEAN_IOU].value
    if mean is None:
        return []
    return [*_classes(metrics, classes, mean), *_slices(weak_slices, mean)]


def _classes(metrics: Mapping[str, Measured], classes: Sequence[str], mean: float) -> Iterator[str]:
    values = [(metrics[of_class(IOU, name)], name) for name in classes]
    below = [(m.value, m, name) for m, name in values if m.value is not None and m.value < mean]
    for value, metric, name in sorted(below, key=lambda item: (item[0], item[2]))[:_MOST]:
        text = measured_text(value, metric.interval)
        yield f"{name}: IoU {text}; the mean over all classes is {mean:.3f}"


def _slices(weak_slices: Iterable[ComparedSlice], mean: float) -> Iterator[str]:
    for name, images, mean_iou, interval in itertools.islice(weak_slices, _MOST):
        text = measured_text(mean_iou, interval)
        yield f"{name}: mean IoU {text} on {count_text(images, 'image')}; on all images {mean:.3f}"
