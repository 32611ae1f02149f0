"""Colours and patterns of the classes, the same in every picture."""

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


def colour(class_id: int) -> tuple[int, int, int]:
    """RGB of a class in every picture."""
    return _IGNORED if class_id == IGNORE else _COLOURS[class_id % len(_COLOURS)]


def pattern(class_id: int) -> int:
    """Number of a class's pattern in `layer`: 0 plain, 1 rising, 2 falling, 3 level stripes."""
    return class_id % 4
