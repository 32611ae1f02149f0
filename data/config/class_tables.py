"""Reads the tables of annotation tools that name the class of each pixel value in a mask."""

import csv
import json
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn

from data.errors import InputError, one_line
from data.files.reading import read_text

ClassOfValue = dict[int | str, str]
"""Name of the class of each pixel value: numbers, or colours (`#ff8000`)."""

VOC = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat"),
    *("chair", "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant"),
    *("sheep", "sofa", "train", "tvmonitor"),
)
"""Classes of Pascal VOC, in the order of their ids."""
VOC_BORDER = "#e0e0c0"
"""Colour of the borders of objects in Pascal VOC, which are ignored: the colour of the id 255."""
LABELME_BACKGROUND = "_background_"
"""Name of the background in labelme and its exports."""
_VALUES = 65536
_LABEL = re.compile(r"(?P<name>.+?):(?P<colour>\s*\d+\s*,\s*\d+\s*,\s*\d+\s*)(?::.*)?")


def read_class_table(path: str) -> ClassOfValue:
    """Reads a table of pixel values and classes.

    The tables are `labelmap.txt` (CVAT: `name:red,green,blue:parts:actions`), `_classes.csv`
    (Roboflow: pixel value and name), `obj_class_to_machine_color.json` (Supervisely: name and
    colour), and lists with one name per line, in the order of the class ids (`classes.txt`).

    Args:
      path: Path of the table, local or remote; its suffix and its content tell the format.

    Returns:
      The name of the class of each value, in the order of the table. Names are as in the table.

    Raises:
      InputError: The table cannot be read, or a line of it is not as expected.
    """
    text = read_text(path)
    suffix = posixpath.splitext(path)[1].lower()
    if suffix == ".json":
        rows = _read_machine_colours(text, path)
    elif suffix == ".csv":
        rows = _read_classes_csv(text, path)
    else:
        lines = [(i, line.strip()) for i, line in enumerate(text.splitlines(), 1) if line.strip()]
        labels = [(i, line) for i, line in lines if not line.startswith("#")]
        is_labelmap = any(":" in line for _, line in labels)
        rows = _read_labelmap(labels, path) if is_labelmap else _read_list(labels)
    classes: ClassOfValue = {}
    for place, value, name in rows:
        if value in classes and classes[value] != name:
            _refuse(place, f"the value {value} of {classes[value]!r} is given to {name!r}, too")
        classes[value] = name
    if not classes:
        raise InputError(f"{path}: names no class. Expected a table such as CVAT's labelmap.txt.")
    return classes


def voc_values() -> ClassOfValue:
    """Returns the class of each colour of Pascal VOC's colour map.

    The bits of the class id become the bits of red, green and blue in turn, from the highest. This
    is the colour map of the VOC development kit (`VOCcode/VOClabelcolormap.m`).
    """
    return {_voc_colour(class_id): name for class_id, name in enumerate(VOC)}


def _voc_colour(class_id: int) -> str:
    channels = [0, 0, 0]
    for bit in range(8):
        for channel in range(3):
            channels[channel] |= (class_id >> (3 * bit + channel) & 1) << (7 - bit)
    return _colour(channels)


def _colour(channels: Iterable[int]) -> str:
    return f"#{bytes(channels).hex()}"


_Rows = Iterator[tuple[str, int | str, str]]  # place, value, name
_Lines = Iterable[tuple[int, str]]


def _read_labelmap(lines: _Lines, path: str) -> _Rows:
    for number, line in lines:
        match = _LABEL.fullmatch(line)
        channels = [int(text) for text in match["colour"].split(",")] if match else []
        if match is None or max(channels) > 255:
            _refuse(
                f"{path}:{number}",
                f"expected name:red,green,blue:parts:actions with colours from 0 to 255, found "
                f"{one_line(line, 80)!r}",
            )
        yield f"{path}:{number}", _colour(channels), match["name"].strip()


def _read_classes_csv(text: str, path: str) -> _Rows:
    try:
        reader = csv.reader(text.splitlines(), strict=True, skipinitialspace=True)
        rows = [[*map(str.strip, row)] for row in reader]
    except csv.Error as error:
        _refuse(path, f"not CSV ({error})")
    for number, row in enumerate(rows, 1):
        if number == 1 and row and not row[0].isdecimal():
            continue  # the header: Pixel Value, Class
        if not any(row):
            continue
        is_value = len(row) == 2 and row[0].isdecimal() and len(row[0]) < 6
        if not is_value or not row[1] or int(row[0]) >= _VALUES:
            _refuse(f"{path}:{number}", f"expected a pixel value and a class, found {row[:4]}")
        yield f"{path}:{number}", int(row[0]), row[1]


def _read_machine_colours(text: str, path: str) -> _Rows:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        _refuse(path, f"not JSON ({one_line(error)})")
    if not isinstance(content, dict) or not all(map(_is_colour, content.values())):
        _refuse(path, "expected a colour [red, green, blue] for each class, from 0 to 255")
    # Grey masks are read as numbers, and background, which Supervisely does not list, is 0.
    grey = all(len(set(colour)) == 1 for colour in content.values())
    value: Callable[[list[int]], int | str] = (lambda each: each[0]) if grey else _colour
    zero = value([0, 0, 0])
    if zero not in map(value, content.values()) and "background" not in content:
        yield path, zero, "background"
    yield from ((path, value(colour), name) for name, colour in content.items())


def _is_colour(colour: Any) -> bool:
    return (
        isinstance(colour, list)
        and len(colour) == 3
        and all(type(channel) is int and 0 <= channel <= 255 for channel in colour)
    )


def _read_list(lines: _Lines) -> _Rows:
    for class_id, (_, name) in enumerate(lines):
        yield "", class_id, "background" if name == LABELME_BACKGROUND else name


def _refuse(place: str, fault: str) -> NoReturn:
    raise InputError(f"{place}: {fault}. Correct the table, or give the values in the config.")
