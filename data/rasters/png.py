"""Reads PNG files: imagecodecs decodes the pixels, and this module reads the chunks around them.

The chunks are read here because imagecodecs lacks four things: it does not check that all chunks
are present and complete, as TensorFlow's decoder does later; it does not report the size of an
image before decoding; it replaces the indices of a palette image by colours, although the indices
of a mask are class ids; and it ignores the EXIF orientation.

For a 224×224 RGB tile of the Blue Marble sample, `imagecodecs.png_decode` takes 97 % of the time of
this module. Pillow takes 29 % longer than this module, and drops the lower 8 of 16 bits in colour
images. Decompressing with zlib-ng before `png_decode` saved only 5 % of the time to ingest a pair,
so zlib-ng is not used.
"""

import struct
import zlib
from collections.abc import Iterator

import imagecodecs

from data.rasters.pillow import exif_orientation, open_image
from data.rasters.raster import Raster, RasterFile, full_palette, with_channels

PNG_START = b"\x89PNG\r\n\x1a\n"
_GREY, _PALETTE = 0, 3  # PNG colour types
# Keywords of an EXIF orientation in text chunks. Pillow is called only if a keyword is present,
# because Pillow decodes the whole file to find the orientation.
_TEXT_CHUNKS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_ORIENTATION_TEXTS = (b"Raw profile type exif", b"tiff:Orientation")


def read_png(file: RasterFile) -> Raster:
    """Reads a PNG file, which must have only one frame.

    Args:
      file: The file to read, with a name and a pixel limit.

    Returns:
      The file's pixels as stored, not rotated by the EXIF orientation.

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
    # Palette indices are stored like grey values, so with the header of a grey image, the decoder
    # returns the indices instead of colours.
    if colour_type == _PALETTE:
        header = header[:9] + bytes([_GREY]) + header[10:]
    bare = _png_of(header, b"".join(parts))
    samples = with_channels(imagecodecs.png_decode(bare))
    # The decoder scales samples of fewer than 8 bits to 0..255; indices are scaled back.
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
    """Yields the type and the content of each chunk, up to the last chunk (PNG specification, 5.3).

    A wrong checksum or an incomplete last chunk is an error, as in TensorFlow's decoder; other
    decoders accept such files.
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
    """Builds a PNG file with only the chunks that every decoder needs."""
    parts = [PNG_START]
    for kind, content in ((b"IHDR", header), (b"IDAT", compressed), (b"IEND", b"")):
        checksum = zlib.crc32(content, zlib.crc32(kind))
        parts += [struct.pack(">I", len(content)), kind, content, struct.pack(">I", checksum)]
    return b"".join(parts)
