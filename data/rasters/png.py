"""Reads PNG files: imagecodecs decodes the pixels, and this module reads all other chunks.

This module reads the chunks because imagecodecs does not check that all chunks are present and
complete (as TensorFlow's decoder does later), does not report the size of an image before decoding
it, converts the indices of a palette image to colours (although the indices of a mask are class
ids), and ignores the EXIF orientation.

For a 224×224 RGB tile of the Blue Marble sample, 97 % of the time that this module takes is spent
in `imagecodecs.png_decode`. Pillow takes 29 % longer than this module, and drops the lower 8 of the
16 bits in colour images. Decompressing with zlib-ng before `png_decode` would save only 5 % of the
time to ingest a pair, so zlib-ng is not used.
"""

import struct
import zlib
from collections.abc import Iterator

import imagecodecs

from data.rasters.pillow import exif_orientation, open_image
from data.rasters.raster import Raster, RasterFile, full_palette, with_channels

PNG_START = b"\x89PNG\r\n\x1a\n"
_GREY, _PALETTE = 0, 3  # PNG colour types: greyscale, and palette indices
# Text chunks with these keywords may contain an EXIF orientation. To find it, Pillow decodes the
# whole file, so Pillow is called only if a keyword is present.
_TEXT_CHUNKS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_ORIENTATION_TEXTS = (b"Raw profile type exif", b"tiff:Orientation")


def read_png(file: RasterFile) -> Raster:
    """Reads a PNG file, which must contain a single frame.

    Args:
      file: The content of the file, its name and the pixel limit.

    Returns:
      The pixels as stored; the EXIF orientation is read, but not applied.

    Raises:
      PairError: The image has too many pixels, or the file has several frames.
      Exception: The file is damaged.
    """
    orientation, palette, parts = 1, b"", []
    for kind, content in _chunks(file.content):
        if kind == b"IHDR":
            header = content
            width, height, bits, colour_type = struct.unpack_from(">IIBB", content)
            file.refuse_too_large(height, width)
        elif kind == b"IDAT":
            parts.append(content)
        elif kind == b"PLTE":
            palette = content
        elif kind == b"acTL":
            (frames,) = struct.unpack_from(">I", content)
            if frames > 1:
                raise file.not_one(frames, "frames")
        elif kind == b"eXIf" or (
            kind in _TEXT_CHUNKS and any(text in content for text in _ORIENTATION_TEXTS)
        ):
            orientation = exif_orientation(open_image(file))
    # PNG stores palette indices in the same way as grey levels. The header is therefore changed to
    # that of a grey image, so that the decoder returns the indices instead of the colours.
    if colour_type == _PALETTE:
        header = header[:9] + bytes([_GREY]) + header[10:]
    bare = _png_of(header, b"".join(parts))
    samples = with_channels(imagecodecs.png_decode(bare))
    # The decoder scales samples of fewer than 8 bits to 0..255, so palette indices are scaled back.
    if colour_type == _PALETTE and bits < 8:
        samples //= 255 // (2**bits - 1)
    grey = {_GREY: file.content, _PALETTE: bare}.get(colour_type)
    return Raster(
        "PNG",
        samples,
        full_palette(palette) if colour_type == _PALETTE else None,
        orientation,
        lossy=False,
        tensorflow_reads=True,
        grey_png=grey if bits == 8 else None,
    )


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields the type and the content of each chunk up to IEND (PNG specification, section 5.3).

    Raises an error for a wrong checksum or an incomplete last chunk. TensorFlow's decoder rejects
    such files, too, although other decoders accept them.
    """
    offset, kind = 8, b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", content, offset)
        end = offset + 8 + length
        (checksum,) = struct.unpack_from(">I", content, end)
        if zlib.crc32(memoryview(content)[offset + 4 : end]) != checksum:
            raise ValueError("a checksum is wrong")
        yield kind, content[offset + 8 : end]
        offset = end + 4


def _png_of(header: bytes, compressed: bytes) -> bytes:
    """Builds a PNG file that has only the chunks that every decoder needs."""
    parts = [PNG_START]
    for kind, content in ((b"IHDR", header), (b"IDAT", compressed), (b"IEND", b"")):
        checksum = zlib.crc32(content, zlib.crc32(kind))
        parts += [struct.pack(">I", len(content)), kind, content, struct.pack(">I", checksum)]
    return b"".join(parts)
