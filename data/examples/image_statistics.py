"""Statistics of an image that show whether images have changed: size, brightness, colour, blur.

`serving.model.input_statistics` computes the same statistics in the graph of a served model.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from data.examples.features import COLOURS, HEIGHT, MEANS, SHARPNESS, STD, WIDTH

MOST_PIXELS = 2**16
"""Maximum number of pixels of which means and standard deviation are computed. Of a larger image,
every second, third, … row and column is used, which limits the cost."""
SHARPNESS_WINDOW = 512
"""Greatest height and width, in pixels, of the middle of an image in which the sharpness is
measured. The window limits the cost for large images."""
COLOUR_DIGITS = 3
"""Decimals of the shares of light. Rounding gives all grey images exactly the same shares, so that
TFDV does not compare rounding errors."""


class ImageStatistics(NamedTuple):
    """Statistics of an image.

    Attributes:
      height: Height of the image in pixels.
      width: Width of the image in pixels.
      means: Mean values of the red, green and blue channels, in 0..255. Of an image of more than
        `MOST_PIXELS` pixels, these and `std` are of pixels at equal distances.
      std: Standard deviation over all pixels and channels, for values in 0..255.
      sharpness: Second differences of adjacent pixels, divided by their first differences, in 0..2:
        low in blurred images, high in noisy ones. 0 for an image of one colour.
    """

    height: int
    width: int
    means: tuple[float, float, float]
    std: float
    sharpness: float

    def features(self) -> dict[str, int | float]:
        """Returns the statistics by the names of `features.IMAGE_STATISTICS`, in this order."""
        red, _, blue = self.means
        total = sum(self.means)
        shares = (red / total, blue / total) if total else (1 / 3, 1 / 3)
        rounded = [round(share, COLOUR_DIGITS) for share in shares]
        return {
            HEIGHT: self.height,
            WIDTH: self.width,
            **dict(zip(MEANS, self.means, strict=True)),
            STD: self.std,
            **dict(zip(COLOURS, rounded, strict=True)),
            SHARPNESS: self.sharpness,
        }


def image_statistics(pixels: npt.NDArray[np.uint8]) -> ImageStatistics:
    """Computes the statistics of an RGB image.

    Args:
      pixels: The image, uint8 [height, width, 3].
    """
    height, width = pixels.shape[:2]
    step = math.ceil(math.sqrt(height * width / MOST_PIXELS))
    means, std = _brightness(pixels[::step, ::step])
    return ImageStatistics(height, width, means, std, _sharpness(pixels))


def _brightness(pixels: npt.NDArray[np.uint8]) -> tuple[tuple[float, float, float], float]:
    """Computes the mean of each channel and the overall standard deviation from exact sums."""
    rows = pixels.reshape(len(pixels), -1)
    sums = _column_sums(rows).reshape(-1, 3).sum(axis=0).tolist()
    squares = int(_column_sums(np.square(rows, dtype=np.uint16)).sum())
    red, green, blue = (3 * channel / rows.size for channel in sums)
    variance = squares / rows.size - (sum(sums) / rows.size) ** 2
    return (red, green, blue), math.sqrt(max(variance, 0.0))


def _column_sums(rows: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Sums the values of each column, all of which are below 2^16.

    32 bits are enough for the sums of 2^16 rows, and the sums of 64 bits take longer.
    """
    blocks = (rows[first : first + 2**16] for first in range(0, len(rows), 2**16))
    sums = np.array([block.sum(axis=0, dtype=np.uint32) for block in blocks])
    return sums.sum(axis=0, dtype=np.int64)


def _sharpness(pixels: npt.NDArray[np.uint8]) -> float:
    top, left = (max(size - SHARPNESS_WINDOW, 0) // 2 for size in pixels.shape[:2])
    window = pixels[top : top + SHARPNESS_WINDOW, left : left + SHARPNESS_WINDOW].astype(np.int16)
    grey = window[..., 0] + window[..., 1] + window[..., 2]
    sums = np.zeros(2, np.int64)
    for axis in (0, 1):
        first = np.diff(grey, axis=axis)
        second = np.diff(first, axis=axis)
        sums += [np.abs(differences).sum(dtype=np.int64) for differences in (first, second)]
    return float(sums[1] / sums[0]) if sums[0] else 0.0
