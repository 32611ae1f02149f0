"""Reads mask files into class ids, and refuses any pixel value that has no class."""

import numpy as np
import numpy.typing as npt
from PIL import ImageOps

from data.config import DataConfig
from data.errors import InputError
from data.images import open_image

_ID_MODES = frozenset({"1", "L", "P"})
_MOST_VALUES = 8  # how many pixel values one message names


def load_mask(content: bytes, name: str, config: DataConfig) -> npt.NDArray[np.uint8]:
    """Loads a mask.

    Args:
      content: The file's bytes: a one-channel image of 8 bits, or a palette image, whose ids count,
        not its colours.
      name: The file's name, for messages.
      config: Says which pixel value means which class.

    Returns:
      uint8 [height, width] of class ids 0..C-1, or 255 where the pixel is to be ignored; upright.

    Raises:
      InputError: The file cannot be read, has several channels, was compressed with loss, or holds
        a value that has no class.
    """
    image = open_image(content, name)
    if image.format == "JPEG":
        raise InputError(
            f"{name}: a JPEG mask; its compression invents values at edges. Export the mask as PNG."
        )
    if image.mode not in _ID_MODES:
        raise InputError(
            f"{name}: a mask of mode {image.mode}, expected one channel of 8 bits, or a palette."
        )
    values = np.asarray(ImageOps.exif_transpose(image), np.uint8)
    if image.mode == "1":
        values = values * np.uint8(
            255
        )  # what a viewer shows, and what an 8-bit copy of the file would hold

    class_of_value = config.class_of_value
    present = np.unique(values).tolist()
    strays = [value for value in present if value not in class_of_value]
    if strays:
        raise InputError(_no_class(name, present, strays, config))
    table = np.zeros(256, np.uint8)
    table[list(class_of_value)] = list(class_of_value.values())
    return table[values]


def mask_values_line(classes: list[str]) -> str:
    """The config line that reads a two-valued 0/255 mask as the first two classes."""
    return f"mask_values: {{0: {classes[0]}, 255: {classes[1]}}}"


def _no_class(name: str, present: list[int], strays: list[int], config: DataConfig) -> str:
    if set(present) <= {0, 255} and not config.mask_values:
        remedy = f"A 0/255 mask? Then write, under data: {mask_values_line(config.classes)}"
    elif config.mask_values:
        remedy = "Give each a class in data.mask_values, or make it data.ignore_value."
    else:
        ids = f"0 to {len(config.classes) - 1}, the ids of {config.classes}"
        remedy = f"Expected {ids}; map other values in data.mask_values."
    shown = ", ".join(map(str, strays[:_MOST_VALUES])) + (
        ", …" if len(strays) > _MOST_VALUES else ""
    )
    return f"{name}: no class for the pixel value{'s' if len(strays) > 1 else ''} {shown}. {remedy}"
