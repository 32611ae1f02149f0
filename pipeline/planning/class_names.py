"""Reads the names of the classes from the tables that annotation tools write beside masks."""

import csv
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from data.class_names import class_key, fault_of_name

_TABLES = ("labelmap.txt", "_classes.csv", "classes.txt", "class_names.txt", "obj.names")


class NamedClasses(NamedTuple):
    """Names of classes by pixel value.

    Attributes:
      names: Name of each number or colour (`#ff8000`).
      table: Path of the table.
    """

    names: Mapping[int | str, str]
    table: Path


def find_class_names(folder: Path) -> NamedClasses | None:
    """Finds the first table with names of classes in a folder and its sub-folders.

    The tables are `labelmap.txt` (CVAT: `name:red,green,blue::`), `_classes.csv` (Roboflow: pixel
    value and name), and lists with one name per line, in the order of the class ids.

    Args:
      folder: Folder with the data.
    """
    for name in _TABLES:
        for table in sorted(folder.rglob(name))[:1]:
            names = _READERS.get(name, _read_list)(table.read_text(errors="replace"))
            if len(names) > 1:
                return NamedClasses(_usable(names), table)
    return None


def _usable(names: Mapping[int | str, str]) -> dict[int | str, str]:
    """Replaces names that a config cannot have: a name for each value stays."""
    usable = {value: name.strip() for value, name in names.items()}
    for number, (value, name) in enumerate(usable.items()):
        others = [other for other in usable.values() if other != name]
        if fault_of_name(name) or class_key(name) in map(class_key, others):
            usable[value] = f"class_{number}"
    return usable


def _read_labelmap(text: str) -> dict[int | str, str]:
    rows = re.findall(r"^([^#:\n][^:\n]*):(\d+),(\d+),(\d+):", text, re.M)
    return {f"#{int(r):02x}{int(g):02x}{int(b):02x}": name for name, r, g, b in rows}


def _read_classes_csv(text: str) -> dict[int | str, str]:
    rows = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines())]
    return {int(row[0]): row[1] for row in rows if len(row) == 2 and row[0].isdecimal()}


def _read_list(text: str) -> dict[int | str, str]:
    return dict(enumerate(line for line in text.splitlines() if line.strip()))


_READERS = {"labelmap.txt": _read_labelmap, "_classes.csv": _read_classes_csv}
