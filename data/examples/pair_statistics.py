"""Statistics of a pair: image size, brightness, and each class's share of the pixels."""

from __future__ import annotations

import hashlib
import statistics
from typing import NamedTuple

import numpy as np
import xxhash

from data.config import IGNORE
from data.examples.image_statistics import ImageStatistics, image_statistics
from data.rasters.images import LoadedImage
from data.rasters.masks import LoadedMask

_FLAT_VARIANCE = 0.01  # of an image of one colour, as rounding leaves it


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
      sharpness: Sharpness of the image (see `ImageStatistics`); 0 in records that versions of
        unetfx before this statistic wrote.
      inverted: Whether the grey levels of the mask file were inverted, because 0 is white in it;
        False in records of earlier versions.
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
    sharpness: float = 0.0
    inverted: bool = False

    @property
    def is_flat(self) -> bool:
        """Whether all pixels of the image have the same colour."""
        between_channels = statistics.pvariance(self.means)
        return abs(self.std**2 - between_channels) < _FLAT_VARIANCE

    @property
    def image(self) -> ImageStatistics:
        """The statistics that depend only on the image."""
        return ImageStatistics(self.height, self.width, self.means, self.std, self.sharpness)

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
    described = image_statistics(image.pixels)
    labelled = int(mask.pixels[:IGNORE].sum())
    content = xxhash.xxh3_128(np.ascontiguousarray(image.pixels).data)
    return PairStatistics(
        sha256=hashlib.sha256(image.encoded).hexdigest(),
        content=f"{described.height}x{described.width}:{content.hexdigest()}",
        height=described.height,
        width=described.width,
        means=described.means,
        std=described.std,
        fractions=tuple((mask.pixels[:num_classes] / max(labelled, 1)).tolist()),
        labelled=labelled / mask.class_ids.size,
        inverted=mask.inverted,
        max_sample=image.max_sample,
        sharpness=described.sharpness,
    )
