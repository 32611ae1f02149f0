"""Class colours and patterns, the same in every image and on every HTML page."""

from pathlib import Path

from data.config import IGNORE

THEME_FILE = Path(__file__).parent / "theme.css"
"""CSS file with the colours of all HTML pages and the patterns that mark the classes."""
# Okabe and Ito's palette, whose colours people with any type of colour vision can tell apart
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


def colour(class_id: int) -> tuple[int, int, int]:
    """Returns the RGB colour of a class, with values in 0..255; ignored pixels are grey."""
    return _IGNORED if class_id == IGNORE else _COLOURS[class_id % len(_COLOURS)]


def pattern(class_id: int) -> int:
    """Returns the stripe pattern of a class.

    Returns:
      0 for no stripes; 1, 2 or 3 for rising, falling or horizontal stripes.
    """
    return class_id % 4
