"""Draws a region where a mask may be wrong."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from components.labels.scores import Mask, Region, proposed_mask
from data.config import IGNORE
from serving.data_url import class_ids_url
from serving.doubts import Doubts
from serving.overlay import layer


class RegionDrawing(NamedTuple):
    """Pictures of a region where a mask may be wrong.

    Attributes:
      pictures: The pictures by the names of `CAPTIONS`. All have the same size, 256 pixels on the
        longer side.
      ids: `data:` URLs of small pictures of the class ids, by the names of the masks in `CAPTIONS`.
    """

    pictures: dict[str, Image.Image]
    ids: dict[str, str]


CAPTIONS = {
    "image": "image, with the region marked",
    "mask": "mask",
    "expected": "what the model expects",
}
"""Captions of the pictures of `draw_region`, by name."""
_SIDE = 256  # longer side of a picture in pixels
_CONTEXT = 96  # pixels around the region that a picture shows at least
_Pixels = npt.NDArray[np.uint8]


def draw_region(image: _Pixels, class_ids: Mask, doubts: Doubts, region: Region) -> RegionDrawing:
    """Draws the part of an image around a region: alone, with the mask, and with the proposed mask.

    Args:
      image: The RGB image, uint8 [height, width, 3].
      class_ids: The mask, uint8 [height, width], with 255 for ignored pixels.
      doubts: The pixels where the model is sure of another class; a line marks them.
      region: The region.
    """
    window = _window(region, class_ids.shape)
    outline = _outline(doubts.classes[window])
    masks = (None, class_ids[window], proposed_mask(doubts, class_ids)[window])
    named = dict(zip(CAPTIONS, masks, strict=True))
    return RegionDrawing(
        {name: _draw(image[window], ids, outline) for name, ids in named.items()},
        {name: class_ids_url(ids) for name, ids in named.items() if ids is not None},
    )


def _window(region: Region, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Returns the part of the image to show: the region, with as much around it."""
    margin = max(_CONTEXT, region.bottom - region.top, region.right - region.left)
    return (
        slice(max(region.top - margin, 0), min(region.bottom + margin, shape[0])),
        slice(max(region.left - margin, 0), min(region.right + margin, shape[1])),
    )


def _outline(doubts: Mask) -> npt.NDArray[np.bool_]:
    marked = doubts != IGNORE
    return marked & ~ndimage.binary_erosion(marked)


def _draw(photo: _Pixels, class_ids: Mask | None, outline: npt.NDArray[np.bool_]) -> Image.Image:
    height, width = outline.shape
    factor = _SIDE / max(height, width)
    size = (max(round(width * factor), 1), max(round(height * factor), 1))
    picture = Image.fromarray(photo).resize(size, Image.Resampling.BICUBIC).convert("RGBA")
    if class_ids is not None:
        ids = Image.fromarray(class_ids).resize(size, Image.Resampling.NEAREST)
        picture.alpha_composite(layer(np.asarray(ids)))
    line = np.asarray(Image.fromarray(outline).resize(size, Image.Resampling.NEAREST))
    # White on black, so that the line shows on any image.
    pixels = np.array(picture.convert("RGB"))
    pixels[ndimage.binary_dilation(line, iterations=2)] = 0
    pixels[line] = 255
    return Image.fromarray(pixels)
