"""Statistics of a pair: image size, brightness, and each class's share of the pixels."""

from __future__ import annotations

import hashlib
import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import xxhash
from PIL import Image

from data.config import IGNORE
from data.rasters.images import LoadedImage
from data.rasters.masks import LoadedMask

_LEVELS = 256
_POWERS_OF_LEVELS = np.stack([np.arange(_LEVELS) ** power for power in range(3)], axis=1)


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
        max_sample=image.max_sample,
    )


def _brightness(pixels: npt.NDArray[np.uint8]) -> tuple[tuple[float, float, float], float]:
    """Computes the mean of each channel and the overall standard deviation from histograms."""
    histogram = Image.fromarray(pixels).histogram()
    counts = np.fromiter(histogram, np.int64, 3 * _LEVELS).reshape(3, _LEVELS)
    moments = counts @ _POWERS_OF_LEVELS
    red, green, blue = (moments[:, 1] / moments[:, 0]).tolist()
    number, total, squares = moments.sum(axis=0).tolist()
    return (red, green, blue), math.sqrt(max(squares / number - (total / number) ** 2, 0.0))
