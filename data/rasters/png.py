"""Reads PNG files: imagecodecs decodes the pixels, and this module reads all other chunks.

This module reads the chunks because imagecodecs does not check that all chunks are present,
complete and in order (as TensorFlow's decoder does later), does not report the size of an image
before decoding it, converts the indices of a palette image to colours (although the indices of a
mask are class ids), and ignores the EXIF orientation.

libpng decompresses with zlib, which takes more than half of libpng's time. libdeflate, which
imagecodecs also contains, takes less than half of the time of zlib for decompression, and 1/7 for
checksums. Small images are therefore decompressed here, and libpng receives the samples in stored
(uncompressed) blocks. This halves the time to decode a 224×224 RGB tile of the Blue Marble sample.
"""

import struct
from collections.abc import Iterator

import imagecodecs

from data.rasters.pillow import exif_orientation, open_image
from data.rasters.raster import Raster, RasterFile, Samples, full_palette, with_channels
from data.stored import zlib_stored

PNG_START = b"\x89PNG\r\n\x1a\n"
_GREY, _PALETTE = 0, 3  # PNG colour types: greyscale, and palette indices
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # number of samples per pixel, by PNG colour type
_CRITICAL_CHUNKS = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
_ANCILLARY = 0x20  # bit of a chunk type's first letter (PNG specification, section 5.4)
_PALETTE_LENGTHS = range(3, 3 * 256 + 1, 3)  # in bytes
_LARGEST_WINDOW = b"\x78"  # first byte of a zlib stream with a window of 32 kB (RFC 1950, 2.2)
_MOST_DECOMPRESSED = 2**24  # bytes; a larger image would be in memory several times
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
    parts: list[bytes] = []
    may_be_turned, palette, previous = False, b"", b""
    for kind, content in _chunks(file.content):
        if (kind == b"IHDR") != (not previous):
            raise ValueError("IHDR is not the first chunk, or occurs twice")
        if kind == b"IDAT" and parts and previous != kind:
            raise ValueError("another chunk divides the samples")
        if kind[0] & _ANCILLARY == 0 and kind not in _CRITICAL_CHUNKS:
            raise ValueError("an unknown chunk is critical")
        previous = kind
        if kind == b"IHDR":
            header = content
            width, height, bits, colour_type = struct.unpack_from(">IIBB", content)
            file.refuse_too_large(height, width)
        elif kind == b"IDAT":
            parts.append(content)
        elif kind == b"PLTE":
            if palette or parts or not content:
                raise ValueError("PLTE occurs twice, or after IDAT, or is empty")
            palette = content
        elif kind == b"acTL":
            (frames,) = struct.unpack_from(">I", content)
            if frames > 1:
                raise file.not_one(frames, "frames")
        elif kind == b"eXIf" or (
            kind in _TEXT_CHUNKS and any(text in content for text in _ORIENTATION_TEXTS)
        ):
            may_be_turned = True
    # Pillow reads the whole file, so it is called once, whatever the number of chunks.
    orientation = exif_orientation(open_image(file)) if may_be_turned else 1
    if colour_type == _PALETTE and len(palette) not in _PALETTE_LENGTHS:
        raise ValueError("the palette is missing, or has a wrong length")
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
    """Yields the type and the content of each chunk up to IEND (PNG specification, section 5.3).

    Raises an error for a wrong checksum or an incomplete last chunk. TensorFlow's decoder rejects
    such files, too, although other decoders accept them.
    """
    offset, kind = 8, b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", content, offset)
        end = offset + 8 + length
        (checksum,) = struct.unpack_from(">I", content, end)
        if imagecodecs.deflate_crc32(content[offset + 4 : end]) != checksum:
            raise ValueError("a checksum is wrong")
        yield kind, content[offset + 8 : end]
        offset = end + 4


def _decode(header: bytes, compressed: bytes) -> Samples:
    """Decodes the samples of a PNG file, given the content of IHDR and the compressed samples."""
    width, height, bits, colour_type, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    size = height * (1 + -(-width * bits * _CHANNELS[colour_type] // 8))
    # libdeflate ignores the window size in the stream's first byte, but libpng and TensorFlow
    # reject a stream that needs a larger window. Only streams with the largest window are
    # therefore decompressed here.
    if compressed[:1] == _LARGEST_WINDOW and not interlaced and size <= _MOST_DECOMPRESSED:
        try:
            rows = bytes(imagecodecs.deflate_decode(compressed, out=size))
        except imagecodecs.DeflateError:
            pass  # libpng may still accept the stream, for example with data after the last row
        else:
            if len(rows) == size:
                return _libpng(header, zlib_stored(rows))
    return _libpng(header, compressed)


def _libpng(header: bytes, compressed: bytes) -> Samples:
    """Decodes the samples with libpng. For a palette image, the samples are the palette indices."""
    bits, colour_type = header[8:10]
    if colour_type != _PALETTE:
        return imagecodecs.png_decode(_png_of(header, compressed))
    samples = imagecodecs.png_decode(_png_of(_as_grey(header), compressed))
    # The decoder scales samples of fewer than 8 bits to 0..255, so palette indices are scaled back.
    if bits < 8:
        samples //= 255 // (2**bits - 1)
    return samples


def _as_grey(header: bytes) -> bytes:
    """Returns the header of a palette image, changed to the header of a grey image.

    PNG stores palette indices in the same way as grey levels. With the changed header, the decoder
    returns the indices instead of the colours.
    """
    return header[:9] + bytes([_GREY]) + header[10:]


def _png_of(header: bytes, compressed: bytes) -> bytes:
    """Builds a PNG file that has only the chunks that every decoder needs."""
    parts = [PNG_START]
    for kind, content in ((b"IHDR", header), (b"IDAT", compressed), (b"IEND", b"")):
        checksum = imagecodecs.deflate_crc32(content, value=imagecodecs.deflate_crc32(kind))
        parts += [struct.pack(">I", len(content)), kind, content, struct.pack(">I", checksum)]
    return b"".join(parts)
