"""Loads image files, and re-encodes those that TensorFlow would decode to different pixels."""

import functools
from typing import NamedTuple

import imagecodecs
import numpy as np
import numpy.typing as npt

from data.config import DataConfig
from data.errors import PairError
from data.rasters.decoder import read_raster
from data.rasters.formats import CONVERTED
from data.rasters.raster import RasterFile


class LoadedImage(NamedTuple):
    """A loaded image: the file to store in the tf.Example, and the pixels.

    Attributes:
      encoded: Bytes of the PNG or JPEG file to store.
      pixels: RGB values in 0..255, uint8 [height, width, 3], with the EXIF orientation applied.
      max_sample: Greatest sample value of a 16-bit file, alpha excluded; None for other files.
      sides_swapped: Whether applying the EXIF orientation swaps width and height.
    """

    encoded: bytes
    pixels: npt.NDArray[np.uint8]
    max_sample: int | None
    sides_swapped: bool


def load_image(content: bytes, name: str, data: DataConfig) -> LoadedImage:
    """Loads an image in any supported format.

    Args:
      content: Bytes of the image file.
      name: Name of the file, for error messages.
      data: The `data` section of the config, of which only `max_pixels` and `intensity_range` are
        used.

    Returns:
      The loaded image. The attribute `encoded` is the original file if TensorFlow decodes the file
      to the same pixels, otherwise a lossless PNG.

    Raises:
      PairError: The file cannot be used; the error's `kind` is `unreadable`, `too_large` or
        `image_format`.
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


def as_png_or_jpeg(content: bytes, name: str, max_pixels: int) -> bytes:
    """Converts a BMP, GIF, TIFF or WebP file to PNG, because models read only PNG and JPEG.

    Args:
      content: Bytes of an image file.
      name: Name of the file, for error messages.
      max_pixels: Maximum number of pixels in a file to convert.

    Returns:
      The lossless PNG, with the pixels that viewers show; samples of 16 bits stay as they are.
      Files of any other format are returned unchanged.

    Raises:
      PairError: The file cannot be read, or has too many pixels.
    """
    if not content.startswith(CONVERTED):
        return content
    try:
        raster = read_raster(RasterFile(content, name, "image", max_pixels))
    except PairError as error:
        if error.kind != "too_large":
            raise
        # The error of the ingestion names a config key, which callers may not have.
        reason = f"more than {max_pixels} pixels. Scale the image down, or cut it into tiles."
        raise PairError(error.kind, name, reason) from None
    return encode_png(raster.colours)


@functools.cache
def intensity_levels(intensity_range: tuple[int, int] | None) -> npt.NDArray[np.uint8]:
    """Returns a table that maps 16-bit sample values to 8-bit values.

    Args:
      intensity_range: The two sample values that are mapped to 0 and 255; values outside this range
        are clipped, and halves are rounded up. If None, the upper 8 of the 16 bits are used, as in
        the decoders of TensorFlow and Pillow.

    Returns:
      The table, uint8 [65536], indexed by the 16-bit sample value.
    """
    samples = np.arange(65536)
    if intensity_range is None:
        return (samples >> 8).astype(np.uint8)
    low, high = intensity_range
    span = high - low
    return ((510 * (samples.clip(low, high) - low) + span) // (2 * span)).astype(np.uint8)


def encode_png(pixels: npt.ArrayLike, *, flat: bool = False) -> bytes:
    """Encodes pixels as a PNG file.

    Compression with zlib's run-length strategy takes only a tenth to a fifth of the time of zlib's
    level 6. The resulting file is at most 10 % larger for a photograph, and smaller for a mask.

    Args:
      pixels: Grey levels, [height, width] or [height, width, 1], or RGB values, [height, width, 3],
        of 16 bits if the dtype is uint16, otherwise of 8 bits.
      flat: Whether to compress runs of equal pixels, which suits masks, or runs of equal
        differences between neighbouring pixels, which suits photographs.

    Returns:
      Bytes of the PNG file.
    """
    png = imagecodecs.PNG
    samples = np.asarray(pixels)
    dtype = np.uint16 if samples.dtype == np.uint16 else np.uint8
    return bytes(
        imagecodecs.png_encode(
            # The encoder of imagecodecs ignores the strides of NumPy views, so it gets a contiguous
            # copy.
            np.array(samples, dtype, order="C"),
            level=1,
            strategy=png.STRATEGY.RLE,
            filter=png.FILTER.NO if flat else png.FILTER.PAETH,
        )
    )
