"""Reads image and mask files in any supported format."""

import logging
from collections.abc import Callable

from data.errors import PairError
from data.rasters.pillow import JPEG_START, read_bmp, read_gif, read_jpeg, read_webp
from data.rasters.png import PNG_START, read_png
from data.rasters.raster import Raster, RasterFile
from data.rasters.tiff import read_tiff

# This module raises errors for faulty files, so log messages from imagecodecs about the same faults
# are suppressed.
logging.getLogger("imagecodecs").setLevel(logging.CRITICAL)


def read_raster(file: RasterFile) -> Raster:
    """Reads a PNG, JPEG, BMP, GIF, TIFF or WebP file.

    If a JPEG file contains several pictures, as some phones write them, only the first is read. A
    TIFF file must have exactly one page. Files in other formats are rejected if they have more than
    one frame.

    Args:
      file: The content of the file, its name and the pixel limit.

    Returns:
      The pixels, with the EXIF orientation applied.

    Raises:
      PairError: The file cannot be used; the error's `kind` is `unreadable`, `too_large`,
        `image_format` or `mask_format`.
    """
    readers = (reader for start, reader in _READERS.items() if file.content.startswith(start))
    reader = next(readers, None)
    if reader is None:
        raise file.error(
            "unreadable",
            "cannot be read as an image (not a PNG, JPEG, BMP, GIF, TIFF or WebP file). Convert or "
            "remove the file.",
        )
    try:
        return reader(file).upright()
    except PairError:
        raise
    except Exception as error:  # decoders may raise any exception for a damaged file
        raise file.error(
            "unreadable",
            "cannot be read as an image (damaged or truncated). Restore or remove the file.",
        ) from error


_READERS: dict[bytes, Callable[[RasterFile], Raster]] = {
    PNG_START: read_png,
    JPEG_START: read_jpeg,
    b"BM": read_bmp,
    b"GIF8": read_gif,
    b"II*\0": read_tiff,
    b"MM\0*": read_tiff,
    b"II+\0": read_tiff,
    b"MM\0+": read_tiff,
    b"RIFF": read_webp,
}
"""Maps the first bytes of a file to the function that reads files in its format."""

CONVERTED = tuple(start for start in _READERS if start not in (PNG_START, JPEG_START))
"""First bytes of the files that are converted to PNG before a model reads them."""
