"""Reads JPEG, BMP, GIF and WebP files with Pillow."""

import io
import itertools
import re
import struct
from collections.abc import Iterator

import numpy as np
from PIL import ExifTags, Image

from data.rasters.raster import Palette, Raster, RasterFile, Samples, full_palette, with_channels

JPEG_START = b"\xff\xd8\xff"
START_OF_SCAN = b"\xff\xda"
"""Marker at the start of a scan. It cannot occur within the coded pixels of a JPEG file."""

# This module checks `data.max_pixels`. Pillow's own limit may be lower, so it is switched off.
Image.MAX_IMAGE_PIXELS = None


_OLD_BMP = (12).to_bytes(4, "little")  # size of a header that has no compression
_RUN_LENGTHS = [kind.to_bytes(4, "little") for kind in (1, 2)]  # BMP's numbers for RLE8 and RLE4
_LOSSY_WEBP = b"VP8 "  # name of the chunk whose compression changes pixels
# Start of a segment of a JPEG file: neither a coded byte, nor a restart marker, nor a fill byte
_SEGMENT = re.compile(rb"\xff[\x02-\xcf\xd8-\xfe]", re.S)
# Second bytes of markers: the start of a progressive frame, the end of the image, and all segments
# that TensorFlow reads or skips
_PROGRESSIVE, _END = (0xC2, 0xCA), 0xD9
_READ = frozenset([*range(0xC0, 0xC3), 0xC4, *range(0xC9, 0xCB), 0xCC, *range(0xDA, 0xDE)]) | {
    *range(0xE0, 0xF0),
    0xFE,
}
MAX_SCANS = 100
"""Maximum number of scans in a JPEG file. Each scan of a progressive file may cover all pixels, and
takes as long to decode as a whole image. Encoders write about ten."""


def count_scans(content: bytes) -> int:
    """Returns the number of scans in a JPEG file, including those of embedded previews."""
    # `bytes.count` takes more than twice as long.
    return sum(1 for _ in re.finditer(START_OF_SCAN, content))


def read_jpeg(file: RasterFile) -> Raster:
    """Reads the first picture of a JPEG file; some phones write several pictures into one file.

    Raises:
      PairError: The image has too many pixels, or the file has too many scans.
    """
    if count_scans(file.content) > MAX_SCANS:
        raise file.error(
            "unreadable",
            f"a JPEG file of more than {MAX_SCANS} scans, which would take very long to decode. "
            "Save the image again.",
        )
    image = open_image(file)
    plain = image.mode in ("L", "RGB")
    samples = with_channels(np.asarray(image if plain else image.convert("RGB")))
    orientation = exif_orientation(image)
    kept = plain and _tensorflow_reads(file.content)
    return Raster("JPEG", samples, None, orientation, lossy=True, tensorflow_reads=kept)


def _tensorflow_reads(content: bytes) -> bool:
    """Returns whether TensorFlow reads a JPEG file, and to the same pixels as Pillow.

    TensorFlow refuses lossless JPEG, and what Pillow does not read: other segments and a missing
    end after the last row. If bits of coefficients are missing in a progressive file, the decoder
    smooths the image, and versions of the decoder do so in different ways.
    """
    lowest_bits: dict[int, list[int]] = {}  # of 64 coefficients, by component; 0 if complete
    offset = 2
    while found := _SEGMENT.search(content, offset):
        kind, start = found[0][1], found.end() + 2
        if kind == _END:
            return not any(itertools.chain(*lowest_bits.values()))
        if kind not in _READ:
            return False
        offset = found.end() + int.from_bytes(content[found.end() : start], "big")
        body = content[start:offset]
        if kind in _PROGRESSIVE:
            lowest_bits = {component: [1] * 64 for component in body[6::3]}
        elif kind == START_OF_SCAN[1] and lowest_bits:
            first, last, bits = body[-3:]
            for component in body[1:-3:2]:
                lowest_bits[component][first : last + 1] = [bits & 15] * (last + 1 - first)
    return False


def read_bmp(file: RasterFile) -> Raster:
    """Reads a BMP file.

    Raises:
      PairError: The image has too many pixels, or is compressed.
    """
    # Pillow decompresses BMP files in Python, which takes seconds for a file of some hundred kB.
    if file.content[30:34] in _RUN_LENGTHS and file.content[14:18] != _OLD_BMP:
        raise file.unsupported("a BMP file with run-length compression, expected one without")
    samples, palette = _pixels(open_image(file))
    return Raster("BMP", samples, palette, 1, lossy=False, tensorflow_reads=False)


def read_gif(file: RasterFile) -> Raster:
    """Reads a GIF file, which must contain a single frame."""
    samples, palette = _pixels(open_image(file))
    return Raster("GIF", samples, palette, 1, lossy=False, tensorflow_reads=False)


def read_webp(file: RasterFile) -> Raster:
    """Reads a WebP file, which must contain a single frame."""
    image = open_image(file)
    samples, _ = _pixels(image)
    lossy = _LOSSY_WEBP in set(_webp_chunks(file.content))
    return Raster("WebP", samples, None, exif_orientation(image), lossy, tensorflow_reads=False)


def _webp_chunks(content: bytes) -> Iterator[bytes]:
    offset = 12
    while offset + 8 <= len(content):
        kind, size = struct.unpack_from("<4sI", content, offset)
        yield kind
        offset += 8 + size + size % 2


def open_image(file: RasterFile) -> Image.Image:
    """Opens a PNG, JPEG, BMP, GIF or WebP file without decoding its pixels.

    Raises:
      PairError: The image has too many pixels, or the file has several frames.
    """
    image = Image.open(io.BytesIO(file.content), formats=("PNG", "JPEG", "BMP", "GIF", "WEBP"))
    file.refuse_too_large(image.height, image.width)
    # Counting the frames of a GIF file would read all of them.
    if getattr(image, "is_animated", False) and image.format != "MPO":
        raise file.not_one("several", "frames")
    return image


def exif_orientation(image: Image.Image) -> int:
    """Returns the EXIF orientation, 1..8; 1 (no rotation) if the tag is missing or invalid."""
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    return orientation if orientation in range(1, 9) else 1


def _pixels(image: Image.Image) -> tuple[Samples, Palette | None]:
    if image.mode == "P":
        indices = with_channels(np.asarray(image))
        return indices, full_palette(bytes(image.getpalette("RGB") or []))
    if image.mode == "1":
        image = image.convert("L")
    return with_channels(np.asarray(image)), None
