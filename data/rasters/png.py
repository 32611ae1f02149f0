"""Reads PNG files: imagecodecs decodes the pixels, and this module reads the chunks around them.

The chunks are read here because imagecodecs lacks four things: it does not check that all chunks
are present and complete, as TensorFlow's decoder does later; it does not tell the size of an image
before decoding; it replaces the indices of a palette image by colours, although a mask's indices
are its class ids; and it ignores the EXIF orientation.

libpng decompresses with zlib, which takes more than half of its time. libdeflate, which imagecodecs
contains too, takes less than half of zlib's time, and 1/7 for the checksums. So small images are
decompressed here, and libpng gets the samples in stored (uncompressed) blocks. One 224×224 RGB tile
of the Blue Marble sample then takes half of the time.
"""

import struct
from collections.abc import Iterator

import imagecodecs

from data.rasters.pillow import exif_orientation, open_image
from data.rasters.raster import Raster, RasterFile, Samples, full_palette, with_channels
from data.stored import zlib_stored

PNG_START = b"\x89PNG\r\n\x1a\n"
_GREY, _PALETTE = 0, 3  # PNG colour types
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # samples per pixel, by PNG colour type
_LARGEST_WINDOW = b"\x78"  # first byte of a zlib stream with a window of 32 kB (RFC 1950, 2.2)
_MOST_DECOMPRESSED = 2**24  # bytes; a larger image would be in memory several times
# Text chunks that may hold an EXIF orientation. They are searched first, because Pillow decodes the
# whole file to find the orientation.
_TEXT_CHUNKS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_ORIENTATION_TEXTS = (b"Raw profile type exif", b"tiff:Orientation")


def read_png(file: RasterFile) -> Raster:
    """Reads a PNG file, which must have only one frame.

    Args:
      file: The file to read, with a name and a pixel limit.

    Returns:
      The file's pixels as they are stored, without the rotation by the EXIF orientation.

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
    compressed = b"".join(parts)
    grey = None
    if bits == 8 and colour_type in (_GREY, _PALETTE):
        grey = file.content if colour_type == _GREY else _png_of(_as_grey(header), compressed)
    return Raster(
        "PNG",
        with_channels(_decode(header, compressed)),
        full_palette(palette) if colour_type == _PALETTE else None,
        orientation,
        lossy=False,
        tensorflow_reads=True,
        grey_png=grey,
    )


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields the type and the content of each chunk, up to the last one (PNG specification, 5.3).

    TensorFlow's decoder requires a correct checksum for every chunk, and a complete last chunk;
    other decoders do not.
    """
    place, kind = 8, b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", content, place)
        end = place + 8 + length
        (checksum,) = struct.unpack_from(">I", content, end)
        if imagecodecs.deflate_crc32(content[place + 4 : end]) != checksum:
            raise ValueError("a checksum is wrong")
        yield kind, content[place + 8 : end]
        place = end + 4


def _decode(header: bytes, compressed: bytes) -> Samples:
    """Decodes the samples of a PNG file, given the content of its header."""
    width, height, bits, colour_type, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    size = height * (1 + -(-width * bits * _CHANNELS[colour_type] // 8))
    # With a smaller window in the stream's first byte, libpng and TensorFlow reject streams that
    # libdeflate accepts.
    if compressed[:1] == _LARGEST_WINDOW and not interlaced and size <= _MOST_DECOMPRESSED:
        try:
            rows = bytes(imagecodecs.deflate_decode(compressed, out=size))
        except imagecodecs.DeflateError:
            pass  # libpng decides: it accepts data after the last row
        else:
            if len(rows) == size:
                return _libpng(header, zlib_stored(rows))
    return _libpng(header, compressed)


def _libpng(header: bytes, compressed: bytes) -> Samples:
    bits, colour_type = header[8:10]
    if colour_type != _PALETTE:
        return imagecodecs.png_decode(_png_of(header, compressed))
    samples = imagecodecs.png_decode(_png_of(_as_grey(header), compressed))
    # The decoder scales grey values to 0..255, and palette indices must not be scaled.
    if bits < 8:
        samples //= 255 // (2**bits - 1)
    return samples


def _as_grey(header: bytes) -> bytes:
    """Returns the header for a grey image, since palette indices are stored like grey values."""
    return header[:9] + bytes([_GREY]) + header[10:]


def _png_of(header: bytes, compressed: bytes) -> bytes:
    """Builds a PNG file with only the chunks that every decoder needs."""
    parts = [PNG_START]
    for kind, content in ((b"IHDR", header), (b"IDAT", compressed), (b"IEND", b"")):
        checksum = imagecodecs.deflate_crc32(content, value=imagecodecs.deflate_crc32(kind))
        parts += [struct.pack(">I", len(content)), kind, content, struct.pack(">I", checksum)]
    return b"".join(parts)
