"""Finds the classes and slices on which a model is worst."""

from collections.abc import Iterator, Mapping, Sequence

from components.evaluator.gate_text import count_text, measured_text
from components.evaluator.slice_names import presence
from components.metric_names import IOU, MEAN_IOU, of_class
from serving.card.card import CardSlice, Measured

_MOST = 3  # maximum number of classes, and of slices


def weak_spots(
    metrics: Mapping[str, Measured], slices: Sequence[CardSlice], classes: Sequence[str]
) -> list[str]:
    """Describes the classes and slices whose IoU is below that of the whole test split.

    Args:
      metrics: All metrics on the test split, by metric name.
      slices: Metrics on slices, the worst first.
      classes: Names of the classes, by class id.

    Returns:
      At most three classes and three slices, one line each, the worst first.
    """
    mean = metrics[MEAN_IOU].value
    if mean is None:
        return []
    return [*_classes(metrics, classes, mean), *_slices(slices, classes, mean)]


def _classes(metrics: Mapping[str, Measured], classes: Sequence[str], mean: float) -> Iterator[str]:
    values = [(metrics[of_class(IOU, name)], name) for name in classes]
    below = [(m.value, m, name) for m, name in values if m.value is not None and m.value < mean]
    for value, metric, name in sorted(below, key=lambda item: (item[0], item[2]))[:_MOST]:
        text = measured_text(value, metric.interval)
        yield f"{name}: IoU {text}; the mean over all classes is {mean:.3f}"


def _slices(slices: Sequence[CardSlice], classes: Sequence[str], mean: float) -> Iterator[str]:
    # On images without a class, a single wrong pixel makes the IoU of the class 0.
    absent = {f"{presence(name)}=absent" for name in classes}
    for part in [part for part in slices if part.name not in absent][:_MOST]:
        metric = part.metrics[MEAN_IOU]
        if metric.value is not None and metric.value < mean:
            images = count_text(part.images, "image")
            text = measured_text(metric.value, metric.interval)
            yield f"{part.name}: mean IoU {text} on {images}; on all images {mean:.3f}"
