"""Finds the slices on which a model is worse than on the whole test split, beyond noise."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from components.evaluator.intervals import Interval, Intervals
from components.evaluator.results import Scores
from components.metric_names import MEAN_IOU


class ComparedSlice(NamedTuple):
    """A slice that can be compared with the whole split.

    Attributes:
      name: Name of the slice.
      images: Number of images in the slice.
      mean_iou: Mean IoU on the slice, 0..1.
      interval: 95 % confidence interval of the mean IoU.
    """

    name: str
    images: int
    mean_iou: float
    interval: Interval


class SliceComparison(NamedTuple):
    """Comparison of all slices with the whole split.

    Attributes:
      compared: Number of slices that have an interval and true pixels of the same classes.
      weak: Those whose mean IoU is lower beyond noise, the lowest first.
    """

    compared: int
    weak: list[ComparedSlice]


def compare_slices(
    mean_iou: float | None,
    true_pixels: Sequence[int],
    slices: Mapping[str, Scores],
    intervals: Intervals,
) -> SliceComparison:
    """Compares the mean IoU on slices with that on the whole split.

    A slice is weak if the upper end of its interval is below the mean IoU on the whole split.

    Args:
      mean_iou: Mean IoU on the whole split, 0..1; None if undefined.
      true_pixels: Number of ground-truth pixels of each class on the whole split, by class id.
      slices: Scores on the slices, by name.
      intervals: Confidence intervals of the scores.
    """
    if mean_iou is None:
        return SliceComparison(0, [])
    comparable = list(_comparable(true_pixels, slices, intervals))
    weak = [part for part in comparable if part.interval[1] < mean_iou]
    return SliceComparison(len(comparable), sorted(weak, key=lambda part: part.mean_iou))


def _comparable(
    true_pixels: Sequence[int], slices: Mapping[str, Scores], intervals: Intervals
) -> Iterator[ComparedSlice]:
    # A class that is in no mask of a slice, or one wrong pixel of it, changes the mean over the
    # classes: such a mean says nothing about the slice.
    expected = [*map(bool, true_pixels)]
    for name, scores in slices.items():
        value = scores.metrics[MEAN_IOU]
        interval = intervals.slices.get(name, {}).get(MEAN_IOU)
        if value is not None and interval and [*map(bool, scores.true_pixels)] == expected:
            yield ComparedSlice(name, scores.images, value, interval)
