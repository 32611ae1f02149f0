"""Reads image and mask files of every supported format."""

import logging
from collections.abc import Callable

from data.errors import PairError
from data.rasters.pillow import read_bmp, read_gif, read_jpeg
from data.rasters.png import PNG_START, read_png
from data.rasters.raster import Raster, RasterFile
from data.rasters.tiff import read_tiff

# The errors of this module report faulty files; the log of imagecodecs would repeat the reports.
logging.getLogger("imagecodecs").setLevel(logging.CRITICAL)


def read_raster(file: RasterFile) -> Raster:
    """Reads a PNG, JPEG, BMP, GIF or TIFF file.

    A JPEG file may have several pictures, as phones write them; only the first is read. A TIFF file
    must have one page. A file of another format with several frames is rejected.

    Args:
      file: The file to read, with a name and a pixel limit.

    Returns:
      The file's pixels, rotated by the EXIF orientation.

    Raises:
      PairError: The file cannot be used. The kind of the fault is `unreadable`, `too_large`,
        `image_format` or `mask_format`.
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
"""Functions that each read one format, by the first bytes of a file."""
