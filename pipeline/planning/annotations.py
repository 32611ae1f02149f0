"""Recognises annotations in the JSON formats of COCO and labelme, and names their classes."""

import contextlib
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from data.class_names import class_key, fault_of_name
from data.config import SplitName
from data.config.class_tables import LABELME_BACKGROUND
from data.errors import InputError, listed
from data.sources.annotations.json_files import read_json
from data.sources.split_names import split_of

_MOST_FILES = 5000  # JSON files that are looked at
_BACKGROUND = "background"
_NOT_CLASSES = (LABELME_BACKGROUND, "__ignore__", _BACKGROUND)  # labels with a meaning of their own


class Annotations(NamedTuple):
    """A way to read annotations.

    Attributes:
      source: The `data.source` section of the config, without defaults.
      classes: Names of the classes, with the background first.
      description: Kind and number of the files, in words.
    """

    source: dict[str, Any]
    classes: list[str]
    description: str


def find_annotations(folder: Path) -> Iterator[Annotations]:
    """Finds annotations in a folder and its sub-folders.

    Args:
      folder: Folder with the data.

    Yields:
      A source of the kind `coco` and one of the kind `labelme`, if there are such files.
    """
    coco: dict[Path, Mapping[str, Any]] = {}
    labels: Counter[str] = Counter()
    labelme = 0
    for path in itertools.islice(sorted(folder.rglob("*.json")), _MOST_FILES):
        content = _read(path)
        if isinstance(content.get("shapes"), list) and "imagePath" in content:
            labelme += 1
            labels.update(map(str, _values(content["shapes"], "label")))
        elif all(isinstance(content.get(key), list) for key in ("images", "categories")) and (
            any(_values(content.get("annotations"), "category_id"))
        ):
            coco[path] = content
    if coco:
        yield _coco(folder, coco)
    if labelme:
        classes, others = _classes(sorted(labels))
        source = {"kind": "labelme", "path": str(folder)} | others
        yield Annotations(source, classes, f"{labelme} JSON files of labelme{_renamed(others)}")


def _read(path: Path) -> Mapping[str, Any]:
    with contextlib.suppress(InputError):
        return read_json(str(path))
    return {}


def _values(objects: Any, key: str) -> list[Any]:
    rows = objects if isinstance(objects, list) else []
    return [row[key] for row in rows if isinstance(row, dict) and row.get(key) is not None]


def _classes(names: Iterable[str]) -> tuple[list[str], dict[str, Any]]:
    """Returns names of classes, and the source's key for categories that need another name."""
    usable: dict[str, str] = {}
    categories: dict[str, str] = {}
    for number, name in enumerate(names, 1):
        if fault_of_name(name.strip()):
            categories[name] = usable[name] = f"class_{number}"
        elif name.strip() not in _NOT_CLASSES:
            usable[class_key(name)] = name.strip()
    return [_BACKGROUND, *usable.values()], {"categories": categories} if categories else {}


def _renamed(others: Mapping[str, Any]) -> str:
    names = listed(others.get("categories", {}), 3)
    return f"; {names} cannot be the name of a class" if names else ""


def _coco(folder: Path, found: Mapping[Path, Mapping[str, Any]]) -> Annotations:
    files = _of_splits(folder, list(found)) or {None: next(iter(found))}
    contents = [found[path] for path in files.values()]
    names = {path: path.relative_to(folder).as_posix() for path in files.values()}
    images = {split: _images(folder, path, found[path], split) for split, path in files.items()}
    source: dict[str, Any] = {"kind": "coco", "path": str(folder)}
    source |= _keys("annotations", {split: names[path] for split, path in files.items()})
    if any(name is not None for name in images.values()):
        source |= _keys("images", images)
    crowds = [_values(content["annotations"], "iscrowd") for content in contents]
    if all(itertools.chain(*crowds)) and any(crowds):
        source["crowd"] = "draw"  # CVAT writes the masks of its brush as crowds
    description = f"COCO JSON: {', '.join(names.values())}"
    classes, others = _classes(_used_categories(contents))
    return Annotations(source | others, classes, description + _renamed(others))


def _keys(key: str, of_splits: Mapping[SplitName | None, Any]) -> dict[str, Any]:
    values = list(of_splits.values())
    single = None in of_splits or (key == "images" and len(set(values)) == 1)
    return {key: values[0] if single else dict(of_splits)}


def _of_splits(folder: Path, paths: Sequence[Path]) -> dict[SplitName | None, Path]:
    """Returns the file of each split, if names of files or folders say which one it is."""
    files: dict[SplitName | None, Path] = {}
    for path in paths:
        for split in splits_named(str(path.relative_to(folder))):
            files.setdefault(split, path)
    return files


def _used_categories(contents: Iterable[Mapping[str, Any]]) -> list[str]:
    names: dict[str, None] = {}
    for content in contents:
        used = {str(each) for each in _values(content["annotations"], "category_id")}
        rows = [row for row in content["categories"] if isinstance(row, dict)]
        names |= dict.fromkeys(str(row.get("name")) for row in rows if str(row.get("id")) in used)
    return list(names)


def _images(
    folder: Path, path: Path, content: Mapping[str, Any], split: SplitName | None
) -> str | None:
    """Returns the folder of the images; None if it is that of the JSON file."""
    name = str(next(iter(_values(content["images"], "file_name")), "")).replace("\\", "/")
    below = sorted(each for each in folder.glob("*/") if each.is_dir())
    below += itertools.chain(*(sorted(each.glob("*/")) for each in below))
    # Images of several splits may have the same names.
    below.sort(key=lambda each: split not in splits_named(each.name))
    for each in (path.parent, *below, folder):
        if (each / name).is_file():
            return None if each == path.parent else each.relative_to(folder).as_posix()
    return None


def splits_named(path: str) -> list[SplitName]:
    """Returns the splits whose names are words in a path, such as `train_images`."""
    splits = map(split_of, re.findall("[a-z]+", path.lower()))
    return [split for split in splits if split is not None]
