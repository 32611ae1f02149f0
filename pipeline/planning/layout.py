"""Recognises how the images and masks in a folder are arranged."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from data.config import DataConfig
from data.errors import InputError
from data.listing.pairs import Found, find_pairs
from data.sources.pattern_advice import patterns_for
from data.sources.split_names import split_of
from data.sources.tables import column_names
from pipeline.planning.annotations import find_annotations
from pipeline.planning.class_files import find_class_files, find_folders_of_objects

_IMAGES = ("images", "image", "imgs", "img", "jpegimages", "photos", "inputs", "x")
_MASKS = (
    *("masks", "mask", "labels", "label", "annotations", "gt", "groundtruth", "ground_truth"),
    *("segmentationclass", "targets", "segmentation", "y"),
)
_ENDS = ("_mask", "-mask", "_label", "_labels", "_gt", "_seg", "_segmentation", "_L", "_labelIds")
_TABLES = (".csv", ".tsv", ".jsonl")
_IMAGE_COLUMNS, _MASK_COLUMNS = ("image", "images", "img", "file"), ("mask", "masks", "label")


class Layout(NamedTuple):
    """A way to read a folder.

    Attributes:
      source: The `data.source` section of the config, without defaults.
      found: The pairs and the problems that this source finds.
      description: Arrangement of the files, in words.
      classes: Names of the classes, if the source makes the masks from other files; else empty.
    """

    source: dict[str, Any]
    found: Found
    description: str
    classes: list[str]


def find_layout(folder: Path, scratch: str) -> Layout:
    """Finds the source with the most pairs among the usual arrangements.

    The arrangements are a table with paths, sub-folders for images and masks, perhaps in split
    folders, images and masks in one folder with names that tell them apart, mask files for each
    class or object, and annotations in the JSON formats of COCO and labelme.

    Args:
      folder: Folder with the data.
      scratch: Folder for masks that are made from other files.

    Raises:
      InputError: There is no such folder, or none of the arrangements has pairs.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder.")
    layouts = [*_layouts(folder), *_made_masks(folder, scratch)]
    best = max(layouts, key=lambda layout: len(layout.found.pairs), default=None)
    if best is None or not best.found.pairs:
        for source, classes, _ in find_annotations(folder):
            _find(source, classes, scratch)  # says what is wrong with the annotations
        raise InputError(
            f"{folder}: no pairs of images and masks found. Expected sub-folders such as images "
            "and masks, perhaps within train, val and test; or names such as 1.png and 1_mask.png "
            "in one folder; or a table (.csv, .jsonl) with the columns image and mask; or JSON "
            "files of COCO or labelme. For other arrangements, write a config by hand "
            "(docs/data.md)."
        )
    return best


def _layouts(folder: Path) -> Iterator[Layout]:
    """Yields the arrangements that the folder may have, in the order of preference."""
    for table in sorted(path for end in _TABLES for path in folder.glob(f"*{end}")):
        yield from _tables(table)
    names = sorted(path.name for path in folder.iterdir() if path.is_dir())
    splits = [name for name in names if split_of(name)]
    for inner in {name.name for split in splits for name in (folder / split).iterdir()}:
        if inner.lower() in _IMAGES:
            for masks in (each.name for each in (folder / splits[0]).iterdir()):
                if masks.lower() in _MASKS:
                    source = _folder(folder, inner, masks) | {"split_folders": True}
                    yield from _with_patterns(source, f"{{{','.join(splits)}}}/{{{inner},{masks}}}")
    for images in (name for name in names if name.lower() in _IMAGES):
        for masks in (name for name in names if name.lower() in _MASKS):
            source = _folder(folder, images, masks)
            if any(split_of(path.name) for path in (folder / images).iterdir() if path.is_dir()):
                splits_below = source | {"split_folders": True}
                yield from _layout(splits_below, f"{{{images},{masks}}}/{{train,…}}")
            yield from _with_patterns(source, f"{images}/ and {masks}/")
    for end in _ENDS:
        source = _folder(folder, ".", ".") | {"mask_pattern": f"*{end}"}
        where = f"images and masks (*{end}) in one folder"
        if splits:
            each_split = f"{where} for each of {', '.join(splits)}"
            yield from _layout(source | {"split_folders": True}, each_split)
        yield from _layout(source, where)


def _made_masks(folder: Path, scratch: str) -> Iterator[Layout]:
    """Yields the arrangements whose masks are made from other files."""
    names = [path.name for path in folder.iterdir() if path.is_dir()]
    for images in (name for name in names if name.lower() in _IMAGES):
        for masks in (name for name in names if name.lower() in _MASKS):
            for files in find_class_files(folder / images, folder / masks):
                source = _folder(folder, images, masks) | files.source
                yield from _layout(source, files.description, files.classes, scratch)
    for files in find_class_files(folder, folder):
        source = _folder(folder, ".", ".") | files.source
        yield from _layout(source, files.description, files.classes, scratch)
    for files in find_folders_of_objects(folder):
        source = _folder(folder, ".", ".") | files.source
        yield from _layout(source, files.description, files.classes, scratch)
    for source, classes, description in find_annotations(folder):
        yield from _layout(source, description, classes, scratch)


def _tables(table: Path) -> Iterator[Layout]:
    try:
        columns = column_names(str(table))
    except InputError:
        return
    by_lower = {name.lower(): name for name in columns}
    image = next((by_lower[name] for name in _IMAGE_COLUMNS if name in by_lower), None)
    mask = next((by_lower[name] for name in _MASK_COLUMNS if name in by_lower), None)
    if image and mask:
        source = {"kind": "manifest", "path": str(table)}
        source |= {key: name for key, name in (("image", image), ("mask", mask)) if key != name}
        yield from _layout(source, f"the table {table.name}, columns {image} and {mask}")


def _folder(folder: Path, images: str, masks: str) -> dict[str, Any]:
    source = {"kind": "folder", "path": str(folder)}
    if (images, masks) != ("images", "masks"):
        source |= {"images": images, "masks": masks}
    return source


def _with_patterns(source: dict[str, Any], where: str) -> Iterator[Layout]:
    """Yields the layout of a source, and one with name patterns if many files have no partner."""
    for layout in _layout(source, where):
        yield layout
        problems = layout.found.problems
        if len(problems) <= len(layout.found.pairs):
            continue
        lonely = [problem for problem in problems if problem.kind == "unpaired"]
        patterns = patterns_for(
            [each.file for each in lonely if each.reason.startswith("no mask")],
            [each.file for each in lonely if each.reason.startswith("no image")],
        )
        if patterns:
            names = " and ".join(patterns.values())
            yield from _layout(source | patterns, f"{where}, names {names}")


def _layout(
    source: dict[str, Any], description: str, classes: Sequence[str] = (), scratch: str = ""
) -> Iterator[Layout]:
    """Yields the layout of a source, unless the source cannot be read."""
    try:
        found = _find(source, classes, scratch)
    except (InputError, ValidationError):
        return
    yield Layout(source, found, description, [*classes])


def _find(source: dict[str, Any], classes: Sequence[str], scratch: str) -> Found:
    data = DataConfig.model_validate({"source": source, "classes": [*classes] or ["a", "b"]})
    return find_pairs(data, name="data", folder=scratch)
