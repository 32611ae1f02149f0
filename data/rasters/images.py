"""Reads image files, and converts those that TensorFlow would not decode to the same pixels."""

import functools
from typing import NamedTuple

import imagecodecs
import numpy as np
import numpy.typing as npt

from data.config import DataConfig
from data.rasters.formats import read_raster
from data.rasters.raster import RasterFile


class LoadedImage(NamedTuple):
    """An image in the form in which it is stored.

    Attributes:
      encoded: Bytes of a PNG, JPEG or BMP file.
      pixels: uint8 [height, width, 3], RGB in 0..255, upright.
      max_sample: Greatest sample of a file with 16 bits, alpha excluded; None for other files.
      sides_swapped: Whether undoing the EXIF orientation swapped width and height.
    """

    encoded: bytes
    pixels: npt.NDArray[np.uint8]
    max_sample: int | None
    sides_swapped: bool


def load_image(content: bytes, name: str, data: DataConfig) -> LoadedImage:
    """Loads an image of any supported format.

    Args:
      content: Bytes of the file.
      name: Name of the file, for messages.
      data: Config of the data, with `max_pixels` and `intensity_range`.

    Returns:
      The image, with the file's own bytes if TensorFlow decodes them to the same pixels (for JPEG,
      up to rounding), else with a lossless PNG.

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
    """Returns the 8-bit value of each 16-bit sample.

    Args:
      intensity_range: The samples that become 0 and 255; samples outside are clipped, and halves
        are rounded up. None for the upper 8 of the 16 bits, as in the decoders of TensorFlow and
        Pillow.

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
      flat: Whether to compress runs of equal pixels, which masks have, instead of runs of equal
        differences between neighbours.

    Returns:
      Bytes of the PNG. Compressing only runs takes a fifth to a tenth of the time of zlib's level
      6, with at most a tenth more bytes for photographs, and fewer for masks.
    """
    png = imagecodecs.PNG
    return bytes(
        imagecodecs.png_encode(
            # The encoder of imagecodecs ignores the strides of NumPy views.
            np.array(pixels, np.uint8, order="C"),
            level=1,
            strategy=png.STRATEGY.RLE,
            filter=png.FILTER.NO if flat else png.FILTER.PAETH,
        )
    )
