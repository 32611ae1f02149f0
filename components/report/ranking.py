"""Chooses images for the report's gallery by what they cost the metrics and by wrong pixels."""

import bisect
from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from components.evaluator.evaluated_images import EvaluatedImage
from components.evaluator.lowest_classes import lowest_classes
from components.evaluator.metrics import Areas, class_areas, iou

COSTLIEST = "Cost the mean IoU most"
"""Title of the images that cost the mean IoU most, which come first."""
_PER_TITLE = 6  # maximum number of images under a title
# Maximum number of images under the titles of single classes together, and of these titles.
_OF_CLASSES = 60
_MOST_TITLES = 20


class RankedImage(NamedTuple):
    """An evaluated image, with its share in the errors on the test split.

    Attributes:
      image: The image.
      costs: float64 [C], by how much the IoU of each class would rise without the image; NaN for a
        class that is in no mask and no prediction of the split. If only this image has the class,
        the IoU without it counts as 1.
      wrong: Number of incorrectly predicted pixels.
      pixels: Number of labelled pixels.
    """

    image: EvaluatedImage
    costs: npt.NDArray[np.float64]
    wrong: int
    pixels: int

    @property
    def cost(self) -> float:
        """By how much the mean IoU would rise without the image."""
        return float(np.nanmean(self.costs))

    @property
    def share(self) -> float:
        """Share of the labelled pixels that are wrong, 0..1."""
        return self.wrong / self.pixels


def choose(
    read: Callable[[], Iterable[EvaluatedImage]], classes: Sequence[str]
) -> list[tuple[str, list[RankedImage]]]:
    """Chooses the images with the most influence on the metrics, and typical and good ones.

    Images without labelled pixels are left out.

    Args:
      read: Function that reads all evaluated images. The function is called twice, because the
        counts of all images may not fit into memory. The first pass keeps the sum of the confusion
        matrices and one number for each image, and the second pass keeps only the chosen images.
      classes: Names of the C classes, by class id.

    Returns:
      Titles with at most six images each; of more than twenty classes, those with the lowest IoU
      have titles. An image that fits several titles appears only under the first of these.
    """
    total = np.zeros((len(classes), len(classes)), np.int64)
    shares = array("d")
    for image in read():
        confusion = image.candidate.confusion_matrix
        total += confusion
        if pixels := int(confusion.sum()):
            shares.append(_wrong(confusion) / pixels)
    middle = float(np.median(shares)) if shares else 0.0
    titles = min(len(classes), _MOST_TITLES)
    per_class = min(_PER_TITLE // 2, _OF_CLASSES // titles)
    costliest, most_wrong = _Highest(COSTLIEST), _Highest("Most wrong pixels")
    whole = class_areas(total)
    ious = [None if np.isnan(value) else float(value) for value in iou(whole)]
    of_classes = {
        class_id: _Highest(f"Cost the IoU of {classes[class_id]} most", per_class)
        for class_id in lowest_classes(ious, _MOST_TITLES)
    }
    median = _Highest("Median share of wrong pixels")
    best = _Highest("Smallest share of wrong pixels")
    for image in read():
        if ranked := _rank(image, whole):
            for highest, value in ((costliest, ranked.cost), (most_wrong, ranked.wrong)):
                if value > 0:
                    highest.add(value, ranked)
            for class_id, highest in of_classes.items():
                if ranked.costs[class_id] > 0:
                    highest.add(ranked.costs[class_id], ranked)
            median.add(-abs(ranked.share - middle), ranked)
            best.add(-ranked.share, ranked)
    seen: set[str] = set()
    chosen = []
    for highest in (costliest, most_wrong, *of_classes.values(), median, best):
        unseen = [ranked for ranked in highest.images if ranked.image.key not in seen]
        seen |= {ranked.image.key for ranked in unseen}
        if unseen:
            chosen.append((highest.title, unseen))
    return chosen


class _Highest:
    """The images with the highest values; of equal ones, those whose keys come first."""

    def __init__(self, title: str, size: int = _PER_TITLE) -> None:
        self.title, self._size = title, size
        self._entries: list[tuple[tuple[float, str], RankedImage]] = []

    def add(self, value: float, ranked: RankedImage) -> None:
        entry = ((-value, ranked.image.key), ranked)
        bisect.insort(self._entries, entry, key=lambda entry: entry[0])
        del self._entries[self._size :]

    @property
    def images(self) -> list[RankedImage]:
        return [ranked for _, ranked in self._entries]


def _rank(image: EvaluatedImage, whole: Areas) -> RankedImage | None:
    confusion = image.candidate.confusion_matrix
    pixels = int(confusion.sum())
    if not pixels:
        return None
    areas = zip(whole, class_areas(confusion), strict=True)
    having, without = iou(whole), iou(Areas(*(total - own for total, own in areas)))
    costs = np.where(np.isnan(without), 1, without) - having
    return RankedImage(image, costs, _wrong(confusion), pixels)


def _wrong(confusion: npt.NDArray[np.int64]) -> int:
    return int(confusion.sum() - np.trace(confusion))
