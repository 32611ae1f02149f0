"""Reads image and mask files of every supported format."""

import logging
from collections.abc import Callable

from data.errors import PairError
from data.rasters.pillow import read_bmp, read_gif, read_jpeg
from data.rasters.png import PNG_START, read_png
from data.rasters.raster import Raster, RasterFile
from data.rasters.tiff import read_tiff

# Faulty files are reported as one-line errors, which the decoder's own log would repeat.
logging.getLogger("imagecodecs").setLevel(logging.CRITICAL)


def read_raster(file: RasterFile) -> Raster:
    """Reads a PNG, JPEG, BMP, GIF or TIFF file.

    Of several pictures in a JPEG file, as phones write them, the first one is read; a TIFF file
    must have one page (see `read_tiff`). Any other file with several frames is refused.

    Args:
      file: The file.

    Returns:
      The file's pixels, upright.

    Raises:
      PairError: `unreadable`, `too_large`, `image_format` or `mask_format`.
    """
    readers = (reader for start, reader in _READERS.items() if file.content.startswith(start))
    reader = next(readers, None)
    if reader is None:
        raise file.error(
            "unreadable",
            "cannot be read as an image (not a PNG, JPEG, BMP, GIF or TIFF file). Convert or "
            "remove the file.",
        )
    try:
        return reader(file).upright()
    except PairError:
        raise
    except Exception as error:  # for a damaged file, a decoder may raise any exception
        raise file.error(
            "unreadable",
            "cannot be read as an image (damaged or truncated). Restore or remove the file.",
        ) from error


_READERS: dict[bytes, Callable[[RasterFile], Raster]] = {
    PNG_START: read_png,
    b"\xff\xd8\xff": read_jpeg,
    b"BM": read_bmp,
    b"GIF8": read_gif,
    b"II*\0": read_tiff,
    b"MM\0*": read_tiff,
    b"II+\0": read_tiff,
    b"MM\0+": read_tiff,
}
"""First bytes of a file to the function that reads it."""
