"""Decides on the classes by the pixel values of masks, and by a tool's table of their names."""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from data.config import IGNORE, OTHER
from data.errors import InputError
from pipeline.planning.class_names import NamedClasses
from pipeline.planning.decision import Decision
from pipeline.planning.survey import Survey

_FEW = 8  # with at most so many values, masks are taken for masks of classes
_MANY = 30  # with more values, masks of numbers without gaps are taken for ids of objects
_MOST_CLASSES = IGNORE
_MOST_SHOWN = 6  # values in a message
_MOST = 0.8  # share of the masks that is called most
_MOST_IN_A_MASK = 100  # classes in one mask; a photograph has more values
_EDGES = 0.001  # share of a mask below which a value, typically, comes from smoothed edges
_DOMINATES = 10  # times the typical share: black or white of a smoothed mask

Values = Mapping[int | str, int]
"""Number of pixels with each value of a mask."""


def plan_classes(seen: Survey, named: NamedClasses | None) -> tuple[dict[str, Any], Decision]:
    """Decides on `classes` and `mask_values`.

    Args:
      seen: Values in the masks.
      named: Names of classes from a tool's table; None if there is none.

    Returns:
      The keys of the `data` section of the config, and the decision.

    Raises:
      InputError: The masks do not hold classes.
    """
    values = sorted(seen.values, key=lambda value: (isinstance(value, str), value))
    shown = _shown(seen.values, values)
    ignored = values[-1] == IGNORE and len(values) > 2 and not _are_levels(values)
    labels = values[:-1] if ignored else values
    if len(labels) < 2:
        raise InputError(
            f"the masks hold a single value, {labels[0]}, so there is nothing to learn. Are these "
            "the masks?"
        )
    if named is not None:
        unnamed = [value for value in labels if value not in {*named.names, *named.ignored}]
        if not unnamed:
            return _named([each for each in labels if each in named.names], named, shown)
        shown += f"; {named.table} does not name {unnamed[0]}"
    kind = _kind(seen.masks, labels, ignored=ignored)
    if kind == "smoothed":
        raise InputError(
            f"the masks hold {len(labels)} values ({shown}), which look like a photograph or a "
            "smoothed mask, not like classes. Export the masks again without anti-aliasing. If "
            "they are classes, name them in a file classes.txt there, one in each line from 0."
        )
    return _objects(shown) if kind == "objects" else _numbered(labels, shown, ignored=ignored)


def _are_levels(values: Sequence[int | str]) -> bool:
    """Returns whether a few values are grey levels at equal distances, such as 0, 128 and 255."""
    step = IGNORE / (len(values) - 1)
    return len(values) <= _FEW and all(
        isinstance(value, int) and abs(value - number * step) < 1
        for number, value in enumerate(values)
    )


def _shown(counts: Values, values: Sequence[int | str]) -> str:
    total = sum(counts.values())
    shown = ", ".join(f"{value} ({counts[value] / total:.1%})" for value in values[:_MOST_SHOWN])
    more = len(values) - _MOST_SHOWN
    return shown + (f" and {more} more" if more > 0 else "")


def _named(
    labels: Sequence[int | str], named: NamedClasses, shown: str
) -> tuple[dict[str, Any], Decision]:
    by_colour = isinstance(labels[0], str)
    names = {
        value: name for value, name in named.names.items() if isinstance(value, str) == by_colour
    }
    part: dict[str, Any] = {"classes": list(dict.fromkeys(names.values()))}
    if [*names] != [*range(len(part["classes"]))]:
        part["mask_values"] = f"from {named.table}"
    unused = len(names) - len(labels)
    more = f"; {unused} of them do not occur in the masks that were read" if unused else ""
    decided = f"{len(part['classes'])} classes, named by {named.table}{more}"
    return part, Decision("classes", f"values {shown}", decided)


def _kind(
    masks: Sequence[Values], labels: Sequence[int | str], *, ignored: bool
) -> Literal["classes", "objects", "smoothed"]:
    """Returns what the values of masks are.

    Ids of objects begin at 0 in each mask and leave out few numbers, or belong to a single mask.
    Classes recur, and a mask has only some of them.
    """
    if len(labels) <= _FEW:
        return "classes"
    if all(isinstance(value, int) for value in labels) and not _black_and_white(masks, ignored):
        without_gaps = [len(values) for values in masks if _has_few_gaps(values)]
        if len(without_gaps) > _MOST * len(masks) and (
            len(labels) > _MANY or len({*without_gaps}) > 2
        ):
            return "objects"
        occurrences = Counter(value for values in masks for value in values)
        once = sum(occurrences[value] == 1 for value in labels)
        if len(labels) > _MANY and len(masks) > 2 and once > _MOST * len(labels):
            return "objects"
    if len(labels) <= _MANY:
        return "classes"
    many = len(labels) > _MOST_CLASSES or statistics.median(map(len, masks)) > _MOST_IN_A_MASK
    return "smoothed" if many or _typical_share(masks) < _EDGES else "classes"


def _has_few_gaps(values: Values) -> bool:
    numbers = [value for value in values if isinstance(value, int)]
    return min(numbers) <= 1 and max(numbers) < 1.25 * len(numbers)


def _black_and_white(masks: Sequence[Values], ignored: bool) -> bool:
    """Returns whether masks look like smoothed masks of 0 and 255."""
    white = [values[IGNORE] / sum(values.values()) for values in masks if IGNORE in values]
    typical = _typical_share(masks)
    return ignored and bool(white) and statistics.mean(white) > _DOMINATES * typical


def _typical_share(masks: Sequence[Values]) -> float:
    """Returns the median over all values of the share in the masks in which a value occurs."""
    shares: dict[int | str, list[float]] = {}
    for values in masks:
        total = sum(values.values())
        for value, count in values.items():
            shares.setdefault(value, []).append(count / total)
    return statistics.median(statistics.mean(each) for each in shares.values())


def _objects(shown: str) -> tuple[dict[str, Any], Decision]:
    part = {
        "classes": ["background", "object"],
        "mask_values": {0: "background", OTHER: "object"},
    }
    decided = (
        "every value but 0 is object: rename it. If the values are classes, name them in a file "
        "classes.txt there, one in each line from 0, and start init again"
    )
    return part, Decision("classes", f"values {shown}: ids of objects (instance masks)", decided)


def _numbered(
    labels: Sequence[int | str], shown: str, *, ignored: bool
) -> tuple[dict[str, Any], Decision]:
    values = list(labels)
    last = values[-1]
    if isinstance(last, int) and last < min(_MOST_CLASSES, 2 * len(values)) and len(values) > _FEW:
        values = [*range(last + 1)]  # some classes do not occur in the masks that were read
    names = ["background", "object"] if len(values) == 2 else []
    names = names or [f"class_{number}" for number in range(len(values))]
    part: dict[str, Any] = {"classes": names}
    if values != list(range(len(values))):
        part["mask_values"] = dict(zip(values, names, strict=True))
    decided = f"{', '.join(names[:4])}{', …' if len(names) > 4 else ''}: rename them"
    decided += f"; {IGNORE} is ignored" if ignored else ""
    if len(values) > _FEW:
        decided += f" ({len(names)} classes)"
    return part, Decision("classes", f"values {shown}", decided)
