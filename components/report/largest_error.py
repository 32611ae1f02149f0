"""Finds the largest connected area of wrong pixels in a prediction."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from data.config import IGNORE

_SHORTEST_SIDE, _LONGEST_SIDE = 64, 256  # of the region, in pixels
_CONTEXT = 1.5  # side of the region, relative to the longer side of the area
_Mask = npt.NDArray[np.uint8]


class LargestError(NamedTuple):
    """The largest connected area of wrong pixels, and a region of the image around it.

    Attributes:
      rows: Rows of the region.
      columns: Columns of the region.
      pixels: Number of wrong pixels in the area.
      truth: Class id in the ground truth, of the most frequent confusion in the area.
      predicted: Predicted class id, of the most frequent confusion in the area.
    """

    rows: slice
    columns: slice
    pixels: int
    truth: int
    predicted: int


def find_largest_error(truth: _Mask, predicted: _Mask) -> LargestError | None:
    """Finds the connected area with the most wrong pixels; None if no pixel is wrong.

    Pixels are connected if they share an edge.

    Args:
      truth: Ground-truth mask, uint8 [height, width]: class ids, and 255 for ignored pixels.
      predicted: Predicted mask of class ids, uint8 [height, width].
    """
    labels, _ = ndimage.label((truth != predicted) & (truth != IGNORE))
    sizes = np.bincount(labels.ravel())
    if len(sizes) == 1:
        return None
    number = int(sizes[1:].argmax()) + 1
    area = labels == number
    pairs = np.bincount(truth[area].astype(np.int64) * 256 + predicted[area])
    true_class, predicted_class = divmod(int(pairs.argmax()), 256)
    rows, columns = _region(area)
    return LargestError(rows, columns, int(sizes[number]), true_class, predicted_class)


def _region(area: npt.NDArray[np.bool_]) -> tuple[slice, slice]:
    ends = [np.flatnonzero(area.any(axis))[[0, -1]] for axis in (1, 0)]
    extent = max(int(last - first) + 1 for first, last in ends)
    side = int(np.clip(round(_CONTEXT * extent), _SHORTEST_SIDE, _LONGEST_SIDE))
    middle = [int(first + last) // 2 for first, last in ends]
    if extent > _LONGEST_SIDE:
        # The middle of a large area may be outside of the area, if the area is bent.
        starts = [np.arange(0, length, side) for length in area.shape]
        counts = np.add.reduceat(np.add.reduceat(area, starts[0], 0, int), starts[1], 1)
        block = np.unravel_index(counts.argmax(), counts.shape)
        middle = [int(start[place]) + side // 2 for start, place in zip(starts, block, strict=True)]
    rows, columns = map(_window, middle, (side, side), area.shape)
    return rows, columns


def _window(middle: int, side: int, length: int) -> slice:
    start = max(min(middle - side // 2, length - side), 0)
    return slice(start, min(start + side, length))
