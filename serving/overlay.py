"""Pictures of masks over images, for people."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from data.config import IGNORE
from serving.palette import colour, pattern

_STRIPE = 3  # pixels
_LIGHT, _STRONG = 70, 160  # opacity of a pattern's stripes, 0..255
_PIXELS_AT_A_TIME = 2**20


def overlay(
    image: npt.NDArray[np.uint8], class_ids: npt.NDArray[np.uint8], opacity: float = 0.55
) -> Image.Image:
    """Lays a mask over its image.

    Args:
      image: uint8 [height, width, 3], RGB.
      class_ids: uint8 [height, width].
      opacity: Of the mask, 0..1.

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
    """Draws a mask whose values are the class ids, and whose colours are the classes'.

    Args:
      class_ids: uint8 [height, width], 0..C-1.
      num_classes: C.

    Returns:
      A palette image of the same size. Whoever reads places in the palette (Pillow, our own
      ingestion) gets the class ids; whoever shows it, the colours.
    """
    mask = Image.fromarray(class_ids)
    mask.putpalette([level for class_id in range(num_classes) for level in colour(class_id)])
    return mask


def layer(class_ids: npt.NDArray[np.uint8]) -> Image.Image:
    """Draws a mask to be laid over an image, in the classes' colours and patterns.

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
    """Draws where a prediction is wrong, in stripes of black and white; elsewhere it is clear.

    Args:
      truth: uint8 [height, width], class ids, or 255 where nothing can be wrong.
      predicted: uint8 [height, width], class ids.

    Returns:
      An RGBA image of the same size.
    """
    rows, columns = np.indices(truth.shape)
    shade = ((rows + columns) // _STRIPE % 2 * 255).astype(np.uint8)
    wrong = ((truth != predicted) & (truth != IGNORE)).astype(np.uint8)
    return Image.fromarray(np.dstack([shade, shade, shade, 255 * wrong]))
