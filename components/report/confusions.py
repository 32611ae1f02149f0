"""Shows a confusion matrix of many classes: the greatest confusions, and a picture."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from serving.data_url import picture_url

_RIGHT, _WRONG = (0, 114, 178), (200, 50, 40)
_MOST = 20


class Confusion(NamedTuple):
    """Pixels of a class that are predicted as another class.

    Attributes:
      truth, predicted: Ids of the two classes.
      pixels: Number of pixels.
      share: Their share of the pixels of the true class, 0..1.
    """

    truth: int
    predicted: int
    pixels: int
    share: float


def greatest_confusions(confusion_matrix: Sequence[Sequence[int]]) -> list[Confusion]:
    """Returns the twenty confusions with the most pixels, the greatest first.

    Args:
      confusion_matrix: [C][C] pixel counts, with true classes in rows and predicted classes in
        columns.
    """
    counts = np.array(confusion_matrix)
    totals = counts.sum(1)
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:_MOST]
    return [
        Confusion(int(truth), int(predicted), int(pixels), float(pixels / totals[truth]))
        for truth, predicted in zip(*np.unravel_index(order, counts.shape), strict=True)
        if (pixels := counts[truth, predicted])
    ]


def confusion_picture(confusion_matrix: Sequence[Sequence[int]]) -> str:
    """Draws a confusion matrix with one pixel for each pair of classes.

    Args:
      confusion_matrix: [C][C] pixel counts, with true classes in rows and predicted classes in
        columns.

    Returns:
      A `data:` URL. The opacity of a pixel is the root of its share of the true class; the diagonal
      is blue, and the rest is red.
    """
    counts = np.array(confusion_matrix, float)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    colours = np.where(np.eye(len(counts), dtype=bool)[..., None], _RIGHT, _WRONG)
    opacity = (255 * np.sqrt(shares)).round()
    return picture_url(Image.fromarray(np.dstack([colours, opacity]).astype(np.uint8)))
