"""Reads image and mask files of every supported format."""

import io
import logging
import struct
import zlib
from collections.abc import Callable, Iterator

import imagecodecs
import numpy as np
from PIL import ExifTags, Image

from data.errors import PairError
from data.rasters.raster import Palette, Raster, RasterFile, Samples, with_channels
from data.rasters.tiff import read_tiff

_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_GREY, _PNG_PALETTE = 0, 3  # colour types: grey, places in a palette
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
_MOST_INFLATED = 2**24  # bytes
# Where a PNG may hold an orientation; asking Pillow for it decodes the whole file.
_PNG_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_PNG_TEXTS_THAT_TURN = (b"Raw profile type exif", b"tiff:Orientation")

# What is wrong with a file is said by an error of ours, and in one line.
logging.getLogger("imagecodecs").setLevel(logging.CRITICAL)
# The limit is data.max_pixels, and it is kept here; Pillow's own would only warn, or come first.
Image.MAX_IMAGE_PIXELS = None


def read_raster(file: RasterFile) -> Raster:
    """Reads a PNG, JPEG, BMP, GIF or TIFF file.

    Of several pictures in a JPEG file, as phones write them, the first counts; of a TIFF file, the
    only page (see `read_tiff`). Any other file of several frames is refused.

    Args:
      file: The file.

    Returns:
      What it holds, upright.

    Raises:
      PairError: `unreadable`, `too_large`, `image_format` or `mask_format`.
    """
    readers = (reader for start, reader in _READERS.items() if file.content.startswith(start))
    reader = next(readers, None)
    if reader is None:
        raise file.error(
            "unreadable",
            "cannot be read as an image (it is no PNG, JPEG, BMP, GIF or TIFF file). Convert or "
            "remove the file.",
        )
    try:
        return reader(file).upright()
    except PairError:
        raise
    except Exception as error:  # a damaged file can make a decoder raise anything
        raise file.error(
            "unreadable",
            "cannot be read as an image (damaged or cut short). Restore or remove the file.",
        ) from error


