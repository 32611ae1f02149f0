"""Draws masks and prediction errors in colours and patterns, to be displayed over images."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from data.config import IGNORE
from serving.palette import colour, colour_table, pattern

_STRIPE = 3  # width of a stripe in pixels
_LIGHT, _STRONG = 70, 160  # opacity of the light and of the strong stripes, 0..255
_PIXELS_AT_A_TIME = 2**20


def overlay(
    image: npt.NDArray[np.uint8], class_ids: npt.NDArray[np.uint8], opacity: float = 0.55
) -> Image.Image:
    """Draws a mask over its image in the class colours.

    Args:
      image: The RGB image, uint8 [height, width, 3].
      class_ids: The mask of class ids, uint8 [height, width].
      opacity: Opacity of the mask, from 0 (invisible) to 1 (opaque).

    Returns:
      The image blended with the mask: an RGB image of the same size.
    """
    table = colour_table().astype(np.float32)
    blended = np.empty(image.shape, np.uint8)
    rows = max(1, _PIXELS_AT_A_TIME // image.shape[1])
    for top in range(0, image.shape[0], rows):
        part = slice(top, top + rows)
        exact = (1 - opacity) * image[part] + opacity * table[class_ids[part]]
        blended[part] = exact.round()
    return Image.fromarray(blended)


def palette_mask(class_ids: npt.NDArray[np.uint8], num_classes: int) -> Image.Image:
    """Converts a mask to a palette image.

    The pixel values remain class ids; image viewers display them in the class colours.

    Args:
      class_ids: The mask, uint8 [height, width], with class ids in 0..C-1.
      num_classes: Number of classes, C.

    Returns:
      A palette image of the same size. When saved as a PNG, it is also a valid mask file for this
      project.
    """
    mask = Image.fromarray(class_ids)
    mask.putpalette([level for class_id in range(num_classes) for level in colour(class_id)])
    return mask


def layer(class_ids: npt.NDArray[np.uint8]) -> Image.Image:
    """Draws a mask as a semi-transparent layer in the class colours and patterns.

    Args:
      class_ids: The mask of class ids, uint8 [height, width].

    Returns:
      An RGBA image of the same size as the mask.
    """
    rows, columns = np.indices(class_ids.shape)
    stripes = np.stack([0 * rows, rows + columns, rows - columns, rows]) // _STRIPE % 2
    patterns = np.array([pattern(class_id) for class_id in range(256)])[class_ids]
    light = np.take_along_axis(stripes, patterns[np.newaxis], 0)[0] == 1
    opacity = np.where(light, _LIGHT, _STRONG).astype(np.uint8)
    return Image.fromarray(np.dstack([colour_table()[class_ids], opacity]))


def errors(truth: npt.NDArray[np.uint8], predicted: npt.NDArray[np.uint8]) -> Image.Image:
    """Marks incorrectly predicted pixels with black and white stripes.

    Args:
      truth: Ground-truth mask, uint8 [height, width]: class ids, and 255 for ignored pixels.
      predicted: Predicted mask of class ids, uint8 [height, width].

    Returns:
      An RGBA image of the same size, transparent where the prediction is correct or the pixel is
      ignored.
    """
    rows, columns = np.indices(truth.shape)
    shade = ((rows + columns) // _STRIPE % 2 * 255).astype(np.uint8)
    wrong = ((truth != predicted) & (truth != IGNORE)).astype(np.uint8)
    return Image.fromarray(np.dstack([shade, shade, shade, 255 * wrong]))
