"""Chooses the images to label next: the model is unsure of them, and they are all different."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

_ROWS = 1000  # distances are computed for so many images at a time, to limit the memory

Features = npt.NDArray[np.float32]
"""Features of images, float32 [images, D], each row of length 1."""


class NextImage(NamedTuple):
    """An image to label.

    Attributes:
      number: Position of the image among the candidates.
      distance: Distance to the nearest image that is labelled or was chosen before, in units of
        the usual distance (see `usual_distance`).
    """

    number: int
    distance: float


def choose_next(
    uncertainty: npt.NDArray[np.float64], candidates: Features, labelled: Features, most: int
) -> list[NextImage]:
    """Chooses images one after the other, each with the greatest uncertainty times distance.

    The distance is that to the nearest image that is labelled or was chosen before, so that near
    copies of an image are not chosen together. Without the uncertainty, this is the greedy
    k-center algorithm (Sener and Savarese 2018, https://arxiv.org/abs/1708.00489).

    Args:
      uncertainty: Uncertainty of the model about each candidate, [candidates], at least 0.
      candidates: Features of the unlabelled images.
      labelled: Features of the labelled images, at least one.
      most: Maximum number of images to choose.

    Returns:
      The chosen images in the order of the choice. Of images with the same product, the first one
      is chosen first.
    """
    unit = usual_distance(labelled)
    distance = _nearest(candidates, labelled) / unit
    left = np.ones(len(candidates), bool)
    chosen = []
    for _ in range(min(most, len(candidates))):
        number = int(np.where(left, uncertainty * distance, -1).argmax())
        chosen.append(NextImage(number, float(distance[number])))
        left[number] = False
        to_chosen = _nearest(candidates, candidates[number : number + 1]) / unit
        distance = np.minimum(distance, to_chosen)
    return chosen


def usual_distance(labelled: Features) -> float:
    """Returns the median distance of a labelled image to its nearest neighbour among the others.

    Args:
      labelled: Features of the labelled images, at least one.

    Returns:
      The distance; 1 if there is only one image, or if the median is 0, as with copies.
    """
    return float(np.median(_nearest(labelled, labelled, others=True))) or 1.0


def _nearest(images: Features, targets: Features, *, others: bool = False) -> Features:
    """Returns the distance of each image to the nearest target, float32 [images].

    With `others`, images and targets are the same, and no image is its own target.
    """
    result = np.zeros(len(images), np.float32)
    if others and len(targets) == 1:
        return result
    for first in range(0, len(images), _ROWS):
        cosines = images[first : first + _ROWS] @ targets.T
        if others:
            rows = np.arange(len(cosines))
            cosines[rows, first + rows] = -1
        # Rounding can make the cosine of two copies greater than 1.
        result[first : first + _ROWS] = np.sqrt(np.maximum(2 - 2 * cosines.max(1), 0))
    return result