def _read_png(file: RasterFile) -> Raster:
    orientation, palette, parts = 1, b"", []
    for kind, content in _png_chunks(file.content):
        if kind == b"IHDR":
            header = content
            width, height, bits, colours = struct.unpack_from(">IIBB", content)
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
            kind in _PNG_TEXTS and any(mark in content for mark in _PNG_TEXTS_THAT_TURN)
        ):
            orientation = _exif_orientation(_open(file))
    compressed = b"".join(parts)
    grey = file.content if colours == _PNG_GREY else None
    if colours == _PNG_PALETTE:
        # Places are stored as greys are: the header alone makes the one of the other.
        header = header[:9] + bytes([_PNG_GREY]) + header[10:]
        grey = _png_of(header, compressed)
    # Unlike Pillow, imagecodecs keeps all 16 bits of colours.
    samples = with_channels(imagecodecs.png_decode(_png_of(header, _inflated(header, compressed))))
    if colours == _PNG_PALETTE and bits < 8:  # greys are widened, places are not
        samples //= 255 // (2**bits - 1)
    return Raster(
        "PNG",
        samples,
        _full_palette(palette) if colours == _PNG_PALETTE else None,
        orientation,
        lossy=False,
        tensorflow_reads=True,
        grey_png=grey if bits == 8 else None,
    )


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields each chunk's type and content, up to the last chunk (PNG specification, 5.3).

    TensorFlow's decoder insists on every chunk's checksum, and on the whole of the last chunk;
    other decoders do not.
    """
    place, kind = 8, b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", content, place)
        end = place + 8 + length
        (checksum,) = struct.unpack_from(">I", content, end)
        if zlib.crc32(memoryview(content)[place + 4 : end]) != checksum:
            raise ValueError("a checksum is wrong")
        yield kind, content[place + 8 : end]
        place = end + 4


def _inflated(header: bytes, compressed: bytes) -> bytes:
    """The same pixels, filtered as they are, stored as a zlib stream without compression.

    zlib-ng is so much faster than the zlib in imagecodecs' libpng, which then has only the filters
    to undo, that this detour saves time. Large images stay as they are, since memory counts more
    there; so do damaged ones: libpng has the last word on them.
    """
    width, height, bits, colours = struct.unpack_from(">IIBB", header)
    row = -(-width * bits * _PNG_CHANNELS[colours] // 8)
    most = height * (row + 4) + 16  # interlacing adds some rows, and each begins with its filter
    if most > _MOST_INFLATED:
        return compressed
    try:
        return zlib.compress(imagecodecs.zlibng_decode(compressed, out=most), 0)
    except imagecodecs.ZlibngError:
        return compressed


def _png_of(header: bytes, compressed: bytes) -> bytes:
    """A PNG of nothing but what every decoder needs."""
    parts = [_PNG_START]
    for kind, content in ((b"IHDR", header), (b"IDAT", compressed), (b"IEND", b"")):
        checksum = zlib.crc32(content, zlib.crc32(kind))
        parts += [struct.pack(">I", len(content)), kind, content, struct.pack(">I", checksum)]
    return b"".join(parts)


def _read_jpeg(file: RasterFile) -> Raster:
    image = _open(file)
    plain = image.mode in ("L", "RGB")
    samples = with_channels(np.asarray(image if plain else image.convert("RGB")))
    orientation = _exif_orientation(image)
    return Raster("JPEG", samples, None, orientation, lossy=True, tensorflow_reads=plain)


def _read_bmp(file: RasterFile) -> Raster:
    image = _open(file)
    # TensorFlow reads only these, and insists on the padding of the last row.
    header = int.from_bytes(file.content[14:18], "little")
    start = int.from_bytes(file.content[10:14], "little")
    bits = int.from_bytes(file.content[28:30], "little")
    end = start + -(-image.width * 3 // 4) * 4 * image.height
    plain = header >= 40 and bits == 24 and len(file.content) >= end
    samples, palette = _pixels(image)
    return Raster("BMP", samples, palette, 1, lossy=False, tensorflow_reads=plain)


def _read_gif(file: RasterFile) -> Raster:
    samples, palette = _pixels(_open(file))
    return Raster("GIF", samples, palette, 1, lossy=False, tensorflow_reads=False)


def _open(file: RasterFile) -> Image.Image:
    """Opens a file without decoding it."""
    image = Image.open(io.BytesIO(file.content), formats=("PNG", "JPEG", "BMP", "GIF"))
    file.refuse_too_large(image.height, image.width)
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":
        raise file.not_one(frames, "frames")
    return image


def _exif_orientation(image: Image.Image) -> int:
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    return orientation if orientation in range(1, 9) else 1


def _pixels(image: Image.Image) -> tuple[Samples, Palette | None]:
    if image.mode == "P":
        places = with_channels(np.asarray(image))
        return places, _full_palette(bytes(image.getpalette("RGB") or []))
    if image.mode == "1":
        image = image.convert("L")
    return with_channels(np.asarray(image)), None


def _full_palette(colours: bytes) -> Palette:
    """Returns a colour for every place; what the palette leaves out is black, as in TensorFlow."""
    palette = np.zeros((256, 3), np.uint8)
    given = np.frombuffer(colours, np.uint8).reshape(-1, 3)[:256]
    palette[: len(given)] = given
    return palette


_READERS: dict[bytes, Callable[[RasterFile], Raster]] = {
    _PNG_START: _read_png,
    b"\xff\xd8\xff": _read_jpeg,
    b"BM": _read_bmp,
    b"GIF8": _read_gif,
    b"II*\0": read_tiff,
    b"MM\0*": read_tiff,
    b"II+\0": read_tiff,
    b"MM\0+": read_tiff,
}
