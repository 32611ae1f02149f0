"""Draws masks and prediction errors in colours and patterns, for display over images."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from data.config import IGNORE
from serving.palette import colour, pattern

_STRIPE = 3  # width of a stripe in pixels
_LIGHT, _STRONG = 70, 160  # opacity of the light and the strong stripes, 0..255
_PIXELS_AT_A_TIME = 2**20


def overlay(
    image: npt.NDArray[np.uint8], class_ids: npt.NDArray[np.uint8], opacity: float = 0.55
) -> Image.Image:
    """Draws a mask over its image in the colours of the classes.

    Args:
      image: uint8 [height, width, 3], RGB.
      class_ids: uint8 [height, width].
      opacity: Opacity of the mask, 0..1.

    Returns:
      An RGB image of the same size.
    """
    table = np.array([colour(class_id) for class_id in range(256)], np.float32)
    blended = np.empty(image.shape, np.uint8)
    rows = max(1, _PIXELS_AT_A_TIME // image.shape[1])
    for top in range(0, image.shape[0], rows):
        part = slice(top, top + rows)
        exact = (1 - opacity) * image[part] + opacity * table[class_ids[part]]
        blended[part] = exact.round()
    return Image.fromarray(blended)


def palette_mask(class_ids: npt.NDArray[np.uint8], num_classes: int) -> Image.Image:
    """Converts a mask to a palette image: values are class ids, and viewers show class colours.

    Args:
      class_ids: uint8 [height, width], 0..C-1.
      num_classes: Number of classes, C.

    Returns:
      A palette image of the same size, which this project can also read as a mask file.
    """
    mask = Image.fromarray(class_ids)
    mask.putpalette([level for class_id in range(num_classes) for level in colour(class_id)])
    return mask


def layer(class_ids: npt.NDArray[np.uint8]) -> Image.Image:
    """Draws a partly transparent mask in the colours and patterns of the classes.

    Args:
      class_ids: uint8 [height, width].

    Returns:
      An RGBA image of the same size.
    """
    rows, columns = np.indices(class_ids.shape)
    stripes = np.stack([0 * rows, rows + columns, rows - columns, rows]) // _STRIPE % 2
    patterns = np.array([pattern(class_id) for class_id in range(256)])[class_ids]
    light = np.take_along_axis(stripes, patterns[np.newaxis], 0)[0] == 1
    table = np.array([colour(class_id) for class_id in range(256)], np.uint8)
    opacity = np.where(light, _LIGHT, _STRONG).astype(np.uint8)
    return Image.fromarray(np.dstack([table[class_ids], opacity]))


def errors(truth: npt.NDArray[np.uint8], predicted: npt.NDArray[np.uint8]) -> Image.Image:
    """Marks wrong pixels of a prediction with black and white stripes.

    Args:
      truth: uint8 [height, width], class ids, or 255 for pixels to ignore.
      predicted: uint8 [height, width], class ids.

    Returns:
      An RGBA image of the same size, transparent where the prediction is right or the pixel is
      ignored.
    """
    rows, columns = np.indices(truth.shape)
    shade = ((rows + columns) // _STRIPE % 2 * 255).astype(np.uint8)
    wrong = ((truth != predicted) & (truth != IGNORE)).astype(np.uint8)
    return Image.fromarray(np.dstack([shade, shade, shade, 255 * wrong]))
