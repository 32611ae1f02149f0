"""Finds the names of the classes in the tables that annotation tools write beside masks."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from data.class_names import class_key, fault_of_name
from data.config import IGNORE
from data.config.class_tables import VOC, VOC_BORDER, read_class_table, voc_values
from data.errors import InputError

_TABLES = (
    "labelmap.txt",
    "_classes.csv",
    "obj_class_to_machine_color.json",
    "classes.txt",
    "class_names.txt",
    "obj.names",
)


class NamedClasses(NamedTuple):
    """Names of classes by pixel value.

    Attributes:
      names: Name of each number or colour (`#ff8000`).
      table: Path of the table, relative to the folder with the data; or `voc`.
      ignored: Pixel values that mean that the pixel is ignored.
    """

    names: Mapping[int | str, str]
    table: str
    ignored: frozenset[int | str] = frozenset()


def find_class_names(folder: Path) -> NamedClasses | None:
    """Finds the first table with names of classes in a folder and its sub-folders.

    Args:
      folder: Folder with the data.

    Returns:
      The names (see `data.config.class_tables`); those of Pascal VOC if the masks are in a folder
      called `SegmentationClass`; otherwise None.
    """
    for name in _TABLES:
        for table in sorted(folder.rglob(name))[:1]:
            with contextlib.suppress(InputError):
                names = read_class_table(str(table))
                if len(names) > 1:
                    return NamedClasses(_usable(names), str(table.relative_to(folder)))
    if any(folder.glob("SegmentationClass")):
        ids: dict[int | str, str] = dict(enumerate(VOC))
        return NamedClasses(ids | voc_values(), "voc", frozenset({IGNORE, VOC_BORDER}))
    return None


def _usable(names: Mapping[int | str, str]) -> dict[int | str, str]:
    """Replaces names that a config cannot have: a name for each value stays."""
    usable = {value: name.strip() for value, name in names.items()}
    for number, (value, name) in enumerate(usable.items()):
        others = [other for other in usable.values() if other != name]
        if fault_of_name(name) or class_key(name) in map(class_key, others):
            usable[value] = f"class_{number}"
    return usable
