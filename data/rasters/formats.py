"""Decodes image and mask files in any supported format."""

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


DAMAGED = "cannot be read as an image (damaged or truncated). Restore or remove the file."
"""Reason of the error for a file that no decoder reads."""


def decode(file: RasterFile) -> Raster:
    """Decodes a PNG, JPEG, BMP, GIF, TIFF or WebP file in this process.

    If a JPEG file contains several pictures, as some phones write them, only the first is read. A
    TIFF file must have exactly one page. Files in other formats are rejected if they have more than
    one frame.

    Args:
      file: The content of the file, its name and the pixel limit.

    Returns:
      The pixels as stored; the EXIF orientation is read, but not applied.

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
        return reader(file)
    except PairError:
        raise
    except MemoryError as error:
        raise file.error(
            "unreadable",
            f"takes too much memory to decode. Save the {file.purpose} again as PNG.",
        ) from error
    except Exception as error:  # decoders may raise any exception for a damaged file
        raise file.error("unreadable", DAMAGED) from error


def decodes_in_known_time(content: bytes) -> bool:
    """Returns whether the size of a file and its pixels limit the processor time to decode it.

    They do for PNG, JPEG and BMP files, unless these are very large: a file then takes at most 1 µs
    per byte and 0.1 µs per pixel. They do not for TIFF files, whose tags are a program of their own
    for one of dozens of decoders, nor for GIF files, since Pillow copies a long comment for each of
    its blocks.

    Args:
      content: Bytes of the file.
    """
    start = next((start for start in _READERS if content.startswith(start)), None)
    return start is None or len(content) <= _KNOWN_TIME.get(start, 0)


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

# Maximum number of bytes in a file that decodes in known time. Pillow copies the Exif segments of a
# JPEG file for each further segment, which takes 6 s for 8 MiB of them.
_KNOWN_TIME = {PNG_START: 2**24, JPEG_START: 2**23, b"BM": 2**24}

CONVERTED = tuple(start for start in _READERS if start not in (PNG_START, JPEG_START))
"""First bytes of the files that are converted to PNG before a model reads them."""
