"""Scores how well a mask agrees with a model that did not learn it."""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from data.config import IGNORE
from serving.doubts import Doubts

_SQUARE = np.ones((3, 3), bool)  # neighbours of a pixel
Mask = npt.NDArray[np.uint8]


class Region(NamedTuple):
    """A connected region where the model is sure of another class than the one in the mask.

    Attributes:
      given: Most frequent class id of the region in the mask.
      probable: Class id that the model expects in all pixels of the region.
      top: First row of the region, from 0.
      left: First column of the region, from 0.
      bottom: Row below the last row of the region.
      right: Column after the last column of the region.
      pixels: Number of pixels in the region.
      confidence: Mean probability of the probable class in the region, from 0 to 1.
    """

    given: int
    probable: int
    top: int
    left: int
    bottom: int
    right: int
    pixels: int
    confidence: float

    @property
    def score(self) -> float:
        """Size times confidence, in pixels: the number of pixels expected to be wrong."""
        return self.pixels * self.confidence


class LabelScores(NamedTuple):
    """Scores of one mask.

    Attributes:
      quality: Soft minimum over all labelled pixels of the probability of the class in the mask,
        from 0 to 1; a lower value means that the mask is more likely to be wrong.
      suspicion: Mean of 1 - quality and of the root of the worst region's score as a share of the
        labelled pixels, from 0 to 1; a higher value means that the mask is more likely to be wrong.
        The other regions do not count, because many small ones are a sign of an unclear outline.
      regions: Number of regions.
      worst: The region with the highest score; None if there is no region.
    """

    quality: float
    suspicion: float
    regions: int
    worst: Region | None


def score_mask(doubts: Doubts, class_ids: Mask) -> LabelScores:
    """Scores one mask; pixels that the mask ignores have no influence.

    Args:
      doubts: Where a model that did not learn the mask is sure of another class.
      class_ids: The mask, uint8 [height, width]: class ids in 0..C-1, and 255 for ignored pixels.
        At least one pixel has a label.
    """
    regions = find_regions(doubts, class_ids)
    worst = regions[0] if regions else None
    share = worst.score / np.count_nonzero(class_ids != IGNORE) if worst else 0.0
    return LabelScores(
        doubts.quality, (1 - doubts.quality + math.sqrt(share)) / 2, len(regions), worst
    )


def find_regions(doubts: Doubts, class_ids: Mask) -> list[Region]:
    """Finds the regions where the model is sure of another class than the one in the mask.

    A region consists of connected pixels (with diagonals) with the same probable class.

    Args:
      doubts: The pixels where the model is sure of another class.
      class_ids: The mask, uint8 [height, width], with 255 for ignored pixels.

    Returns:
      The regions, by descending score; empty if there are none.
    """
    regions = []
    for class_id in np.unique(doubts.classes[doubts.classes != IGNORE]):
        numbers, _ = ndimage.label(doubts.classes == class_id, _SQUARE)
        for number, window in enumerate(ndimage.find_objects(numbers), 1):
            inside = numbers[window] == number
            rows, columns = window
            region = Region(
                given=int(np.bincount(class_ids[window][inside]).argmax()),
                probable=int(class_id),
                top=rows.start,
                left=columns.start,
                bottom=rows.stop,
                right=columns.stop,
                pixels=int(inside.sum()),
                confidence=float(doubts.confidence[window][inside].mean(dtype=np.float64)),
            )
            regions.append(region)
    return sorted(regions, key=lambda region: -region.score)


def proposed_mask(doubts: Doubts, class_ids: Mask) -> Mask:
    """Returns the mask with the probable class at each pixel where the model is sure of another.

    Args:
      doubts: The pixels where the model is sure of another class.
      class_ids: The mask, uint8 [height, width], with 255 for ignored pixels.

    Returns:
      A mask of the same size; ignored pixels stay ignored.
    """
    return np.where(doubts.classes == IGNORE, class_ids, doubts.classes)
