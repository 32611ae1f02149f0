"""Advice on how to change the config if its `mask_values` do not fit the masks."""

from collections.abc import Iterable, Mapping, Sequence

import yaml

from data.config import IGNORE, OTHER, DataConfig
from data.errors import listed

_MOST_COLOURS = 12  # maximum number of colours listed in a message
_USUAL_IGNORE_VALUES = (255, 65535)
_FAR_MORE = 4  # with more than 4 pixel values per class, the values are probably not labels


def advice_on_values(present: Iterable[int | str], data: DataConfig) -> str:
    """Returns advice for masks that contain pixel values without a class.

    Args:
      present: All distinct pixel values in one or more masks, as numbers or colours (`#ff8000`).
      data: The `data` section of the config, which gives no class for some of these values.

    Returns:
      One or two sentences, with the config lines to add if these can be guessed.
    """
    values = set(present)
    colours = {value for value in values if isinstance(value, str)}
    numbers = {value for value in values if isinstance(value, int)}
    if colours or data.by_colour:
        # An RGB mask in which all pixels are grey (R = G = B) is read as a mask of numbers, so the
        # numbers are converted back to colours.
        colours |= {f"#{number:02x}{number:02x}{number:02x}" for number in numbers}
        return _advice_on_colours(sorted(colours), data)
    return _advice_on_numbers(sorted(numbers), data)


def mask_values_line(classes: Sequence[str]) -> str:
    """Returns the config line that maps the pixel values 0 and 255 to the first two classes."""
    return _line({0: classes[0], 255: classes[1]})


def _advice_on_numbers(values: list[int], data: DataConfig) -> str:
    classes = data.classes
    unknown = [value for value in values if value not in data.class_of_value]
    if not data.mask_values and set(values) <= {0, 255}:
        return f"If this is a 0/255 mask, write, under data: {mask_values_line(classes)}"
    if not data.mask_values and _look_like_objects(values, data):
        line = _line({0: classes[0], OTHER: classes[1]})
        return (
            f"If the values 0 to {values[-1]} are classes, list all {values[-1] + 1} in "
            "data.classes. If each value but 0 is an object of its own (an instance mask), write, "
            f"under data: {line}"
        )
    if _look_smoothed(values, data):
        return _SMOOTHED_ADVICE
    if data.mask_values:
        return _give_each_a_class(unknown, data)
    ids = len(values) - len(unknown)
    if len(unknown) == 1 and unknown[0] in _USUAL_IGNORE_VALUES and values[:ids] == [*range(ids)]:
        return (
            f"If {unknown[0]} marks ignored pixels, write, under data: ignore_value: {unknown[0]}"
        )
    labels = [value for value in values if value != data.ignore_value]
    for candidates in (values, labels):
        if len(candidates) == len(classes):
            return _in_order(candidates, data)
    if len(labels) == len(classes) + 1 and data.ignore_value not in values:
        beyond_the_ids = labels[:-1] == [*range(len(classes))] and labels[-1] > len(classes)
        last = labels[0] or labels[-1] in _USUAL_IGNORE_VALUES or beyond_the_ids
        extra = labels[-1] if last else 0
        others = [value for value in labels if value != extra]
        line = _line(dict(zip(others, classes, strict=True)))
        return (
            f"There is one value more than classes. If {extra} marks unlabelled pixels, write, "
            f"under data: {line} and: ignore_value: {extra}"
        )
    expected = f"0 to {len(classes) - 1}, the ids of {listed(classes)}"
    return f"Expected {expected}; map other values in data.mask_values."


def _advice_on_colours(values: list[str], data: DataConfig) -> str:
    if _look_smoothed(values, data):
        return _SMOOTHED_ADVICE
    if data.by_colour:
        known = {f"#{value:06x}" for value in data.class_of_value}
        return _give_each_a_class([value for value in values if value not in known], data)
    if len(values) == len(data.classes):
        return f"Colours, not class ids. {_in_order(values, data)}"
    shown = ", ".join(values[:_MOST_COLOURS]) + (", …" if len(values) > _MOST_COLOURS else "")
    example = _line({values[0]: data.classes[0]})[:-1]
    return (
        f"Colours, not class ids: {shown}. Give each colour a class, under data: {example}, …}}; "
        "one of them may be the ignore_value."
    )


_SMOOTHED_ADVICE = (
    "Far more values than classes. If the masks were smoothed, or resized with interpolation, "
    "export them again with nearest neighbour and without anti-aliasing; otherwise list every "
    "class in data.classes."
)


def _look_like_objects(values: Sequence[int], data: DataConfig) -> bool:
    """Returns whether the values look like the ids of objects: from 0, and few are missing."""
    few_are_missing = values[0] == 0 and values[-1] < 2 * len(values)
    count = len(data.classes)
    too_many = len(values) > (count + 1 if count == 2 else _FAR_MORE * count)
    # A smoothed mask of black and white has nearly all values, too.
    return few_are_missing and too_many and values[-1] != IGNORE


def _look_smoothed(values: Sequence[int | str], data: DataConfig) -> bool:
    labels = max(len(data.classes), len(data.mask_values))
    unknown = set(values) - data.class_of_value.keys()
    # Smoothing a mask creates several values without a class. A single value without a class
    # therefore has another cause.
    between_black_and_white = (
        {0, 255} <= set(values) and len(values) > labels + 1 and len(unknown) > 1
    )
    return between_black_and_white or len(values) > _FAR_MORE * labels


def _in_order(values: Sequence[int | str], data: DataConfig) -> str:
    line = _line(dict(zip(values, data.classes, strict=True)))
    return f"If these are the classes, in this order, write, under data: {line}"


def _give_each_a_class(unknown: Sequence[int | str], data: DataConfig) -> str:
    if len(unknown) == 1 and data.ignore_value in (None, IGNORE):
        return (
            "Give it a class in data.mask_values, or, if it marks ignored pixels, write, "
            f"under data: ignore_value: {_yaml(unknown[0])}"
        )
    return "Give each a class in data.mask_values, or make it data.ignore_value."


def _line(class_of_value: Mapping[int | str, str]) -> str:
    return f"mask_values: {_yaml(dict(class_of_value))}"


def _yaml(value: object) -> str:
    text = yaml.safe_dump(
        value, default_flow_style=True, sort_keys=False, width=10**6, allow_unicode=True
    )
    return text.removesuffix("\n...\n").strip()
