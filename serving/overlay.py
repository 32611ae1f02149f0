"""Pictures of masks over images, for people."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont, ImageOps

from data.config import IGNORE

# Okabe and Ito's colours, which people with any colour vision tell apart
# (https://jfly.uni-koeln.de/color/).
_COLOURS = [
    (0, 114, 178),
    (230, 159, 0),
    (204, 121, 167),
    (0, 158, 115),
    (213, 94, 0),
    (86, 180, 233),
    (240, 228, 66),
]
_IGNORED = (128, 128, 128)
_INK, _PAPER = (32, 32, 32), (255, 255, 255)
_CELL = 224
_GAP = 10
_LINE = 22


class Row(NamedTuple):
    """One image of a sheet.

    Attributes:
      title: Written above the images.
      image: uint8 [height, width, 3].
      masks: uint8 [height, width] class ids each, one for each further column.
    """

    title: str
    image: npt.NDArray[np.uint8]
    masks: Sequence[npt.NDArray[np.uint8]]


def colour(class_id: int) -> tuple[int, int, int]:
    """RGB of a class in every picture."""
    return _IGNORED if class_id == IGNORE else _COLOURS[class_id % len(_COLOURS)]


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
    table = np.array([colour(class_id) for class_id in range(256)], float)
    blended = (1 - opacity) * image + opacity * table[class_ids]
    return Image.fromarray(blended.round().astype(np.uint8))


def sheet(columns: Sequence[str], rows: Sequence[Row], classes: Sequence[str]) -> Image.Image:
    """Draws a sheet: for each row the image, then each of its masks over it; a legend on top.

    Args:
      columns: Headings: of the image, then of each mask.
      rows: The rows, with as many masks as there are further columns.
      classes: Class names, by class id.

    Returns:
      An RGB image.
    """
    width = _GAP + len(columns) * (_CELL + _GAP)
    height = 2 * _GAP + 2 * _LINE + len(rows) * (_CELL + _LINE + _GAP)
    page = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(14)
    x = _GAP
    for class_id, name in enumerate(classes):
        draw.rectangle((x, _GAP + 2, x + 14, _GAP + 16), colour(class_id))
        draw.text((x + 20, _GAP), name, _INK, font)
        x += 20 + int(draw.textlength(name, font)) + 2 * _GAP
    for i, heading in enumerate(columns):
        draw.text((_GAP + i * (_CELL + _GAP), _GAP + _LINE), heading, _INK, font)
    y = _GAP + 2 * _LINE
    for row in rows:
        draw.text((_GAP, y + 2), row.title, _INK, font)
        pictures = [Image.fromarray(row.image), *(overlay(row.image, mask) for mask in row.masks)]
        for i, picture in enumerate(pictures):
            page.paste(
                ImageOps.contain(picture, (_CELL, _CELL)), (_GAP + i * (_CELL + _GAP), y + _LINE)
            )
        y += _CELL + _LINE + _GAP
    return page
