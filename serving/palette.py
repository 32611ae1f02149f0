"""Colours and patterns of the classes, the same in every image and on every page."""

from pathlib import Path

from data.config import IGNORE

THEME_FILE = Path(__file__).parent / "theme.css"
"""CSS file with the colours of all HTML pages and the patterns of the classes."""
# Okabe and Ito's colours, which people with any kind of colour vision can tell apart
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
    """Returns the RGB colour of a class, each value in 0..255; grey for ignored pixels."""
    return _IGNORED if class_id == IGNORE else _COLOURS[class_id % len(_COLOURS)]


def pattern(class_id: int) -> int:
    """Returns the pattern of a class: 0 plain, 1 rising, 2 falling, or 3 horizontal stripes."""
    return class_id % 4
