"""Finds what a report's reader should look at next: a class, a slice, images and masks."""

import heapq
from collections.abc import Sequence
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from components.evaluator.weak_slices import ComparedSlice, compare_slices
from components.metric_names import IOU, MEAN_IOU, of_class
from components.report.contents import Card, Contents, WrongMaskCard
from components.report.metrics import RunMetrics

_MOST_IMAGES = _MOST_MASKS = 5


class CostliestClass(NamedTuple):
    """The class that lowers the mean IoU most.

    Attributes:
      name: Name of the class.
      iou: IoU of the class, 0..1.
      interval: 95 % confidence interval of the IoU; None if there are too few groups.
      cost: By how much the mean IoU would rise if the class had an IoU of 1.
      confused: Name of the class with which it is confused most.
      share: Share of the class's wrong pixels, missed or predicted, that are of this confusion.
    """

    name: str
    iou: float
    interval: tuple[float, float] | None
    cost: float
    confused: str
    share: float


class NextSteps(NamedTuple):
    """What to look at next.

    Attributes:
      costliest_class: The class that lowers the mean IoU most; None if every class is perfect.
      worst_slice: The slice that is worse than the whole split beyond noise; None if none is.
      compared_slices: Number of slices that have an interval and true pixels of the same classes.
      images: Cards of the images that cost the mean IoU most, at most five.
      masks: The most suspicious masks, at most five.
    """

    costliest_class: CostliestClass | None
    worst_slice: ComparedSlice | None
    compared_slices: int
    images: Sequence[Card]
    masks: Sequence[WrongMaskCard]


def find_next_steps(
    metrics: RunMetrics, contents: Contents, masks: Sequence[WrongMaskCard]
) -> NextSteps:
    """Finds what to look at next.

    Args:
      metrics: Metrics on the test split.
      contents: Other content of the report, with the images of the gallery.
      masks: The masks that may be wrong and that no person has judged, the most suspicious first.
    """
    true_pixels = [sum(row) for row in metrics.confusion_matrix]
    slices = compare_slices(
        metrics.metrics[MEAN_IOU], true_pixels, metrics.slices, metrics.intervals
    )
    # Reports of older versions have no costs.
    costs = [
        (card.cost, card)
        for group in contents.gallery
        for card in group.cards
        if card.cost is not None and card.cost > 0
    ]
    return NextSteps(
        _costliest_class(metrics, contents.classes),
        next(iter(slices.weak), None),
        slices.compared,
        [card for _, card in heapq.nlargest(_MOST_IMAGES, costs, key=itemgetter(0))],
        masks[:_MOST_MASKS],
    )


def _costliest_class(metrics: RunMetrics, classes: Sequence[str]) -> CostliestClass | None:
    ious = {
        name: value
        for name in classes
        if (value := metrics.metrics[of_class(IOU, name)]) is not None
    }
    name = min(ious, key=ious.__getitem__, default=None)
    if name is None:
        return None
    confusion = np.array(metrics.confusion_matrix)
    np.fill_diagonal(confusion, 0)
    class_id = list(classes).index(name)
    wrong = confusion[class_id] + confusion[:, class_id]
    if not wrong.any():
        return None
    return CostliestClass(
        name=name,
        iou=ious[name],
        interval=metrics.intervals.metrics.get(of_class(IOU, name)),
        cost=(1 - ious[name]) / len(ious),
        confused=classes[int(wrong.argmax())],
        share=float(wrong.max() / wrong.sum()),
    )
