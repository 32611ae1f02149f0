"""Class colours and patterns, the same in every image and on every HTML page."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from data.config import IGNORE

THEME_FILE = Path(__file__).parent / "theme.css"
"""CSS file with the colours of all HTML pages and the patterns that mark the classes. The folder
also has the template `legend.html`."""
# Okabe and Ito's palette, whose colours people with any type of colour vision can tell apart
# (https://jfly.uni-koeln.de/color/).
_FIRST = [
    (0, 114, 178),
    (230, 159, 0),
    (204, 121, 167),
    (0, 158, 115),
    (213, 94, 0),
    (86, 180, 233),
    (240, 228, 66),
]
_IGNORED = (128, 128, 128)
_STEP = 15  # distance between the levels of red, green and blue from which colours are chosen
_DARKEST, _LIGHTEST = 0.4, 0.9  # lightness in OKLab, visible in light and in dark mode
_GREYEST = 0.04  # chroma in OKLab, to be told from ignored pixels


def colour(class_id: int) -> tuple[int, int, int]:
    """Returns the RGB colour of a class, with values in 0..255; ignored pixels are grey.

    The 255 possible classes have different colours. The colour depends on the class id only, not on
    the number of classes.
    """
    return _IGNORED if class_id == IGNORE else _colours()[class_id]


def css_colour(class_id: int) -> str:
    """Returns the colour of a class as a CSS colour code, such as `#0072b2`."""
    return "#{:02x}{:02x}{:02x}".format(*colour(class_id))


def colour_table() -> npt.NDArray[np.uint8]:
    """Returns the colours of all class ids and of ignored pixels, uint8 [256, 3]."""
    return np.array([colour(class_id) for class_id in range(IGNORE + 1)], np.uint8)


def pattern(class_id: int) -> int:
    """Returns the stripe pattern of a class.

    Returns:
      0 for no stripes; 1, 2 or 3 for rising, falling or horizontal stripes.
    """
    return class_id % 4


def class_marks(classes: Sequence[str]) -> list[dict[str, Any]]:
    """Returns the `name`, the CSS colour (`tone`) and the `pattern` number of each class.

    Args:
      classes: Names of the classes, by class id.
    """
    return [
        {"name": name, "tone": css_colour(class_id), "pattern": pattern(class_id)}
        for class_id, name in enumerate(classes)
    ]


@functools.cache
def _colours() -> list[tuple[int, int, int]]:
    """Returns the colours of all classes.

    After the first seven, each colour is the one that is most different from all before it, as in
    Glasbey et al. (2007), measured in OKLab.
    """
    levels = np.arange(0, 256, _STEP)
    candidates = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(-1, 3)
    places = _oklab(candidates)
    lightness, chroma = places[:, 0], np.hypot(places[:, 1], places[:, 2])
    usable = (lightness > _DARKEST) & (lightness < _LIGHTEST) & (chroma > _GREYEST)
    candidates, places = candidates[usable], places[usable]
    colours = list(_FIRST)
    distances = np.full(len(places), np.inf)
    for place in _oklab(np.array([*_FIRST, _IGNORED])):
        distances = np.minimum(distances, ((places - place) ** 2).sum(1))
    while len(colours) < IGNORE:
        farthest = int(distances.argmax())
        red, green, blue = candidates[farthest].tolist()
        colours.append((red, green, blue))
        distances = np.minimum(distances, ((places - places[farthest]) ** 2).sum(1))
    return colours


def _oklab(colours: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Converts RGB colours [..., 3] to OKLab (https://bottosson.github.io/posts/oklab/)."""
    levels = colours / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    cones = linear @ np.array(
        [
            [0.4122214708, 0.2119034982, 0.0883024619],
            [0.5363325363, 0.6806995451, 0.2817188376],
            [0.0514459929, 0.1073969566, 0.6299787005],
        ]
    )
    lab: npt.NDArray[np.float64] = np.cbrt(cones) @ np.array(
        [
            [0.2104542553, 1.9779984951, 0.0259040371],
            [0.7936177850, -2.4285922050, 0.7827717662],
            [-0.0040720468, 0.4505937099, -0.8086757660],
        ]
    )
    return lab
