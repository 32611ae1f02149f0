"""Scores how well a mask agrees with the class probabilities of a model that did not learn it."""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from data.config import IGNORE

TEMPERATURE = 0.1
"""Temperature of the soft minimum, as in cleanlab."""
# A pixel is doubtful if the class in the mask has at most the first probability, and another class
# at least the second one.
_UNLIKELY, _LIKELY = 0.2, 0.6
_SQUARE = np.ones((3, 3), bool)  # neighbours of a pixel, and the smallest region that is kept

Probabilities = npt.NDArray[np.float32]
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
      regions: The regions, by descending score.
    """

    quality: float
    suspicion: float
    regions: list[Region]


def score_mask(probabilities: Probabilities, class_ids: Mask) -> LabelScores:
    """Scores one mask; pixels that the mask ignores have no influence.

    Args:
      probabilities: Class probabilities, float32 [height, width, C], from a model that did not
        learn this mask.
      class_ids: The mask, uint8 [height, width]: class ids in 0..C-1, and 255 for ignored pixels.

    Raises:
      ValueError: The mask has another size than the probabilities, or has no labelled pixel.
    """
    if class_ids.shape != probabilities.shape[:2]:
        raise ValueError(f"{class_ids.shape} differs from {probabilities.shape[:2]}")
    labelled = class_ids != IGNORE
    if not labelled.any():
        raise ValueError("no labelled pixel")
    given = given_probability(probabilities, class_ids)
    regions = find_regions(probabilities, class_ids)
    quality = soft_minimum(given[labelled])
    share = regions[0].score / int(labelled.sum()) if regions else 0.0
    return LabelScores(quality, (1 - quality + math.sqrt(share)) / 2, regions)


def given_probability(probabilities: Probabilities, class_ids: Mask) -> npt.NDArray[np.float32]:
    """Returns the probability of the class in the mask at each pixel.

    Args:
      probabilities: Class probabilities, float32 [height, width, C].
      class_ids: The mask, uint8 [height, width], with 255 for ignored pixels.

    Returns:
      float32 [height, width]; 1 at ignored pixels.
    """
    ids = np.where(class_ids == IGNORE, 0, class_ids)[..., np.newaxis]
    chosen = np.take_along_axis(probabilities, ids.astype(np.intp), axis=-1)[..., 0]
    return np.where(class_ids == IGNORE, np.float32(1), chosen)


def soft_minimum(values: npt.NDArray[np.float32], temperature: float = TEMPERATURE) -> float:
    """Returns a mean of values in which low values weigh more.

    The weight of a value s is proportional to exp((1 - s) / temperature). This is the label quality
    score of an image in cleanlab (Lad and Mueller 2023, https://arxiv.org/abs/2307.05080).

    Args:
      values: Values from 0 to 1, of any shape, at least one.
      temperature: Near 0, the result is the minimum; the greater, the closer to the mean.
    """
    exact = values.astype(np.float64).ravel()
    weights = np.exp((exact.min() - exact) / temperature)
    return float(weights @ exact / weights.sum())


def find_regions(probabilities: Probabilities, class_ids: Mask) -> list[Region]:
    """Finds the regions where the model is sure of another class than the one in the mask.

    A region consists of connected pixels (with diagonals) with the same most probable class, whose
    probability is at least 0.6, while that of the class in the mask is at most 0.2. Parts narrower
    than three pixels are left out, because outlines differ by a pixel in any two drawings.

    Args:
      probabilities: Class probabilities, float32 [height, width, C].
      class_ids: The mask, uint8 [height, width], with 255 for ignored pixels.

    Returns:
      The regions, by descending score; empty if there are none.
    """
    doubts = doubtful_classes(probabilities, class_ids)
    regions = []
    for class_id in np.unique(doubts[doubts != IGNORE]):
        numbers, _ = ndimage.label(doubts == class_id, _SQUARE)
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
                confidence=float(probabilities[window][inside, class_id].mean(dtype=np.float64)),
            )
            regions.append(region)
    return sorted(regions, key=lambda region: -region.score)


def doubtful_classes(probabilities: Probabilities, class_ids: Mask) -> Mask:
    """Returns the probable class at each pixel of the regions of `find_regions`.

    Args:
      probabilities: Class probabilities, float32 [height, width, C].
      class_ids: The mask, uint8 [height, width], with 255 for ignored pixels.

    Returns:
      Class ids, uint8 [height, width]; 255 outside of the regions.
    """
    probable = probabilities.argmax(-1).astype(np.uint8)
    given = given_probability(probabilities, class_ids)
    doubtful = (given <= _UNLIKELY) & (probabilities.max(-1) >= _LIKELY)
    doubts = np.full_like(class_ids, IGNORE)
    for class_id in np.unique(probable[doubtful]):
        doubts[ndimage.binary_opening(doubtful & (probable == class_id), _SQUARE)] = class_id
    return doubts


def proposed_mask(probabilities: Probabilities, class_ids: Mask) -> Mask:
    """Returns the mask with the probable class in each region of `find_regions`.

    Args:
      probabilities: Class probabilities, float32 [height, width, C].
      class_ids: The mask, uint8 [height, width], with 255 for ignored pixels.

    Returns:
      A mask of the same size; ignored pixels stay ignored.
    """
    doubts = doubtful_classes(probabilities, class_ids)
    return np.where(doubts == IGNORE, class_ids, doubts)
