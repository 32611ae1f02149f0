"""Statistics of a pair: image size, brightness, and each class's share of the pixels."""

from __future__ import annotations

import hashlib
import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xxhash

from data.config import IGNORE
from data.rasters.images import LoadedImage
from data.rasters.masks import LoadedMask


class PairStatistics(NamedTuple):
    """Statistics of a usable image–mask pair.

    Attributes:
      sha256: SHA-256 of the stored image's bytes, as a hexadecimal string.
      content: Size of the image and hash of its pixels, which are the same for lossless copies of
        the image in other file formats.
      height: Height of the image in pixels, with the EXIF orientation applied.
      width: Width of the image in pixels, with the EXIF orientation applied.
      means: Mean values of the red, green and blue channels, in 0..255.
      std: Standard deviation over all pixels and channels, for values in 0..255.
      fractions: Share of each class among the labelled pixels, indexed by class id.
      labelled: Share of the image's pixels that are labelled, that is, not ignored.
      inverted: Whether the grey levels of the mask file were inverted, because 0 is white in it.
      max_sample: Greatest sample value of a 16-bit image, alpha excluded; None for an 8-bit image.
    """

    sha256: str
    content: str
    height: int
    width: int
    means: tuple[float, float, float]
    std: float
    fractions: tuple[float, ...]
    labelled: float
    inverted: bool
    max_sample: int | None

    @property
    def class_pixels(self) -> tuple[float, ...]:
        """Number of labelled pixels of each class, indexed by class id."""
        labelled = self.height * self.width * self.labelled
        return tuple(labelled * fraction for fraction in self.fractions)


def pair_statistics(image: LoadedImage, mask: LoadedMask, num_classes: int) -> PairStatistics:
    """Computes the image size, the brightness and the class shares of a pair.

    Args:
      image: The loaded image.
      mask: The loaded mask, which has the same size as the image.
      num_classes: Number of classes.

    Returns:
      The statistics, in which `fractions` has one entry per class.
    """
    means, std = _brightness(image.pixels)
    labelled = int(mask.pixels[:IGNORE].sum())
    height, width = image.pixels.shape[:2]
    content = xxhash.xxh3_128(np.ascontiguousarray(image.pixels).data)
    return PairStatistics(
        sha256=hashlib.sha256(image.encoded).hexdigest(),
        content=f"{height}x{width}:{content.hexdigest()}",
        height=height,
        width=width,
        means=means,
        std=std,
        fractions=tuple((mask.pixels[:num_classes] / max(labelled, 1)).tolist()),
        labelled=labelled / mask.class_ids.size,
        inverted=mask.inverted,
        max_sample=image.max_sample,
    )


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
