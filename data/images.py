"""Reads image files into what TensorFlow decodes to the same upright pixels."""

import io
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageOps

from data.errors import InputError

# Formats and Pillow modes that tf.io.decode_image turns into the very pixels Pillow shows.
_TENSORFLOW_READS = {
    "PNG": frozenset({"1", "L", "LA", "P", "RGB", "RGBA"}),
    "JPEG": frozenset({"L", "RGB"}),
    "BMP": frozenset({"RGB"}),
}
_EIGHT_BIT_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"})


class LoadedImage(NamedTuple):
    """An image as it is stored.

    Attributes:
      encoded: PNG, JPEG or BMP bytes.
      pixels: uint8 [height, width, 3], RGB in 0..255, upright.
    """

    encoded: bytes
    pixels: npt.NDArray[np.uint8]


def open_image(content: bytes, name: str) -> Image.Image:
    """Decodes a whole file, so that a truncated one is found here.

    Args:
      content: The file's bytes.
      name: The file's name, for messages.

    Returns:
      The first frame, as stored (not yet turned upright).

    Raises:
      InputError: The bytes are no image that Pillow reads, they end too early, or a channel has
        more than 8 bits.
    """
    try:
        image = Image.open(io.BytesIO(content))
        # Pillow would silently shorten colour samples of 16 bits; only the raw mode tells of them.
        too_deep = any(";16" in str(tile) for tile in getattr(image, "tile", ()))
        image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = (
            str(error).replace(f"{type(content)}", "").split("<_io")[0].strip()
            or type(error).__name__
        )
        raise InputError(
            f"{name}: cannot be read as an image ({reason}). Restore or remove the file."
        ) from error
    if too_deep:
        raise InputError(f"{name}: more than the expected 8 bits a channel. Convert it.")
    return image


def load_image(content: bytes, name: str) -> LoadedImage:
    """Loads an image of any supported format.

    Args:
      content: The file's bytes.
      name: The file's name, for messages.

    Returns:
      The file's own bytes where TensorFlow decodes them to these pixels, else a lossless PNG of
      them.

    Raises:
      InputError: The file cannot be read, or holds more than 8 bits a channel.
    """
    image = open_image(content, name)
    if image.mode not in _EIGHT_BIT_MODES:
        raise InputError(
            f"{name}: pixels of mode {image.mode}, expected 8 bits a channel. Convert the image."
        )
    upright = ImageOps.exif_transpose(image)
    if image.mode == "P" and "transparency" in image.info:
        upright = upright.convert("RGBA")  # Pillow warns of colours lost if it goes straight to RGB
    upright = upright.convert("RGB")
    pixels = np.asarray(upright, np.uint8)
    turned = image.getexif().get(ExifTags.Base.Orientation, 1) != 1
    if image.mode in _TENSORFLOW_READS.get(image.format or "", ()) and not turned:
        return LoadedImage(content, pixels)
    return LoadedImage(encode_png(upright), pixels)


def encode_png(image: Image.Image) -> bytes:
    """Returns the image as PNG bytes."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
