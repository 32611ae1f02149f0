"""Reads JPEG, BMP and GIF files with Pillow."""

import io

import numpy as np
from PIL import ExifTags, Image

from data.rasters.raster import Palette, Raster, RasterFile, Samples, full_palette, with_channels

# This module checks `data.max_pixels`. Pillow's own limit may be lower, so it is switched off.
Image.MAX_IMAGE_PIXELS = None


def read_jpeg(file: RasterFile) -> Raster:
    """Reads the first picture of a JPEG file; some phones write several pictures into one file."""
    image = open_image(file)
    plain = image.mode in ("L", "RGB")
    samples = with_channels(np.asarray(image if plain else image.convert("RGB")))
    orientation = exif_orientation(image)
    return Raster("JPEG", samples, None, orientation, lossy=True, tensorflow_reads=plain)


def read_bmp(file: RasterFile) -> Raster:
    """Reads a BMP file."""
    image = open_image(file)
    # TensorFlow decodes only 24-bit BMP files in which even the last row is padded to a multiple of
    # 4 bytes. All other BMP files must be re-encoded.
    header = int.from_bytes(file.content[14:18], "little")
    start = int.from_bytes(file.content[10:14], "little")
    bits = int.from_bytes(file.content[28:30], "little")
    end = start + -(-image.width * 3 // 4) * 4 * image.height
    plain = header >= 40 and bits == 24 and len(file.content) >= end
    samples, palette = _pixels(image)
    return Raster("BMP", samples, palette, 1, lossy=False, tensorflow_reads=plain)


def read_gif(file: RasterFile) -> Raster:
    """Reads a GIF file, which must contain a single frame."""
    samples, palette = _pixels(open_image(file))
    return Raster("GIF", samples, palette, 1, lossy=False, tensorflow_reads=False)


def open_image(file: RasterFile) -> Image.Image:
    """Opens a PNG, JPEG, BMP or GIF file without decoding its pixels.

    Raises:
      PairError: The image has too many pixels, or the file has several frames.
    """
    image = Image.open(io.BytesIO(file.content), formats=("PNG", "JPEG", "BMP", "GIF"))
    file.refuse_too_large(image.height, image.width)
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":
        raise file.not_one(frames, "frames")
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
