"""Recognises mask files of single classes or objects by their names."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from data.class_names import fault_of_name
from data.sources.image_suffixes import without_image_suffix

_SHARE = 0.8  # share of the files that have to match
_MOST_CLASSES = 60
_OBJECTS = ["background", "object"]


class ClassFiles(NamedTuple):
    """A way to read mask files of single classes or objects.

    Attributes:
      source: Keys of the `data.source` section of the config, without `kind` and `path`.
      classes: Names of the classes, with the background first.
      description: Arrangement of the files, in words.
    """

    source: dict[str, Any]
    classes: list[str]
    description: str


def find_class_files(images: Path, masks: Path) -> Iterator[ClassFiles]:
    """Finds names such as `1_cell.png`, and folders such as `1/07.png`, for images such as `1.png`.

    Args:
      images: Folder of the images.
      masks: Folder of the masks.
    """
    stems = {without_image_suffix(path.name) for path in images.iterdir() if path.is_file()}
    names = [without_image_suffix(path.name) for path in masks.iterdir() if path.is_file()]
    folders = [path.name for path in masks.iterdir() if path.is_dir()]
    if folders and len(stems & set(folders)) >= _SHARE * len(folders):
        source = {"mask_pattern": "*/{name}"}
        yield ClassFiles(source, _OBJECTS, f"files of objects in {masks.name}/<image>/")
    of_classes = [path for path in masks.iterdir() if path.is_dir() and _are_masks(path, stems)]
    if len(of_classes) == len(folders) > 1 and not any(map(fault_of_name, folders)):
        classes = sorted(name for name in folders if name != "background")
        shown = f"a folder for each class ({masks.name}/{classes[0]}/)"
        yield ClassFiles({"mask_pattern": "{class}/*"}, ["background", *classes], shown)
    if images != masks:
        stems -= set(names)  # these have a mask of their own name
    yield from _by_ends(stems, names)


def find_folders_of_objects(folder: Path) -> Iterator[ClassFiles]:
    """Finds a folder for each image, with the sub-folders `images` and `masks`.

    Args:
      folder: Folder with the data.
    """
    below = [path for path in folder.iterdir() if path.is_dir()]
    both = [path for path in below if (path / "images").is_dir() and (path / "masks").is_dir()]
    if len(both) > 1 and len(both) >= _SHARE * len(below):
        patterns = {"image_pattern": "*/images/{name}", "mask_pattern": "*/masks/{name}"}
        source = {"images": ".", "masks": "."} | patterns
        yield ClassFiles(source, _OBJECTS, "a folder for each image, with files of objects")


def _are_masks(folder: Path, stems: set[str]) -> bool:
    """Returns whether most files in a folder are called like an image."""
    names = [without_image_suffix(path.name) for path in folder.iterdir()]
    return bool(names) and len(stems & set(names)) >= _SHARE * len(names)


def _by_ends(stems: set[str], names: list[str]) -> Iterator[ClassFiles]:
    ends: dict[str, Counter[str]] = defaultdict(Counter)
    with_masks = set()
    for name in names:
        for place in (match.start() for match in re.finditer("[-_.]", name)):
            if name[:place] in stems:
                with_masks.add(name[:place])
                ends[name[place]][name[place + 1 :]] += 1
    masks = set(names) - with_masks  # images and masks may be in one folder
    for mark, found in ends.items():
        if found.total() < _SHARE * len(masks) or len(found) < 2:
            continue
        if len(found) <= _MOST_CLASSES and all(re.search("[A-Za-z]", end) for end in found):
            classes = sorted(end for end in found if end != "background" and not fault_of_name(end))
            source = {"mask_pattern": f"*{mark}{{class}}"}
            shown = f"a file for each class (*{mark}{classes[0] if classes else ''})"
            yield ClassFiles(source, ["background", *classes], shown)
        elif len(with_masks) < len(masks):
            source = {"mask_pattern": f"*{mark}{{name}}"}
            yield ClassFiles(source, _OBJECTS, f"a file for each object (*{mark}…)")
