"""Reads image files into what TensorFlow decodes to the same upright pixels."""

import functools
from typing import NamedTuple

import imagecodecs
import numpy as np
import numpy.typing as npt

from data.config import DataConfig
from data.rasters.formats import read_raster
from data.rasters.raster import RasterFile


class LoadedImage(NamedTuple):
    """An image as it is stored.

    Attributes:
      encoded: PNG, JPEG or BMP bytes.
      pixels: uint8 [height, width, 3], RGB in 0..255, upright.
      max_sample: Greatest sample in the file, alpha apart, if it has 16 bits; else None.
      turned: EXIF orientation swapped width and height.
    """

    encoded: bytes
    pixels: npt.NDArray[np.uint8]
    max_sample: int | None
    turned: bool


def load_image(content: bytes, name: str, data: DataConfig) -> LoadedImage:
    """Loads an image of any supported format.

    Args:
      content: The file's bytes.
      name: The file's name, for messages.
      data: Says how large an image may be, and which 16-bit samples become 0..255.

    Returns:
      The file's own bytes where TensorFlow decodes them to these pixels (of JPEG, nearly: it rounds
      differently), else a lossless PNG of them.

    Raises:
      PairError: `unreadable`, `too_large` or `image_format`.
    """
    raster = read_raster(RasterFile(content, name, "image", data.max_pixels))
    colours = raster.colours
    max_sample = None
    kept = raster.tensorflow_reads and raster.orientation == 1
    if colours.dtype == np.uint16:
        max_sample = int(colours.max())
        colours = intensity_levels(data.intensity_range)[colours]
        kept = kept and data.intensity_range is None
    height, width, channels = colours.shape
    if not kept:
        content = encode_png(colours[..., 0] if channels == 1 else colours)
    pixels: npt.NDArray[np.uint8] = np.broadcast_to(colours, (height, width, 3))
    return LoadedImage(content, pixels, max_sample, raster.orientation >= 5)


@functools.cache
def intensity_levels(intensity_range: tuple[int, int] | None) -> npt.NDArray[np.uint8]:
    """Returns what becomes of each 16-bit sample.

    Args:
      intensity_range: The samples that become 0 and 255; what lies outside is clipped, halves are
        rounded up. None for the upper 8 of the 16 bits, as in TensorFlow's and Pillow's decoders.

    Returns:
      uint8 [65536].
    """
    samples = np.arange(65536)
    if intensity_range is None:
        return (samples >> 8).astype(np.uint8)
    low, high = intensity_range
    span = high - low
    return ((510 * (samples.clip(low, high) - low) + span) // (2 * span)).astype(np.uint8)


def encode_png(pixels: npt.ArrayLike, *, flat: bool = False) -> bytes:
    """Encodes pixels as PNG.

    Args:
      pixels: uint8 [height, width], or [height, width, 3] in RGB.
      flat: Look for runs of equal pixels, as masks have them, instead of runs of equal differences
        to the neighbours.

    Returns:
      The PNG's bytes. Runs are all that is looked for: a fifth to a tenth of the time of zlib's
      usual level 6 for at most a tenth more bytes on photographs, and for fewer on masks.
    """
    png = imagecodecs.PNG
    return bytes(
        imagecodecs.png_encode(
            np.array(pixels, np.uint8, order="C"),  # the strides of a view confuse it
            level=1,
            strategy=png.STRATEGY.RLE,
            filter=png.FILTER.NO if flat else png.FILTER.PAETH,
        )
    )
